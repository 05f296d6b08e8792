"""Optimizers, losses, penalties, criteria: against optax, closed forms, and bad input."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnensemble as rnne
from rnnensemble.study import conditions
from rnnensemble.training.objective import loss_and_gradient, terms_and_gradient
from rnnensemble.training.optimizer_base import kept_numbers
from rnnensemble.training.recipe import group_key
from rnnensemble.training.requirements import require_trainable
from tests import compiled

TASK = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
NETWORK = rnne.VanillaRNN(width=6)
SHORT = rnne.Training(batch=8, epoch_steps=3, max_epochs=2, learning_rate=1e-2, threshold=1e-9)
STEPS = 6


def train(size=2, task=TASK, network=NETWORK, **changes):
    training = dataclasses.replace(SHORT, **changes)
    return rnne.train_population(task, network=network, training=training, size=size, devices=1)


def by_hand(transformation, k=0, clip=1.0, schedule=None):
    """Parameters of a network after all steps by optax alone, on the trials that it has."""
    key = jax.random.fold_in(jax.random.key(0), k)
    params = compiled.init(
        NETWORK, jax.random.fold_in(key, 0), n_inputs=1, n_outputs=1, gain=jnp.ones(())
    )
    whole = optax.chain(optax.clip_by_global_norm(clip), transformation)
    state = whole.init(params)

    @jax.jit
    def step(params, state, number):
        trials = compiled.sample(TASK, jax.random.fold_in(jax.random.fold_in(key, 1), number), 8)
        updates, state = whole.update(loss_and_gradient(params, trials, NETWORK)[1], state, params)
        return optax.apply_updates(params, updates), state

    for number in range(STEPS):
        params, state = step(params, state, number)
    return params


def own_sgd(learning_rate):
    return optax.inject_hyperparams(optax.sgd)(learning_rate=learning_rate, momentum=0.5)


def needs_loss(learning_rate):
    return optax.polyak_sgd(learning_rate)


def no_arrays(learning_rate):
    return optax.GradientTransformation(lambda p: "word", lambda g, s, p=None: (g, s))


def growing(learning_rate):
    return optax.GradientTransformation(
        lambda p: jnp.zeros(1), lambda g, s, p=None: (g, jnp.zeros(2))
    )


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (rnne.optimizers.SGD(momentum=0.8, weight_decay=0.1, nesterov=True), "sgd"),
        (rnne.optimizers.AdamW(weight_decay=0.1), optax.adamw(1e-2, weight_decay=0.1)),
        pytest.param(
            rnne.optimizers.RMSProp(),
            optax.rmsprop(1e-2, decay=0.99, eps_in_sqrt=False),
            marks=pytest.mark.long,
        ),
        pytest.param(
            rnne.optimizers.Lion(weight_decay=0.1),
            optax.lion(1e-2, weight_decay=0.1),
            marks=pytest.mark.long,
        ),
        pytest.param(optax.adabelief, optax.adabelief(1e-2), marks=pytest.mark.long),
        ("tests.test_optimizers:own_sgd", optax.sgd(1e-2, momentum=0.5)),
    ],
)
def test_steps_are_those_of_optax(optimizer, expected):
    if expected == "sgd":  # as PyTorch has it
        expected = optax.chain(
            optax.add_decayed_weights(0.1), optax.sgd(1e-2, momentum=0.8, nesterov=True)
        )
    found = train(optimizer=optimizer, size=1)
    wanted = by_hand(expected)
    for x, y in zip(*map(jax.tree.leaves, (found.params, wanted)), strict=True):
        np.testing.assert_allclose(x[0], y, atol=2e-6)


def test_values_by_network_share_a_program_and_do_not_mix():
    own = rnne.optimizers.SGD(momentum=(0.0, 0.9), weight_decay=(0.3, 0.0))
    both = train(optimizer=own)
    one = train(optimizer=rnne.optimizers.SGD(momentum=0.0, weight_decay=0.3), size=1)
    for x, y in zip(*map(jax.tree.leaves, (both.params, one.params)), strict=True):
        np.testing.assert_allclose(x[0], y[0], atol=1e-6)
    part = both[[1]]
    assert part.training.optimizer == rnne.optimizers.SGD(momentum=(0.9,), weight_decay=(0.0,))
    again = rnne.concatenate([both[[0]], part])
    assert again == both
    sgd = [rnne.optimizers.SGD(momentum=m, weight_decay=0.1) for m in (0.5, 0.9)]
    keys = [group_key(rnne.Recipe(TASK, training=rnne.Training(optimizer=each))) for each in sgd]
    assert keys[0] == keys[1]


def test_values_of_networks_among_parameters_do_not_decay():
    network = rnne.MuPRNN(width=6, gamma=2.0)
    found = train(network=network, optimizer=rnne.optimizers.AdamW(weight_decay=1.0), size=1)
    assert found.params.gamma[0] == 2.0
    assert (
        np.abs(found.params.recurrent_weights).sum()
        < 0.99 * np.abs(found.initial_params.recurrent_weights).sum()
    )


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("lion", marks=pytest.mark.long)])
def test_resumed_and_stored_is_uninterrupted(tmp_path, optimizer):
    schedule = rnne.schedules.Cosine(steps=9, warmup=2)
    short = train(optimizer=optimizer, schedule=schedule, max_epochs=1)
    whole = train(optimizer=optimizer, schedule=schedule)
    loaded = rnne.load(rnne.save(tmp_path / "run", short)).population
    assert loaded == short
    assert rnne.resume(loaded, max_epochs=2, devices=1) == whole
    factors = np.asarray(schedule.factor(np.arange(6))).reshape(2, 3).mean(axis=1)
    np.testing.assert_allclose(whole.history.learning_rate[0], 1e-2 * factors, rtol=1e-5)


def test_a_schedule_is_that_of_optax():
    schedule = optax.exponential_decay(1e-2, 5, 0.5)
    found = train(
        optimizer=rnne.optimizers.SGD(momentum=0.0),
        schedule=rnne.schedules.Exponential(steps=5, ratio=0.5),
        size=1,
    )
    wanted = by_hand(optax.sgd(schedule))
    for x, y in zip(*map(jax.tree.leaves, (found.params, wanted)), strict=True):
        np.testing.assert_allclose(x[0], y, atol=1e-6)
    warm = rnne.schedules.Warmup(steps=4).factor(np.arange(6))
    np.testing.assert_allclose(warm, [0, 0.25, 0.5, 0.75, 1, 1])


def huber(outputs, targets, mask):
    each = optax.huber_loss(outputs, targets).mean(axis=-1)
    return jnp.sum(mask * each) / jnp.sum(mask)


def two_numbers(outputs, targets, mask):
    return jnp.zeros(2)


def test_losses_of_ones_own_are_not_sliced(tmp_path):
    found = train(loss=huber, size=2)
    assert found.training.loss == "tests.test_optimizers:huber"
    assert rnne.load(rnne.save(tmp_path / "run", found)).population == found
    params = jax.tree.map(lambda x: x[0], found.params)
    trials = compiled.sample(TASK, jax.random.key(3), 8)
    how = jax.jit(loss_and_gradient, static_argnames=("network", "slices", "loss"))
    whole, sliced = (
        how(params, trials, network=NETWORK, slices=n, loss=found.training.loss) for n in (1, 4)
    )
    for x, y in zip(*map(jax.tree.leaves, (whole, sliced)), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("loss", [pytest.param("mse", marks=pytest.mark.long), "cross_entropy"])
def test_terms_of_slices_add_up(loss):
    task = rnne.tasks.DelayedDiscrimination(n_steps=40, n_channels=2)
    network = rnne.VanillaRNN(width=6)
    params = compiled.init(network, jax.random.key(0), n_inputs=2, n_outputs=2, gain=jnp.float32(1))
    trials = compiled.sample(task, jax.random.key(1), 8)
    trials = trials._replace(targets=jax.nn.softmax(trials.targets))
    rates, outputs = jax.jit(network.respond)(params, trials.inputs)
    how = {"network": network, "loss": loss, "accuracy_of": task, "rates_l2": jnp.float32(0.3)}
    found = jax.jit(partial(terms_and_gradient, **how), static_argnames="slices")
    whole, gradient = found(params, trials)
    assert float(whole.paid) == pytest.approx(0.3 * np.sum(np.square(rates)) / (8 * 40), rel=1e-5)
    if loss == "cross_entropy":
        weights = np.asarray(trials.mask)
        logs = np.asarray(outputs) - np.log(np.exp(outputs).sum(axis=-1, keepdims=True))
        by_hand = -(weights * (np.asarray(trials.targets) * logs).sum(axis=-1)).sum()
        assert float(whole.loss) == pytest.approx(by_hand / weights.sum(), rel=1e-5)
    sliced = found(params, trials, slices=4)
    for x, y in zip(*map(jax.tree.leaves, ((whole, gradient), sliced)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def test_penalties_on_rates_and_weights_are_sums():
    paid = train(l2=(0.0, 1e-2), rates_l2=(1e-2, 0.0), max_epochs=1, learning_rate=1e-7)
    weights = [paid.params[i][1] for i in (0, 1, 3)]
    expected = 1e-2 * sum(np.sum(np.square(each)) for each in weights)
    assert paid.history.penalty[1, 0] == pytest.approx(expected, rel=1e-3)
    first = jax.tree.map(lambda x: x[0], paid.params)
    rates, _ = jax.jit(NETWORK.respond)(first, compiled.sample(TASK, jax.random.key(5), 64).inputs)
    size = float(np.sum(np.square(rates)) / (64 * 12))
    assert paid.history.penalty[0, 0] == pytest.approx(1e-2 * size, rel=0.15)


def test_accuracy_is_recorded_and_stops(tmp_path):
    sure = {"criterion": "accuracy", "patience": 1}
    found = train(threshold=(1e-6, 1.0), **sure, max_epochs=1)
    assert found.history.accuracy.shape == (2, 1)
    assert ((found.history.accuracy >= 0) & (found.history.accuracy <= 1)).all()
    np.testing.assert_array_equal(found.converged, found.history.accuracy[:, 0] >= [1e-6, 1.0])
    loaded = rnne.load(rnne.save(tmp_path / "run", found)).population
    assert loaded == found
    plain, seen = train(), train(record_accuracy=True)
    assert plain.history.accuracy is None
    for x, y in zip(*map(jax.tree.leaves, (plain.params, seen.params)), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_accuracies_of_tasks():
    for task in (
        TASK,
        rnne.tasks.DelayedDiscrimination(n_channels=2),
        rnne.tasks.ContextIntegration(),
    ):
        trials = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), 64)
        accuracy = jax.jit(task.accuracy)
        np.testing.assert_array_equal(accuracy(0.1 * trials.targets, trials), np.ones(64))
        np.testing.assert_array_equal(accuracy(-trials.targets, trials), np.zeros(64))
        assert task.has("accuracy")
    right = np.asarray(jax.jit(task.choice)(trials.targets, trials))
    agree = np.mean((np.asarray(jax.jit(task.evidence)(trials)) > 0) == right)
    assert agree > 0.95  # noise seldom turns the sign of the evidence
    assert not rnne.tasks.Sine().has("accuracy")


def test_settings_come_back_from_toml_and_digests_of_defaults_stay():
    text = """
[task]
kind = "flipflop"
[training]
loss = "cross_entropy"
threshold = 0.1
schedule = "cosine"
[training.optimizer]
kind = "sgd"
weight_decay = 1e-4
"""
    found = conditions.from_toml(text)
    assert found.training.optimizer == rnne.optimizers.SGD(weight_decay=1e-4)
    assert found.training.schedule == rnne.schedules.Cosine()
    assert conditions.from_toml(conditions.to_toml(found)) == found
    plain = conditions.Condition(TASK)
    assert plain.digest == PLAIN_DIGEST
    other = rnne.Training(optimizer=rnne.optimizers.Adam(b2=0.99))
    assert conditions.Condition(TASK, training=other).digest != plain.digest
    below = {"training": {"optimizer": "sgd"}}
    merged = conditions.merged(below, {"training": {"optimizer": {"momentum": 0.5}}})
    assert merged["training"]["optimizer"] == {"kind": "sgd", "momentum": 0.5}


PLAIN_DIGEST = "63f2c01e3b09"
"""Of a condition before there were optimizers."""


def test_what_is_kept_is_counted():
    counts = {"adam": 2, "adamw": 2, "sgd": 1, "rmsprop": 1, "lion": 1, "optax:adagrad": 1}
    for name, count in counts.items():
        assert kept_numbers(rnne.Training(optimizer=name).optimizer) == count


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgdd"}, "`optimizer` must be one of .* Did you mean 'sgd'"),
        ({"optimizer": optax.sgd(0.1)}, "`optimizer` must be a function that makes"),
        ({"optimizer": lambda learning_rate: None}, "`optimizer` must be a name, or a function"),
        ({"optimizer": "no.such:make"}, "`optimizer` 'no.such:make' cannot be imported"),
        ({"optimizer": "math:pi"}, "`optimizer` 'math:pi' must name a function"),
        ({"optimizer": "optax:apply_updates"}, "can be called with `learning_rate` alone"),
        ({"schedule": "cosin"}, "`schedule` must be one of .* Did you mean 'cosine'"),
        ({"schedule": 3}, "`schedule` must be a name or a Schedule; got 3"),
        ({"loss": "msee"}, "`loss` must be one of .* Did you mean 'mse'"),
        ({"loss": "math:sqrt"}, "`loss` must take outputs, targets and mask"),
        ({"criterion": "both"}, "`criterion` must be loss or accuracy"),
        ({"record_accuracy": 1}, "`record_accuracy` must be a bool"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        rnne.Training(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnne.optimizers.Adam(b1=1.0), "`b1` must be at least 0 and below 1; got 1.0"),
        (lambda: rnne.optimizers.RMSProp(eps=0.0), "`eps` must be a positive number; got 0.0"),
        (lambda: rnne.schedules.Warmup(steps=0), "`steps` must be a whole number"),
        (lambda: rnne.schedules.Cosine(steps=5, warmup=5), "`warmup` must be below `steps`, 5"),
        (lambda: rnne.schedules.Cosine(end=2.0), "`end` must lie between 0 and 1"),
        (lambda: rnne.schedules.Exponential(ratio=0.0), "`ratio` must be above 0"),
    ],
)
def test_bad_parts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


SGD = rnne.optimizers.SGD


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": SGD(weight_decay=-0.1)}, "`weight_decay` must be a number of at least 0"),
        ({"optimizer": SGD(momentum=1.5)}, "`momentum` must be at most 1; got 1.5"),
        ({"optimizer": SGD(momentum=(0.1,))}, "`momentum` must be one number or one for each"),
        ({"optimizer": needs_loss}, "`optimizer` .*needs_loss' cannot be used"),
        ({"optimizer": no_arrays}, "`optimizer` .*no_arrays' cannot be used: its state must be"),
        ({"optimizer": growing}, "`optimizer` .*growing' must keep the form of its state"),
        ({"loss": "cross_entropy", "threshold": 0.1}, "cross_entropy needs targets that are class"),
        ({"loss": "cross_entropy"}, "`threshold` must be given for 'cross_entropy'"),
        ({"loss": two_numbers, "threshold": 0.1}, r"`loss` .* one number .* it has shape \(2,\)"),
        ({"criterion": "accuracy"}, "`threshold` must be given for 'accuracy'"),
        ({"criterion": "accuracy", "threshold": 1.1}, "`threshold` of an accuracy must be above 0"),
    ],
)
def test_bad_recipes(settings, message):
    with pytest.raises(ValueError, match=message):
        rnne.train_population(TASK, network=NETWORK, training=rnne.Training(**settings), size=2)


def test_bad_accuracies():
    training = rnne.Training(criterion="accuracy", threshold=0.9)
    with pytest.raises(ValueError, match="`criterion` needs a task with an accuracy, which 'sine'"):
        rnne.Recipe(rnne.tasks.Sine(), training=training)

    class Wrong(rnne.tasks.FlipFlop):
        def accuracy(self, outputs, trials):
            return jnp.mean(outputs)

    with pytest.raises(ValueError, match="`accuracy` of task 'flipflop' must be one number for"):
        require_trainable(rnne.Recipe(Wrong(), training=training))
    with pytest.raises(ValueError, match="`criterion` must be loss, and `record_accuracy` false"):
        rnne.measure_intrinsic_dimension(TASK, training=training)
    with pytest.raises(ValueError, match=r"`training\.optimizer\.momentum` is not a setting"):
        conditions.from_table(
            {"task": {"kind": "flipflop"}, "training": {"optimizer": {"momentum": 0.5}}}
        )
