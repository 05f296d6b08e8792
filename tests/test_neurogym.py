"""Tasks of neurogym: sampled once, trained on like arrays, loaded where neurogym is not installed.

Its pins would change this environment, so it lies in a folder of its own, `build/neurogym`.
"""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnnensemble as rnne
from rnnensemble import tasks
from tests.beside import installed

THREE = {"PerceptualDecisionMaking-v0": 0.008, "GoNogo-v0": 0.005, "DelayMatchSample-v0": 0.01}
"""Thresholds of three tasks."""
TRAINED = f"""
import sys
import rnnensemble as rnne
from rnnensemble import tasks

def trained(env, threshold):
    task = tasks.NeurogymTask(env=env, sequences=96, steps=60, threshold=threshold)
    again = tasks.NeurogymTask(env=env, sequences=96, steps=60, threshold=threshold)
    assert task == again
    assert task != tasks.NeurogymTask(env=env, sequences=96, steps=60, sample_seed=1)
    targets = task.arrays.sets[""]["targets"]
    assert (targets.sum(axis=2) == 1).all()
    training = rnne.Training(learning_rate=3e-3, batch=32, epoch_steps=64, max_epochs=80)
    network = rnne.VanillaRNN(width=32, initialization="orthogonal")
    return rnne.train_population(task, network=network, training=training, size=3)

def refused(words, **settings):
    try:
        tasks.NeurogymTask(**settings)
    except ValueError as error:
        assert words in str(error)
    else:
        raise AssertionError

for env, threshold in {THREE}.items():
    rnne.save(sys.argv[1] + "/" + env, trained(env, threshold))
    few = dict(env=env, sequences=8, steps=20)
    refused("`digest` must be that of the sequences", digest="0" * 32, **few)
refused("`env` must be a task that neurogym can make", env="Perceptual-v0")
"""
"""One process for all tasks, since neurogym is loaded slowly."""


@pytest.fixture(scope="module")
def environment():
    """The environment of commands that find neurogym."""
    folder = installed("neurogym", "neurogym==2.3.1", "torch==2.13.0", proof="torch")
    paths = [folder, os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture(scope="module")
def trained(environment, tmp_path_factory):
    """The folder of the runs that were trained where neurogym is installed."""
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "-c", TRAINED, str(folder)]
    made = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert not made.returncode, made.stderr[-2000:]
    return folder


@pytest.mark.long
@pytest.mark.parametrize("env", THREE)
def test_networks_learn_tasks_of_neurogym(env, trained):
    population = rnne.load(trained / env).population  # here neurogym is not installed
    assert population.converged.all()
    assert population.task.env == env
    found = rnne.generalization_gap(population)
    constant = population.task.arrays.sets[""]["targets"].var(axis=(0, 1)).mean()
    assert found.held_out.max() < constant / 2  # better than the best constant output


@pytest.mark.long
def test_its_notebook_runs(environment, tmp_path):
    path = Path(__file__).parent.parent / "docs" / "notebooks" / "neurogym_task.ipynb"
    cells = [each for each in json.loads(path.read_text())["cells"] if each["cell_type"] == "code"]
    code = "\n".join("".join(each["source"]) for each in cells)
    command = [sys.executable, "-c", code]
    made = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert not made.returncode, made.stderr[-2000:]
    assert "6 of 6 networks converged" in made.stdout


@pytest.mark.parametrize(
    ("absent", "said"),
    [("neurogym", "neurogym: pip install"), ("torch", "neurogym; torch is missing: pip install")],
)
def test_a_missing_package_is_named(absent, said, monkeypatch):
    def missing(name, *args, **kwargs):
        if name == "neurogym":
            raise ImportError(name=absent)
        return imported(name, *args, **kwargs)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ValueError, match=rf"`env` 'GoNogo-v0' needs the package {said}"):
        tasks.NeurogymTask(env="GoNogo-v0")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "trials.npz"}, "`path` must be left out of a task of neurogym"),
        ({"sequences": 1}, "`sequences` must be a whole number of at least 2"),
        ({"steps": 1}, "`steps` must be a whole number of at least 2"),
        ({"dt": 0}, "`dt` must be a whole number of at least 1"),
        ({"sample_seed": -1}, "`seed` must be a whole number"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tasks.NeurogymTask(**settings)
