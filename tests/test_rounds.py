"""Rounds of deflation: plans, folders, and the battery on what they hold."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble.analysis.battery import measure_battery
from rnnensemble.analysis.solutions import SolutionAnalysis, compare_solutions
from rnnensemble.cli.deflate import load_rounds
from rnnensemble.files import storage
from rnnensemble.study.deflation_plan import read_plan
from rnnensemble.training.deflate import Chosen, deflate

pytestmark = [pytest.mark.long, pytest.mark.painted]

PLAN = (Path(__file__).parent.parent / "experiments" / "deflation" / "tiny.toml").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("rounds")
    (root / "plan.toml").write_text(PLAN)
    cli.main(["deflate", str(root / "plan.toml"), "--runs", str(root), "--quiet"])
    return root / "deflation-tiny"


def test_a_plan_says_what_each_population_is():
    plan = read_plan(PLAN)
    assert plan.standard.network.gain == (0.5, 0.5, 1.0, 1.0)
    assert plan.alternative.network.gain == 1.0
    assert plan.alternative.training == plan.standard.training
    first, second = (plan.round_condition(r, ("standard:0",)) for r in (1, 2))
    assert (first.seed, second.seed) == (1, 2)
    assert first.deflation.references == ("standard:0",)
    assert first.deflation.target == 0.4
    assert first.digest != second.digest


def test_all_rounds_are_there(folder):
    plan, groups = load_rounds(folder)
    assert list(groups) == ["standard", "alternative_1", "alternative_2"]
    assert groups["standard"].size == 4
    second = groups["alternative_2"].deflation.references
    assert second == ("standard:0", "alternative_1:0")
    for population in groups.values():
        assert population.converged.all()
    assert plan.rounds == 2


def test_a_second_start_trains_nothing(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    cli.main(["deflate", str(folder.parent / "plan.toml"), "--runs", str(folder.parent)])
    assert capsys.readouterr().out.count("there already") == 3
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_an_interrupted_round_goes_on(folder, tmp_path):
    """A copy whose second round is cut off after some epochs ends with the same networks."""
    copy = tmp_path / "deflation-tiny"
    shutil.copytree(folder, copy)
    run = storage.load_run(copy / "alternative_2")
    shutil.rmtree(copy / "alternative_2")
    _, groups = load_rounds(folder)
    stops = []
    deflate(
        run.condition.task,
        [Chosen(groups["standard"], (0,)), Chosen(groups["alternative_1"], (0,))],
        network=run.condition.network,
        training=run.condition.training,
        deflation=run.condition.deflation,
        size=2,
        seed=run.condition.seed,
        checkpoint=stops.append,
        checkpoint_seconds=0.0,
    )
    storage.save_run(copy / "alternative_2", run.condition, stops[3])
    cli.main(["deflate", str(folder.parent / "plan.toml"), "--runs", str(tmp_path), "--quiet"])
    resumed = storage.load_run(copy / "alternative_2").population
    np.testing.assert_array_equal(resumed.params.bias, run.population.params.bias)
    np.testing.assert_array_equal(resumed.stop_epoch, run.population.stop_epoch)


def test_the_battery_writes_page_and_tables(folder, capsys):
    cli.main(["battery", str(folder)])
    out = capsys.readouterr().out
    assert "predictivity_to_standard" in out
    for suffix in ("png", "svg"):
        assert (folder / "figures" / f"battery.{suffix}").stat().st_size > 10_000
    with (folder / "battery.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == ["standard"] * 4 + ["alternative_1"] * 2 + [
        "alternative_2"
    ] * 2
    away = [float(row["predictivity_to_standard"]) for row in rows]
    assert min(away[:4]) > 0.9
    assert max(away[4:]) < 0.5
    assert min(float(row["potent_to_standard"]) for row in rows) > 0.95
    assert all(int(row["stable_points"]) == 4 for row in rows[:4])
    assert {"loss_in_distribution", "loss_temporal", "loss_noise"} <= rows[0].keys()
    assert min(float(row["decodability_bit_0"]) for row in rows) > 0.9
    with (folder / "predictivity.csv").open() as file:
        matrix = list(csv.DictReader(file))
    assert len(matrix) == 8
    to_standard = [float(matrix[0][f"standard:{k}"]) for k in (1, 2, 3)]
    assert np.mean(to_standard) == pytest.approx(away[0])
    with (folder / "battery_groups.csv").open() as file:
        groups = list(csv.DictReader(file))
    assert list(groups[0]) == ["measure", "standard", "alternative_1", "alternative_2"]
    cli.main(["report", str(folder)])
    assert (folder / "report.html").is_file()


def test_show_says_how_far_a_plan_has_come(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "alternative_2")
    cli.main(["show", str(tmp_path / "copy")])
    out = capsys.readouterr().out
    assert "standard (trained): 4 of 4 networks converged" in out
    assert "alternative_2: not started" in out
    assert ("predictivity_to_standard" in out) == (folder / "battery_groups.csv").exists()


def test_solutions_are_those_of_their_groups(folder):
    _, groups = load_rounds(folder)
    analysis = SolutionAnalysis(trials=32, dynamics_trials=16, behavior_trials=64)
    found = compare_solutions(groups, analysis=analysis)
    assert found.predictivity.shape == (8, 8)
    among = found.among(found.predictivity, "standard", "standard")
    assert among.shape == (12,)
    rows = {(row["first"], row["second"]): row for row in json.loads(json.dumps(found.table()))}
    assert len(rows) == 9
    assert rows["standard", "standard"]["predictivity"] == pytest.approx(among.mean())
    away = found.among(found.dynamics, "alternative_1", "standard")
    assert rows["alternative_1", "standard"]["dynamics"] == pytest.approx(away.mean())
    metric = rnne.metrics.LinearPredictivity(null_space=True)
    alone = rnne.compare_populations(metric, groups["standard"], trials=32)
    np.testing.assert_allclose(found.predictivity[:4, :4], 1 - alone.matrix(), atol=1e-5)
    np.testing.assert_allclose(found.dynamics, found.dynamics.T)
    assert all(values.shape == (8,) for values in found.losses.values())
    recipe = dataclasses.replace(groups["standard"].recipe, task=rnne.tasks.FlipFlop())
    other = dataclasses.replace(groups["standard"], recipe=recipe)
    with pytest.raises(ValueError, match="must share one task"):
        compare_solutions({"a": groups["standard"], "b": other})
    with pytest.raises(ValueError, match="at least one population"):
        compare_solutions({})
    with pytest.raises(ValueError, match="`dynamics_trials` must be at most `trials`, 8"):
        SolutionAnalysis(trials=8)


def test_a_battery_needs_two_networks_to_compare_with(folder):
    _, groups = load_rounds(folder)
    alone = np.array([True, False, False, False])
    groups["standard"] = dataclasses.replace(groups["standard"], converged=alone)
    with pytest.raises(ValueError, match="start with at least 2 converged networks"):
        measure_battery(groups)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rounds = 2", "round = 2", "`round` is not a setting; did you mean `rounds`"),
        ("rounds = 2", "rounds = 0", "`rounds` must be a whole number of at least 1; got 0"),
        ("rounds = 2", "references = [4]", "must be indices of the 4 standard networks; got 4"),
        (
            "rounds = 2",
            "references = [true]",
            "must be indices of the 4 standard networks; got True",
        ),
        ("[0.5, 1.0]", '[0.5, "x"]', "`gains` must be numbers; got"),
        ("[0.5, 1.0]", "[0.5, 1.0, 2.0]", "must be as many as divide the 4 standard networks"),
        ('name = "deflation-tiny"', 'name = "a b"', "`name` must be letters, digits"),
        ("strength = 0.1", "strenght = 0.1", "did you mean `deflation.strength`"),
        ("strength = 0.1", "strength = -1.0", "`strength` must be a number of at least 0"),
        ("[alternative]\n", "[alternative]\nseed = -2\n", "`seed` must be a whole number"),
        (
            "[alternative]\n",
            f"[alternative]\nseed = {2**32 - 2}\n",
            "`seed` must be a whole number",
        ),
        ("[standard]\n", "[standard]\nstarts = [[0, 3]]\n", "`starts` must"),
        ("[standard]\n", '[standard]\nstart = "runs/a"\n', "`standard.start` must be left out"),
        ("[standard]\n", "[standard]\ndeflation = {}\n", "`standard.deflation` must be left out"),
    ],
)
def test_plans_that_do_not_fit_are_refused(old, new, message, tmp_path, capsys):
    assert old in PLAN
    (tmp_path / "plan.toml").write_text(PLAN.replace(old, new, 1))
    with pytest.raises(SystemExit) as stop:
        cli.main(["deflate", str(tmp_path / "plan.toml"), "--runs", str(tmp_path / "runs")])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_folders_that_do_not_fit_are_refused(folder, tmp_path, capsys):
    def refused(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main(list(arguments))
        assert stop.value.code == 2
        return capsys.readouterr().err

    (tmp_path / "plan.toml").write_text(PLAN.replace("target = 0.4", "target = 0.5"))
    changed = refused("deflate", str(tmp_path / "plan.toml"), "--runs", str(folder.parent))
    assert "is taken by" in changed
    assert "does not exist" in refused("deflate", str(tmp_path / "none.toml"))
    assert "`plan` is missing" in refused("deflate")
    assert "`folder` is missing" in refused("battery")
    assert "must come from `rnnensemble deflate`" in refused("battery", str(folder / "standard"))


def test_a_preset_with_deflation_needs_references(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", str(folder / "alternative_1" / "config.toml"), "--name", "x"])
    assert "use `rnnensemble deflate`" in capsys.readouterr().err
