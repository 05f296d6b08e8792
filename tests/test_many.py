"""Sweeps of many conditions: no step's work grows with their square.

Work is counted in calls, not timed. Training and measuring are stubs: one tiny run's for all.
"""

import dataclasses
from collections import Counter

import pytest

import rnnensemble as rnne
from rnnensemble.cli import driver, groups, work
from rnnensemble.files import stages, storage
from rnnensemble.study import conditions
from rnnensemble.study.factors import Sweep, by_group, groups_of
from rnnensemble.study.selection import select
from rnnensemble.study.sweep_file import read_sweep, to_toml
from tests.test_engines import Here
from tests.test_sweep import FILE, rows_of

FACTOR = """
[[factors]]
name = "{name}"
task = "flipflop"
base = {{training = {{learning_rate = {rate}}}}}
field = "training.epoch_steps"
values = {values}
"""


def text_of(count):
    """Two factors whose levels share programs in pairs: `count` groups of two conditions."""
    base, values = FILE.read_text().partition("[[factors]]")[0], list(range(1, count + 1))
    parts = [FACTOR.format(name=f"rate{k}", rate=k * 1e-3, values=values) for k in (1, 2)]
    return base + "".join(parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One tiny run."""
    runs = tmp_path_factory.mktemp("runs")
    folder = rnne.run_sweep(FILE, runs=runs, only=["channels=1"], quiet=True)
    (path,) = (folder / "conditions").iterdir()
    return storage.load_run(path)


@pytest.fixture
def calls(run, monkeypatch):
    """How often manifests were read, conditions made from tables, and settings spelled out."""
    counted = Counter()

    def count(module, name):
        counted_one = getattr(module, name)

        def counting(*args, **options):
            counted[name] += 1
            return counted_one(*args, **options)

        monkeypatch.setattr(module, name, counting)

    for module, name in ((stages, "read_manifest"), (conditions, "from_table")):
        count(module, name)
    count(conditions, "digest_of")

    def train(recipes, **_):
        return [dataclasses.replace(run.population, recipe=recipe) for recipe in recipes]

    monkeypatch.setattr(work, "train_populations", train)
    monkeypatch.setattr(groups, "measure_degeneracy", lambda *_, **__: run.degeneracy)
    monkeypatch.setattr(groups, "measure_feature_learning", lambda *_, **__: run.features)
    for module in (groups, driver):  # whose pace is one of time: summed up at the end alone
        monkeypatch.setattr(module, "Paced", lambda *_: lambda: None)
    monkeypatch.setattr(driver, "POLL", 0.0)
    return counted


@pytest.mark.parametrize("engine", ["local", "tasks"])
def test_work_grows_with_the_conditions_and_not_with_their_square(engine, calls, tmp_path):
    found = []
    for count in (3, 9):
        calls.clear()
        works = Here() if engine == "tasks" else "local"
        folder = rnne.run_sweep(
            text_of(count), runs=tmp_path / f"{count}", engine=works, quiet=True
        )
        assert len(rows_of(folder)) == 2 * count
        rnne.run_sweep(text_of(count), runs=tmp_path / f"{count}", engine=works, quiet=True)
        found.append(dict(calls))
    few, many = found
    for name in few:  # 3 times the conditions: their square would be 9 times as much
        assert many[name] <= 3**1.5 * few[name], name


def test_a_task_is_told_its_groups_levels_alone():
    sweep = read_sweep(text_of(3))
    whole = groups_of(sweep)
    parts = by_group(sweep, whole)
    assert list(parts) == [group.name for group in whole]
    for group in whole:
        assert groups_of(read_sweep(to_toml(parts[group.name]))) == [group]
        assert [f.name for f in parts[group.name].factors] == ["rate1", "rate2"]
        assert all(
            parts[group.name].names[c.digest] == sweep.names[c.digest] for c in group.conditions
        )


def test_levels_asked_for_twice_are_there_once():
    sweep = read_sweep(text_of(3))
    asked = select(sweep, ["rate1=1,2", "rate1=2", "rate2=3"])
    assert [[level.value for level in f.levels] for f in asked.factors] == [[1.0, 2.0], [3.0]]
    with pytest.raises(ValueError, match="`factors` hold rate1 on flipflop twice"):
        Sweep(name="twice", preset="", factors=(sweep.factors[0],) * 2)


def test_networks_of_an_earlier_file_reach_a_task(calls, tmp_path, monkeypatch):
    """What is measured otherwise is not trained again on an engine either."""
    found, train = [], work.train_populations

    def spy(recipes, *, resume, **options):
        found.extend(each is not None for each in resume)
        return train(recipes, **options)

    monkeypatch.setattr(work, "train_populations", spy)
    options = {"runs": tmp_path, "engine": Here(), "quiet": True}
    text = text_of(2)
    folder = rnne.run_sweep(text, **options)
    assert found == [False] * 4
    changed = text.replace("pif = {starts = 1}", "pif = {starts = 2}")
    assert rnne.run_sweep(changed, update=True, **options) == folder
    assert found == [False] * 4 + [True] * 4
