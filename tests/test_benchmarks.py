"""What the documents say was measured is what was measured; the GPU script runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    import precision
    import report

    performance = (ROOT / "docs" / "performance.md").read_text()
    for name, result in json.loads((RESULTS / "throughput.json").read_text()).items():
        assert report.section(name, result) in performance
    assert precision.report(json.loads((RESULTS / "precision.json").read_text())) in performance
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
    assert dsa_settings.document(settings) in (ROOT / "docs" / "metrics" / "dsa.md").read_text()


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
    fair = {**laws.FAIR_DISTANCES, **laws.FAIR_VALUES}
    levels = [
        found["level"]
        for statistic in simulated["compare_conditions"].values()
        for law, sizes in statistic.items()
        if law in fair
        for found in sizes.values()
    ]
    assert len(levels) == 33
    assert 0.03 <= min(levels) <= max(levels) <= 0.07


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


def test_gpu_script_runs(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), str(tmp_path), "--tiny"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["failed"] == []
    assert [row["ok"] for row in written["correctness"]] == 6 * [True]
    assert {row["fused"] for row in written["methods"]} == {False, True}
    assert written["training"][0]["networks"] == 4
