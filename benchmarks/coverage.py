"""How often 95% intervals cover the truth and 5% tests reject, on simulated networks.

    python benchmarks/coverage.py [two_way]

Takes about three minutes on one core, and four more for two factors at once, which `two_way` runs
alone. Writes benchmarks/results/coverage.json and its tables in docs/statistics.md.
"""

import datetime
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import coverage_tables
import coverage_two_way
import documents
import laws
import numpy as np

from rnnensemble import stats
from rnnensemble._core import runtime
from rnnensemble.stats import intervals, ratios

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "coverage.json"
SIZES = (10, 20, 50)
TEST_SIZES = (12, 20, 50)
INTERVALS = 8000
SPREADS = 20_000
TESTS = 2000
TWO_WAY_TESTS = 500
POWERS = 400
PERMUTATIONS = 499
LEVELS = (1.0, 2.0, 3.0, 4.0)
NULLS = ("independent", "in proportion to a network's distance from the center")
EFFECTS = {"mean_distance": 1.2, "spread": 1.5, "mean": 1.2}
TESTED = {
    "mean_distance": [*laws.FAIR_DISTANCES, "2 equal clusters, 6 sd apart"],
    "spread": [*laws.FAIR_VALUES],
    "mean": [*laws.LOSSES],
}
TRENDS = {
    "mean_distance": [
        "Gaussian points, 5 dimensions",
        "t with 5 degrees of freedom",
        "3 clusters of 50, 30, 20%, 4 sd apart",
    ],
    "spread": ["normal", "lognormal, log-sd 0.5"],
    "mean": ["normal, mean of 10 sd", "lognormal, log-sd 0.5", "exponential"],
}


def share_within(value: np.ndarray, ends: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    """Share of intervals value * ends that hold the truth."""
    return float(((value * ends[0] <= truth) & (truth <= value * ends[1])).mean())


def cover_mean(name: str, k: int) -> dict:
    """Coverage of `mean_distance`, and of an interval that takes pairs for samples."""
    rng = np.random.default_rng([k, len(name)])
    draw = laws.DISTANCES[name]
    truth = laws.true_mean(name)
    ours, naive, width = [], [], []
    upper = np.triu_indices(k, 1)
    for _ in range(INTERVALS // 500):
        points = draw(rng, 500, k)
        matrices = laws.distances(name, points, points)
        parts = intervals.distance_parts(matrices)
        ends = intervals.log_ends(parts.error / parts.mean, k - 1)
        ours.append(share_within(parts.mean, ends, truth))
        width.append(np.mean(ends[1] - ends[0]) / 2)
        pairs = matrices[:, *upper]
        reach = intervals.NORMAL * pairs.std(axis=1, ddof=1) / np.sqrt(pairs.shape[1])
        naive.append(np.mean(np.abs(pairs.mean(axis=1) - truth) <= reach))
    shares = {"ours": ours, "pairs": naive, "relative_half_width": width}
    return {key: float(np.mean(value)) for key, value in shares.items()}


def cover_cross(name: str, k: int) -> float:
    """Coverage of `mean_cross_distance`, the second condition 3 away in every coordinate."""
    rng = np.random.default_rng([k, len(name), 1])
    draw = laws.DISTANCES[name]
    truth = laws.true_mean(name, 3.0)
    shares = []
    for _ in range(INTERVALS // 500):
        matrices = laws.distances(name, draw(rng, 500, k), draw(rng, 500, k) + 3)
        mean, _, error, degrees = intervals.cross_parts(matrices)
        shares.append(share_within(mean, intervals.log_ends(error, degrees), truth))
    return float(np.mean(shares))


def cover_spread(name: str, k: int) -> dict:
    """Coverage of `spread`."""
    values = laws.VALUES[name](np.random.default_rng([k, len(name), 2]), SPREADS, k)
    center, error = intervals.spread_parts(values, skewness=intervals.SKEWNESS)
    ends = intervals.log_ends(error, k - 1)
    width = np.median(center * (ends[1] - ends[0]) / 2 / values.std(axis=1))
    share = share_within(center, ends, laws.SPREAD_TRUTH[name])
    return {"ours": share, "relative_half_width": float(width)}


@functools.cache
def true_log_spread(name: str) -> float:
    """The median difference of log losses of two networks, from four million pairs."""
    rng, draw = np.random.default_rng(9), laws.LOSSES[name]
    return float(np.median(np.abs(np.log(draw(rng, 4_000_000) / draw(rng, 4_000_000)))))


def cover_log_spread(name: str, k: int) -> dict:
    """Coverage of `log_spread`, and how often `heavy_tailed` warns of sigma's interval."""
    losses = laws.LOSSES[name](np.random.default_rng([k, len(name), 10]), SPREADS, k)
    parts = [ratios.log_spread_parts(np.log(each)) for each in np.split(losses, 20)]
    value, low, high = (np.concatenate(x) for x in zip(*parts, strict=True))
    truth = true_log_spread(name)
    return {
        "ours": float(((low <= truth) & (truth <= high)).mean()),
        "relative_half_width": float(np.median((high - low) / 2 / value)),
        "warned": float((intervals.moments(losses)[0] > ratios.HEAVY).mean()),
    }


def reject_two(statistic: str, name: str, k: int) -> dict:
    """Level and power of `compare_conditions`, and coverage of its ratio."""
    rng = np.random.default_rng([k, len(name), 3])
    effect = EFFECTS[statistic]
    settings = {"statistic": statistic, "permutations": PERMUTATIONS}
    found = {}
    for scale, repeats in ((1.0, TESTS), (effect, POWERS)):
        found[scale] = []
        for seed in range(repeats):
            first = laws.sample(statistic, name, rng, k=k)
            second = laws.sample(statistic, name, rng, k=k, scale=scale)
            found[scale].append(stats.compare_conditions(first, second, seed=seed, **settings))
    return {
        "level": float(np.mean([x.p_value <= 0.05 for x in found[1.0]])),
        "power": float(np.mean([x.p_value <= 0.05 for x in found[effect]])),
        "ratio_coverage": float(np.mean([x.ratio.low <= 1 <= x.ratio.high for x in found[1.0]])),
    }


def reject_trend(statistic: str, name: str, k: int) -> dict:
    """Level and power of `trend` over four levels."""
    rng = np.random.default_rng([k, len(name), 4])
    effect = EFFECTS[statistic]
    settings = {"statistic": statistic, "permutations": PERMUTATIONS}
    shares = {}
    for key, total, repeats in (("level", 1.0, TESTS), ("power", effect, POWERS)):
        scales = total ** np.linspace(0, 1, len(LEVELS))
        hits = 0
        for seed in range(repeats):
            conditions = [laws.sample(statistic, name, rng, k=k, scale=scale) for scale in scales]
            hits += stats.trend(LEVELS, conditions, seed=seed, **settings).p_value <= 0.05
        shares[key] = hits / repeats
    return shares


def reject_joint(apart: float, k: int) -> float:
    """Level of `compare_jointly` for Gaussian points of two conditions that lie apart."""
    rng = np.random.default_rng([k, 5])
    labels = np.repeat([0, 1], k)
    hits = 0
    for seed in range(TESTS):
        points = laws.gaussian(5)(rng, 2 * k)
        points[k:, 0] += apart
        matrix = laws.distances("", points, points)
        found = stats.compare_jointly(matrix, labels, permutations=PERMUTATIONS, seed=seed)
        hits += found.p_value <= 0.05
    return hits / TESTS


def cover_null(name: str, k: int) -> float:
    """Coverage of `against_null` for Gaussian points in 5 dimensions."""
    rng = np.random.default_rng([k, len(name), 6])
    length = np.sqrt(2) * 2 / 1.3293403881791370  # mean length of a point: sqrt(2) G(3) / G(2.5)
    truth = np.sqrt(2) * length / (4 if name == "independent" else length)
    hits = 0
    for _ in range(TESTS):
        points = laws.gaussian(5)(rng, k)
        lengths = np.linalg.norm(points, axis=1)
        null = rng.gamma(4, size=k) if name == "independent" else lengths
        found = stats.against_null(laws.distances("", points, points), null).ratio
        hits += found.low <= truth <= found.high
    return hits / TESTS


def predict_widths(statistic: str, name: str, k: int) -> float:
    """Mean relative half width predicted from 20 networks over that of K fresh ones."""
    rng = np.random.default_rng([k, len(name), 7])
    estimate = getattr(intervals, statistic)
    predicted, fresh = [], []
    for _ in range(200):
        pilot = laws.sample(statistic, name, rng, k=20)
        predicted.append(stats.power_curve(pilot, [k], statistic=statistic)[0])
        value, low, high = estimate(laws.sample(statistic, name, rng, k=k))
        fresh.append((high - low) / (2 * value))
    return float(np.mean(predicted) / np.mean(fresh))


def by_size(function: Callable, names: Iterable, sizes: tuple[int, ...]) -> dict:
    """function(name, k) for every name and size; keys as JSON has them."""
    return {str(name): {str(k): function(name, k) for k in sizes} for name in names}


def measure() -> dict:
    """All simulations but those of two factors at once."""
    results = {
        "mean_distance": by_size(cover_mean, laws.DISTANCES, SIZES),
        "mean_cross_distance": by_size(cover_cross, laws.FAIR_DISTANCES, SIZES),
        "spread": by_size(cover_spread, laws.VALUES, SIZES),
        "log_spread": by_size(cover_log_spread, laws.LOSSES, SIZES),
        "against_null": by_size(cover_null, NULLS, SIZES),
        "compare_jointly": by_size(reject_joint, (0, 10), TEST_SIZES),
    }
    planned = {key: names for key, names in TESTED.items() if key != "mean"}
    for key, function, names, sizes in (
        ("compare_conditions", reject_two, TESTED, TEST_SIZES),
        ("trend", reject_trend, TRENDS, TEST_SIZES),
        ("power_curve", predict_widths, planned, SIZES),
    ):
        results[key] = {
            statistic: by_size(functools.partial(function, statistic), names[statistic], sizes)
            for statistic in names
        }
    return results


def measure_two_way() -> dict:
    """Two factors at once."""
    return {
        statistic: {
            setting: by_size(
                functools.partial(
                    coverage_two_way.reject, statistic, setting, TWO_WAY_TESTS, PERMUTATIONS
                ),
                coverage_two_way.MORE[statistic],
                TEST_SIZES,
            )
            for setting in coverage_two_way.SETTINGS
        }
        for statistic in coverage_two_way.MORE
    }


def run_of(start: float) -> dict:
    """When, where and for how long something was simulated."""
    return {
        "cpu_seconds": round(time.process_time() - start),
        "date": datetime.date.today().isoformat(),
        "machine": {**runtime.describe(), "numpy": np.__version__, "scipy": version("scipy")},
    }


def measure_most() -> dict:
    """All but two factors at once, with settings and machine."""
    start = time.process_time()
    settings = {
        "intervals": INTERVALS,
        "spreads": SPREADS,
        "tests": TESTS,
        "powers": POWERS,
        "permutations": PERMUTATIONS,
        "effects": EFFECTS,
        "trend_levels": LEVELS,
    }
    return {"settings": settings, **measure(), **run_of(start)}


def main() -> None:
    """Simulates and writes."""
    results = json.loads(RESULTS.read_text()) if sys.argv[1:] == ["two_way"] else measure_most()
    start = time.process_time()
    two_way = measure_two_way()
    results["settings"]["two_way_tests"] = TWO_WAY_TESTS
    results |= {"two_way": two_way, "two_way_run": run_of(start)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(coverage_tables.report(results))
    documents.replace_part(
        ROOT / "docs" / "statistics.md", "coverage", coverage_tables.report(results)
    )


if __name__ == "__main__":
    main()
