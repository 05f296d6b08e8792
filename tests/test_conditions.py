"""Conditions as TOML: round trip, nearest key, types."""

from pathlib import Path

import pytest

from rnnensemble import tasks
from rnnensemble.study import toml
from rnnensemble.study.conditions import Condition, from_toml, to_toml

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
PRESETS = [*sorted(EXPERIMENTS.glob("*.toml")), EXPERIMENTS / "tiny" / "flipflop.toml"]
BASE = '[task]\nkind = "flipflop"\n'


@pytest.mark.parametrize("path", PRESETS, ids=lambda p: p.relative_to(EXPERIMENTS).as_posix())
def test_presets_load_and_round_trip(path):
    condition = from_toml(path.read_text())
    assert from_toml(to_toml(condition)) == condition
    assert from_toml(to_toml(condition)).digest == condition.digest


def test_per_network_values_and_pairs():
    text = BASE + "[training]\nlearning_rate = [1e-3, 2e-3]\nclip_norm = 1\n"
    with pytest.raises(ValueError, match="one for each of the 50 networks; got 2 numbers"):
        from_toml(text)
    training = from_toml("size = 2\n" + text).training
    assert training.learning_rate == (1e-3, 2e-3)
    assert training.clip_norm == 1.0
    delayed = from_toml('[task]\nkind = "delayed_discrimination"\ndelay = [1, 2]\n').task
    assert isinstance(delayed, tasks.DelayedDiscrimination)
    assert delayed.delay == (1, 2)


def test_digest_changes_with_any_setting():
    one, other = Condition(task=tasks.FlipFlop()), Condition(task=tasks.FlipFlop(), seed=1)
    assert one.digest != other.digest
    assert one.digest == Condition(task=tasks.FlipFlop()).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size = [", "`preset` must be TOML"),
        ("size = 3", "`task.kind` is missing"),
        ('[task]\nkind = "flipflap"', "Did you mean 'flipflop'"),
        (BASE + "n_bit = 3", "`task.n_bit` is not a setting; did you mean `task.n_bits`"),
        (BASE + "n_bits = 2.5", "`task.n_bits` must be int; got 2.5"),
        (BASE + "n_bits = true", "`task.n_bits` must be int; got True"),
        (BASE + "[trainig]\nbatch = 3", "`trainig` is not a setting; did you mean `training`"),
        (BASE + '[network]\nactivation = "elu"', "`network.activation` must be Literal"),
        (BASE + "[analysis]\ndsa = 3", "`analysis.dsa` must be a table"),
        (BASE + "[training]\nlearning_rate = 'a'", "`training.learning_rate` must be"),
    ],
)
def test_bad_presets(text, message):
    with pytest.raises(ValueError, match=message):
        from_toml(text)


def test_unknown_key_without_a_neighbor_lists_what_is_known():
    assert "known are a, b" in toml.unknown_key("zzzz", ["a", "b"])
