"""What the documents say was measured is what was measured; the GPU script runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.stats import reliability
from rnnensemble.study.benchmarking.exactness import LARGEST_ERRORS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_documents_show_the_results():
    import complexity
    import convergence
    import coverage_tables
    import dsa_settings
    import intrinsic_dimension
    import launches_report
    import many_conditions
    import metric_trials
    import precision
    import report

    performance = (ROOT / "docs" / "performance.md").read_text()
    for name, result in json.loads((RESULTS / "throughput.json").read_text()).items():
        assert report.section(name, result) in performance
    assert precision.report(json.loads((RESULTS / "precision.json").read_text())) in performance
    counted = json.loads((RESULTS / "launches.json").read_text())
    assert launches_report.report(counted) in performance
    many = json.loads((RESULTS / "many_conditions.json").read_text())
    assert many_conditions.table(many) in performance
    trained = json.loads((RESULTS / "convergence.json").read_text())
    simulated = json.loads((RESULTS / "coverage.json").read_text())
    assert coverage_tables.report(simulated) in (ROOT / "docs" / "statistics.md").read_text()
    assert convergence.table(trained) in (ROOT / "docs" / "tasks.md").read_text()
    measured = json.loads((RESULTS / "complexity.json").read_text())
    subspaces = json.loads((RESULTS / "intrinsic_dimension.json").read_text())
    page = (ROOT / "docs" / "complexity.md").read_text()
    assert intrinsic_dimension.table(subspaces) in page
    assert complexity.table(measured) in page
    settings = json.loads((RESULTS / "dsa_settings.json").read_text())
    page = (ROOT / "docs" / "metrics" / "dsa.md").read_text()
    assert dsa_settings.document(settings) in page
    assert dsa_settings.measured_document(settings) in page
    default = rnne.DSA()
    assert settings["default"] == [default.coordinates, default.n_delays]
    drawn = json.loads((RESULTS / "metric_trials.json").read_text())
    pages = {name: metric_trials.document(drawn, name) for name in metric_trials.METRICS}
    for name, shown in (pages | {"pif": metric_trials.weights_document(drawn)}).items():
        assert shown in (ROOT / "docs" / "metrics" / f"{name}.md").read_text()


def test_share_of_trials_is_the_noise_over_the_mean():
    import metric_trials

    rng = np.random.default_rng(0)
    solutions = rng.uniform(1, 3, size=2000)
    found = solutions + 0.2 * rng.normal(size=(4, 2000))
    row = metric_trials.of_draws(found + 0.1, solutions)
    assert row["mean"] == pytest.approx(2.1, abs=0.05)
    assert row["share"] == pytest.approx(0.2 / 2.1, rel=0.05)
    assert row["bias"] == pytest.approx(0.05, abs=0.01)
    assert row["reliability"] == pytest.approx(1 / 3 / (1 / 3 + 0.04), abs=0.02)
    two = metric_trials.of_draws(found[:2], solutions)
    difference = np.sqrt(np.mean((found[0] - found[1]) ** 2) / 2)
    assert two["share"] == pytest.approx(difference / found[:2].mean())
    assert two["reliability"] == pytest.approx(reliability.intraclass_correlation(*found[:2]))


def test_trials_are_enough_where_all_more_are():
    import metric_trials

    def rows(*each):
        return {4**k: {"share": share, "bias": bias} for k, (share, bias) in enumerate(each, 1)}

    assert metric_trials.needed(rows((0.3, 0.01), (0.1, -0.05), (0.02, 0.0))) == 16
    assert metric_trials.needed(rows((0.05, 0.01), (0.2, 0.0), (0.02, 0.0))) == 64
    assert metric_trials.needed(rows((0.05, 0.0), (0.05, 0.0), (0.05, -0.06))) is None
    drawn = list(metric_trials.draws(np.arange(60).reshape(2, 30, 1, 1), 4))
    assert len(drawn) == 7
    assert len(np.unique(drawn)) == 7 * 2 * 4
    assert len(list(metric_trials.draws(np.zeros((2, 90, 1, 1)), 4))) == metric_trials.DRAWS


PROGRAM = """HloModule jit_epoch, is_scheduled=true

FileNames
1 "/elsewhere/rnnensemble/training/epoch.py"
2 "/elsewhere/rnnensemble/tasks/flipflop.py"
3 "/elsewhere/site-packages/optax/transform.py"

FunctionNames
1 "train_epoch.<locals>.step"
2 "FlipFlop.clean_trials"
3 "update_fn"

FileLocations
1 {file_name_id=1 function_name_id=1 line=5 end_line=5 column=1 end_column=2}
2 {file_name_id=2 function_name_id=2 line=6 end_line=6 column=1 end_column=2}
3 {file_name_id=3 function_name_id=3 line=7 end_line=7 column=1 end_column=2}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}
3 {file_location_id=3 parent_frame_id=2}

%fused_add (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %add.1 = f32[4]{0} add(%p, %p), metadata={stack_frame_id=2}
}

%inner (a: (s32[], f32[4])) -> (s32[], f32[4]) {
  %a = (s32[], f32[4]{0}) parameter(0)
  %get-tuple-element.1 = f32[4]{0} get-tuple-element(%a), index=1
  %fusion.1 = f32[4]{0} fusion(%get-tuple-element.1), kind=kLoop, calls=%fused_add
  %fusion-start.2 = ((f32[4]{0}), f32[4]{0}, u32[]) fusion-start(%fusion.1), calls=%fused_add
  %fusion-done.2 = f32[4]{0} fusion-done(%fusion-start.2)
  ROOT %tuple.1 = (s32[], f32[4]{0}) tuple(%a, %fusion-done.2)
}

%short (b: f32[4]) -> f32[4] {
  ROOT %b = f32[4]{0} parameter(0)
}

%long (c: f32[4]) -> f32[4] {
  %c = f32[4]{0} parameter(0)
  ROOT %copy.1 = f32[4]{0} copy(%c)
}

%step (d: (s32[], f32[4])) -> (s32[], f32[4]) {
  %d = (s32[], f32[4]{0}) parameter(0)
  %product = (f32[4,4]{1,0}, s8[64]{0}) custom-call(%d), custom_call_target="__cublas$gemm", \
metadata={op_name="jit(epoch)/dot_general" stack_frame_id=3}
  %cond.1 = f32[4]{0} conditional(%d), branch_computations={%short, %long}
  %while.1 = (s32[], f32[4]{0}) while(%d), condition=%is_less, body=%inner, \
backend_config={"known_trip_count":{"n":"10"}}
  ROOT %tuple.2 = (s32[], f32[4]{0}) tuple(%d, %cond.1)
}

ENTRY %main (e: (s32[], f32[4])) -> (s32[], f32[4]) {
  %e = (s32[], f32[4]{0}) parameter(0)
  %call.1 = f32[4]{0} call(%e), to_apply=%long
  %while.3 = (s32[], f32[4]{0}) while(%e), condition=%is_near, body=%inner
  ROOT %while.2 = (s32[], f32[4]{0}) while(%e), condition=%is_less, body=%step, \
backend_config={"known_trip_count":{"n":"7"}}
}
""".replace("\\\n", "")


def test_launches_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "workers"))
    import kernels

    step = kernels.kernels(PROGRAM, loop=7)
    assert [(kernel.operation, kernel.times) for kernel in step] == [
        ("__cublas$gemm", 1),
        ("copy", 1),
        ("fusion", 10),
        ("fusion-start", 10),
    ]
    assert kernels.launches(step) == 22
    assert kernels.launches(kernels.kernels(PROGRAM)) == 1 + 2 + 7 * 22
    assert kernels.open_loops(PROGRAM) == 1
    assert [kernel.part for kernel in step] == ["epoch", "other", "tasks", "tasks"]
    assert step[0].lines == ("training/epoch.py:5 step",)
    assert step[2].lines == ("tasks/flipflop.py:6 clean_trials",)
    assert step[0].shape == "f32[4,4]"
    with pytest.raises(ValueError, match="one loop of 8 steps; found 0"):
        kernels.kernels(PROGRAM, loop=8)


def test_limits_of_launches():
    import launches
    import launches_report

    row = launches.ROWS["scan"]
    assert (row.tile, row._replace(width=128, batch=256).tile) == (1024, 128)
    assert row._replace(width=32, batch=32).tile == 4096
    found = {**row._asdict(), "tile": row.tile, "inputs": 3, "outputs": 3, "launches": 500}
    speeds = launches_report.limits(found)
    assert speeds["launches"] == pytest.approx(1024 / 2.5e-3)
    assert speeds["arithmetic"] == pytest.approx(67e12 / 169_574_400)
    assert speeds["memory"] == pytest.approx(3.35e12 / 9_830_400)
    assert launches_report.verdict(found) == "600, yes"


def test_intervals_and_tests_keep_what_they_claim():
    import laws

    simulated = json.loads((RESULTS / "coverage.json").read_text())
    shares = [
        found["ours"]
        for statistic, fair in (
            ("mean_distance", laws.FAIR_DISTANCES),
            ("spread", laws.FAIR_VALUES),
        )
        for law in fair
        for found in simulated[statistic][law].values()
    ]
    shares += [x for found in simulated["mean_cross_distance"].values() for x in found.values()]
    assert len(shares) == 54
    assert 0.92 <= min(shares) <= max(shares) <= 0.97
    of_logs = [x["ours"] for found in simulated["log_spread"].values() for x in found.values()]
    assert len(of_logs) == 21
    assert 0.92 <= min(of_logs) <= max(of_logs) <= 0.97
    fair = {**laws.FAIR_DISTANCES, **laws.FAIR_VALUES}
    levels = [
        found["level"]
        for statistic in simulated["compare_conditions"].values()
        for law, sizes in statistic.items()
        if law in fair
        for found in sizes.values()
    ]
    levels += [
        found["level"]
        for sizes in simulated["compare_conditions"]["mean"].values()
        for found in sizes.values()
    ]
    assert len(levels) == 36 + 21
    assert 0.03 <= min(levels) <= max(levels) <= 0.07


def test_two_factors_keep_their_level_where_conditions_have_one_law():
    import coverage_two_way

    simulated = json.loads((RESULTS / "coverage.json").read_text())["two_way"]
    levels = [
        level
        for by_setting in simulated.values()
        for setting in coverage_two_way.SETTINGS[:2]
        for by_size in by_setting[setting].values()
        for found in by_size.values()
        for level in found["level"].values()
    ]
    assert len(levels) == 8 * 3 * (3 + 2)
    error = (0.05 * 0.95 / 500) ** 0.5
    assert max(abs(level - 0.05) for level in levels) < 4 * error
    assert 0.04 < np.mean(levels) < 0.06


def test_page_of_distances_shows_the_results():
    import distances
    import distances_report

    results = json.loads((RESULTS / "distances.json").read_text())
    assert list(results) == list(distances.PARTS)
    assert distances_report.report(results) in (ROOT / "docs" / "distances.md").read_text()


def test_report_of_distances_admits_what_falls_short():
    import distances_report

    results = json.loads((RESULTS / "distances.json").read_text())
    exact = dict.fromkeys(results["exact"]["found"], 1e-5)
    for error, verdict in ((1e-5, "yes"), (2e-4, "**no**")):
        results["exact"]["found"] = {**exact, "two_by_two": error}
        assert f"| {error:.1e} | {verdict} |" in distances_report.report(results)
    alignments = results["alignments"]["found"]
    assert "with one thread" in distances_report.report(results)
    for group in alignments.values():  # as measured without dsa-metric
        group["seconds"] = {"ours": [group["stored_seconds"] / 50]}
    shown = distances_report.report(results)
    assert "with one thread, " not in shown
    (row,) = (line for line in shown.splitlines() if "a pair at rank 10" in line)
    assert row.endswith("x (stored seconds) | **no** |")


MISSING_THERE = ("tyro", "docstring_parser", "typeguard", "tomli_w")
"""What the GPU machine does not have."""


def gpu_script(command, folder, stubs):
    """Runs a command of the GPU plan as on a machine without some packages."""
    stubs.mkdir(parents=True, exist_ok=True)
    for name in MISSING_THERE:
        (stubs / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)\n")
    script = ROOT / "benchmarks" / "gpu.py"
    done = subprocess.run(
        [sys.executable, str(script), command, str(folder), "--tiny"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(stubs)},
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 left out for time, 0 wrong" in done.stdout, done.stdout
    return json.loads((folder / f"{command}.json").read_text())


def of_kind(result, kind):
    return [row for row in result["rows"] if row["kind"] == kind]


@pytest.mark.long
def test_gpu_plan_runs_without_the_packages_missing_there(tmp_path):
    import gpu_report

    folder = tmp_path / "out"
    checked = gpu_script("check", folder, tmp_path / "stubs")
    errors = {(row["name"], row["precision"]): row["error"] for row in of_kind(checked, "check")}
    assert len(errors) == 6
    assert all(error < LARGEST_ERRORS[precision] for (_, precision), error in errors.items())
    assert [row["tile"] for row in of_kind(checked, "training")][:2] == [1, 1]
    assert of_kind(checked, "condition")[0]["details"]["conditions"][0]["dsa"][0] > 0
    measured = gpu_script("measure", folder, tmp_path / "stubs")
    assert of_kind(measured, "threshold")[0]["details"]["converged"] == 4
    precisions = {row["precision"] for row in of_kind(measured, "training")}
    assert precisions == {"float32", "tf32", "bfloat16"}
    assert {row["name"] for row in of_kind(measured, "pairs")} == {"DSA", "PIF"}
    assert len(of_kind(measured, "ceiling")) == 4
    profiled = gpu_script("profile", folder, tmp_path / "stubs")
    products = [row["details"]["products"] for row in of_kind(profiled, "kernel")]
    assert products == ["two tf32 parts", "three bfloat16 parts"]
    assert [row["details"]["fused"] for row in of_kind(profiled, "profile")] == [True, False]
    assert "| two tf32 parts | 16 | 4 |" in gpu_report.section(profiled)
    names = {"check.json", "measure.json", "profile.json"}
    assert {path.name for path in folder.iterdir()} == names
    shown = gpu_report.section(measured)
    for part in ("to their threshold in", "Ceilings: ", "Distances: ", "kernel alignment"):
        assert part in shown
    assert "scan against float64" in gpu_report.section(checked)
    with pytest.raises(SystemExit, match="is tiny, not of a GPU; nothing was written"):
        gpu_report.write([folder])


def test_gpu_plan_goes_on_where_its_process_died(tmp_path, monkeypatch):
    import gpu

    ends, calls = iter([-11, -11, gpu.POISONED, 0]), []

    def call(command, timeout):
        calls.append(command[-1])
        return next(ends)

    monkeypatch.setattr("subprocess.call", call)
    assert gpu.supervise("check", tmp_path, 60.0, False) == 0
    assert calls == ["first", "again", "died", "again"]


@pytest.mark.parametrize(("problem", "status"), [("wrong: the error", 1), ("left out: time", 0)])
def test_gpu_plan_that_is_stopped_says_what_was_wrong(tmp_path, monkeypatch, problem, status):
    import gpu

    def call(command, timeout):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr("subprocess.call", call)
    assert gpu.supervise("check", tmp_path / "nothing", 60.0, False) == 1
    rows = [{"kind": "check", "name": "fused", "problem": problem}]
    (tmp_path / "check.json").write_text(json.dumps({"rows": rows}))
    assert gpu.supervise("check", tmp_path, 60.0, False) == status


def test_page_says_what_a_gpu_has_measured(tmp_path, monkeypatch):
    import gpu_report

    text = gpu_report.document(gpu_report.stored())
    assert f"<!-- gpu: begin -->\n\n{text}\n\n<!-- gpu: end -->" in gpu_report.PAGE.read_text()
    assert gpu_report.document([]) == "**Not measured on a GPU.**"
    page, results = tmp_path / "page.md", tmp_path / "gpu.json"
    page.write_text("<!-- gpu: begin -->\n\nold\n\n<!-- gpu: end -->\n")
    monkeypatch.setattr(gpu_report, "PAGE", page)
    monkeypatch.setattr(gpu_report, "RESULTS", results)
    shape = {"width": 64, "batch": 64, "steps": 100}
    rows = [
        {"kind": "training", "name": "train_population", **shape, "size": 512, "speed": 1e5},
        {"kind": "ceiling", "name": "matrix products", "precision": "float32", "speed": 5e13},
        {"kind": "ceiling", "name": "memory traffic", "speed": 3e12},
        {"kind": "training", "name": "fused", **shape, "problem": "failed: XlaRuntimeError: it"},
    ]
    machine = {"platform": "gpu", "device": "NVIDIA H100", "jax": "0.11.2"}
    found = {"command": "check", "machine": machine, "date": "2026-12-01", "tiny": False}
    (tmp_path / "check.json").write_text(json.dumps({**found, "rows": rows}))
    gpu_report.write([tmp_path])
    assert "### `check`: NVIDIA H100, jax 0.11.2, 2026-12-01" in page.read_text()
    assert "| train_population | 64 | 64 | 512 |  |  | 100,000 | 34% | 34% |" in page.read_text()
    assert "- fused, N = 64, B = 64: failed: XlaRuntimeError: it" in page.read_text()
    assert gpu_report.wrong({"rows": rows}) == ["fused, N = 64, B = 64"]
    assert gpu_report.stored()[0]["rows"] == rows


def test_report_shows_processes_of_pytorch_where_they_were_measured():
    import report

    (*_, result) = json.loads((RESULTS / "throughput.json").read_text()).values()
    with_processes = [{**row, "pytorch_processes": [35.0]} for row in result["comparison"]]
    shown = report.comparison_table({**result, "comparison": with_processes})
    assert "a process on each core" in shown
    assert " | 35 | " in shown
