"""Feature learning against dense kernels and Gram matrices, one network after another."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rnnensemble import (
    FeatureAnalysis,
    Training,
    VanillaRNN,
    measure_feature_learning,
    runtime,
    tasks,
    train_population,
)
from rnnensemble import feature_learning as module
from rnnensemble.degeneracy import evaluation_key
from tests.test_docs import blocks

TASKS = {
    "flipflop": tasks.FlipFlop(n_bits=2, n_steps=12),
    "delayed_discrimination": tasks.DelayedDiscrimination(
        n_steps=14, delay=(1, 3), pulse_steps=3, response_steps=2
    ),
    "sine": tasks.Sine(n_steps=12),
    "path_integration": tasks.PathIntegration(n_steps=12),
}
TRIALS, STRIDE = 6, 2
ANALYSIS = FeatureAnalysis(trials=TRIALS, step_stride=STRIDE)


def trained(task, **network):
    """Four networks, the third not converged; rates high enough to change the kernel."""
    training = Training(
        learning_rate=2e-2, batch=8, epoch_steps=6, max_epochs=3, threshold=(1e9, 1e9, 1e-9, 1e9)
    )
    return train_population(task, network=VanillaRNN(width=7, **network), training=training, size=4)


@pytest.fixture(scope="module")
def population():
    return trained(TASKS["flipflop"])


def rates_and_outputs(params, inputs, activation):
    """One trial by a plain loop, `[T, N]` and `[T, O]`; shares no code with the package."""
    state, rates = params.initial_state, []
    for now in inputs:
        drive = params.recurrent_weights @ state + params.input_weights @ now + params.bias
        state = activation(drive)
        rates.append(state)
    rates = jnp.stack(rates)
    return rates, rates @ params.readout_weights.T


def dense_kernel(params, trials, stride, *, activation=jnp.tanh, initial_state=False):
    """The whole kernel over trials, counted steps and channels, in float64."""
    fixed = {} if initial_state else {"initial_state": params.initial_state}
    learned = {k: v for k, v in params._asdict().items() if k not in fixed}
    flat, unravel = ravel_pytree(learned)

    def outputs(flat, inputs):
        params_now = type(params)(**unravel(flat), **fixed)
        return rates_and_outputs(params_now, inputs, activation)[1]

    jacobian = jax.jit(jax.vmap(jax.jacfwd(outputs), (None, 0)))(flat, trials.inputs)
    steps = np.arange(jacobian.shape[1])
    counted = (np.asarray(trials.mask) > 0) & ((steps + 1) % stride == 0)
    rows = np.asarray(jacobian, np.float64)[counted].reshape(-1, len(flat))
    return rows @ rows.T


def dense_gram(params, trials, activation=jnp.tanh):
    """The whole Gram matrix of rates over trials and steps, in float64."""
    run = jax.jit(jax.vmap(lambda x: rates_and_outputs(params, x, activation)[0]))
    rates = np.asarray(run(trials.inputs), np.float64).reshape(-1, params.bias.size)
    return rates @ rates.T


def alignment(first, second):
    return np.trace(first @ second) / (np.linalg.norm(first) * np.linalg.norm(second))


def evaluation_trials(task):
    return task.sample(evaluation_key(0, 2), TRIALS)


def memory_for(block, population, kept_steps):
    return module.block_bytes(
        block, kept_steps=kept_steps, task=population.task, network=population.network
    )


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("flipflop", {"train_initial_state": True}),
        ("delayed_discrimination", {}),
        ("sine", {"activation": "relu"}),
        ("path_integration", {}),
    ],
)
def test_equal_brute_force(name, network):
    population = trained(TASKS[name], **network)
    found = measure_feature_learning(population, analysis=ANALYSIS)
    np.testing.assert_array_equal(found.networks, [0, 1, 3])  # converged ones only
    assert (found.size, found.analysis) == (4, ANALYSIS)
    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[population.network.activation]
    trials = evaluation_trials(population.task)
    start = population.network.train_initial_state
    for i, k in enumerate(found.networks):
        pair = [
            jax.tree.map(lambda x, k=k: jnp.asarray(x[k]), params)
            for params in (population.initial_params, population.params)
        ]
        assert bool(jnp.any(pair[1].initial_state != 0)) == start
        options = {"activation": activation, "initial_state": start}
        kernels = [dense_kernel(each, trials, STRIDE, **options) for each in pair]
        assert alignment(*kernels) < 0.98  # else equality below would say little
        assert found.kernel_alignment[i] == pytest.approx(alignment(*kernels), rel=1e-5)
        grams = [dense_gram(each, trials, activation) for each in pair]
        assert found.representation_alignment[i] == pytest.approx(alignment(*grams), rel=1e-5)
        before, after = (np.asarray(each.recurrent_weights, np.float64) for each in pair)
        change = np.sqrt(((after - before) ** 2).sum())
        assert found.weight_change[i] == pytest.approx(change, rel=1e-12)
        relative = change / np.sqrt((before**2).sum())
        assert found.relative_weight_change[i] == pytest.approx(relative, rel=1e-12)


def test_masked_steps_and_initial_state_matter_to_the_reference():
    """The brute force of the test above can tell these cases apart."""
    population = trained(TASKS["delayed_discrimination"])
    trials = evaluation_trials(population.task)
    pair = [
        jax.tree.map(lambda x: jnp.asarray(x[0]), params)
        for params in (population.initial_params, population.params)
    ]
    right = alignment(*(dense_kernel(each, trials, STRIDE) for each in pair))
    all_steps = trials._replace(mask=np.ones_like(trials.mask))
    unmasked = alignment(*(dense_kernel(each, all_steps, STRIDE) for each in pair))
    with_start = alignment(
        *(dense_kernel(each, trials, STRIDE, initial_state=True) for each in pair)
    )
    assert abs(unmasked / right - 1) > 1e-3
    assert abs(with_start / right - 1) > 1e-4


@pytest.mark.parametrize("stride", [1, 5])
def test_blocks_do_not_matter(population, stride):
    kept = 12 // stride
    found = {}
    for block in (1, 3, 6):
        memory = memory_for(block, population, kept)
        analysis = dataclasses.replace(ANALYSIS, step_stride=stride, memory=memory)
        assert module.block_trials(analysis, population.task, population.network) == block
        found[block] = measure_feature_learning(population, analysis=analysis)
    trials = evaluation_trials(population.task)
    for i, k in enumerate(found[1].networks):
        kernels = [
            dense_kernel(jax.tree.map(lambda x, k=k: jnp.asarray(x[k]), params), trials, stride)
            for params in (population.initial_params, population.params)
        ]
        for each in found.values():
            assert each.kernel_alignment[i] == pytest.approx(alignment(*kernels), rel=1e-5)
    for block in (1, 3):
        np.testing.assert_allclose(
            found[block].representation_alignment, found[6].representation_alignment, rtol=1e-5
        )


def test_devices_and_tiles_do_not_matter(population):
    one = measure_feature_learning(population, analysis=ANALYSIS, devices=1)
    two = measure_feature_learning(population, analysis=ANALYSIS, devices=2, tile=2)
    for name in ("kernel_alignment", "representation_alignment"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-5)
    np.testing.assert_array_equal(one.weight_change, two.weight_change)


def test_untrained_networks_are_aligned_with_themselves(population):
    same = dataclasses.replace(population, initial_params=population.params)
    found = measure_feature_learning(same, analysis=ANALYSIS)
    np.testing.assert_allclose(found.kernel_alignment, 1, rtol=1e-6)
    np.testing.assert_allclose(found.representation_alignment, 1, rtol=1e-6)
    np.testing.assert_array_equal(found.weight_change, 0)


def test_scale_does_not_matter_even_where_squares_would_overflow():
    """Kernels of 1e32 and rates of 1e16: their squares, 1e64, are beyond float32."""
    network = VanillaRNN(width=7, activation="relu")
    init = partial(network.init, n_inputs=2, n_outputs=2, gain=1.0)
    before, after = (init(jax.random.key(k)) for k in (0, 1))
    trials = evaluation_trials(TASKS["flipflop"])
    parts = jax.tree.map(lambda x: x.reshape(2, 3, *x.shape[1:]), trials)

    def aligned(factor):
        # relu is homogeneous: this scales all rates, and thereby the readout's kernel
        loud = after._replace(
            input_weights=after.input_weights * factor,
            bias=after.bias * factor,
            readout_weights=after.readout_weights * 0,
        )
        pair = jax.tree.map(lambda *each: jnp.stack(each), before, loud)
        kernel = module.kernel_alignment(pair, parts, network=network, stride=STRIDE)
        rates = module.representation_alignment(pair, parts.inputs, network=network)
        return np.array([kernel, rates])

    np.testing.assert_allclose(aligned(2.0**53), aligned(1.0), rtol=1e-5)
    assert ((aligned(1.0) > 0) & (aligned(1.0) < 1)).all()


@pytest.mark.parametrize(
    ("task", "width", "block"),
    [(tasks.FlipFlop(), 32, 2), (tasks.FlipFlop(n_bits=1, n_steps=20), 96, 4)],
)
def test_memory_is_bounded_as_promised(task, width, block):
    network, mesh = VanillaRNN(width=width), runtime.network_mesh(1)
    params = jax.eval_shape(
        lambda: network.init(
            jax.random.key(0), n_inputs=task.n_inputs, n_outputs=task.n_outputs, gain=1.0
        )
    )
    pairs = jax.tree.map(lambda x: jax.ShapeDtypeStruct((3, 2, *x.shape), x.dtype), params)
    trials = jax.eval_shape(lambda: task.sample(jax.random.key(0), 8))
    program = module._alignments.lower(
        pairs, trials, network=network, stride=10, block=block, mesh=mesh, tile=1
    ).compile()
    promised = module.block_bytes(block, kept_steps=task.n_steps // 10, task=task, network=network)
    used = program.memory_analysis().temp_size_in_bytes
    assert promised / 3 < used <= promised


@pytest.mark.parametrize("name", ["trials", "step_stride", "memory", "seed"])
@pytest.mark.parametrize("value", [-1, 2.0, True])
def test_bad_analysis(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least"):
        FeatureAnalysis(**{name: value})


def test_settings_are_checked_before_computing(population):
    measure = partial(measure_feature_learning, population)
    with pytest.raises(ValueError, match="`step_stride` must be at most 12, .*; got 13"):
        measure(analysis=FeatureAnalysis(step_stride=13))
    least = memory_for(1, population, 6)
    message = rf"`memory` must be at least {least:,} bytes, .*6 steps.*2 outputs, 7 units.*got 1,000"
    with pytest.raises(ValueError, match=message):
        measure(analysis=dataclasses.replace(ANALYSIS, memory=1000))
    with pytest.raises(ValueError, match="`devices` must lie between 1 and"):
        measure(analysis=ANALYSIS, devices=99)
    with pytest.raises(ValueError, match="`tile` must be at least 1; got 0"):
        measure(analysis=ANALYSIS, tile=0)
    none = dataclasses.replace(population, converged=np.zeros(4, bool))
    with pytest.raises(ValueError, match="at least 1 converged network; got 0 of 4"):
        measure_feature_learning(none, analysis=ANALYSIS)


def test_one_network_is_enough(population):
    one = dataclasses.replace(population, converged=np.array([False, True, False, False]))
    found = measure_feature_learning(one, analysis=ANALYSIS)
    every = measure_feature_learning(population, analysis=ANALYSIS)
    np.testing.assert_allclose(found.kernel_alignment, every.kernel_alignment[1:2], rtol=1e-6)


def test_a_stride_onto_masked_steps_is_named(population):
    trials = evaluation_trials(population.task)
    masked = trials._replace(mask=np.ones((TRIALS, 12)) * (np.arange(12) % 2 == 0))
    with pytest.raises(ValueError, match="`step_stride` must keep a step at which the loss counts"):
        module.require_counted(masked, 2)
    module.require_counted(masked, 1)


def test_documented_example_runs(capsys):
    (code,) = blocks("docs/metrics/feature-learning.md", "python")
    exec(compile(code, "feature-learning.md", "exec"), {})
    assert "kernel alignment" in capsys.readouterr().out
