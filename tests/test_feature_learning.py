"""Feature learning against dense kernels and Gram matrices, one network after another."""

import dataclasses
import functools
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
    tasks,
    train_population,
)
from rnnensemble._core import runtime
from rnnensemble.analysis import feature_learning as module
from rnnensemble.analysis import kernel_alignment as alignment_module
from rnnensemble.analysis.degeneracy import evaluation_key
from tests import compiled

TASKS = {
    "flipflop": tasks.FlipFlop(n_bits=2, n_steps=12),
    "delayed_discrimination": tasks.DelayedDiscrimination(
        n_steps=14, delay=(1, 3), pulse_steps=3, response_steps=2
    ),
}
TRIALS, STRIDE = 6, 2
ANALYSIS = FeatureAnalysis(trials=TRIALS, step_stride=STRIDE)


NETWORKS = {
    "flipflop": {"train_initial_state": True},
    "delayed_discrimination": {"activation": "relu"},
}


@functools.cache
def trained(name):
    """Four networks, the third not converged; rates high enough to change the kernel."""
    network = VanillaRNN(width=7, **NETWORKS[name])
    training = Training(
        learning_rate=2e-2, batch=8, epoch_steps=6, max_epochs=3, threshold=(1e9, 1e9, 1e-9, 1e9)
    )
    return train_population(TASKS[name], network=network, training=training, size=4)


@pytest.fixture(scope="module")
def population():
    return trained("flipflop")


@functools.cache
def found_in(name):
    return measure_feature_learning(trained(name), analysis=ANALYSIS)


def parameters(population):
    """The parameters of converged networks before and after training, `[2, M, ...]`."""
    return jax.tree.map(
        lambda *each: np.stack(each)[:, population.converged],
        population.initial_params,
        population.params,
    )


def rates_and_outputs(params, inputs, activation):
    """One trial of one network, `[T, N]` and `[T, O]`; shares no code with the package."""

    def step(state, now):
        drive = params.recurrent_weights @ state + params.input_weights @ now + params.bias
        return activation(drive), activation(drive)

    rates = jax.lax.scan(step, params.initial_state, inputs)[1]
    return rates, rates @ params.readout_weights.T


@partial(jax.jit, static_argnames="activation")
def dense_parts(params, inputs, *, activation):
    """Whole Jacobians `[2, M, B, T, O, P]`, h_0 last, and rates `[2, M, B, T, N]`; forward mode."""
    example = jax.tree.map(lambda x: x[0, 0], params)
    flat = jnp.concatenate([x.reshape(*x.shape[:2], -1) for x in params], axis=-1)
    unravel = ravel_pytree(example)[1]

    def run(flat, inputs):
        rates, outputs = rates_and_outputs(unravel(flat), inputs, activation)
        return outputs, rates

    one = jax.jacfwd(run, has_aux=True)
    for axes in ((None, 0), (0, None), (0, None)):
        one = jax.vmap(one, axes)
    return one(flat, inputs)


@functools.cache
def dense(name):
    """`dense_parts` of a trained population and its trials, in float64."""
    population, trials = trained(name), evaluation_trials(TASKS[name])
    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[population.network.activation]
    parts = dense_parts(parameters(population), trials.inputs, activation=activation)
    return (*(np.asarray(part, np.float64) for part in parts), np.asarray(trials.mask))


def dense_kernel_alignments(name, stride, *, masked=True, initial_state=None):
    """KA of each network from whole kernels over trials, counted steps and channels."""
    jacobians, _, mask = dense(name)
    if initial_state is None:
        initial_state = trained(name).network.train_initial_state
    steps = np.arange(1, mask.shape[1] + 1)
    counted = ((mask > 0) | (not masked)) & (steps % stride == 0)
    learned = slice(None) if initial_state else slice(-trained(name).network.width)
    rows = jacobians[:, :, counted][..., learned]
    rows = rows.reshape(*rows.shape[:2], -1, rows.shape[-1])
    return alignments(rows)


def alignments(rows):
    """Alignments of the Gram matrices of rows `[2, M, rows, columns]`."""
    kernels = rows @ np.swapaxes(rows, -1, -2)
    return np.array([alignment(*pair) for pair in np.swapaxes(kernels, 0, 1)])


def alignment(first, second):
    return np.trace(first @ second) / (np.linalg.norm(first) * np.linalg.norm(second))


def evaluation_trials(task):
    return compiled.sample(task, evaluation_key(0, 2), TRIALS)


def memory_for(block, population, kept_steps):
    return module.block_bytes(
        block, kept_steps=kept_steps, task=population.task, network=population.network
    )


@pytest.mark.parametrize("name", TASKS)
def test_equal_brute_force(name):
    population, found = trained(name), found_in(name)
    np.testing.assert_array_equal(found.networks, [0, 1, 3])  # converged ones only
    assert (found.size, found.analysis) == (4, ANALYSIS)
    expected = dense_kernel_alignments(name, STRIDE)
    assert (expected < 0.99).all()  # else equality would say little
    np.testing.assert_allclose(found.kernel_alignment, expected, rtol=1e-5)
    rates = dense(name)[1]
    expected = alignments(rates.reshape(*rates.shape[:2], -1, rates.shape[-1]))
    np.testing.assert_allclose(found.representation_alignment, expected, rtol=1e-5)
    before, after = parameters(population).recurrent_weights.astype(np.float64)
    change = np.sqrt(((after - before) ** 2).sum(axis=(1, 2)))
    np.testing.assert_allclose(found.weight_change, change, rtol=1e-12)
    relative = change / np.sqrt((before**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(found.relative_weight_change, relative, rtol=1e-12)


def test_brute_force_tells_masks_and_initial_states_apart():
    """Else the test above would pass with either left out."""
    right = dense_kernel_alignments("delayed_discrimination", STRIDE)
    unmasked = dense_kernel_alignments("delayed_discrimination", STRIDE, masked=False)
    assert (np.abs(unmasked / right - 1) > 1e-3).all()
    right = dense_kernel_alignments("flipflop", STRIDE)
    without = dense_kernel_alignments("flipflop", STRIDE, initial_state=False)
    assert (np.abs(without / right - 1) > 1e-4).all()


@pytest.mark.parametrize("block", [1, 3])
def test_blocks_do_not_matter(population, block):
    memory = memory_for(block, population, 6)
    analysis = dataclasses.replace(ANALYSIS, memory=memory)
    assert module.block_trials(analysis, population.task, population.network) == block
    assert module.block_trials(ANALYSIS, population.task, population.network) == TRIALS
    found, whole = measure_feature_learning(population, analysis=analysis), found_in("flipflop")
    expected = dense_kernel_alignments("flipflop", STRIDE)
    np.testing.assert_allclose(found.kernel_alignment, expected, rtol=1e-5)
    np.testing.assert_allclose(
        found.representation_alignment, whole.representation_alignment, rtol=1e-5
    )


def test_devices_and_tiles_do_not_matter(population):
    one = found_in("flipflop")  # on two devices
    two = measure_feature_learning(population, analysis=ANALYSIS, devices=1, tile=2)
    for name in ("kernel_alignment", "representation_alignment"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-5)
    np.testing.assert_array_equal(one.weight_change, two.weight_change)


def test_one_untrained_network_is_aligned_with_itself(population):
    same = dataclasses.replace(
        population,
        initial_params=population.params,
        converged=np.array([False, True, False, False]),
    )
    found = measure_feature_learning(same, analysis=ANALYSIS)
    np.testing.assert_allclose(found.kernel_alignment, 1, rtol=1e-6)
    np.testing.assert_allclose(found.representation_alignment, 1, rtol=1e-6)
    np.testing.assert_array_equal(found.weight_change, [0])


def test_scale_does_not_matter_even_where_squares_would_overflow():
    """Kernels of 1e32 and rates of 1e16: their squares, 1e64, are beyond float32."""
    network = VanillaRNN(width=7, activation="relu")
    init = partial(network.init, n_inputs=2, n_outputs=2, gain=1.0)
    before, after = (init(jax.random.key(k)) for k in (0, 1))
    trials = evaluation_trials(TASKS["flipflop"])
    parts = jax.tree.map(lambda x: x.reshape(2, 3, *x.shape[1:]), trials)

    @jax.jit
    def aligned(factor):
        # relu is homogeneous: this scales all rates, and thereby the readout's kernel
        loud = after._replace(
            input_weights=after.input_weights * factor,
            bias=after.bias * factor,
            readout_weights=after.readout_weights * 0,
        )
        pair = jax.tree.map(lambda *each: jnp.stack(each), before, loud)
        kernel = alignment_module.kernel_alignment(pair, parts, network=network, stride=STRIDE)
        rates = alignment_module.representation_alignment(pair, parts.inputs, network=network)
        return jnp.stack([kernel, rates])

    np.testing.assert_allclose(aligned(2.0**53), aligned(1.0), rtol=1e-5)
    assert ((aligned(1.0) > 0) & (aligned(1.0) < 1)).all()


@pytest.mark.parametrize(
    ("task", "width", "block"),
    [(tasks.FlipFlop(), 16, 4), (tasks.FlipFlop(n_bits=1, n_steps=20), 96, 4)],
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
@pytest.mark.parametrize("value", [-1, 2.0])
def test_bad_analysis(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at least"):
        FeatureAnalysis(**{name: value})


def test_settings_are_checked_before_computing(population):
    measure = partial(measure_feature_learning, population)
    with pytest.raises(ValueError, match=r"`step_stride` must be at most 12, .*; got 13"):
        measure(analysis=FeatureAnalysis(step_stride=13))
    least = memory_for(1, population, 6)
    message = (
        rf"`memory` must be at least {least:,} bytes, .*6 steps.*2 outputs, 7 units.*got 1,000"
    )
    with pytest.raises(ValueError, match=message):
        measure(analysis=dataclasses.replace(ANALYSIS, memory=1000))
    with pytest.raises(ValueError, match="`devices` must lie between 1 and"):
        measure(analysis=ANALYSIS, devices=99)
    with pytest.raises(ValueError, match="`tile` must be at least 1; got 0"):
        measure(analysis=ANALYSIS, tile=0)
    none = dataclasses.replace(population, converged=np.zeros(4, bool))
    with pytest.raises(ValueError, match="at least 1 converged network; got 0 of 4"):
        measure_feature_learning(none, analysis=ANALYSIS)


def test_a_stride_onto_masked_steps_is_named(population):
    trials = evaluation_trials(population.task)
    masked = trials._replace(mask=np.ones((TRIALS, 12)) * (np.arange(12) % 2 == 0))
    with pytest.raises(ValueError, match="`step_stride` must keep a step at which the loss counts"):
        module.require_counted(masked, 2)
    module.require_counted(masked, 1)
