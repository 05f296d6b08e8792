"""Laws of simulated networks: points whose distances are compared, and losses.

The fair laws are those that 95% intervals are held to; the hard ones show where they fail.
"""

import functools
from collections.abc import Callable

import numpy as np

Draw = Callable[..., np.ndarray]


def gaussian(dimensions: int) -> Draw:
    """Points `[..., dimensions]` with standard normal coordinates."""
    return lambda rng, *shape: rng.normal(size=(*shape, dimensions))


def heavy(degrees: int) -> Draw:
    """Points with 5 coordinates of Student's t."""
    return lambda rng, *shape: rng.standard_t(degrees, size=(*shape, 5))


def clusters(separation: float, *weights: float) -> Draw:
    """Gaussian clusters in 5 dimensions whose centers all lie `separation` apart."""

    def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
        points = rng.normal(size=(*shape, 5))
        centers = np.eye(len(weights), 5) * separation / np.sqrt(2)
        return points + centers[rng.choice(len(weights), size=shape, p=weights)]

    return draw


FAIR_DISTANCES = {
    "Gaussian points, 2 dimensions": gaussian(2),
    "Gaussian points, 5 dimensions": gaussian(5),
    "Gaussian points, 20 dimensions": gaussian(20),
    "distances 1 + 0.05 d, d of 5 dimensions": gaussian(5),
    "t with 5 degrees of freedom": heavy(5),
    "2 equal clusters, 3 sd apart": clusters(3, 0.5, 0.5),
    "3 clusters of 50, 30, 20%, 4 sd apart": clusters(4, 0.5, 0.3, 0.2),
}
HARD_DISTANCES = {
    "2 equal clusters, 6 sd apart": clusters(6, 0.5, 0.5),
    "3 equal clusters, 6 sd apart": clusters(6, 1 / 3, 1 / 3, 1 / 3),
    "2 clusters of 80, 20%, 6 sd apart": clusters(6, 0.8, 0.2),
    "2 equal clusters, 20 sd apart": clusters(20, 0.5, 0.5),
    "t with 3 degrees of freedom": heavy(3),
}
FAIR_VALUES: dict[str, Draw] = {
    "normal": lambda rng, *shape: rng.normal(size=shape),
    "gamma, shape 4": lambda rng, *shape: rng.gamma(4, size=shape),
    "lognormal, log-sd 0.3": lambda rng, *shape: rng.lognormal(0, 0.3, size=shape),
    "lognormal, log-sd 0.5": lambda rng, *shape: rng.lognormal(0, 0.5, size=shape),
}
HARD_VALUES: dict[str, Draw] = {
    "uniform": lambda rng, *shape: rng.random(size=shape),
    "exponential": lambda rng, *shape: rng.exponential(size=shape),
    "t with 5 degrees of freedom": lambda rng, *shape: rng.standard_t(5, size=shape),
    "normal, 10% with 3 times the sd": lambda rng, *shape: (
        rng.normal(size=shape) * np.where(rng.random(size=shape) < 0.1, 3, 1)
    ),
    "lognormal, log-sd 1": lambda rng, *shape: rng.lognormal(0, 1, size=shape),
}
SPREAD_TRUTH = {
    "normal": 1.0,
    "gamma, shape 4": 2.0,
    "lognormal, log-sd 0.3": float(np.sqrt(np.expm1(0.09) * np.exp(0.09))),
    "lognormal, log-sd 0.5": float(np.sqrt(np.expm1(0.25) * np.exp(0.25))),
    "uniform": float(np.sqrt(1 / 12)),
    "exponential": 1.0,
    "t with 5 degrees of freedom": float(np.sqrt(5 / 3)),
    "normal, 10% with 3 times the sd": float(np.sqrt(1.8)),
    "lognormal, log-sd 1": float(np.sqrt(np.expm1(1.0) * np.exp(1.0))),
}


def contaminated(share: float, factor: float) -> Draw:
    """Log losses with a standard deviation of 0.3, some of them with a multiple of it."""
    return lambda rng, *shape: np.exp(
        0.3 * rng.normal(size=shape) * np.where(rng.random(size=shape) < share, factor, 1)
    )


LOSSES: dict[str, Draw] = {
    "normal, mean of 10 sd": lambda rng, *shape: np.abs(rng.normal(10, 1, size=shape)),
    "exponential": HARD_VALUES["exponential"],
    "lognormal, log-sd 0.5": FAIR_VALUES["lognormal, log-sd 0.5"],
    "lognormal, log-sd 1": HARD_VALUES["lognormal, log-sd 1"],
    "normal of mean 10 sd, 10% with 3 times the sd": lambda rng, *shape: np.abs(
        10 + HARD_VALUES["normal, 10% with 3 times the sd"](rng, *shape)
    ),
    "lognormal, log-sd 0.3, 10% contaminated 3 times": contaminated(0.1, 3),
    "lognormal, log-sd 0.3, 5% contaminated 10 times": contaminated(0.05, 10),
}
"""Positive losses, whose logarithms are compared."""


DISTANCES = {**FAIR_DISTANCES, **HARD_DISTANCES}
VALUES = {**FAIR_VALUES, **HARD_VALUES}


def distances(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances `[..., K, L]` of points `[..., K, P]` and `[..., L, P]` under a law."""
    squares = (first**2).sum(-1)[..., :, None] + (second**2).sum(-1)[..., None, :]
    found = np.sqrt(np.maximum(squares - 2 * first @ np.swapaxes(second, -1, -2), 0))
    return 1 + 0.05 * found if name.startswith("distances 1 +") else found


@functools.cache
def true_mean(name: str, offset: float = 0.0) -> float:
    """The mean distance of two independent points, from two million pairs."""
    rng, draw, means = np.random.default_rng(8), DISTANCES[name], []
    for _ in range(10):
        first, second = draw(rng, 200_000, 1), draw(rng, 200_000, 1) + offset
        means.append(distances(name, first, second).mean())
    return float(np.mean(means))


def sample(
    statistic: str, name: str, rng: np.random.Generator, *, k: int, scale: float = 1.0
) -> np.ndarray:
    """One condition of K networks: distances or values."""
    laws_of = {"spread": VALUES, "mean": LOSSES}
    if statistic in laws_of:
        return scale * laws_of[statistic][name](rng, k)
    points = DISTANCES[name](rng, k)
    matrix = scale * distances(name, points, points)
    np.fill_diagonal(matrix, 0)
    return matrix
