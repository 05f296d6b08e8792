"""A network is the same network whatever its neighbours, tiling and devices."""

import dataclasses
import os
import signal
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import (
    GRU,
    Training,
    TrainingInterrupted,
    VanillaRNN,
    resume,
    tasks,
    train_population,
)
from rnnensemble._core import mapping, runtime
from rnnensemble._core.platforms import by_platform
from rnnensemble.training import memory, minimized, slots
from rnnensemble.training.epoch import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    init_state,
    judge,
    train_epoch,
)
from rnnensemble.training.memory import fitted
from rnnensemble.training.objective import loss_and_gradient
from rnnensemble.training.recipe import Recipe, hyperparameters
from rnnensemble.training.slots import advance, compacted, default_tile, launch, slots_trained
from tests import compiled

TASK = tasks.FlipFlop(n_bits=1, n_steps=12)
NETWORK = VanillaRNN(width=8)
SHORT = Training(learning_rate=3e-3, batch=8, epoch_steps=6, max_epochs=3)


def train(size=5, training=SHORT, network=NETWORK, task=TASK, **options):
    return train_population(task, network=network, training=training, size=size, **options)


def close(a, b, count):
    for x, y in zip(jax.tree.leaves(a.params), jax.tree.leaves(b.params), strict=True):
        np.testing.assert_allclose(x[:count], y[:count], atol=1e-5)
    for x, y in zip(
        jax.tree.leaves(a.initial_params), jax.tree.leaves(b.initial_params), strict=True
    ):
        np.testing.assert_array_equal(x[:count], y[:count])


@pytest.fixture(scope="module")
def five():
    return train(devices=1)


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [{"devices": 2}, {"devices": 1, "tile": 3}, {"devices": 2, "tile": 2}]
)
def test_devices_and_tiles_do_not_matter(five, options):
    close(five, train(**options), 5)


def test_population_size_does_not_matter(five):
    close(five, train(size=2), 2)


def test_trials_do_not_depend_on_layout():
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), jnp.arange(4))
    one_by_one = [compiled.sample(TASK, key, 8).inputs for key in keys]
    batched = jax.vmap(lambda key: compiled.sample(TASK, key, 8).inputs)(keys)
    np.testing.assert_array_equal(np.stack(one_by_one), batched)


@pytest.mark.filterwarnings("ignore:.*pmap.*")
def test_pmap_over_the_same_epoch_agrees(five):
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), jnp.arange(2))
    recipe = Recipe(TASK, NETWORK, dataclasses.replace(SHORT, learning_rate=3e-3), 2)
    hyper = jax.tree.map(jnp.asarray, hyperparameters(recipe))
    init = jax.jit(jax.vmap(partial(init_state, task=TASK, network=NETWORK)))
    state = init(keys, hyper)

    def epoch(key, state, hyper):
        return train_epoch(key, state, hyper, task=TASK, network=NETWORK, training=SHORT)[0]

    step = jax.pmap(epoch)
    for _ in range(3):
        state = step(keys, state, hyper)
    for x, y in zip(jax.tree.leaves(state.params), jax.tree.leaves(five.params), strict=True):
        np.testing.assert_allclose(x, y[:2], atol=1e-5)


@pytest.mark.parametrize("task", [TASK, tasks.DelayedDiscrimination(n_steps=40, delay=(5, 10))])
def test_slices_of_a_batch_add_up(task):
    params = compiled.init(
        NETWORK,
        jax.random.key(0),
        n_inputs=task.n_inputs,
        n_outputs=task.n_outputs,
        gain=jnp.float32(1),
    )
    trials = compiled.sample(task, jax.random.key(1), 32)
    both = jax.jit(loss_and_gradient, static_argnames=("network", "slices"))
    whole = both(params, trials, network=NETWORK)
    sliced = both(params, trials, network=NETWORK, slices=4)
    for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(sliced), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_batches_are_cut_where_caches_are_small(monkeypatch, five):
    settings = Recipe(TASK, NETWORK, Training(batch=64), 5, 0)  # 12 * 64 * 8 floats: 24 kB
    mesh = runtime.network_mesh()
    counts, gated = {}, {}
    for limit in (122_880, 24_576, 24_575, 6_200, 1):
        monkeypatch.setattr(runtime, "cache_bytes", lambda mesh, limit=limit: limit)
        counts[limit] = slots._slices(settings, mesh)
        gated[limit] = slots._slices(dataclasses.replace(settings, network=GRU(width=8)), mesh)
    assert counts == {122_880: 1, 24_576: 1, 24_575: 2, 6_200: 4, 1: 4}  # never under 16 trials
    assert gated == dict.fromkeys(counts, 4) | {122_880: 1}  # keeps five numbers of a unit
    monkeypatch.setattr(slots, "LEAST_SLICE", 2)
    used, original = [], minimized.terms_and_gradient

    def spy(*args, slices, **asked):
        used.append(slices)
        return original(*args, slices=slices, **asked)

    monkeypatch.setattr(minimized, "terms_and_gradient", spy)
    close(five, train(), 5)
    assert set(used) == {4}


def test_hyperparameters_differ_by_network_in_one_program(five):
    rates = (3e-3, 1e-4, 3e-3, 1e-4, 3e-3)
    training = Training(**{**SHORT.__dict__, "learning_rate": rates})
    mixed = train(training=training)
    np.testing.assert_allclose(mixed.params.bias[0], five.params.bias[0], atol=1e-5)
    moved = np.linalg.norm(mixed.params.bias - mixed.initial_params.bias, axis=1)
    assert moved[1] < 0.2 * moved[0]
    assert mixed.history.learning_rate[1, 0] == pytest.approx(1e-4)


def test_finished_networks_change_no_more_and_move_no_other(five):
    thresholds = (1e9, 1e-9, 1e9, 1e-9, 1e9)  # 0, 2, 4 stop after two epochs
    training = Training(**{**SHORT.__dict__, "threshold": thresholds, "patience": 2})
    for options in ({"devices": 1}, {"devices": 2}, {"devices": 2, "tile": 2}):
        mixed = train(training=training, **options)
        np.testing.assert_array_equal(mixed.converged, [True, False, True, False, True])
        np.testing.assert_array_equal(mixed.stop_epoch, [2, 3, 2, 3, 2])
        assert np.isnan(mixed.history.loss[0, 2])
        for x, y in zip(jax.tree.leaves(mixed.params), jax.tree.leaves(five.params), strict=True):
            np.testing.assert_allclose(x[[1, 3]], y[[1, 3]], atol=1e-5)
            assert not np.allclose(x[0], y[0], atol=1e-7) or not x.any()


def test_a_diverged_network_is_frozen_finite_and_alone(five):
    rates = (3e-3, 1e38, 3e-3, 3e-3, 3e-3)
    training = Training(**{**SHORT.__dict__, "learning_rate": rates})
    mixed = train(training=training)
    np.testing.assert_array_equal(mixed.diverged, [False, True, False, False, False])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(mixed.params))
    assert "1 of 5 networks diverged (indices 1)" in mixed.summary()
    for x, y in zip(jax.tree.leaves(mixed.params), jax.tree.leaves(five.params), strict=True):
        np.testing.assert_allclose(x[2:], y[2:], atol=1e-5)


def test_resumed_equals_uninterrupted(five):
    kept = []
    train(checkpoint=kept.append, checkpoint_seconds=0.0)
    assert kept[0].stop_epoch.max() == 1
    resumed = resume(kept[0])
    close(five, resumed, 5)
    np.testing.assert_allclose(resumed.history.loss, five.history.loss, rtol=1e-4)
    assert (kept[0].unfinished, resumed.unfinished) == (True, False)


def test_interrupt_hands_over_what_is_there(five):
    def press(progress):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted, match=r"interrupted after 1 epochs.*resume") as caught:
        train(progress=press)
    close(five, resume(caught.value.population), 5)


def compilations():
    """A list that grows by one with every program compiled from now on."""
    seen = []

    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    return seen


def test_no_recompilation_between_epochs_and_conditions_of_one_shape():
    train()
    seen = compilations()
    train(training=Training(**{**SHORT.__dict__, "learning_rate": 1e-4, "threshold": 1e-3}))
    train(seed=3, network=VanillaRNN(width=8, gain=1.5))
    assert seen == []
    train(network=VanillaRNN(width=9))
    assert len(seen) > 0


@pytest.mark.parametrize(
    ("size", "tile", "devices", "left", "slots"),
    [
        (40, 16, 1, (40, 35, 15, 6, 3, 1), [48, 48, 16, 8, 4, 1]),
        (40, 16, 2, (40, 35, 15, 6, 3, 1), [48, 48, 16, 8, 4, 1]),
        (50, 64, 1, (50, 26, 25, 13, 5, 1), [50, 50, 25, 13, 7, 1]),
    ],
)
def test_tiles_halve_as_networks_finish(size, tile, devices, left, slots):
    now = launch(Recipe(TASK, NETWORK, SHORT, size, 0), runtime.network_mesh(devices), tile)
    before = now.by_network(now.state.params)
    order, found = np.random.default_rng(0).permutation(size), []
    for count in left:
        active = np.isin(np.arange(size), order[:count])
        now = compacted(now, active)
        found.append(slots_trained(now, active))
        for x, y in zip(before, now.by_network(now.state.params), strict=True):
            np.testing.assert_array_equal(x, y)
    assert found == slots


def mesh_of(**device):
    return SimpleNamespace(devices=np.array([SimpleNamespace(**device)]), size=1)


GPU = mesh_of(platform="gpu", memory_stats=lambda: {"bytes_limit": 1000})


@pytest.mark.parametrize(
    ("batch", "width", "tile", "least"),
    [(64, 64, 1024, 256), (256, 128, 128, 32), (32, 32, 4096, 1024), (60, 64, 2048, 512)],
)
def test_default_tile_is_enough_work(batch, width, tile, least):
    settings = Recipe(TASK, VanillaRNN(width=width), Training(batch=batch), 8, 0)
    assert default_tile(settings, GPU) == tile
    assert runtime.least_tile(GPU, batch * width) == least
    assert default_tile(settings, mesh_of(platform="cpu")) == 1
    assert runtime.least_tile(mesh_of(platform="cpu"), 1) == 1


def test_default_tile_fits_into_memory():
    assert runtime.default_tile(GPU, 2**16) == 64
    assert runtime.default_tile(GPU, 2**16, item_bytes=60) == 8
    assert runtime.default_tile(GPU, 2**16, item_bytes=6000) == 1
    assert runtime.default_tile(GPU, 2**30, within=(256, 1024)) == 256
    assert runtime.default_tile(GPU, 1, within=(256, 1024)) == 1024


def test_tiles_halve_no_further_than_pays():
    settings, mesh = Recipe(TASK, NETWORK, SHORT, 40, 0), runtime.network_mesh(1)
    now = dataclasses.replace(launch(settings, mesh, 16), least=8)
    assert compacted(now, np.arange(40) < 1).tile == 8


def test_a_tile_that_does_not_fit_is_halved_or_refused(monkeypatch):
    settings, mesh = Recipe(TASK, NETWORK, SHORT, 8, 0), runtime.network_mesh(1)
    now, active = launch(settings, mesh, 8), np.ones(8, bool)
    room = memory._epoch_bytes(launch(settings, mesh, 2), active)
    monkeypatch.setattr(runtime, "memory_bytes", lambda mesh: room)
    fitting = fitted(now, active, asked=False)
    assert fitting.tile == 2
    for x, y in zip(
        jax.tree.leaves(now.by_network(now.state)),
        jax.tree.leaves(fitting.by_network(fitting.state)),
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(ValueError, match=r"`tile` of 8 networks needs .* a tile of 2 fits"):
        train_population(TASK, network=NETWORK, training=SHORT, size=8, devices=1, tile=8)
    least = memory._epoch_bytes(launch(settings, mesh, 1), active) - 1
    monkeypatch.setattr(runtime, "memory_bytes", lambda mesh: least)
    with pytest.raises(ValueError, match="not even a tile of 1 fits: lower `batch` or `width`"):
        train_population(TASK, network=NETWORK, training=SHORT, size=8, devices=1)


def test_asking_for_memory_compiles_nothing_twice():
    settings, mesh = Recipe(TASK, NETWORK, SHORT, 3, 0), runtime.network_mesh(1)
    active = np.ones(3, bool)
    now = fitted(launch(settings, mesh, 1), active, asked=False)
    before = slots._epoch._cache_size()
    compiled = []
    listener = lambda event, seconds, **_: compiled.append(event)
    jax.monitoring.register_event_duration_secs_listener(listener)
    advance(now, active)
    assert slots._epoch._cache_size() == before + 1
    assert not [event for event in compiled if "backend_compile" in event]


def test_judge_follows_patience_and_plateau():
    state = init_state(jax.random.key(0), {"gain": 1.0}, task=TASK, network=NETWORK)
    training = Training(patience=2, plateau_patience=2, plateau_factor=0.5)
    finite = jnp.array(True)

    def after(losses, state=state):
        for loss in losses:
            state = judge(state, jnp.float32(loss), finite, 0.1, training)
        return state

    assert after([0.05, 0.2, 0.05]).status == TRAINING
    assert after([0.05, 0.2, 0.05, 0.05]).status == CONVERGED
    assert judge(state, jnp.nan, jnp.array(False), 0.1, training).status == DIVERGED
    # PyTorch's ReduceLROnPlateau(factor=0.5, patience=2) reduces at the third stale epoch
    assert after([1.0, 1.0, 1.0]).rate_scale == 1.0
    assert after([1.0, 1.0, 1.0, 1.0]).rate_scale == 0.5
    assert after([1.0, 1.0, 1.0, 0.5, 0.5, 0.5]).rate_scale == 1.0


def test_a_small_network_learns():
    training = Training(learning_rate=1e-2, batch=32, max_epochs=30)
    learned = train(size=3, training=training, network=VanillaRNN(width=16))
    assert learned.converged.all()
    last = learned.history.loss[np.arange(3), learned.stop_epoch - 1]
    assert (last < TASK.threshold).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size` must be a whole number of at least 1; got 0"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"tile": 0}, "`tile` must be at least 1"),
        ({"devices": 9}, "`devices` must lie between 1 and the 2 local devices; got 9"),
        ({"task": "flipflop"}, "`task` must be a Task"),
        ({"training": Training(learning_rate=float("nan"))}, "`learning_rate` must be a positive"),
        ({"training": Training(learning_rate=-1.0)}, "`learning_rate` must be a positive number"),
        ({"training": Training(learning_rate=(1e-3, 1e-3))}, "one for each of the 5 networks"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        train(**options)


def test_bad_training_settings():
    with pytest.raises(ValueError, match="`batch` must be a whole number of at least 1; got 0"):
        Training(batch=0)
    with pytest.raises(ValueError, match="`plateau_factor` must be above 0"):
        Training(plateau_factor=0.0)


def test_programs_on_cores_trace_their_form_once():
    """The form for CPUs alone, and of a comparison one trace for its shapes and for the loop."""
    traced = []

    def form(name):
        return lambda x: traced.append(name) or x + 1.0

    def one(x, _):
        return by_platform(x, cpu=form("cpu"), cuda=form("cuda"), default=form("other"))

    def first(mesh):
        mapped = jax.jit(partial(mapping.map_first, one, count=3, mesh=mesh, tile=2))
        return np.asarray(mapped(np.arange(4, dtype=np.float32)))[:3]

    mesh = runtime.network_mesh(2)
    np.testing.assert_array_equal(first(mesh), [1.0, 2.0, 3.0])
    assert traced == ["cpu"]
    traced.clear()
    np.testing.assert_array_equal(jax.jit(lambda x: one(x, ()))(jnp.arange(2.0)), [1.0, 2.0])
    assert set(traced) == {"cpu", "cuda", "other"}  # it might be compiled for any


def test_map_items_takes_any_count():
    mesh = runtime.network_mesh()
    for tile in (1, 2):
        times = partial(mapping.map_items, lambda x, k: x * k, mesh=mesh, tile=tile)
        doubled = jax.jit(times)(np.arange(7, dtype=np.float32), 2.0)
        np.testing.assert_array_equal(doubled, 2 * np.arange(7.0))


def test_products_are_float32_on_every_device():
    mesh = runtime.network_mesh()
    both = lambda x, _: (x @ x, jnp.matmul(x, x, precision="default"))
    spread = jax.jit(lambda x: mapping.map_items(both, x, mesh=mesh, tile=1))
    text = spread.lower(jnp.ones((2, 3, 3))).as_text()
    assert [text.count(f"precision = [{p}, {p}]") for p in ("HIGHEST", "DEFAULT")] == [1, 1]


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ("", True),
        ("--xla_gpu_autotune_level=0", True),
        ("--xla_force_host_platform_device_count=3", False),
    ],
)
def test_all_cores_are_used_unless_their_number_was_chosen(monkeypatch, flags, asked):
    updates = {}
    config = SimpleNamespace(jax_num_cpu_devices=-1, update=updates.__setitem__)
    monkeypatch.setattr(runtime, "jax", SimpleNamespace(config=config))
    monkeypatch.setenv("XLA_FLAGS", flags)
    runtime.use_all_cores()
    cores = len(os.sched_getaffinity(0))
    assert updates == ({"jax_num_cpu_devices": cores} if asked else {})
