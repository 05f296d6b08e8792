"""PIF against scipy's FAQ and on instances with known optima; see distances.py."""

import itertools
import time

import numpy as np
from scipy.optimize import quadratic_assignment
from threadpoolctl import threadpool_limits

import rnnensemble as rnne
from rnnensemble import distance_matrix

WIDTH = 128
ROUNDS = 3
SIDES = (5, 8)
"""Networks on each side of the 40 pairs."""
THOROUGH = 48
"""Starts of the second search of the small instances."""


def gaussian_weights() -> np.ndarray:
    """`[13, N, N]`."""
    return np.random.default_rng(0).normal(size=(sum(SIDES), WIDTH, WIDTH))


def trained_weights() -> np.ndarray:
    """`[13, N, N]`, of networks that trained on flip-flops for ten short epochs."""
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=3, n_steps=50),
        network=rnne.VanillaRNN(width=WIDTH),
        training=rnne.Training(learning_rate=2e-3, batch=16, max_epochs=10, patience=10),
        size=sum(SIDES),
    )
    return np.array(population.params.recurrent_weights)


def against_scipy() -> dict[str, dict]:
    """Distances and seconds of 40 pairs, in turn."""
    return {
        "gaussian": against_scipy_on(gaussian_weights()),
        "trained": against_scipy_on(trained_weights()),
    }


def against_scipy_on(weights: np.ndarray) -> dict:
    """One kind of weights."""
    first, second = weights[: SIDES[0]], weights[SIDES[0] :]
    count = len(first) * len(second)
    ours = distance_matrix("pif", first, second).ravel()  # and compiles
    theirs = np.array([faq(a, b) for a in first for b in second])
    seconds: dict[str, list[float]] = {"ours": [], "scipy": []}
    for _ in range(ROUNDS):
        started = time.perf_counter()
        distance_matrix("pif", first, second)
        between = time.perf_counter()
        for a, b in itertools.product(first, second):
            faq(a, b)
        seconds["ours"].append((between - started) / count)
        seconds["scipy"].append((time.perf_counter() - between) / count)
    return {
        "pairs": count,
        "largest_ratio": float(np.max(ours / theirs)),
        "ours": float(ours.mean()),
        "scipy": float(theirs.mean()),
        "seconds": seconds,
    }


def faq(a: np.ndarray, b: np.ndarray) -> float:
    """The distance that scipy finds, with one BLAS thread: two take longer beside other work."""
    with threadpool_limits(1, user_api="blas"):
        p = quadratic_assignment(a, b, options={"maximize": True}).col_ind
    return float(np.linalg.norm(a - b[p][:, p]))


def known_optima() -> dict:
    """Planted permutations, brute force, and scipy's published instances."""
    searches = {"default": {}, "thorough": {"starts": THOROUGH}}
    return {
        "thorough_starts": THOROUGH,
        "planted": {str(n): planted(n) for n in (16, 64, 128)},
        "brute_force": {name: brute_force(settings) for name, settings in searches.items()},
        "published": [
            {
                "instance": name,
                "optimum": optimum,
                **{search: value(a, b, sense, searches[search]) for search in searches},
            }
            for name, a, b, sense, optimum in published()
        ],
    }


def planted(n: int) -> dict[str, int]:
    """How many of some permutations of a network's units are found."""
    rng = np.random.default_rng(n)
    weights = rng.normal(size=(3, n, n))
    order = rng.permutation(n)
    found = distance_matrix("pif", weights, weights[:, order][:, :, order])
    return {"found": int(np.sum(np.diag(found) < 1e-3)), "of": len(weights)}


def brute_force(settings: dict) -> dict[str, int]:
    """How many pairs of 3 to 7 units are matched optimally."""
    rng = np.random.default_rng(0)
    found = 0
    for n in range(3, 8):
        first, second = rng.normal(size=(2, 4, n, n))
        p = np.array(list(itertools.permutations(range(n))))
        best = [
            [np.linalg.norm(a - b[p[:, :, None], p[:, None]], axis=(1, 2)).min() for b in second]
            for a in first
        ]
        ours = distance_matrix("pif", first, second, settings=settings)
        found += int(np.sum(ours <= np.array(best) + 1e-4))
    return {"found": found, "of": 5 * 16}


def value(a: np.ndarray, b: np.ndarray, sense: int, settings: dict) -> int:
    """sum of a[i, j] b[p[i], p[j]] at the p that PIF finds: least for sense -1, greatest for 1.

    distance^2 = ||a||^2 + ||b||^2 - 2 sense value, and all entries are whole numbers.
    """
    distance = distance_matrix("pif", np.stack([sense * a, b]), settings=settings)[0, 1]
    return sense * round((np.sum(a**2) + np.sum(b**2) - float(distance) ** 2) / 2)


def published() -> list[tuple[str, np.ndarray, np.ndarray, int, int]]:
    """The instances of scipy's documentation and tests: name, A, B, sense, optimum."""
    example = (
        [[0, 80, 150, 170], [80, 0, 130, 100], [150, 130, 0, 120], [170, 100, 120, 0]],
        [[0, 5, 2, 7], [0, 0, 3, 8], [0, 0, 0, 3], [0, 0, 0, 0]],
    )
    directed = (
        [[0, 3, 4, 2], [0, 0, 1, 2], [1, 0, 0, 1], [0, 0, 1, 0]],
        [[0, 4, 2, 4], [0, 0, 1, 0], [0, 2, 0, 2], [0, 1, 2, 0]],
    )
    undirected = (
        [[0, 5, 8, 6], [5, 0, 5, 1], [8, 5, 0, 2], [6, 1, 2, 0]],
        [[0, 1, 8, 4], [1, 0, 5, 2], [8, 5, 0, 5], [4, 2, 5, 0]],
    )
    rows = [
        ("scipy's example, least", *example, -1, 3260),
        ("Umeyama IVB, least", *directed, -1, 10),
        ("Umeyama IVB, greatest", *directed, 1, 40),
        ("Umeyama IIIB, least", *undirected, -1, 176),
        ("Umeyama IIIB, greatest", *undirected, 1, 286),
        ("chr12c, least", *chr12c(), -1, 11156),
    ]
    return [(name, np.array(a, float), np.array(b, float), *rest) for name, a, b, *rest in rows]


def chr12c() -> tuple[np.ndarray, np.ndarray]:
    """The QAPLIB instance: a tree of flows and distances."""
    flows = {(0, 1): 90, (0, 2): 10, (1, 3): 23, (2, 4): 43, (3, 5): 88, (4, 6): 26}
    flows |= {(5, 7): 16, (6, 8): 1, (7, 9): 96, (8, 10): 29, (9, 11): 37}
    upper = """
        36 54 26 59 72  9 34 79 17 46 95
           73 35 90 58 30 78 35 44 79 36
              21 10 97 58 66 69 61 54 63
                 93 12 46 40 37 48 68 85
                    64  5 29 76 16  5 76
                       96 55 38 54  0 34
                          83 35 11 56 37
                             44 12 15 80
                                64 39 33
                                   70 86
                                      18
    """
    a, b = np.zeros((2, 12, 12))
    for (i, j), flow in flows.items():
        a[i, j] = flow
    b[np.triu_indices(12, 1)] = [float(word) for word in upper.split()]
    return a + a.T, b + b.T
