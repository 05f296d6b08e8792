"""Sweeps: trained in groups, skipped when finished, refused in one line."""

import csv
import dataclasses
import math
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli, load_sweep, tasks
from rnnensemble._core import programs, runtime
from rnnensemble.cli import groups, work
from rnnensemble.cli.console import Reporter
from rnnensemble.files import locks, stages, storage, sweep_folder
from rnnensemble.study.costs import Budget, cost_of, expected_costs
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.training.train import TrainingInterrupted

FILE = Path(__file__).parent.parent / "experiments" / "tiny" / "sweep.toml"


RANKS = """
[[factors]]
name = "rank"
task = "flipflop"
field = "analysis.dsa.rank"
values = [1, 2]
"""


def start(folder, *arguments, file=FILE):
    cli.main(["sweep", str(file), "--runs", str(folder), *arguments])


def rows_of(folder):
    """Rows of summary.csv without times."""
    with (folder / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not k.startswith("seconds_")} for row in rows]


@tasks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Late(tasks.FlipFlop):
    """A flip-flop whose loss counts at step 7 alone."""

    name = "late"

    def clean_trials(self, key, batch):
        trials = super().clean_trials(key, batch)
        return trials._replace(mask=trials.mask * (jax.numpy.arange(self.n_steps) == 7))


def keep_all_programs():
    """What is compiled here need not be in test_sweep_kill.py."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The runs folder of a finished sweep, and what the command printed."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr(runtime, "use_compilation_cache", keep_all_programs)
        patch.setattr(Reporter, "line", lambda _, text: lines.append(text))
        start(runs)
    return runs, lines


@pytest.fixture
def copy(whole, tmp_path):
    """A runs folder of one's own."""
    shutil.copytree(whole[0], tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def no_training(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a finished condition was trained")

    monkeypatch.setattr(work, "train_populations", never)


def failure(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["sweep", *map(str, arguments)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def test_a_row_for_each_level(whole):
    folder, lines = whole[0] / "tiny", whole[1]
    rows = rows_of(folder)
    assert [(r["factor"], r["task"], float(r["value"])) for r in rows] == [
        ("channels", "flipflop", 1),
        ("channels", "flipflop", 2),
        ("rate", "flipflop", 0.001),
        ("rate", "flipflop", 0.004),
    ]
    assert {k: v for k, v in rows[0].items() if k not in ("factor", "value", "label")} == {
        k: v for k, v in rows[2].items() if k not in ("factor", "value", "label")
    }
    for row in rows:
        assert int(row["converged"]) + int(row["diverged"]) + int(row["unconverged"]) == 3
        assert float(row["threshold"]) == 0.9
    text = "\n".join(lines)
    assert re.search(r"group 1 of 2, flipflop-vanilla6-\w{8}: 2 conditions, 6 networks", text)
    assert "3 of 3 conditions finished" in text
    assert "rate:flipflop=0.004: 3 of 3 networks converged; sigma" in text


def test_folder_reads_back(whole, capsys):
    folder = whole[0] / "tiny"
    read, outcomes = load_sweep(folder)
    assert list(outcomes) == list(read.conditions)
    rows = {row["digest"]: row for row in rows_of(folder)}
    for digest, outcome in outcomes.items():
        run = storage.load_run(folder / "conditions" / digest)  # an ordinary run folder
        assert run.condition == outcome.condition == read.conditions[digest]
        assert run.manifest == outcome.manifest
        for name in ("weight_change", "kernel_alignment", "representation_alignment"):
            values = getattr(outcome.features, name)
            np.testing.assert_array_equal(values, getattr(run.features, name))
            assert float(rows[digest][name]) == values.mean()
        assert outcome.features.analysis == run.condition.features
        assert float(rows[digest]["dsa"]) == outcome.degeneracy.dynamics.mean.value
    cli.main(["show", str(folder)])
    shown = capsys.readouterr().out
    assert "3 of 3 conditions finished" in shown
    assert re.search(r"rate +flipflop +0.004 +3/3 +\S+ +\S+ +\S+\n", shown)
    cli.main(["show", str(folder / "conditions" / next(iter(outcomes)))])
    assert "mean PIF distance" in capsys.readouterr().out
    cli.main(["show", "--runs", str(whole[0])])
    assert "(3 conditions)" in capsys.readouterr().out


def test_finished_conditions_are_skipped(copy, no_training, capsys):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.toml")}
    start(copy)
    assert "3 of 3 conditions finished" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*.toml")} == before


def test_programs_are_forgotten_after_groups_that_were_worked_on(copy, monkeypatch, capsys):
    forgotten = []
    monkeypatch.setattr(groups, "GROUPS_OF_PROGRAMS", 1)
    monkeypatch.setattr(programs, "forget_programs", lambda: forgotten.append(1))
    digest = rows_of(copy / "tiny")[1]["digest"]
    shutil.rmtree(copy / "tiny" / "conditions" / digest)
    start(copy, "--quiet")
    assert forgotten == [1]  # the other group was finished


def test_only_and_groups_lead_to_the_same_rows(whole, tmp_path, capsys):
    start(tmp_path, "--only", "channels=1", "--quiet")
    assert [row["factor"] for row in rows_of(tmp_path / "tiny")] == ["channels", "rate"]
    start(tmp_path, "--group", "2", "--quiet")
    group = next(path.stem for path in (whole[0] / "tiny" / "groups").iterdir())
    start(tmp_path, "--group", group, "--quiet")
    start(tmp_path, "--group", "1", "--quiet")
    assert capsys.readouterr().out == ""
    assert rows_of(tmp_path / "tiny") == rows_of(whole[0] / "tiny")  # alone or in a group


def test_a_lost_condition_is_made_again(copy, whole):
    folder = copy / "tiny"
    _, outcomes = load_sweep(folder)
    first, second, third = (folder / "conditions" / digest for digest in outcomes)
    shutil.rmtree(first)
    second.rename(second.with_name(f".{second.name}.old"))  # a kill between two renames
    run = storage.load_run(third)  # a kill between training and analysis
    storage.save_run(third, run.condition, run.population, replace=True)
    assert set(load_sweep(folder)[1]) == {second.name}  # brought back
    start(copy, "--quiet")
    assert rows_of(folder) == rows_of(whole[0] / "tiny")


def test_too_few_converged_networks_do_not_stop_a_sweep(tmp_path):
    file = tmp_path / "sweep.toml"
    text = FILE.read_text().replace(
        "{value = 0.004, training = {", "{value = 0.004, training = {threshold = 1e-9, "
    )
    file.write_text(text)
    start(tmp_path, "--only", "rate", "--quiet", file=file)
    *_, good, bad = rows_of(tmp_path / "tiny")
    assert (bad["converged"], bad["diverged"], bad["unconverged"]) == ("0", "0", "3")
    assert bad["dsa"] == bad["pif"] == bad["kernel_alignment"] == ""
    assert float(good["pif"]) > 0
    read, outcomes = load_sweep(tmp_path / "tiny")
    outcome = outcomes[read.factors[1].levels[1].condition.digest]
    assert outcome.degeneracy is None
    assert outcome.features is None
    assert outcome.manifest["converged"] == 0


def test_ctrl_c_saves(tmp_path, monkeypatch, capsys):
    train = work.train_populations

    def interrupted(*args, **options):
        populations = train(*args, **options | {"checkpoint": kept.append})
        del populations
        raise TrainingInterrupted(kept[0])

    kept = []
    monkeypatch.setattr(work, "train_populations", interrupted)
    with pytest.raises(SystemExit) as stop:
        start(tmp_path, "--only", "rate", "--checkpoint-seconds", "0")
    assert stop.value.code == 130
    told = f"interrupted, saved in {tmp_path}/tiny; the same command or call goes on\n"
    assert capsys.readouterr().err == f"rnnensemble: {told}"
    with pytest.raises(rnne.TrainingInterrupted, match="the same command or call goes on") as stop:
        rnne.run_sweep(FILE, runs=tmp_path, only=["rate"], checkpoint_seconds=0.0, quiet=True)
    assert [each.size for each in stop.value.populations] == [3, 3]
    manifests = [
        stages.read_manifest(path) for path in (tmp_path / "tiny" / "conditions").iterdir()
    ]
    assert [manifest["status"] for manifest in manifests] == [stages.INTERRUPTED] * 2


def test_a_group_of_another_process_is_left_to_it(whole, copy, no_training, capsys):
    folder = copy / "tiny"
    read, _ = load_sweep(folder)
    alone = next(g for g in groups_of(read) if len(g.conditions) == 1)
    shutil.rmtree(folder / "conditions" / alone.conditions[0].digest)
    with locks.held(folder / "groups" / f"{alone.name}.lock") as ours:
        assert ours
        start(copy)
    printed = capsys.readouterr().out
    assert "2 of 3 conditions finished" in printed
    assert "another process works on the other 1" in printed


def test_a_changed_file_is_refused_or_taken_over(copy, whole, tmp_path, capsys):
    file = tmp_path / "changed.toml"
    file.write_text("# a remark\n" + FILE.read_text())
    start(copy, "--quiet", file=file)
    file.write_text(FILE.read_text().replace("0.004", "0.008"))
    error = failure(capsys, file, "--runs", copy)
    assert "has changed since" in error
    assert "--update" in error
    start(copy, "--update", "--quiet", file=file)
    before, after = rows_of(whole[0] / "tiny"), rows_of(copy / "tiny")
    assert after[:3] == before[:3]  # kept
    assert after[3]["value"] == "0.008"
    assert after[3]["digest"] not in {row["digest"] for row in before}
    assert "has changed since" in failure(capsys, FILE, "--runs", copy)


def test_what_is_measured_otherwise_is_not_trained_again(copy, whole, tmp_path, monkeypatch):
    train, asked = work.train_populations, []

    def spy(recipes, *, resume, **options):
        asked.extend(not each.unfinished for each in resume)
        return train(recipes, resume=resume, **options)

    monkeypatch.setattr(work, "train_populations", spy)
    file = tmp_path / "changed.toml"
    file.write_text(FILE.read_text().replace("rank = 2, starts = 4", "rank = 3, starts = 4"))
    start(copy, "--update", "--quiet", file=file)
    assert asked == [True] * 3  # all had ended
    before, after = rows_of(whole[0] / "tiny"), rows_of(copy / "tiny")
    for old, new in zip(before, after, strict=True):
        assert new["digest"] != old["digest"]
        assert new["dsa"] != old["dsa"]
        for name in ("pif", "sigma_temporal", "weight_change", "epochs"):
            assert new[name] == old[name]
    _, outcomes = load_sweep(copy / "tiny")
    assert all(each.manifest["seconds"]["training"] > 0 for each in outcomes.values())


def test_levels_that_differ_in_their_measurement_train_once(tmp_path, monkeypatch):
    file = tmp_path / "sweep.toml"
    file.write_text(FILE.read_text().partition("[[factors]]")[0] + RANKS)
    train, trained = work.train_populations, []
    monkeypatch.setattr(
        work, "train_populations", lambda r, **o: trained.extend(r) or train(r, **o)
    )
    start(tmp_path, "--quiet", file=file)
    assert len(trained) == 1
    first, second = rows_of(tmp_path / "tiny")
    assert first["pif"] == second["pif"]
    assert first["dsa"] != second["dsa"]


def test_an_interrupted_training_goes_on_for_all_of_its_recipe(tmp_path, monkeypatch):
    """The first of two conditions of one recipe was interrupted; the second has no folder yet."""
    file = tmp_path / "sweep.toml"
    text = (
        FILE.read_text().partition("[[factors]]")[0].replace("threshold = 0.9", "threshold = 1e-9")
    )
    text = text.replace("max_epochs = 30", "max_epochs = 6") + RANKS
    file.write_text(text)
    (first, second), train = read_sweep(text).conditions.values(), work.train_populations
    kept, resumed = [], []
    train([first.recipe], checkpoint=kept.append, checkpoint_seconds=0.0)
    start(tmp_path, "--only", "rank=1", "--quiet", file=file)
    folder = tmp_path / "tiny" / "conditions"
    shutil.rmtree(folder / first.digest)
    storage.save_run(folder / first.digest, first, kept[2][0])

    def spy(recipes, *, resume, **options):
        resumed.extend(resume)
        return train(recipes, resume=resume, **options)

    monkeypatch.setattr(work, "train_populations", spy)
    start(tmp_path, "--quiet", file=file)
    assert [int(each.stop_epoch.max()) for each in resumed] == [3]
    ended = [storage.load_run(folder / each.digest).population for each in (first, second)]
    assert ended[0] == ended[1]


def test_what_a_killed_process_left_is_no_source(copy):
    folder = copy / "tiny"
    good = sweep_folder.trained_by(folder)
    assert len(good) == 3
    for name in (".0123.partial", ".0123.old", "damaged"):
        (folder / "conditions" / name).mkdir()
        (folder / "conditions" / name / "manifest.json").write_text("{}")
    assert sweep_folder.trained_by(folder) == good


def test_a_folder_of_another_sweep_is_refused(copy, tmp_path, capsys):
    file = tmp_path / "other.toml"
    file.write_text(FILE.read_text().replace('name = "tiny"', 'name = "other"'))
    (copy / "tiny").rename(copy / "other")
    error = failure(capsys, file, "--runs", copy)
    assert re.search(r"`sweep` 'other' .* does not fit .*, which holds 'tiny'", error)
    shutil.copytree(next((copy / "other" / "conditions").iterdir()), copy / "tiny")
    assert "is another run's" in failure(capsys, FILE, "--runs", copy)
    (copy / "tiny" / "manifest.json").unlink()
    assert "must be a sweep's folder" in failure(capsys, FILE, "--runs", copy)


def test_damaged_folders_are_named(copy, capsys):
    folder = copy / "tiny"
    first, second, _ = (folder / "conditions").iterdir()
    shutil.rmtree(first)
    shutil.copytree(second, first)
    assert re.search(r"holds condition \w+; remove it", failure(capsys, FILE, "--runs", copy))
    (folder / "sweep.toml").write_text(FILE.read_text().replace("0.004", "0.008"))
    with pytest.raises(ValueError, match="does not match its manifest"):
        load_sweep(folder)


def test_dry_run(copy, tmp_path, no_training, capsys):
    start(tmp_path, "--dry-run")
    printed = capsys.readouterr().out
    assert "3 conditions, 9 networks, " in printed
    assert re.search(r"1 +flipflop-vanilla6-\w{8} +2 +6 +1 +1 +\d+ MiB +\S+ +\d+:\d\d\n", printed)
    assert re.search(
        r"expected time on 2 cpu devices: 0:0\d, and up to .*GFLOP/s, measured now", printed
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]  # of `copy`
    start(copy, "--dry-run", "--only", "rate")
    printed = capsys.readouterr().out
    assert "2 of them are finished" in printed
    assert "expected time" not in printed


def costs_printed(printed):
    """Networks, and operations in all and of training, as `--dry-run` totals them."""
    text = r"conditions, (\d+) networks, (\S+) floating-point operations \(training (\S+),"
    return tuple(map(float, re.search(text, printed).groups()))


def test_dry_run_counts_a_training_once_for_all_conditions_of_its_recipe(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(FILE.read_text().partition("[[factors]]")[0] + RANKS)
    start(tmp_path, "--dry-run", "--only", "rank=1", file=file)
    networks, total, training = costs_printed(capsys.readouterr().out)
    start(tmp_path, "--dry-run", file=file)
    both = costs_printed(capsys.readouterr().out)
    assert both[0] == networks == 3
    assert both[2] == training
    assert total < both[1] < 2 * total


def test_what_is_trained_is_not_expected_to_train_again():
    read = read_sweep(FILE.read_text().partition("[[factors]]")[0] + RANKS)
    first, second = read.conditions.values()
    costs = expected_costs(read, [first, second])
    assert costs[first.digest] == cost_of(first)
    assert costs[second.digest] == cost_of(second)._replace(training=0.0)
    alone = expected_costs(read, [second], trained={first.recipe_digest})
    assert alone == {second.digest: cost_of(second)._replace(training=0.0)}
    budget = Budget(alone)
    assert budget.seconds_left() == math.inf
    budget.finish(second, "analysis")
    assert budget.seconds_left() == 0


def test_a_sweep_runs_from_python(copy, no_training, capsys):
    """From a file, its text or a sweep; what is finished is read, and the folder returned."""
    read, _ = load_sweep(copy / "tiny")
    for sweep_ in (FILE, str(FILE), FILE.read_text(), read):
        folder = rnne.run_sweep(sweep_, runs=copy, quiet=True)
        assert folder == copy / "tiny"
    assert capsys.readouterr().out == ""
    assert rnne.run_sweep(FILE, runs=copy, only=["rate"], dry_run=True) == folder
    assert "2 of them are finished" in capsys.readouterr().out
    with pytest.raises(ValueError, match="`sweep` must be a sweep file; nothing does not exist"):
        rnne.run_sweep("nothing")
    with pytest.raises(ValueError, match=r"`preset` must be one of this sweep's \(none\)"):
        rnne.run_sweep(read, preset="small")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`sweep` is missing"),
        (["nothing.toml"], "nothing.toml does not exist"),
        ([FILE, "--preset", "paper"], "`preset` must be one of this sweep's"),
        ([FILE, "--only", "chanels"], "did you mean `channels`"),
        ([FILE, "--only", "rate=3"], "`only` rate has no level '3'"),
        ([FILE, "--group", "flipflop-vanilla6-00000000"], "did you mean `flipflop-vanilla6-"),
        ([FILE, "--group", "3"], "`group` `3` is not one of this sweep's 2 groups"),
        ([FILE, "--devices", "9"], "`devices` must lie between 1 and the 2"),
        ([FILE, "--tile", "0"], "`tile` must be at least 1"),
        ([FILE, "--prset", "small"], "did you mean `--preset`"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, capsys):
    where = ["--runs", tmp_path / "runs"] if arguments else []
    assert message in failure(capsys, *arguments, *where)
    assert not (tmp_path / "runs").exists()


def test_masked_steps_are_found_before_training(tmp_path, no_training, capsys):
    text = FILE.read_text().replace('kind = "flipflop", n_bits = 1, n_steps = 12', 'kind = "late"')
    file = tmp_path / "late.toml"
    file.write_text(
        text.replace('field = "task.n_bits"', 'field = "task.n_steps"').replace("[1, 2]", "[12]")
    )
    error = failure(capsys, file, "--runs", tmp_path / "runs")
    assert "`step_stride` must keep a step at which the loss counts; got 6" in error
    assert not (tmp_path / "runs").exists()


def test_a_device_too_small_names_the_tile_that_fits(tmp_path, capsys, monkeypatch):
    memory = [2e5]
    monkeypatch.setattr("rnnensemble._core.runtime.memory_bytes", lambda _: memory[0])
    error = failure(capsys, FILE, "--tile", "64", "--runs", tmp_path / "runs")
    assert re.search(r"`tile` of 64 networks needs .* 0.0002 GB; a tile of \d+ fits", error)
    fitting = int(re.search(r"a tile of (\d+) fits", error)[1])
    error = failure(capsys, FILE, "--tile", str(fitting + 1), "--runs", tmp_path / "runs")
    assert f"; a tile of {fitting} fits" in error
    memory[0] = 1e4
    error = failure(capsys, FILE, "--runs", tmp_path / "runs")
    assert "not even a tile of 1 fits: lower `batch`" in error
    assert not (tmp_path / "runs").exists()


def test_lock_is_free_again_after_the_block(tmp_path):
    path = tmp_path / "groups" / "a.lock"
    for _ in range(2):
        with locks.held(path) as first, locks.held(path) as second:
            assert (first, second) == (True, False)
    assert path.exists()


def test_stage_of_a_missing_condition(tmp_path):
    assert sweep_folder.stage(tmp_path, "0" * 12) == (sweep_folder.MISSING, {})


def test_report_and_study_are_written_from_the_folder(copy, tmp_path, monkeypatch, capsys):
    folder, root = copy / "tiny", Path(__file__).parent.parent
    cli.main(["report", str(folder), "--permutations", "99"])
    printed = capsys.readouterr().out
    assert "findings over tasks" in printed
    assert "channels" in printed
    text = (folder / "report.html").read_text()
    assert "3 of 3 conditions are measured" in text
    assert '<a href="#factor-rate">rate</a>' in text
    cli.main(["advise", "--summary", str(folder / "findings.csv")])
    assert "Nothing measured supports an advice" in capsys.readouterr().out
    monkeypatch.syspath_prepend(root / "docs")
    monkeypatch.syspath_prepend(root / "benchmarks")
    import make_study

    study, findings = tmp_path / "study", tmp_path / "findings.csv"
    shutil.copytree(root / "docs" / "study", study)
    make_study.main(folder, study, findings)
    page = (study / "index.md").read_text()
    assert "| channels | no trend (1 task), undecided (paper: down) |" in page
    assert "| conditions measured | 3 of 3 |" in page
    assert findings.read_text() == (folder / "findings.csv").read_text()
    assert {path.name for path in (study / "figures").iterdir()} >= {"channels_levels.png"}
