"""Tasks against slow NumPy versions of their definitions."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnnensemble import tasks
from rnnensemble.tasks import draws, flipflop, path_integration
from rnnensemble.tasks.lorenz96 import DEVIATION, MEAN

ALL = [
    tasks.FlipFlop(),
    tasks.FlipFlop(n_bits=5, pulse_probability=0.1, n_steps=33),
    tasks.DelayedDiscrimination(),
    tasks.DelayedDiscrimination(n_channels=3, magnitude=True, n_amplitudes=5),
    tasks.Sine(),
    tasks.Sine(n_channels=2, n_frequencies=1, frequency=(2.0, 4.0)),
    tasks.PathIntegration(),
    tasks.PathIntegration(dimensions=3, n_channels=2),
    tasks.Lorenz96(),
    tasks.Lorenz96(dimension=5, substeps=2, time_step=0.1, n_steps=20),
    tasks.ContextIntegration(),
    tasks.ContextIntegration(n_modalities=3, fixation_steps=0, delay=(2, 9), stimulus_steps=12),
    tasks.MemoryPro(),
    tasks.MemoryPro(load=2, n_angles=8, fixation_steps=0, distractor=0.3),
    tasks.DelayedCue(),
]


@partial(jax.jit, static_argnums=(0, 2))
def sample(task, key, batch):
    return task.sample(key, batch)


def draw(task, batch=32, seed=0, sample=sample):
    trials = sample(task, jax.random.key(seed), batch)
    return jax.tree.map(np.asarray, trials)


@pytest.mark.parametrize("task", ALL, ids=str)
def test_shapes_ranges_and_keys(task):
    trials = draw(task)
    assert trials.inputs.shape == (32, task.n_steps, task.n_inputs)
    assert trials.targets.shape == (32, task.n_steps, task.n_outputs)
    assert trials.mask.shape == (32, task.n_steps)
    low, high = task.output_range
    assert trials.targets.min() >= low - 1e-5
    assert trials.targets.max() <= high + 1e-5
    assert np.isfinite(trials.inputs).all()
    assert set(np.unique(trials.mask)) <= {0.0, 1.0}
    assert trials.mask.sum(axis=1).min() > 0
    again, other = draw(task), draw(task, seed=1)
    np.testing.assert_array_equal(trials.inputs, again.inputs)
    if getattr(task, "n_frequencies", 2) > 1:
        assert not np.array_equal(trials.inputs, other.inputs)


@pytest.mark.parametrize("task", ALL, ids=str)
def test_out_of_distribution_variants(task):
    variants = task.out_of_distribution()
    assert set(variants) >= {"temporal", "noise"}
    assert variants["noise"].input_noise == pytest.approx(task.ood_noise)
    noisy = draw(variants["noise"])
    clean_key = jax.random.split(jax.random.key(0))[0]
    clean = jax.tree.map(np.asarray, sample(task, clean_key, 32))
    rounding = 0.02 if task.name == "lorenz96" else 1e-5  # which chaos enlarges
    np.testing.assert_allclose(noisy.targets, clean.targets, atol=rounding)
    assert (noisy.inputs - clean.inputs).std() == pytest.approx(task.ood_noise, rel=0.1)
    if task.name in ("delayed_discrimination", "memory_pro"):
        assert variants["temporal"].delay == (2 * task.delay[0], 2 * task.delay[1])
        assert variants["temporal"].n_steps == task.n_steps + task.delay[1]
    elif task.name == "context_integration":
        assert variants["temporal"].n_steps == task.n_steps + task.stimulus_steps
    elif task.name == "delayed_cue":
        assert variants["temporal"].delay == 2 * task.delay
        assert variants["temporal"].n_steps == task.n_steps + task.delay
    else:
        assert variants["temporal"].n_steps == 2 * task.n_steps


def test_flipflop_targets_hold_the_last_pulse():
    task = tasks.FlipFlop(n_bits=2, n_steps=40, pulse_probability=0.2)
    trials = draw(task, batch=200)
    held = np.zeros((200, 2))
    for t in range(40):
        pulse = trials.inputs[:, t]
        held = np.where(pulse != 0, pulse, held)
        np.testing.assert_array_equal(trials.targets[:, t], held)
    assert (trials.inputs[:, 0] != 0).all()
    assert abs((trials.inputs[:, 1:] != 0).mean() - 0.2) < 0.01
    assert abs(trials.inputs[:, 0].mean()) < 0.15


def test_delayed_discrimination_follows_its_timeline():
    task = tasks.DelayedDiscrimination(magnitude=True)
    trials = draw(task, batch=300)
    delays = []
    for inputs, targets, mask in zip(*trials[:3], strict=True):
        on = inputs[:, 0] > 0
        starts = np.flatnonzero(np.diff(on.astype(int), prepend=0) == 1)
        if len(starts) == 1:  # no gap: the delay must be at least 5, so this cannot be
            raise AssertionError("pulses touch")
        first, second = inputs[starts[0], 0], inputs[starts[1], 0]
        assert first != second
        assert on.sum() == 10
        delays.append(starts[1] - 5)
        end = starts[1] + 5
        np.testing.assert_array_equal(targets[:end], 0)
        np.testing.assert_allclose(targets[end:, 0], np.sign(second - first))
        np.testing.assert_allclose(targets[end:, 1], (second - first) / 8, atol=1e-6)
        np.testing.assert_array_equal(np.flatnonzero(mask == 0), np.arange(starts[1], end))
    assert min(delays) == 5
    assert max(delays) == 20
    assert set(np.unique(trials.inputs)) == {0.0, *np.arange(2.0, 11.0)}


def test_sine_targets():
    task = tasks.Sine(n_frequencies=4)
    trials = draw(task, batch=100)
    position = trials.inputs[:, 0, 0] - 0.25
    frequency = 1 + 29 * position
    assert len(np.unique(frequency.round(3))) == 4
    time = np.arange(100) * 0.01
    expected = np.sin(2 * np.pi * frequency[:, None] * time)
    np.testing.assert_allclose(trials.targets[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_path_integration_inputs_determine_the_position(dimensions):
    task = tasks.PathIntegration(dimensions=dimensions, mean_speed=1.0)  # meets walls often
    trials = draw(task, batch=100)
    n_angles = dimensions - 1
    angles = trials.inputs[..., : 2 * n_angles].reshape(100, 50, n_angles, 2)
    speed = trials.inputs[..., 2 * n_angles] * task.mean_speed
    np.testing.assert_allclose(np.linalg.norm(angles, axis=-1), 1, atol=1e-3)
    heading = angles[..., 0, :]
    if dimensions == 3:
        level, climb = angles[..., 1, :1], angles[..., 1, 1:]
        heading = np.concatenate([level * heading, climb], axis=-1)
    start = trials.inputs[:, 0, -dimensions:] * task.box
    walked = start[:, None] + np.cumsum(speed[..., None] * heading, axis=1)
    np.testing.assert_allclose(walked, trials.targets, atol=2e-3)
    assert (trials.inputs[:, 1:, -dimensions:] == 0).all()


def ring_velocity(_, x, forcing=8.0):
    """The equation, one site at a time; Python's negative indices close the ring."""
    n = len(x)
    return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + forcing for i in range(n)]


def test_lorenz96_follows_a_reference_integrator():
    task = tasks.Lorenz96(dimension=6, n_steps=11, substeps=10)
    trials = draw(task, batch=3)
    times = np.arange(11) * task.time_step
    for inputs, targets in zip(trials.inputs, trials.targets, strict=True):
        np.testing.assert_array_equal(inputs[1:], targets[:-1])
        start = inputs[0].astype(float) * DEVIATION + MEAN
        exact = solve_ivp(
            ring_velocity, (0, 0.5), start, method="DOP853", t_eval=times, rtol=1e-11, atol=1e-11
        )
        found = inputs * DEVIATION + MEAN
        np.testing.assert_allclose(found, exact.y.T, atol=1e-3)  # float32, over 0.5 time units


def test_lorenz96_converges_with_order_four():
    task = tasks.Lorenz96(dimension=7, forcing=5.0)
    start = np.random.default_rng(0).normal(2, 3, 7)
    exact = solve_ivp(
        lambda t, x: ring_velocity(t, x, 5.0),
        (0, 0.4),
        start,
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
    ).y[:, -1]
    with jax.enable_x64(True):
        ends = [task.integrate(jax.numpy.array(start), step=0.4 / n, count=n) for n in (8, 16, 32)]
        errors = [float(abs(np.asarray(end) - exact).max()) for end in ends]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 4, atol=0.3)


def test_lorenz96_starts_on_its_attractor():
    task = tasks.Lorenz96(dimension=40, n_steps=2)
    states = draw(task, batch=2000).inputs[:, 0] * DEVIATION + MEAN
    # about 2.3 and 3.6 at F = 8 and D = 40, as usually quoted; standard errors are below 0.02
    assert states.mean() == pytest.approx(2.34, abs=0.06)
    assert states.std() == pytest.approx(3.64, abs=0.06)
    # d/dt of the energy vanishes on average: <x^2> = F <x>
    assert (states**2).mean() == pytest.approx(8 * states.mean(), rel=0.03)


def test_lorenz96_shows_its_whole_state():
    trials = draw(tasks.Lorenz96(), batch=256)
    assert abs(trials.inputs.mean()) < 0.1
    assert trials.inputs.std() == pytest.approx(1, abs=0.05)
    # the threshold asks for more than persistence or a linear map of the present state
    inputs, targets = (x.reshape(-1, 8) for x in trials[:2])
    inputs = np.c_[inputs, np.ones(len(inputs))]
    linear = targets - inputs @ np.linalg.lstsq(inputs, targets)[0]
    assert (linear**2).mean() > 20 * tasks.Lorenz96.threshold


def test_context_integration_follows_its_timeline():
    task = tasks.ContextIntegration(evidence_noise=0.0, delay=(1, 6))
    trials = draw(task, 64)
    evidence, context, go = np.split(trials.inputs, [2, 4], axis=2)
    stimulus = slice(task.fixation_steps, task.fixation_steps + task.stimulus_steps)
    coherence = evidence[:, stimulus.start]
    np.testing.assert_array_equal(evidence[:, stimulus], np.repeat(coherence[:, None], 20, 1))
    assert not np.delete(evidence, np.arange(40)[stimulus], axis=1).any()
    np.testing.assert_allclose(np.unique(np.abs(coherence)), [0.1, 0.3, 0.5], rtol=1e-6)
    assert (context.sum(axis=2) == 1).all()
    assert (np.ptp(context, axis=1) == 0).all()
    onset = np.argmax(go[..., 0], axis=1)
    assert set(onset - stimulus.stop) == set(range(1, 7))
    for trial in range(64):
        assert go[trial, onset[trial] :].all()
        assert not go[trial, : onset[trial]].any()
        relevant = coherence[trial, np.argmax(context[trial, 0])]
        assert (trials.targets[trial, onset[trial] :] == np.sign(relevant)).all()
        assert not trials.targets[trial, : onset[trial]].any()
        assert list(np.flatnonzero(trials.mask[trial] == 0)) == [onset[trial]]
    weak = draw(task.out_of_distribution()["weak"], 64)
    np.testing.assert_allclose(weak.inputs[..., :2], evidence / 2, rtol=1e-6)
    longer = task.out_of_distribution()["temporal"]
    assert (longer.stimulus_steps, longer.n_steps) == (40, 60)


def test_evidence_is_noisy_while_the_stimulus_is_on():
    noisy = draw(tasks.ContextIntegration(coherence=(0.2, 0.2), n_coherences=1), 500)
    shown = noisy.inputs[:, 3:23, :2]
    signs = np.sign(shown.mean(axis=1, keepdims=True))
    assert (shown * signs).mean() == pytest.approx(0.2, abs=0.002)
    assert (shown * signs).std() == pytest.approx(0.1, abs=0.002)
    assert not noisy.inputs[:, 23:, :2].any()


def test_memory_pro_follows_its_timeline():
    task = tasks.MemoryPro(load=2, n_angles=8)
    trials = draw(task, 64)
    fixation, items = trials.inputs[..., 0], trials.inputs[..., 1:]
    go = np.argmax(fixation == 0, axis=1)
    assert set(go - 8) <= set(range(5, 21))
    assert go.min() < 15 < 22 < go.max()
    shown = items[:, 3]
    np.testing.assert_allclose(np.sum(shown.reshape(64, 2, 2) ** 2, axis=2), 1, rtol=1e-5)
    angles = np.arctan2(shown[:, 1::2], shown[:, ::2]) / (2 * np.pi / 8)
    np.testing.assert_allclose(angles, np.round(angles), atol=1e-5)
    assert len(np.unique(np.round(angles) % 8)) == 8
    np.testing.assert_array_equal(items[:, 3:8], np.repeat(shown[:, None], 5, axis=1))
    assert not np.delete(items, np.arange(3, 8), axis=1).any()
    for trial in range(64):
        before, after = np.split(trials.targets[trial], [go[trial]])
        np.testing.assert_array_equal(before, np.tile([1, 0, 0, 0, 0], (len(before), 1)))
        wanted = np.concatenate([[0], shown[trial]])
        np.testing.assert_allclose(after, np.tile(wanted, (len(after), 1)))
        assert list(np.flatnonzero(trials.mask[trial] == 0)) == [go[trial]]


def test_delayed_cue_wants_the_cue_after_the_delay():
    task = tasks.DelayedCue(n_steps=12, n_cues=3, cue_steps=2, delay=4, response_steps=3)
    trials = draw(task)
    cue = np.argmax(trials.inputs[:, 0], axis=1)
    assert set(cue) == {0, 1, 2}
    inputs, targets = np.zeros((2, 32, 12, 3))
    for trial, shown in enumerate(cue):
        inputs[trial, :2, shown] = 1
        targets[trial, 6:9, shown] = 1
    np.testing.assert_array_equal(trials.inputs, inputs)
    np.testing.assert_array_equal(trials.targets, targets)
    assert trials.mask.all()
    np.testing.assert_array_equal(task.variables(trials)["cue"], cue)
    np.testing.assert_array_equal(task.accuracy(targets, trials), 1)
    early, weak, other = targets.copy(), 0.4 * targets, np.roll(targets, 1, axis=2)
    early[:, :6] += 0.7  # on before the response
    for wrong in (early, weak, other, 1 - targets):
        np.testing.assert_array_equal(task.accuracy(wrong, trials), 0)


def test_memory_pro_distracts_within_the_delay():
    task = tasks.MemoryPro(distractor=0.5, delay=(3, 20))
    clean, trials = draw(tasks.MemoryPro(delay=(3, 20)), 64), draw(task, 64)
    np.testing.assert_array_equal(trials.targets, clean.targets)
    added = np.linalg.norm(trials.inputs - clean.inputs, axis=2)
    delay = np.argmax(trials.inputs[..., 0] == 0, axis=1) - 8
    for trial in range(64):
        steps = np.flatnonzero(added[trial] > 1e-6)
        if delay[trial] < 5:
            assert not len(steps)
            continue
        assert len(steps) == 5
        assert steps[0] >= 8
        assert steps[-1] < 8 + delay[trial]
        np.testing.assert_allclose(added[trial, steps], 0.5, rtol=1e-5)


def variables(task, batch=16):
    trials = draw(task, batch)
    return trials, jax.jit(task.variables)(trials)


@pytest.mark.parametrize("task", ALL, ids=str)
def test_every_task_says_what_its_trials_are_about(task):
    _, found = variables(task)
    assert found
    for values in found.values():
        assert values.shape in ((16,), (16, task.n_steps))
        assert np.isfinite(values).all()


def test_variables_are_those_that_inputs_show():
    trials, found = variables(tasks.DelayedDiscrimination())
    answer = np.sign(found["second_0"] - found["first_0"])
    np.testing.assert_array_equal(answer, trials.targets[:, -1, 0])
    np.testing.assert_array_equal(found["decision_0"], answer > 0)
    np.testing.assert_allclose(found["first_0"], trials.inputs[:, 0, 0], rtol=1e-6)
    trials, found = variables(tasks.FlipFlop(n_bits=2))
    np.testing.assert_array_equal(2 * np.asarray(found["bit_1"]) - 1, trials.targets[..., 1])
    _, found = variables(tasks.Sine(), 64)
    np.testing.assert_allclose(np.unique(np.round(found["frequency_0"], 2)), [1, 15.5, 30])
    trials, found = variables(tasks.ContextIntegration(evidence_noise=0.0))
    np.testing.assert_allclose(found["evidence_1"], trials.inputs[:, 3, 1], rtol=1e-5)
    np.testing.assert_array_equal(found["context"], np.argmax(trials.inputs[:, 0, 2:4], axis=1))
    trials, found = variables(tasks.MemoryPro(load=2))
    np.testing.assert_allclose(found["sin_1"], trials.inputs[:, 3, 4], rtol=1e-6)


def test_channels_need_no_other_inputs():
    """The outputs of a channel stay as they are when the other channels' inputs are redrawn."""
    found = {str(task): task.channels for task in ALL}
    for task in ALL:
        inputs, outputs = zip(*found[str(task)], strict=True)
        assert sorted(np.concatenate(inputs)) == list(range(task.n_inputs))
        assert sorted(np.concatenate(outputs)) == list(range(task.n_outputs))
    trials = draw(tasks.DelayedDiscrimination(n_channels=3, magnitude=True), batch=100)
    for (i,), (answer, magnitude) in tasks.DelayedDiscrimination(
        n_channels=3, magnitude=True
    ).channels:
        late = trials.targets[:, -1]
        np.testing.assert_array_equal(late[:, answer], np.sign(late[:, magnitude]))
        pulses = trials.inputs[:, :, i]
        second = [row[row > 0][-1] for row in pulses]
        np.testing.assert_allclose(late[:, magnitude], (second - pulses[:, 0]) / 8, atol=1e-6)
    task = tasks.PathIntegration(dimensions=3, n_channels=2)
    trials = draw(task, batch=10)
    for inputs, outputs in task.channels:
        cue = trials.inputs[:, 0, inputs[-3:]] * task.box
        assert np.linalg.norm(cue - trials.targets[:, 0, outputs], axis=1).max() < 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.FlipFlop(n_bits=0), "`n_bits` must be a whole number of at least 1; got 0"),
        (lambda: tasks.FlipFlop(pulse_probability=1.5), "`pulse_probability` must lie between"),
        (lambda: tasks.FlipFlop(n_steps=-3), "`n_steps` must be a whole number of at least 2"),
        (lambda: tasks.Sine(input_noise=float("nan")), "`input_noise` must be a finite number"),
        (lambda: tasks.Sine(frequency=(1.0, 80.0)), "`frequency` of up to 80.0 Hz cannot be shown"),
        (lambda: tasks.Sine(frequency=(5.0, 1.0)), "low <= high"),
        (lambda: tasks.Sine(frequency=(5.0,)), "`frequency` must be a pair"),
        (lambda: tasks.PathIntegration(dimensions=4), "`dimensions` must be 2 or 3; got 4"),
        (
            lambda: tasks.DelayedDiscrimination(delay=(5, 60)),
            "`delay` of up to 60 steps does not fit the trial.*raise `n_steps` to 75",
        ),
        (
            lambda: tasks.ContextIntegration(stimulus_steps=30),
            "`stimulus_steps` of 30 does not fit the trial.*raise `n_steps` to 46",
        ),
        (lambda: tasks.ContextIntegration(n_modalities=1), "`n_modalities` must be .* at least 2"),
        (
            lambda: tasks.MemoryPro(delay=(5, 60)),
            "`delay` of up to 60 steps does not fit the trial.*raise `n_steps` to 73",
        ),
        (lambda: tasks.MemoryPro(load=0), "`load` must be .* at least 1; got 0"),
        (lambda: tasks.DelayedCue(delay=40), "`delay` of 40 steps .*raise `n_steps` to 47"),
        (lambda: tasks.DelayedCue(n_cues=0), "`n_cues` must be .* at least 1; got 0"),
        (lambda: tasks.Lorenz96(dimension=3), "`dimension` must be .* at least 4; got 3"),
        (lambda: tasks.Lorenz96(substeps=0), "`substeps` must be .* at least 1; got 0"),
        (lambda: tasks.Lorenz96(time_step=0.0), "`time_step` must be"),
        (lambda: tasks.Lorenz96(forcing=-1.0), "`forcing` must be"),
        (lambda: tasks.Lorenz96(burn_in=-1.0), "`burn_in` must be"),
        (lambda: tasks.find("flipflip"), "Did you mean 'flipflop'"),
    ],
)
def test_bad_settings_say_what_to_do(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_register_refuses_a_taken_name():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Other(tasks.FlipFlop):
        pass

    with pytest.raises(ValueError, match="`name` 'flipflop' is taken"):
        tasks.register(Other)


@pytest.mark.parametrize("shape", [(), (7,), (32, 50, 3)])
def test_draws_are_those_of_jax(shape):
    key = jax.random.key(5)
    np.testing.assert_array_equal(draws.bits(key, shape), jax.random.bits(key, shape))
    np.testing.assert_array_equal(draws.uniform(key, shape), jax.random.uniform(key, shape))
    scaled = {"minval": -5.0, "maxval": 6.3}
    ours, theirs = (f(key, shape, **scaled) for f in (draws.uniform, jax.random.uniform))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    ours, theirs = (f(key, shape) for f in (draws.normal, jax.random.normal))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    other = jax.random.key(5, impl="rbg")
    np.testing.assert_array_equal(draws.bits(other, shape), jax.random.bits(other, shape))


@pytest.mark.parametrize("task", [t for t in ALL if t.name != "lorenz96"], ids=str)
def test_accelerators_draw_the_same_trials(task, monkeypatch):
    here, others = draw(task), []

    def on_accelerators(*args, default, **_):
        others.append(default)
        return default(*args)

    for module in (flipflop, path_integration):
        monkeypatch.setattr(module, "by_platform", on_accelerators)
    there = draw(
        task, sample=jax.jit(lambda *given: sample.__wrapped__(*given), static_argnums=(0, 2))
    )
    assert bool(others) == (task.name in ("flipflop", "path_integration"))
    if task.name != "path_integration":
        for a, b in zip(here, there, strict=True):
            np.testing.assert_array_equal(b, a)
        return
    np.testing.assert_allclose(there.targets, here.targets, atol=5e-5)  # sums round otherwise,
    assert np.abs(there.inputs - here.inputs).mean() < 1e-4  # most where a walker hardly moves


def test_the_last_pulse_is_nothing_before_the_first():
    pulses = np.zeros((1, 5, 2), np.float32)
    pulses[0, [1, 3], 0] = 1.0, -1.0
    for form in (flipflop._held, flipflop._latest):
        np.testing.assert_array_equal(form(pulses)[0, :, 0], [0, 1, 1, -1, -1])
        np.testing.assert_array_equal(form(pulses)[0, :, 1], np.zeros(5))
