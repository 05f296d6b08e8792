"""The same for `two_way`: how often its tests reject without an effect, and its intervals hold 1.

Six conditions, three levels of a first factor by two of a second one; `coverage.py` runs it.
"""

import laws
import numpy as np

from rnnensemble import stats

GRID = [(x, y) for x in (0.0, 1.0, 2.0) for y in (0.0, 1.0)]
CORNER = GRID[-1]
ACTS = 3.0
"""Factor from end to end of the second factor, where it acts."""
SETTINGS = ("nothing acts", "the second factor acts", "one condition is unlike")
EFFECTS = ("first", "second", "interaction")

MORE = {
    "mean_distance": {
        "Gaussian points, 5 dimensions": "t with 5 degrees of freedom",
        "Gaussian points, 20 dimensions": "Gaussian points, 2 dimensions",
        "3 clusters of 50, 30, 20%, 4 sd apart": "2 clusters of 80, 20%, 6 sd apart",
    },
    "spread": {"normal": "exponential", "lognormal, log-sd 0.5": "lognormal, log-sd 1"},
    "mean": {
        "normal, mean of 10 sd": "normal of mean 10 sd, 10% with 3 times the sd",
        "lognormal, log-sd 0.5": "lognormal, log-sd 1",
        "exponential": "lognormal, log-sd 1",
    },
}
"""The laws, each with the law that the last condition has where it is unlike: it varies more."""

MEANS = {
    "normal, mean of 10 sd": 10.0,
    "normal of mean 10 sd, 10% with 3 times the sd": 10.0,
    "lognormal, log-sd 0.5": float(np.exp(0.125)),
    "lognormal, log-sd 1": float(np.exp(0.5)),
    "exponential": 1.0,
}
"""True means of losses."""


def conditions_of(
    statistic: str, name: str, setting: str, k: int, *, rng: np.random.Generator
) -> list[np.ndarray]:
    """Data of the six conditions, whose statistic is the same unless the second factor acts."""
    found = []
    for place in GRID:
        law, size, scale = name, k, 1.0
        if setting == SETTINGS[1]:
            scale = ACTS ** place[1]
        elif setting == SETTINGS[2] and place == CORNER:
            law, size = MORE[statistic][name], 2 * k // 3
            truth = {"mean_distance": laws.true_mean, "mean": MEANS.get}.get(
                statistic, laws.SPREAD_TRUTH.get
            )
            scale = truth(name) / truth(law)
        found.append(laws.sample(statistic, law, rng, k=size, scale=scale))
    return found


def reject(
    statistic: str, setting: str, repeats: int, permutations: int, name: str, k: int
) -> dict[str, dict[str, float]]:
    """Rejections of each effect that is not there, and coverage of its interval."""
    rng = np.random.default_rng([k, len(name), 11, SETTINGS.index(setting)])
    named = [each for each in EFFECTS if setting != SETTINGS[1] or each != "second"]
    level, held = dict.fromkeys(named, 0), dict.fromkeys(named, 0)
    for seed in range(repeats):
        data = conditions_of(statistic, name, setting, k, rng=rng)
        found = stats.two_way(GRID, data, statistic=statistic, permutations=permutations, seed=seed)
        for each in named:
            effect = getattr(found, each)
            level[each] += effect.p_value <= 0.05
            held[each] += effect.change.low <= 1 <= effect.change.high
    return {
        "level": {each: count / repeats for each, count in level.items()},
        "coverage": {each: count / repeats for each, count in held.items()},
    }
