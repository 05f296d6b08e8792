"""Two factors at once, as values: what a grid's table becomes, and what is refused."""

import dataclasses
import re

import pytest

from rnnensemble.study.factors import Axis, Grid, groups_of
from rnnensemble.study.selection import select
from rnnensemble.study.sweep_file import read_sweep, to_toml

TEXT = """
name = "mini"
[presets.small]
size = 4
[presets.large]
size = 9
[tasks.flip]
task = {kind = "flipflop", n_bits = 2, n_steps = 30}
[tasks.wide]
task = {kind = "flipflop", n_bits = 3, n_steps = 20}
[[factors]]
name = "rate"
task = "flip"
field = "training.learning_rate"
values = [0.001, 0.002]
[[grids]]
name = "steps_rate"
task = ["flip", "wide"]
base = {training = {batch = 32}}
large = {training = {max_epochs = 7}}
[[grids.axes]]
name = "steps"
unit = "steps"
levels = [
    {value = 20, task = {n_steps = 25}},
    {value = 40, label = "long", task = {n_steps = 40}, large = {seed = 3}},
]
[[grids.axes]]
name = "rate"
title = "learning rate"
field = "training.learning_rate"
values = [0.001, 0.002, 0.004]
"""
TRACED = """
name = "traced"
[tasks.flip]
task = {kind = "flipflop"}
[[grids]]
name = "both"
task = "flip"
axes = [
    {name = "rate", field = "training.learning_rate", values = [0.001, 0.002, 0.004]},
    {name = "l1", field = "training.l1", values = [1e-6, 1e-5]},
]
"""


def at(grid, *values):
    return next(level for level in grid.levels if level.values == values)


def test_every_combination_is_a_condition():
    sweep, large = read_sweep(TEXT), read_sweep(TEXT, "large")
    assert [(grid.name, grid.task) for grid in sweep.grids] == [
        ("steps_rate", "flip"),
        ("steps_rate", "wide"),
    ]
    grid = sweep.grids[0]
    assert [axis.name for axis in grid.axes] == ["steps", "rate"]
    assert grid.axes[0].labels == ("20", "long")
    assert (grid.axes[0].unit, grid.axes[1].title) == ("steps", "learning rate")
    assert [level.values for level in grid.levels] == [
        (steps, rate) for steps in (20, 40) for rate in (0.001, 0.002, 0.004)
    ]
    level = at(grid, 40, 0.002)
    assert level.label == "longx0.002"
    condition = level.condition
    assert (condition.task.n_bits, condition.task.n_steps) == (2, 40)
    assert (condition.training.learning_rate, condition.training.batch) == (0.002, 32)
    assert (condition.size, condition.seed) == (4, 0)
    condition = at(large.grids[0], 40, 0.002).condition
    assert (condition.size, condition.seed, condition.training.max_epochs) == (9, 3, 7)
    assert len(sweep.conditions) == 2 + 6 + 6
    digest = at(sweep.grids[1], 20, 0.004).condition.digest
    assert sweep.names[digest] == "steps_rate:wide=20x0.004"


def test_a_condition_of_a_factor_and_a_grid_counts_once():
    sweep = read_sweep(TEXT.replace("n_steps = 25", "n_steps = 30").replace("batch = 32", ""))
    assert len(sweep.conditions) == 2 + 6 + 6 - 2
    assert sweep.names[at(sweep.grids[0], 20, 0.001).condition.digest] == "rate:flip=0.001"


def test_combinations_that_are_named_run_alone_and_change_what_they_say():
    chosen = "combinations = [{values = [20, 0.004]}, {values = [40, 0.001], size = 7}]\n"
    grid = read_sweep(TEXT.replace("[[grids.axes]]", chosen + "[[grids.axes]]", 1)).grids[0]
    assert [level.values for level in grid.levels] == [(20, 0.004), (40, 0.001)]
    assert [level.condition.size for level in grid.levels] == [4, 7]
    assert [axis.values for axis in grid.axes] == [(20, 40), (0.001, 0.002, 0.004)]


def test_sweeps_are_written_and_read_back():
    sweep = read_sweep(TEXT, "large")
    again = read_sweep(to_toml(sweep))
    assert again == sweep
    assert again.digest == sweep.digest
    part = select(sweep, ["steps_rate:flip=40x"])
    assert read_sweep(to_toml(part)) == part
    changed = read_sweep(TEXT.replace("batch = 32", "batch = 16"), "large")
    assert changed.digest != sweep.digest
    alone = dataclasses.replace(sweep, factors=())
    assert read_sweep(to_toml(alone)) == alone
    assert (
        dataclasses.replace(sweep, grids=()).digest
        == read_sweep(TEXT[: TEXT.index("[[grids]]")], "large").digest
    )


def test_what_differs_by_network_alone_is_one_group():
    """Learning rates and penalties are data of one program; each length of a trial has its own."""
    (group,) = groups_of(read_sweep(TRACED))
    assert len(group.conditions) == 6
    grid = dataclasses.replace(read_sweep(TEXT), factors=())
    groups = groups_of(select(grid, ["steps_rate:flip"]))
    assert [len(group.conditions) for group in groups] == [3, 3]
    assert [{each.task.n_steps for each in group.conditions} for group in groups] == [{25}, {40}]


@pytest.mark.parametrize(
    ("only", "places"),
    [
        ("steps_rate:flip", [(s, r) for s in (20, 40) for r in (0.001, 0.002, 0.004)]),
        ("steps_rate:flip=20x0.002,40x0.004", [(20, 0.002), (40, 0.004)]),
        ("steps_rate:flip=40x", [(40, 0.001), (40, 0.002), (40, 0.004)]),
        ("steps_rate:flip=x2e-3", [(20, 0.002), (40, 0.002)]),
    ],
)
def test_parts_of_a_grid_are_asked_for(only, places):
    part = select(read_sweep(TEXT), [only])
    assert part.factors == ()
    assert [level.values for level in part.grids[0].levels] == places


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("step_rate", "`step_rate` is not a factor of this sweep; did you mean `steps_rate`"),
        ("steps_rate=20", "`only` steps_rate has no level '20'; it has 20x0.001, 20x0.002"),
        ("steps_rate=x", "has no level 'x'"),
        ("steps_rate=20x3", "has no level '20x3'"),
        ("steps_rate=ax0.001", "has no level 'ax0.001'"),
        ("rate=0.001x", "`only` rate has no level '0.001x'; it has 0.001, 0.002"),
    ],
)
def test_unknown_parts_are_refused(only, message):
    with pytest.raises(ValueError, match=message):
        select(read_sweep(TEXT), [only])


AXIS = 'field = "training.learning_rate"\nvalues = [0.001, 0.002, 0.004]'
FIRST = '[[grids.axes]]\nname = "steps"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[0.001, 0.002, 0.004]", "[]", "`values` of axis rate must be at least one, all diff"),
        ("[0.001, 0.002, 0.004]", "[0.1, 0.1]", r"all different.*got \[0.1, 0.1\]"),
        ("[0.001, 0.002, 0.004]", '["a"]', "`grids.steps_rate.rate.value` must be a number; got"),
        ("[0.001, 0.002, 0.004]", "[true]", "`grids.steps_rate.rate.value` must be a number"),
        ("[0.001, 0.002, 0.004]", "0.1", "`grids.steps_rate.rate.values` must be a list"),
        (AXIS, "levels = []", "`values` of axis rate must be at least one"),
        (AXIS, "levels = [3]", "`grids.steps_rate.rate.levels` must be a table"),
        (AXIS, "", "`grids.steps_rate.rate` must have either `levels`, or `field` and `values`"),
        (AXIS, AXIS + "\nuint = 3", "`grids.steps_rate.rate.uint` is not a setting.*rate.unit"),
        (AXIS, AXIS.replace("_rate", "_rat"), "rat` is not a setting; did you mean `training.l"),
        (AXIS, AXIS.replace("training.", "trainin."), "did you mean `grids.steps_rate.rate=0.001"),
        (AXIS, AXIS.replace("0.004", "-1"), "steps_rate=20x-1 on flipflop: `learning_rate`"),
        (AXIS, 'field = "task.n_steps"\nvalues = [9]', "steps and rate both set `task.n_steps`"),
        (
            AXIS,
            'levels = [{value = 3}]\n[[grids.axes]]\nname = "c"\nlevels = [{value = 1}]',
            "`grids.steps_rate.axes` must be two tables; got 3",
        ),
        ('name = "steps"', 'name = "rate"', "must be two different ones; got .'rate', 'rate'"),
        ('name = "steps"', "name = 3", "`grids.steps_rate.axes.name` must be letters"),
        ("n_steps = 40}", "n_steps = 25}", "must have different levels; 20x0.001 and longx0.001"),
        ('task = ["flip", "wide"]', "task = []", r"`grids.steps_rate.task` must be of this sweep"),
        (
            'task = ["flip", "wide"]',
            'task = ["flip", "flip"]',
            "`grids` hold steps_rate on flip tw",
        ),
        ('name = "steps_rate"', 'name = "rate"', "`grids` and `factors` both hold rate; rename"),
        ('name = "steps_rate"', 'nam = "x"', "`grids.name` must be letters"),
        ("base = {", "bose = {", "did you mean `grids.steps_rate.base`"),
        (FIRST, "combinations = []\n" + FIRST, "`levels` of grid steps_rate on flip must be comb"),
        (FIRST, "combinations = 3\n" + FIRST, "`grids.steps_rate.combinations` must be a list"),
        (FIRST, "combinations = [3]\n" + FIRST, "`grids.steps_rate.combinations` must be a table"),
        (
            FIRST,
            "combinations = [{values = [20, 0.3]}]\n" + FIRST,
            r"`grids.steps_rate.combinations.values` must be a value of each axis; got \[20, 0.3\]",
        ),
        (
            FIRST,
            "combinations = [{values = [20, 0.001], siz = 3}]\n" + FIRST,
            "did you mean `grids.steps_rate.combinations=20x0.001.size`",
        ),
        ("[presets.large]", "[presets.axes]", "must not be called 'axes'"),
        (
            '"training.learning_rate"\nvalues = [0.001, 0.002, 0.004]',
            '"network.width"\nvalues = [4, 9]',
            "`analysis.dsa.rank` must be set for grid steps_rate on flip: left open",
        ),
    ],
)
def test_mistakes_are_one_line(old, new, message):
    assert old in TEXT
    with pytest.raises(ValueError, match=message) as found:
        read_sweep(TEXT.replace(old, new))
    assert "\n" not in str(found.value)


def test_no_list_of_grids():
    with pytest.raises(ValueError, match="`grids` must be a list"):
        read_sweep('name = "x"\ngrids = 3')
    with pytest.raises(ValueError, match="`grids` must be a table"):
        read_sweep('name = "x"\ngrids = [3]')
    text = re.sub(r"\[\[grids.axes\]\][^\[]*values = \[0.001, 0.002, 0.004\]", "", TEXT)
    with pytest.raises(ValueError, match=r"`grids.steps_rate.axes` must be two tables; got 1"):
        read_sweep(text)


def test_grids_made_in_python_are_checked():
    grid = read_sweep(TEXT).grids[0]
    for levels in ((), grid.levels[:1] * 2, read_sweep(TEXT).factors[0].levels):
        with pytest.raises(ValueError, match="`levels` of grid steps_rate on flip must be comb"):
            dataclasses.replace(grid, levels=levels)
    with pytest.raises(ValueError, match="`axes` of grid steps_rate on flip must be two diff"):
        Grid(name="steps_rate", task="flip", axes=grid.axes[:1] * 2, levels=grid.levels)
    with pytest.raises(ValueError, match=r"each with a label; got .* with 1 labels"):
        Axis(name="a", title="a", unit="", values=(1.0, 2.0), labels=("1",))
