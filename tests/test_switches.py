"""JAX's own switches, as a user sets them: they work, or are refused in one line."""

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core.switches import SWITCHES
from rnnensemble.files import storage
from tests.test_cli import failure
from tests.tiny import TINY
from tests.wrong_inputs import BASE, FACTOR

OTHERS = {
    "jax_disable_jit": True,
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
}
TASK = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)


@pytest.fixture
def switch():
    """Sets a switch until the test has ended."""
    before = {}

    def set_to(name, value):
        before.setdefault(name, getattr(jax.config, name))
        jax.config.update(name, value)

    yield set_to
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("name", SWITCHES)
def test_what_cannot_work_is_refused_at_once(name, switch, tmp_path, capsys):
    switch(name, OTHERS[name])
    rates = np.random.default_rng(0).normal(size=(2, 2, 6, 4))
    for work in (
        lambda: rnne.train_population(TASK, size=2),
        lambda: rnne.distance_matrix("cka", rates),
        lambda: rnne.measure_complexity(TASK),
        lambda: rnne.measure_intrinsic_dimension(TASK, dimensions=(5,)),
    ):
        with pytest.raises(ValueError, match=f"^`{name}` must be"):
            work()
    (tmp_path / "tiny.toml").write_text(TINY)
    error = failure(capsys, "train", tmp_path / "tiny.toml", "--runs", tmp_path / "runs")
    assert f"`{name}` must be" in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_float64_works_and_is_recorded(switch, tmp_path, capsys):
    runs, preset = tmp_path / "runs", tmp_path / "tiny.toml"
    preset.write_text(TINY)
    switch("jax_enable_x64", True)
    options = ("--runs", str(runs), "--quiet", "--analysis.fixed-points", "8")
    cli.main(["train", str(preset), *options])
    run = storage.load_run(runs / "tiny")
    assert run.manifest["machine"]["x64"] is True
    assert run.population.params.recurrent_weights.dtype == np.float64
    assert run.degeneracy.topology is not None
    switch("jax_enable_x64", False)
    for arguments in (
        ("show", runs / "tiny"),
        ("analyse", runs / "tiny"),
        ("train", preset, "--runs", runs, "--resume"),
    ):
        assert "`jax_enable_x64` was True when" in failure(capsys, *arguments)


def test_a_population_goes_on_with_the_numbers_it_began_with(switch):
    short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
    network = rnne.VanillaRNN(width=6)
    population = rnne.train_population(TASK, network=network, training=short, size=2)
    switch("jax_enable_x64", True)
    with pytest.raises(ValueError, match="`jax_enable_x64` was False when the population"):
        rnne.resume(population, max_epochs=2)


def test_a_sweep_goes_on_with_the_numbers_it_began_with(switch, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "sweep.toml").write_text("name = 'x'\n" + BASE + FACTOR)
    monkeypatch.setattr("rnnensemble.cli.work.train_populations", stop)
    arguments = ["sweep", str(tmp_path / "sweep.toml"), "--runs", str(tmp_path), "--quiet"]
    with pytest.raises(SystemExit):
        cli.main(arguments)
    capsys.readouterr()
    switch("jax_enable_x64", True)
    assert "`jax_enable_x64` was False when" in failure(capsys, *arguments)
