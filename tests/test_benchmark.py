"""`rnnensemble benchmark`: rows within their time, whatever fails, and one line for a mistake."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core import runtime
from rnnensemble.figures.benchmark import benchmark_figure
from rnnensemble.study.benchmarking import exactness, programs, rivals, training
from rnnensemble.study.benchmarking.arguments import Asked
from rnnensemble.study.benchmarking.ceilings import Ceilings
from rnnensemble.study.benchmarking.plan import plan
from rnnensemble.study.benchmarking.result import Benchmark, cells
from rnnensemble.study.benchmarking.rows import Clock, OutOfTimeError, Row, Step, run_steps

pytestmark = pytest.mark.painted

TINY = ("--width", "8", "--batch", "4", "--steps", "5", "--sizes", "1", "2")


def step(name, *, expected=0.0, measure=lambda: {"speed": 1.0}):
    return Step(Row(kind="training", name=name), lambda: expected, measure)


def fails():
    raise RuntimeError("RESOURCE_EXHAUSTED: out of\n  memory")


@pytest.mark.long
def test_command_writes_table_json_and_figure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rivals, "run_script", lambda arguments, seconds: 5.0)
    cli.main(["benchmark", *TINY, "--runs", str(tmp_path), "--check"])
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "benchmark" / "benchmark.json").read_text())
    rows = written["rows"]
    kinds = [row["kind"] for row in rows]
    assert kinds.count("training") == 2
    assert kinds.count("pairs") == 2
    assert kinds.count("ceiling") == 2
    assert kinds[0] == "check"
    assert rows[0]["error"] < 2e-5
    trained = [row for row in rows if row["kind"] == "training"]
    assert {row["size"] for row in trained} == {1, 2}
    for row in trained:
        assert min(row["speed"], row["compile_seconds"], row["memory_bytes"]) > 0
        assert 0 < row["of_peak"] <= row["of_roofline"]
    assert written["machine"]["jax"] == jax.__version__
    for cell in ("train_population", "DSA pairs", "PIF pairs", "of roofline", "compile s"):
        assert cell in printed
    figures = tmp_path / "benchmark" / "figures"
    assert (figures / "benchmark.png").stat().st_size > 10_000
    assert (figures / "benchmark.svg").exists()


def test_failing_row_costs_no_other():
    reported = []
    steps = [step("fails", measure=fails), step("works")]
    rows = run_steps(steps, clock=Clock(60), report=reported.append)
    assert rows[0].problem == "failed: RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    assert rows[0].speed is None
    assert (rows[1].speed, rows[1].problem) == (1.0, "")
    assert reported == rows


def test_no_row_starts_that_would_not_end():
    rows = run_steps([step("long", expected=100.0), step("short", expected=1.0)], clock=Clock(50))
    assert rows[0].problem.startswith("left out: takes about 100 s, ")
    assert rows[1].speed == 1.0


def test_rows_that_took_longer_raise_what_is_expected(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def slow():
        now[0] += 30.0
        return {"speed": 1.0}

    steps = [step("a", expected=10.0, measure=slow), step("b", expected=10.0, measure=slow)]
    rows = run_steps(steps, clock=Clock(50))
    assert rows[0].seconds == 30.0
    assert rows[1].problem == "left out: takes about 30 s, 20 s were left"


def test_row_stops_when_time_is_up():
    case = training.Case(4, 4, 5, 2)
    with pytest.raises(OutOfTimeError, match="`seconds`"):
        training.net_steps_per_second(case, runtime.network_mesh(1), Clock(-1.0))


def test_program_compiled_ahead_is_the_one_that_trains(tmp_path):
    case, mesh = training.Case(5, 4, 6, 3, epoch_steps=2), runtime.network_mesh(1)
    with programs.cache_in(str(tmp_path)):
        program = programs.compile_epoch(case.settings, mesh, 1)
        training.net_steps_per_second(case, mesh)
    epochs = [
        path for path in tmp_path.iterdir() if "_epoch" in path.name and "-cache" in path.name
    ]
    assert len(epochs) == 1
    assert program.seconds > 0
    assert program.memory_bytes > 4 * 3 * 5 * 5


def test_programs_compile_in_threads_and_failures_are_told(tmp_path):
    case, mesh = training.Case(6, 4, 6, 3, epoch_steps=2), runtime.network_mesh(1)

    def one():
        programs.compile_epoch(case.settings, mesh, 1)

    with programs.cache_in(str(tmp_path)):
        failed = programs.compile_all([one, fails], threads=2, seconds=60.0)
    assert failed == ["RESOURCE_EXHAUSTED: out of\n  memory"]


def test_scan_agrees_with_float64_and_a_wrong_one_would_not():
    case = exactness.Case(16, "scan", "float32", 10)
    error = exactness.largest_error(case)
    assert exactness.verdict(error, "float32") == {"error": error, "problem": ""}
    for wrong in (1e-3, np.nan):
        assert exactness.verdict(wrong, "float32")["problem"].startswith("wrong")
    rounded = exactness.largest_error(case._replace(precision="tf32"))
    assert error < 2e-5 < rounded < 3e-3


def test_shares_are_of_the_lower_limit():
    shape, ceilings = (64, 64, 100), Ceilings(flops=1e12, traffic=1e9)
    limit = training.roofline(shape, ceilings)
    assert limit == pytest.approx(1e9 / (6 * 4 * 100 * 64 * 64))
    found = training.shares(shape, limit, ceilings)
    assert found["of_roofline"] == pytest.approx(1.0)
    assert found["of_peak"] == pytest.approx(limit * training.flops(*shape) / 1e12)
    assert training.shares(shape, limit, None) == {}


def test_pytorch_missing_or_failing_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (row,) = run_steps([rivals.torch_step("loop", (8, 4, 5), Clock(9))], clock=Clock(9))
    assert row.problem == "PyTorch is not installed"
    mesh = runtime.network_mesh(1)
    asked = Asked(((8, 4, 5), (4, 4, 5)), (2,), None, mesh, check=False, pairs=False, torch=True)
    rows = run_steps(plan(asked, Clock(60.0)), clock=Clock(0.5))
    assert [row.problem for row in rows if row.kind == "rival"] == ["PyTorch is not installed"]


@pytest.mark.long
def test_pytorch_runs_in_both_forms():
    pytest.importorskip("torch")
    for form in ("loop", "processes"):
        clock = Clock(120)
        (row,) = run_steps([rivals.torch_step(form, (8, 4, 5), clock)], clock=clock)
        assert row.speed > 0, row.problem
    with pytest.raises(RuntimeError, match="PyTorch ended with status 1"):
        rivals.run_script(("8", "4"), 60.0)


def test_figure_without_rows_says_so():
    with pytest.raises(ValueError, match="`found` must hold a row of training"):
        benchmark_figure(Benchmark({}, (), 0.0))


def test_table_stands_in_the_order_of_kind_and_shape():
    rows = [
        Row(kind="pairs", name="DSA", speed=3.0),
        Row(kind="training", name="t", width=32, batch=32, size=4, speed=123456.0),
        Row(kind="training", name="t", width=64, batch=64, size=4, problem="left out: it"),
        Row(kind="training", name="t", width=64, batch=64, size=1, speed=0.5),
        Row(kind="ceiling", name="matrix products", precision="tf32", speed=2e12),
    ]
    columns, lines = Benchmark({}, tuple(rows), 0.0).table()
    assert [line[0] for line in lines] == ["matrix products, tf32", "t", "t", "DSA pairs"]
    speeds = [line[columns.index("a second")] for line in lines]
    assert speeds == ["2,000 GFLOP", "0.5 net-steps", "123,456 net-steps", "3 pairs"]


def test_cells_name_the_problem():
    row = Row(kind="training", name="train_population", width=8, size=1024, problem="failed: it")
    assert cells(row)[:7] == ("train_population", "8", "", "", "1,024", "", "failed: it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tile": 0}, r"`tile` must be at least 1; got 0"),
        ({"tile": 10**6}, r"`tile` of 1000000 networks is never full"),
        ({"devices": 10**4}, r"`devices` must lie between 1 and"),
        ({"seconds": 0.5}, r"`seconds` of 0.5 is too little for any row: the shortest takes"),
        ({"seconds": float("nan")}, r"`seconds` of nan is too little"),
        ({"platform": "npu"}, r"`platform` must be one of cpu, gpu, tpu; got 'npu'"),
        ({"platform": "tpu"}, r"`platform` must be cpu, which JAX runs on here; got 'tpu'"),
        ({"width": (8, 16), "batch": 4}, r"`batch` must hold one number for each of the 2 of"),
        ({"width": 0, "batch": 4}, r"`width` must be a whole number of at least 1; got 0"),
        ({"steps": 1.5}, r"`steps` must be a whole number of at least 1; got 1.5"),
        ({"sizes": ()}, r"`sizes` must hold at least one number; got none"),
    ],
)
def test_mistakes_are_told_before_anything_runs(arguments, message):
    with pytest.raises(ValueError, match=message):
        rnne.benchmark(**arguments)


def test_mistake_is_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        cli.main(["benchmark", *TINY, "--seconds", "0.5", "--runs", str(tmp_path)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("rnnensemble: `seconds` of 0.5 is too little")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_platform_that_is_not_there_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rnnensemble", "benchmark", "--platform", "gpu"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("rnnensemble: `platform` gpu is not here: ")
    assert done.stderr.count("\n") == 1
