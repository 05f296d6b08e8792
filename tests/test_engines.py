"""Sweeps on engines: tasks that fail, workers that do not fit, drivers that are interrupted."""

import contextlib
import multiprocessing
import signal
import types
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

import rnnensemble as rnne
from rnnensemble.cli import driver, engines, worker
from rnnensemble.files import locks
from rnnensemble.study.engines import Ray, Slurm, read_engines, settings_of
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep
from tests.test_sweep import FILE, failure, rows_of

with contextlib.suppress(ImportError):
    import submitit  # noqa: F401  its log goes to what is standard error now, not in a test

pytestmark = pytest.mark.usefixtures("quick_driver")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The rows of a sweep in one process."""
    return rows_of(rnne.run_sweep(FILE, runs=tmp_path_factory.mktemp("runs"), quiet=True))


class Here:
    """An engine that works at once, in this process, after what `before` does to a task."""

    def __init__(self, before=lambda task: task):
        self.before, self.groups = before, []

    def submit(self, function, task):
        self.groups.append(getattr(task, "group", task))
        future = Future()
        try:
            future.set_result(function(self.before(task)))
        except Exception as error:
            future.set_exception(error)
        return future


def on(engine, folder, **options):
    return rnne.run_sweep(FILE, runs=folder, engine=engine, **options)


@contextlib.contextmanager
def processes():
    """An executor of Python's own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextlib.contextmanager
def dask():
    """A Dask cluster of this machine, whose one worker works on one task at a time."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.long
@pytest.mark.parametrize("pool", [processes, dask])
def test_processes_make_what_one_makes(pool, alone, tmp_path, capsys):
    with pool() as engine:
        folder = on(engine, tmp_path)
    assert rows_of(folder) == alone
    said = capsys.readouterr().out
    assert said.startswith("0 of 2 groups done, ")
    assert ", 1 running, " in said or ", 2 running, " in said
    assert "2 of 2 groups done, 0 running, 0 waiting, 0 failed; 9 of 9 networks converged" in said
    again = Here()
    on(again, tmp_path)
    assert again.groups == []  # all is finished
    assert "2 of 2 groups done, 0 running, 0 waiting, 0 failed; 9 of 9" in capsys.readouterr().out


def test_what_fails_is_tried_again(alone, tmp_path, capsys):
    failures = iter(["no memory", "first line\nlost its node\n", "later"])

    def fails(task):
        if (words := next(failures)) != "later":
            raise RuntimeError(words)
        return task

    folder = on(Here(fails), tmp_path, only=["channels=2"])
    said = capsys.readouterr().out
    assert "failed, try 1 of 3: RuntimeError: no memory\n" in said
    assert "failed, try 2 of 3: RuntimeError: lost its node\n" in said
    assert rows_of(folder) == [row for row in alone if row["label"] == "2"]


def test_what_fails_again_and_again_costs_no_other_group(alone, tmp_path):
    (first, second) = (group.name for group in groups_of(read_sweep(FILE.read_text())))

    def fails(task):
        if task.group == first:
            raise RuntimeError("broken")
        return task

    engine = Here(fails)
    with pytest.raises(ValueError, match=f"`sweep` has 1 groups that failed 3 times each, {first}"):
        on(engine, tmp_path, quiet=True)
    assert sorted(engine.groups) == sorted([*3 * [first], second])
    assert rows_of(tmp_path / "tiny") == [row for row in alone if row["label"] == "2"]


def test_groups_of_other_processes_are_left_to_them(alone, tmp_path):
    """Those of a driver that was killed, whose tasks go on."""
    group = groups_of(read_sweep(FILE.read_text()))[0]
    waited = []

    def until_free(task):
        if task.group == group.name and len(waited) < 3:
            waited.append(task)
            if len(waited) == 3:
                held.__exit__(None, None, None)
        return task

    held = locks.held(tmp_path / "tiny" / "groups" / f"{group.name}.lock")
    on(Here(), tmp_path, only=["channels=2"], quiet=True)  # the folder is there
    assert held.__enter__()
    assert rows_of(on(Here(until_free), tmp_path, quiet=True)) == alone
    assert len(waited) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"versions": {"jax": "0.0"}}, "`engine` has a worker on .* with jax .*, the driver has 0"),
        ({"probe": "x"}, "`runs` must be a folder that all workers see; the worker on"),
    ],
)
def test_workers_that_do_not_fit_end_the_sweep(tmp_path, change, message):
    engine = Here(lambda task: task._replace(**change))
    with pytest.raises(ValueError, match=message):
        on(engine, tmp_path, quiet=True)
    assert len(engine.groups) == 2  # what was submitted before it was known, and no more


def test_what_was_stopped_goes_on_and_has_not_failed(alone, tmp_path, monkeypatch, capsys):
    """A worker that gets SIGTERM saves; its driver is not the one that was interrupted."""
    run, stops = worker.run_group, [KeyboardInterrupt("saved")] * 4

    def stopped(*arguments):
        if stops:
            raise stops.pop()
        run(*arguments)

    monkeypatch.setattr(worker, "run_group", stopped)
    assert rows_of(on(Here(), tmp_path)) == alone
    said = capsys.readouterr().out
    assert said.count("was stopped and is submitted again: saved") == 4
    assert "failed, try" not in said


def test_a_dry_run_starts_no_engine(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engines, "engine_of", None)
    on("ray", tmp_path, dry_run=True)
    assert "groups" in capsys.readouterr().out
    with pytest.raises(ValueError, match="`engine` must be local, slurm, ray"):
        on("rya", tmp_path, dry_run=True)


def test_an_engine_that_takes_nothing(tmp_path):
    def full(*_):
        raise OSError("Invalid partition")

    with pytest.raises(ValueError, match=r"`engine` takes no task \(OSError: Invalid partition\)"):
        on(types.SimpleNamespace(submit=full), tmp_path, quiet=True)
    with pytest.raises(ValueError, match="`engine` must be a name or have `submit`; got 3"):
        on(3, tmp_path)


@pytest.mark.parametrize(
    ("answer", "words", "cancelled"),
    [
        (None, "what was submitted goes on by itself", False),
        ("", "what was submitted goes on by itself", False),
        ("no", "the tasks are cancelled", True),
    ],
)
def test_ctrl_c_asks_whether_tasks_go_on(tmp_path, monkeypatch, answer, words, cancelled):
    futures = []

    def submit(*_):
        futures.append(Future())
        return futures[-1]

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "time", types.SimpleNamespace(sleep=stop, monotonic=lambda: 0.0))
    terminal = types.SimpleNamespace(isatty=lambda: answer is not None)
    monkeypatch.setattr(driver.sys, "stdin", terminal)
    monkeypatch.setattr("rich.console.Console.input", lambda *_: answer)
    with pytest.raises(KeyboardInterrupt, match=words):
        on(types.SimpleNamespace(submit=submit), tmp_path, quiet=True)
    assert [future.cancelled() for future in futures] == [cancelled] * 2


def test_settings_come_from_the_file_and_from_flags():
    text = '[engine.slurm]\npartition = "gpu"\ngpus = 1\n'
    found = settings_of(text, "slurm", ("gpus=2", "partition=big", 'setup=["module load x"]'))
    assert found == Slurm(partition="big", gpus=2, setup=("module load x",))
    assert settings_of(text, "ray") == Ray()
    for table, words in (
        ({"slrum": {}}, "`engine.slrum` is not a setting; did you mean `engine.slurm`"),
        ({"slurm": {"partiton": "x"}}, "did you mean `engine.slurm.partition`"),
        ({"slurm": {"minutes": 0}}, "`minutes` must be a whole number of at least 1"),
        ({"slurm": {"memory_gb": -1.0}}, "`memory_gb` must be a positive number"),
        ({"ray": {"gpus": -1.0}}, "`gpus` must be at least 0"),
    ):
        with pytest.raises(ValueError, match=words):
            read_engines(table)
    with pytest.raises(ValueError, match="`engine_setting` must be KEY=VALUE; got 'gpus'"):
        settings_of(text, "slurm", ("gpus",))


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_an_engine_that_is_not_installed(name, tmp_path, monkeypatch, capsys):
    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(engines, "importlib", types.SimpleNamespace(import_module=missing))
    error = failure(capsys, FILE, "--runs", tmp_path, "--engine", name)
    assert f"pip install 'rnnensemble[{name}]'" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("there", "absent"), [((), "srun"), (("srun",), "sbatch")])
def test_a_machine_without_slurm(there, absent, tmp_path, monkeypatch, capsys):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name in there:
        (tmp_path / "bin" / name).touch(0o755)
    error = failure(capsys, FILE, "--runs", tmp_path / "runs", "--engine", "slurm")
    assert f"`engine` slurm needs SLURM's commands; this machine has no `{absent}`" in error
    assert not (tmp_path / "runs").exists()


REFUSED = """#!/bin/sh
echo "$@" >&2
echo "sbatch: error: invalid partition specified: nowhere" >&2
echo "allocation failure: Invalid partition name specified" >&2
exit 1
"""


def test_what_slurm_refuses_is_known_before_anything_is_written(tmp_path, monkeypatch, capsys):
    """Here a script has its words; tests/test_slurm.py asks SLURM itself."""
    pytest.importorskip("submitit")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text(REFUSED)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    asked = ["--engine-setting", "partition=nowhere", "cpus=3", "memory_gb=1.5"]
    error = failure(capsys, FILE, "--runs", tmp_path / "runs", "--engine", "slurm", *asked)
    assert "--test-only --nodes=1 --partition=nowhere --mem=1536M --cpus-per-task=3" in error
    assert "`engine` slurm takes no such job (" in error
    assert "; invalid partition specified: nowhere; allocation failure: Invalid" in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--engine", "slrum"], "`engine` must be local, slurm, ray"),
        (["--engine-setting", "gpus=1"], "`engine_setting` must come with an engine"),
        (["--engine", "slurm", "--engine-setting", "gpu=1"], "did you mean `engine.slurm.gpus`"),
    ],
)
def test_flags_that_do_not_fit(tmp_path, capsys, flags, words):
    assert words in failure(capsys, FILE, "--runs", tmp_path, *flags)
    assert list(tmp_path.iterdir()) == []


def test_slurm_jobs_save_before_they_are_requeued():
    """The scheduler's signal does what Ctrl-C does; then submitit's own handler has its turn."""
    said = []

    def work(number):
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
        said.append(number)
        return {"stopped": "saved"}

    before = signal.signal(signal.SIGUSR2, lambda signum, _: said.append(signum))
    try:
        theirs = signal.getsignal(signal.SIGUSR2)
        engines.Requeued(work)(7)
        assert signal.getsignal(signal.SIGUSR2) is theirs
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert said == [7, signal.SIGUSR2]


def test_a_task_says_where_and_how_long(tmp_path):
    said = []

    def submit(function, task):
        said.append(function(task))
        future = Future()
        future.set_result(said[-1])
        return future

    on(types.SimpleNamespace(submit=submit), tmp_path, only=["channels=2"], quiet=True)
    assert said[0].keys() == {"host", "seconds", "left"}
    assert said[0]["left"] == 0
    assert worker.versions().keys() == {"rnnensemble", "jax", "jaxlib", "numpy", "python"}


def test_a_slurm_job_that_left_the_queue_without_a_result_is_lost(monkeypatch):
    """Without accounting, submitit never says so."""
    clock, states = [0.0], {"7": "RUNNING"}
    monkeypatch.setattr(engines, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    theirs = types.SimpleNamespace(job_id=7, paths=None, done=lambda: False)
    job = engines.SlurmJob(theirs, lambda: states)
    assert (job.running(), job.done()) == (True, False)
    states.clear()
    assert (job.running(), job.done()) == (False, False)
    clock[0] = engines.LOST + 1
    assert job.done()
    with pytest.raises(RuntimeError, match="job 7 is gone and has left no result"):
        job.result()
    states["7"] = "PENDING"  # requeued
    assert not job.done()
    theirs.done, theirs.result = (lambda: True), (lambda: "its result")
    assert job.done()
    assert job.result() == "its result"
