"""Configs take lists, arrays and numbers of any kind, and stay plain and hashable."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble._core.config import Config
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.analysis.solutions import SolutionAnalysis
from rnnensemble.study.conditions import Condition
from rnnensemble.training import evaluation
from tests.own_network import Leaky
from tests.own_task import Evidence

FORMS = [list, tuple, np.array, jnp.array]


@pytest.mark.parametrize("form", FORMS)
def test_values_by_network_come_in_any_form(form):
    rates = form([0.25, 0.5])
    training = rnne.Training(learning_rate=rates, threshold=form([1.0, 2.0]))
    assert training == rnne.Training(learning_rate=(0.25, 0.5), threshold=(1.0, 2.0))
    assert hash(training) == hash(rnne.Training(learning_rate=(0.25, 0.5), threshold=(1.0, 2.0)))
    assert rnne.VanillaRNN(gain=rates).gain == rnne.MuPRNN(gamma=rates).gamma == (0.25, 0.5)
    assert rnne.Deflation(strength=rates).strength == (0.25, 0.5)
    assert Leaky(spread=rates) == Leaky(spread=(0.25, 0.5))


@pytest.mark.parametrize("form", FORMS)
def test_settings_of_an_analysis_come_in_any_form(form):
    grid = rnne.DSAGrid(ranks=form([3, 5]), delays=form([1]), shares=form([0.5]))
    assert grid == rnne.DSAGrid(ranks=(3, 5), delays=(1,), shares=(0.5,))
    assert rnne.metrics.Autocovariance(lags=form([0, 2])).lags == (0, 2)
    assert rnne.tasks.Sine(frequency=form([1.0, 2.0])).frequency == (1.0, 2.0)
    assert rnne.Analysis(measures=["representation"]).measures == ("representation",)


@pytest.mark.parametrize("number", [np.int64(8), np.int32(8), np.array(8), jnp.int32(8)])
def test_whole_numbers_come_in_any_form(number):
    made = [
        rnne.VanillaRNN(width=number).width,
        rnne.Training(batch=number).batch,
        rnne.Recipe(rnne.tasks.FlipFlop(), size=number).size,
        rnne.DSA(rank=number).rank,
        rnne.Analysis(dynamics_trials=number).dynamics_trials,
        rnne.SolutionAnalysis(trials=number, dynamics_trials=number).trials,
        rnne.BatteryAnalysis(decoder_trials=number).decoder_trials,
        rnne.FeatureAnalysis(trials=number).trials,
        rnne.Decoder(folds=number).folds,
        FixedPointSearch(starts=number).starts,
        Evidence(n_steps=number).n_steps,
    ]
    assert made == [8] * len(made)
    assert {type(each) for each in made} == {int}


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), jnp.float32(0.5)])
def test_quantities_come_in_any_form(number):
    made = rnne.MuPRNN(gamma=number, tau=number)
    assert (made, type(made.gamma)) == (rnne.MuPRNN(gamma=0.5, tau=0.5), float)


def test_arrays_name_the_condition_that_tuples_name():
    training = rnne.Training(learning_rate=np.array([1e-3, 2e-3]))
    network = rnne.MuPRNN(gamma=[0.5, 1.0])
    given = Condition(task=rnne.tasks.Sine(), network=network, training=training, size=np.int64(2))
    assert (given.digest, given.recipe_digest) == ("4793dd3f40dd", "e55c43172e00")


def test_a_range_of_rates_trains():
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=1, n_steps=10),
        network=rnne.VanillaRNN(width=np.int64(4)),
        training=rnne.Training(
            learning_rate=np.logspace(-3, -2, 3), batch=8, epoch_steps=1, max_epochs=1
        ),
        size=np.int64(3),
    )
    np.testing.assert_allclose(population.history.learning_rate[:, 0], [1e-3, 10**-2.5, 1e-2])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: rnne.Training(learning_rate=True), "learning_rate"),
        (lambda: rnne.Training(learning_rate=[1e-3, np.True_]), "learning_rate"),
        (lambda: rnne.VanillaRNN(width=True), "width"),
        (lambda: rnne.DSA(ridge=np.True_), "ridge"),
        (lambda: rnne.Analysis(dynamics_trials=True), "dynamics_trials"),
        (lambda: rnne.FeatureAnalysis(memory=True), "memory"),
        (lambda: rnne.tasks.FlipFlop(n_bits=True), "n_bits"),
        (lambda: Leaky(tau=False), "tau"),
    ],
)
def test_a_bool_is_no_number(make, name):
    with pytest.raises(ValueError, match=f"`{name}` must be a number, not a bool; got"):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnne.VanillaRNN(width=np.float32(2.5)), "`width` must be a whole number"),
        (lambda: rnne.DSA(rank=2.5), "`rank` must be a whole number of at least 1; got 2.5"),
        (lambda: rnne.DSAGrid(ranks=[3, 2.5]), "`ranks` must be different whole numbers"),
        (lambda: rnne.DSAGrid(delays=3), "`delays` must be different whole numbers"),
        (
            lambda: rnne.Recipe(
                rnne.tasks.FlipFlop(), training=rnne.Training(learning_rate=np.ones((2, 2))), size=2
            ),
            "`learning_rate` must be a positive number",
        ),
    ],
)
def test_what_is_no_such_number_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_named_tuples_and_fields_that_are_made_later_stay():
    class Pulse(NamedTuple):
        low: float = 1.0
        high: float = 2.0

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Own(Config):
        pulse: Pulse = Pulse()
        made: int = dataclasses.field(init=False)

        def __post_init__(self):
            super().__post_init__()
            object.__setattr__(self, "made", 3)

    assert Own(pulse=Pulse(high=np.float32(3.0))).pulse.high == 3.0
    assert Own().made == 3


def test_flags_and_names_stay_what_they_are():
    network = rnne.VanillaRNN(fused=True, train_initial_state=True)
    assert (network.fused, network.train_initial_state) == (True, True)
    assert dataclasses.replace(network, activation="relu").activation == "relu"


@pytest.mark.parametrize("seed", [2**32, -1, 0.5])
def test_seeds_are_those_that_jax_tells_apart(seed):
    rates = np.random.default_rng(0).normal(size=(2, 4, 6, 3))
    for asked in (
        lambda: rnne.distance_matrix("dsa", rates, seed=seed, settings={"rank": 2}),
        lambda: evaluation.evaluation_key(seed, 0),
        lambda: SolutionAnalysis(seed=seed),
        lambda: FixedPointSearch(seed=seed),
    ):
        with pytest.raises(ValueError, match=r"^`seed` must be a whole number .* below 2\^32"):
            asked()
