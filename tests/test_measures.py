"""Further measures: found by name, measured, stored, in sweeps, reports and advice."""

import dataclasses

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble.analysis import measures
from rnnensemble.analysis.measures import Representation
from rnnensemble.files import folders
from rnnensemble.study import advice
from rnnensemble.study.findings import Finding
from rnnensemble.training.evaluation import evaluation_key
from tests.own_measure import Kernels
from tests.tiny import ANALYSIS as PLAIN
from tests.tiny import NETWORK, TASK

ANALYSIS = dataclasses.replace(PLAIN, measures=("representation",))


@pytest.fixture(scope="module")
def population():
    training = rnne.Training(batch=16, epoch_steps=16, max_epochs=3, patience=1, threshold=1e9)
    return rnne.train_population(TASK, network=NETWORK, training=training, size=4)


@pytest.mark.long
def test_representation_is_svcca_on_shared_trials(population, tmp_path, capsys):
    seen = []
    found = rnne.measure_degeneracy(
        population, analysis=ANALYSIS, progress=lambda *x: seen.append(x)
    )
    assert (
        "representation",
        6,
        6,
    ) in seen  # pairs of networks; nulls and repeated pairs do not count
    further = found.distances["representation"]
    sample = jax.jit(lambda key: TASK.sample(key, 256))
    respond = jax.jit(jax.vmap(lambda p, x: population.network.respond(p, x)[0], (0, None)))
    rates = []
    for draw in (0, 1):
        inputs = sample(evaluation_key(0, draw)).inputs
        rates.append(np.asarray(respond(population.params, inputs)))
    expected = rnne.distance_matrix("svcca", *rates)
    np.testing.assert_allclose(further.null, expected.diagonal(), atol=1e-4)
    np.testing.assert_allclose(further.matrix, rnne.distance_matrix("svcca", rates[0]), atol=1e-4)
    rnne.save(tmp_path / "run", population, degeneracy=found)
    again = rnne.load(tmp_path / "run").degeneracy.distances["representation"]
    np.testing.assert_array_equal(again.matrix, further.matrix)
    assert again.trials == further.trials == 256
    cli.main(["show", str(tmp_path / "run")])
    assert "mean SVCCA distance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("representatoin",), "`measures` must be one of .* Did you mean 'representation'?"),
        (("representation", "representation"), "`measures` must be different"),
        (("dynamics",), "`measures` names 'dynamics', which is always measured"),
    ],
)
def test_unknown_measures_are_refused(named, message):
    with pytest.raises(ValueError, match=message):
        rnne.Analysis(measures=named)


@pytest.mark.parametrize("column", ["dsa", "weights", "grid"])
def test_columns_of_others_are_taken(column):
    with pytest.raises(ValueError, match=f"`column` '{column}' is taken by files"):
        measures.register(type("Own", (Kernels,), {"name": "own", "column": column}))


def test_a_measure_that_cannot_measure_is_refused_at_once():
    measures.register(type("Empty", (measures.Measure,), {"name": "empty"}))
    with pytest.raises(ValueError, match="`measures` names 'empty', which has no `measure`"):
        rnne.Analysis(measures=("empty",))


@pytest.mark.parametrize(
    "name", ["topology", "grid", "dsa", "kernel_alignment", "relative_weight_change"]
)
def test_names_of_what_is_always_measured_are_taken(name):
    with pytest.raises(ValueError, match=f"`name` '{name}' is taken by"):
        measures.register(type("Own", (Kernels,), {"name": name}))


def test_findings_of_unknown_measures_are_still_advice():
    cell = Finding("gain", "flipflop", "unknown", values=("1",), p_value=1.0)
    assert advice.advise([cell], level="unknown", want="diverse")[0].endswith(
        "more diverse unknown."
    )


def test_what_does_not_fit_is_refused(population):
    with pytest.raises(ValueError, match=r"at least N \+ 2 = 66"):
        Representation(trials=1).check(rnne.tasks.FlipFlop(n_steps=4), 64)


SWEEP = """
name = "further"

[tasks.flipflop]
size = 6
task = {kind = "flipflop", n_bits = 1, n_steps = 12}
network = {width = 6}

[tasks.flipflop.training]
batch = 16
epoch_steps = 16
max_epochs = 3
patience = 1
threshold = 1e9

[tasks.flipflop.analysis]
measures = ["representation", "kernels"]
dynamics_trials = 8
behavior_trials = 8
output_trials = 4
fixed_trials = true
dsa = {rank = 2, starts = 4}
grid = {ranks = [2], delays = [1]}
autocovariance = {components = 2, starts = 4}
pif = {starts = 1}

[tasks.flipflop.features]
trials = 4
step_stride = 6

[[factors]]
name = "gain"
task = "flipflop"
field = "network.gain"
values = [0.2, 1.0, 2.0]
"""


def test_sweeps_reports_and_advice_know_it(tmp_path, capsys):
    (tmp_path / "sweep.toml").write_text(SWEEP)
    cli.main(["sweep", str(tmp_path / "sweep.toml"), "--runs", str(tmp_path), "--quiet"])
    folder = tmp_path / "further"
    rows = folders.read_rows(folder / "summary.csv")
    for name in ("representation", "kernels"):
        assert all(float(row[name]) > 0 for row in rows)
        assert all(float(row[f"{name}_null"]) >= 0 for row in rows)
    cli.main(["report", str(folder), "--permutations", "99", "--quiet"])
    page = (folder / "report.html").read_text()
    assert "representation (SVCCA)" in page
    assert "kernels (CKA)" in page
    cells = {row["level"]: row for row in folders.read_rows(folder / "findings.csv")}
    assert cells["representation"]["verdict"] == "no claim"
    assert cells["kernels"]["paper"] == "up"
    arguments = ["--summary", str(folder / "findings.csv"), "--level", "representation"]
    cli.main(["advise", *arguments])
    assert "representation (SVCCA)" in capsys.readouterr().out
