"""Sweep files as values: what is merged, what is shared, what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rnnensemble import DSA, Analysis, DSAGrid, VanillaRNN, tasks
from rnnensemble.study.factors import Factor, Level, Sweep, groups_of
from rnnensemble.study.selection import select
from rnnensemble.study.sweep_file import read_sweep, to_toml

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
TEXT = """
name = "mini"
[presets.small]
size = 4
network = {width = 24}
[presets.large]
size = 9
network = {width = 32}
[tasks.flip]
task = {kind = "flipflop", n_bits = 2, n_steps = 30}
[tasks.flip.large]
task = {n_steps = 60}
expected_epochs = 20
[tasks.delay]
task = {kind = "delayed_discrimination"}
[[factors]]
name = "channels"
task = "flip"
unit = "bits"
field = "task.n_bits"
values = [1, 2, 4]
[[factors]]
name = "rate"
task = ["flip", "delay"]
title = "learning rate"
base = {training = {batch = 32}}
large = {training = {max_epochs = 7}}
levels = [
    {value = 0.001},
    {value = 0.002, label = "twice", training = {learning_rate = 0.002}, large = {seed = 3}},
]
"""


def test_tables_are_merged_from_preset_to_level():
    small, large = read_sweep(TEXT), read_sweep(TEXT, "large")
    assert (small.preset, small.folder_name) == ("small", "mini-small")  # the first is the default
    assert [(f.name, f.task) for f in small.factors] == [
        ("channels", "flip"),
        ("rate", "flip"),
        ("rate", "delay"),
    ]
    channels, rate, _ = small.factors
    assert (channels.title, channels.unit, rate.title) == ("channels", "bits", "learning rate")
    assert [level.value for level in channels.levels] == [1.0, 2.0, 4.0]
    assert [level.condition.task.n_bits for level in channels.levels] == [1, 2, 4]
    assert [level.label for level in rate.levels] == ["0.001", "twice"]
    twice = rate.levels[1].condition
    assert twice.task == tasks.FlipFlop(n_bits=2, n_steps=30)
    assert (twice.network.width, twice.size, twice.seed) == (24, 4, 0)
    assert (twice.training.learning_rate, twice.training.batch) == (0.002, 32)
    twice = large.factors[1].levels[1]
    assert (twice.condition.task.n_steps, twice.condition.training.max_epochs) == (60, 7)
    assert (twice.condition.network.width, twice.condition.seed) == (32, 3)
    assert twice.expected_epochs == 20
    assert large.factors[2].levels[1].expected_epochs is None


def test_a_condition_of_two_factors_counts_once():
    text = TEXT.replace("base = {training = {batch = 32}}\n", "")
    sweep = read_sweep(text)
    assert sweep.factors[0].levels[1].condition == sweep.factors[1].levels[0].condition
    assert len(sweep.conditions) == 6  # of 3 + 2 + 2 levels
    assert sweep.networks == 24


def test_another_kind_replaces_a_table():
    text = TEXT.replace(
        "{value = 0.001}", '{value = 0.001, task = {kind = "sine", n_frequencies = 2}}'
    )
    found = read_sweep(text).factors[1].levels[0].condition.task
    assert found == tasks.Sine(n_frequencies=2)  # not n_steps = 30


def test_toml_and_digest():
    sweep = read_sweep(TEXT, "large")
    again = read_sweep(to_toml(sweep))
    assert again == sweep
    assert again.digest == sweep.digest != read_sweep(TEXT).digest
    changed = read_sweep(TEXT.replace("batch = 32", "batch = 16"), "large")
    assert changed.digest != sweep.digest
    assert read_sweep(TEXT.replace("[tasks", "\n# why\n[tasks"), "large").digest == sweep.digest


def test_select():
    sweep = read_sweep(TEXT)

    def chosen(*only):
        return [
            (f.name, f.task, *(level.value for level in f.levels))
            for f in select(sweep, only).factors
        ]

    assert select(sweep, ()) == sweep
    assert chosen("rate:delay") == [("rate", "delay", 0.001, 0.002)]
    assert chosen("rate=0.002") == [("rate", "flip", 0.002), ("rate", "delay", 0.002)]
    assert chosen("channels=1,4", "channels:flip=2") == [("channels", "flip", 1, 2, 4)]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("chanels", "did you mean `channels`"),
        ("rate:flipp", "did you mean `rate:flip`"),
        ("channels=3", "`only` channels has no level '3'; it has 1, 2, 4"),
        ("channels=x", "has no level 'x'"),
    ],
)
def test_select_refuses(only, message):
    with pytest.raises(ValueError, match=message):
        select(read_sweep(TEXT), [only])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mini"', "name = 3", "`name` must be letters"),
        ('name = "mini"', "name = ", "`sweep` must be TOML"),
        ('name = "mini"', 'nam = "mini"', "`nam` is not a setting; did you mean `name`"),
        ("n_steps = 60", "n_step = 60", "did you mean `task.n_steps`"),
        ("[presets.small]", "[presets.size]", "must not be called 'size'"),
        ("[tasks.flip.large]", "[tasks.flip.larg]", "did you mean `tasks.flip.large`"),
        ('task = "flip"', 'task = "flap"', r"`factors.channels.task` must be .*\(flip, delay\)"),
        ('task = "flip"', "task = 3", "`factors.channels.task` must be a list"),
        (
            "values = [1, 2, 4]",
            "values = [0, 2]",
            r"channels=0 on flipflop: `n_bits` must be a whole",
        ),
        ("values = [1, 2, 4]", "values = [1.5]", "`task.n_bits` must be int"),
        ("values = [1, 2, 4]", 'values = ["two"]', "`factors.channels.value` must be a number"),
        ("values = [1, 2, 4]", "values = [nan]", "`factors.channels.value` must be a number"),
        ("values = [1, 2, 4]", "values = [2, 2]", "2 and 2 have the same settings"),
        ("values = [1, 2, 4]", "values = []", "`levels` of factor channels on flip must not be"),
        ("values = [1, 2, 4]", "values = 1", "`factors.channels.values` must be a list"),
        ("values = [1, 2, 4]", "", "must have either `levels`, or `field` and `values`"),
        ('"task.n_bits"', '"task.mask"', "`task.mask` is not a setting"),
        ('"task.n_bits"', '"tsk.n_bits"', "did you mean `factors.channels=1.task`"),
        (
            '"task.n_bits"',
            '"network.width"',
            r"`analysis.dsa.rank` must be set .* ranks \[1, 2, 4\]",
        ),
        ("base = {", "base = {analysis = {dsa = {rank = 99}}, ", "`rank` must be at most"),
        ('"task.n_bits"', '"size"', "channels=1 on flipflop: `size` must be at least 2"),
        ('"task.n_bits"', '"task.n_steps"', "`n_steps` must be a whole number of at least 2"),
        ('"task.n_bits"', '"features.step_stride"', None),
        ("learning_rate = 0.002", "learning_rate = -1", "rate=twice on flipflop: `learning_rate`"),
        ('name = "rate"', 'name = "channels"', "`factors` hold channels on flip twice"),
        ("expected_epochs = 20", 'expected_epochs = "many"', "expected_epochs` must be a number"),
        ("base = {", "base = {size = 1, ", "`size` must be at least 2"),
        ("base = {", "base = {deflation = {}, ", "`deflation` needs references, which a sweep"),
        ("base = {", "bose = {", "did you mean `factors.rate.base`"),
        ("large = {seed = 3}", "large = 3", "`factors.rate=twice.large` must be a table"),
        ("{value = 0.001},", "3,", "`factors.rate.levels` must be a table"),
        ("network = {width = 24}", "network = 3", "`network` must be a table"),
    ],
)
def test_mistakes(old, new, message):
    assert old in TEXT
    text, preset = TEXT.replace(old, new), "large"
    if message is None:
        read_sweep(text, preset)
        return
    with pytest.raises(ValueError, match=message):
        [read_sweep(text, each) for each in (preset, "small")]


def test_no_condition_and_no_preset():
    with pytest.raises(ValueError, match=r"`factors` must hold at least one"):
        read_sweep('name = "x"')
    with pytest.raises(ValueError, match=r"one of this sweep's \(small, large\); got 'huge'"):
        read_sweep(TEXT, "huge")
    with pytest.raises(ValueError, match=r"\(none\); got 'huge'"):
        read_sweep('name = "x"', "huge")
    with pytest.raises(ValueError, match=r"`factors` must be a list"):
        read_sweep('name = "x"\nfactors = 3')


def test_levels_need_values_that_differ():
    level = Level(value=1.0, label="1", condition=read_sweep(TEXT).factors[0].levels[0].condition)
    with pytest.raises(ValueError, match="`levels` of factor x on flip must differ"):
        Factor(name="x", task="flip", title="", unit="", levels=(level, level))
    factor = Factor(name="x", task="flip", title="", unit="", levels=(level,))
    assert Sweep(name="a", preset="", factors=(factor,)).folder_name == "a"


def test_levels_whose_open_ranks_differ_are_refused():
    condition = read_sweep(TEXT).factors[0].levels[0].condition

    def levels(**dsa):
        return tuple(
            Level(
                value=np.int64(width),
                label=str(width),
                condition=dataclasses.replace(
                    condition,
                    network=VanillaRNN(width=width),
                    analysis=Analysis(dsa=DSA(**dsa), grid=DSAGrid(ranks=(3,), delays=(1,))),
                ),
            )
            for width in (8, 64)
        )

    with pytest.raises(ValueError, match=r"`analysis.dsa.rank` must be set .* ranks \[8, 20\]"):
        Factor(name="width", task="flip", title="", unit="", levels=levels())
    factor = Factor(name="width", task="flip", title="", unit="", levels=levels(rank=5))
    assert [level.value for level in factor.levels] == [8.0, 64.0]
    assert all(type(level.value) is float for level in factor.levels)


def test_groups_share_a_program():
    sweep = read_sweep(TEXT)
    groups = groups_of(sweep)
    assert [len(group.conditions) for group in groups] == [1, 1, 1, 2, 2]
    assert len({group.name for group in groups}) == 5
    assert groups[3].name.startswith("flipflop-vanilla24-")
    assert sum((group.conditions for group in groups), ()) == tuple(sweep.conditions.values())
    part = groups_of(select(sweep, ["rate:flip=0.002"]))
    assert [group.name for group in part] == [groups[3].name]  # whatever else is asked for
    level = sweep.factors[1].levels[0].condition
    other = dataclasses.replace(level, network=VanillaRNN(width=25), seed=1)
    factor = dataclasses.replace(
        sweep.factors[1], levels=(Level(value=1.0, label="", condition=other),)
    )
    (group,) = groups_of(Sweep(name="x", preset="", factors=(factor,)))
    assert group.name != groups[3].name


def test_the_study():
    text = (EXPERIMENTS / "study" / "sweep.toml").read_text()
    small, paper = read_sweep(text, "small"), read_sweep(text, "paper")
    assert (len(paper.conditions), paper.networks) == (68, 3400)
    assert {condition.size for condition in paper.conditions.values()} == {50}
    assert len(small.conditions) == 68
    assert min(condition.size for condition in small.conditions.values()) >= 12
    values = [
        [(f.name, f.task, *(level.value for level in f.levels)) for f in s.factors]
        for s in (small, paper)
    ]
    assert values[0] == values[1]
    levels = {(f.name, f.task): f.levels for f in paper.factors}
    four = {"flipflop", "delayed_discrimination", "sine", "path_integration"}
    for name in ("channels", "gamma", "width"):
        assert {task for factor, task in levels if factor == name} == four
    assert len(levels["width", "flipflop"]) == 12
    base = levels["channels", "delayed_discrimination"][0].condition
    for name in ("delay", "auxiliary", "nuclear_norm", "l1"):
        assert levels[name, "delayed_discrimination"][0].condition == base
