"""Random settings and files: understood, or refused in one line; nothing else ever happens."""

import copy
import io
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnensemble.files.arrays import read_arrays
from rnnensemble.files.storage import read_preset
from rnnensemble.networks import MuPRNN, VanillaRNN
from rnnensemble.study import toml
from rnnensemble.study.conditions import Condition, as_table, from_table, from_toml, to_toml
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.tasks import FlipFlop, Sine

often = settings(max_examples=100, deadline=None, derandomize=True, database=None)
in_a_folder = settings(often, suppress_health_check=[HealthCheck.function_scoped_fixture])

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, 1, -1, 0.5, math.nan, math.inf, 1e308, 10**400]),
)
VALUES = st.recursive(
    st.one_of(NUMBERS, st.booleans(), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
CONDITIONS = [
    Condition(task=FlipFlop(), network=VanillaRNN(width=8)),
    Condition(task=Sine(), network=MuPRNN(width=8)),
]


def places(table, before=()):
    """Every key of nested tables, by the keys that lead there."""
    for key, value in table.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from places(value, (*before, key))


def put(table, place, value):
    """The table with another value at a place."""
    changed = copy.deepcopy(table)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return changed


def result_of(function, argument):
    """What a function returns, or the ValueError that it raises."""
    try:
        return function(argument), None
    except ValueError as error:
        return None, error


def in_one_line(error):
    text = str(error)
    assert text.strip()
    assert "\n" not in text
    return text


def table_of(condition):
    table = as_table(condition)
    table.pop("imports")
    return table


@often
@given(st.data())
def test_any_value_of_a_setting_is_read_back_or_refused_in_one_line(data):
    table = table_of(data.draw(st.sampled_from(CONDITIONS)))
    place = data.draw(st.sampled_from(list(places(table))))
    changed = put(table, place, data.draw(VALUES))
    condition, refusal = result_of(from_table, changed)
    if refusal is None:
        assert from_toml(to_toml(condition)) == condition
    else:
        in_one_line(refusal)


@often
@given(st.sampled_from(CONDITIONS), st.data(), st.text(min_size=1, max_size=12))
def test_any_unknown_setting_is_refused(condition, data, name):
    table = table_of(condition)
    tables = [place for place in places(table) if isinstance(_at(table, place), dict)]
    place = data.draw(st.sampled_from([(), *tables]))
    known = _at(table, place)
    if name in known or (place and name in ("kind", "import")) or (not place and name == "import"):
        return
    if from_defaults(condition, place, name):
        return
    with pytest.raises(ValueError, match="is not a setting") as error:
        from_table(put(table, (*place, name), 1))
    in_one_line(error.value)


def from_defaults(condition, place, name):
    """Whether a setting is known that the table leaves out, since its value is None."""
    value = condition
    for key in place:
        value = getattr(value, key)
    return hasattr(value, name)


def _at(table, place):
    for key in place:
        table = table[key]
    return table


@often
@given(st.text(max_size=200))
def test_any_text_of_a_sweep_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"\S") as error:
        read_sweep(text, None)
    in_one_line(error.value)


@in_a_folder
@given(content=st.binary(max_size=300))
def test_any_bytes_of_a_preset_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "preset.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\S") as error:
        read_preset(path)
    in_one_line(error.value)


def stored(suffix):
    """The bytes of a good file of arrays."""
    arrays = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    if suffix == ".safetensors":
        from safetensors.numpy import save

        return save({"a": arrays, "b": arrays})
    file = io.BytesIO()
    if suffix == ".npy":
        np.save(file, arrays)
    else:
        np.savez(file, a=arrays, b=arrays)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@in_a_folder
@given(data=st.data())
def test_any_damage_of_a_file_of_arrays_is_refused_in_one_line(tmp_path, suffix, data):
    """Or gives numbers: these formats have no digests, but for the .npz, which has."""
    content = bytearray(stored(suffix))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path / f"arrays{suffix}"
    path.write_bytes(bytes(content))
    found, refusal = result_of(read_arrays, path)
    if refusal is not None:
        assert str(path) in in_one_line(refusal)
        return
    for array in found if isinstance(found, list) else [found]:
        assert np.issubdtype(array.dtype, np.number)


PLAIN = st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=20), st.booleans())
TABLES = st.recursive(
    st.dictionaries(st.text(max_size=8), PLAIN, max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@often
@given(TABLES)
def test_what_is_written_as_toml_is_read_back(table):
    assert toml.parse(toml.write(table), "table") == table
