"""DSA against dsa-metric, where it is installed, and against exact cases; see distances.py."""

import dataclasses
import importlib.util
import json
import time
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble import DSA
from rnnensemble._core import process, runtime
from rnnensemble.metrics.alignment import as_operator
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.blocks import compare_pairs, plan
from rnnensemble.metrics.dsa import eigenvalues
from rnnensemble.metrics.preparation import prepare_networks

REFERENCE = Path(__file__).parent / "reference"
SETTINGS = {"score_method": "euclidean", "iters": 1500, "lr": 5e-3}
"""The defaults of dsa-metric's DSA class, as in reference/dsa_metric_pairs.py."""
ROUNDS = 2
EMBEDDINGS = [(1, 1, 5), (1, 1, 10), (3, 2, 10), (5, 1, 20)]
"""Delays, interval and rank of the operators compared."""
HAS_DSA_METRIC = importlib.util.find_spec("DSA") is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperatorDSA(DSA):
    """DSA of operators that are given as matrices `[n, n]`."""

    name: ClassVar[str] = "operator_dsa"
    data: ClassVar[str] = "operators"

    def prepare(self, data):  # noqa: ANN001, ANN201
        return eigenvalues(data) if self.score == "wasserstein" else as_operator(data)


def distances(pairs: np.ndarray, **settings: str) -> np.ndarray:
    """Distances of pairs of matrices `[pairs, 2, n, n]`, on all cores."""
    metric, mesh = OperatorDSA(**settings), runtime.network_mesh()  # pyright: ignore
    operators = np.float32(pairs).reshape(-1, *pairs.shape[2:])
    features = prepare_networks(metric, operators, mesh=mesh)
    first, second = np.arange(len(operators)).reshape(-1, 2).T
    found = compare_pairs(metric, features, (first, second), where=plan(features, mesh))
    return distance_of(found)


def timed(pairs: np.ndarray) -> float:
    """Seconds a pair."""
    started = time.perf_counter()
    distances(pairs)
    return (time.perf_counter() - started) / len(pairs)


def dsa_metric_seconds(a: np.ndarray, b: np.ndarray, threads: int, iters: int = 1500) -> float:
    """Seconds of one run of dsa-metric with so many threads."""
    import torch
    from DSA import SimilarityTransformDist

    torch.set_num_threads(threads)
    tool = SimilarityTransformDist(**{**SETTINGS, "iters": iters}, verbose=False)
    started = time.perf_counter()
    tool.fit_score(a.copy(), b.copy())
    return time.perf_counter() - started


def torch_threads() -> dict[str, int]:
    """What dsa-metric is timed with: its default may be many times slower beside other work."""
    if not HAS_DSA_METRIC:
        return {}
    import torch

    return {"one_thread": 1, "default_threads": torch.get_num_threads()}


def stored() -> tuple[dict[str, np.ndarray], dict]:
    """Pairs of operators by group, and what dsa-metric found for them."""
    with np.load(REFERENCE / "operators.npz") as operators:
        pairs = dict(operators)
    return pairs, json.loads((REFERENCE / "dsa_metric.json").read_text())["groups"]


def alignments() -> dict[str, dict]:
    """Euclidean distances of all stored pairs, and seconds beside dsa-metric's."""
    operators, groups = stored()
    threads = torch_threads()
    return {
        name: alignments_of(operators[name], groups[name], threads)
        for name in operators
        if name in groups and groups[name]["distances"]
    }


def alignments_of(pairs: np.ndarray, reference: dict, threads: dict[str, int]) -> dict:
    """One group. Rounds time ours on all pairs, then runs of dsa-metric on one."""
    theirs = np.min(reference["distances"], axis=1)
    ours = distances(pairs)[: len(theirs)]  # and compiles
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *threads)}
    for count in threads.values():
        dsa_metric_seconds(*pairs[0], threads=count, iters=20)  # starts what starts once
    for turn in range(ROUNDS):
        seconds["ours"].append(timed(pairs))
        for name, count in threads.items():
            seconds[name].append(dsa_metric_seconds(*pairs[turn], threads=count))
    return {
        "pairs": len(theirs),
        "not_above": int(np.sum(ours <= theirs + 1e-3)),
        "largest_excess": float(np.max(ours - theirs)),
        "lower": int(np.sum(ours < theirs - 1e-3)),
        "ours": float(ours.mean()),
        "dsa_metric": float(theirs.mean()),
        "seconds": seconds,
        "stored_seconds": float(np.median(reference["seconds"])),
    }


def equalities() -> dict[str, float] | None:
    """Largest differences from dsa-metric where two sides must agree; None without it."""
    if not HAS_DSA_METRIC:
        return None
    from DSA import SimilarityTransformDist

    tool = SimilarityTransformDist(score_method="wasserstein", verbose=False)
    pairs = list(stored()[0].values())
    ours = np.concatenate([distances(each, score="wasserstein") for each in pairs])
    theirs = [tool.fit_score(a.copy(), b.copy()) for each in pairs for a, b in each]
    found = [operator_differences(seed, *each) for seed in range(3) for each in EMBEDDINGS]
    entries, spectra = np.max(found, axis=0)
    return {
        "wasserstein": float(np.max(np.abs(ours - theirs))),
        "wasserstein_pairs": len(theirs),
        "operators": float(entries),
        "eigenvalues": float(spectra),
        "operator_cases": len(found),
    }


def operator_differences(seed: int, n_delays: int, interval: int, rank: int) -> tuple:
    """Of entries, whose signs are arbitrary, and of eigenvalues, for one seeded activity."""
    from DSA import DMD
    from scipy.optimize import linear_sum_assignment

    x = damped_rotations(np.random.default_rng(seed))
    model = DMD(x, n_delays=n_delays, delay_interval=interval, rank=rank, lamb=1e-8)
    model.fit()
    theirs = np.asarray(model.A_v, np.float64)
    fit = jax.jit(DSA(rank=rank, n_delays=n_delays, delay_interval=interval).fit)
    with process.one_blas_thread():
        ours = np.asarray(fit(jnp.asarray(x, jnp.float32)), np.float64)
    gaps = np.abs(np.linalg.eigvals(ours)[:, None] - np.linalg.eigvals(theirs)[None])
    return np.abs(np.abs(ours) - np.abs(theirs)).max(), gaps[linear_sum_assignment(gaps)].max()


def damped_rotations(rng: np.random.Generator) -> np.ndarray:
    """Noisy linear activity `[8, 50, 12]`, whose operator is well defined."""
    turn = 0.95 * np.linalg.qr(rng.normal(size=(12, 12)))[0]
    rates = [rng.normal(size=(8, 12))]
    for _ in range(49):
        rates.append(rates[-1] @ turn.T + 0.1 * rng.normal(size=(8, 12)))
    return np.stack(rates, axis=1)


def exact_cases() -> dict[str, float]:
    """Largest errors where the minimum is known."""
    rng = np.random.default_rng(0)
    largest = {"symmetric": 0.0, "rotation": 0.0, "reflection": 0.0}

    def note(name: str, pairs: np.ndarray, expected: np.ndarray | float) -> None:
        largest[name] = max(largest.get(name, 0.0), np.abs(distances(pairs) - expected).max())

    for n in (2, 3, 5, 10, 15, 20):
        a, b = (unit(x + np.swapaxes(x, -1, -2)) for x in rng.normal(size=(2, 10, n, n)))
        spectra = np.linalg.eigvalsh(a) - np.linalg.eigvalsh(b)
        note("symmetric", np.stack([a, b], axis=1), np.linalg.norm(spectra, axis=-1))
        a = unit(rng.normal(size=(10, n, n)))
        for name, sign in (("rotation", 1), ("reflection", -1)):
            q = orthogonal(rng, n, sign)
            note(name, np.stack([a, q @ a @ q.T], axis=1), 0.0)
    pairs = unit(rng.normal(size=(50, 2, 2, 2)))
    note("two_by_two", pairs, np.array([scan(*pair) for pair in pairs]))
    return {name: float(error) for name, error in largest.items()}


def unit(matrices: np.ndarray) -> np.ndarray:
    """Scaled to unit Frobenius norm."""
    return matrices / np.linalg.norm(matrices, axis=(-2, -1), keepdims=True)


def orthogonal(rng: np.random.Generator, n: int, sign: int) -> np.ndarray:
    """A random orthogonal matrix of determinant `sign`."""
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return q * np.where(np.arange(n) == 0, sign * np.sign(np.linalg.det(q)), 1)


def scan(a: np.ndarray, b: np.ndarray) -> float:
    """The least distance over 16,000 rotations and reflections of the plane."""
    angle = np.linspace(0, 2 * np.pi, 8001)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = np.moveaxis(turn, 2, 0)
    every = np.concatenate([turn, turn @ np.diag([1, -1])])
    return np.linalg.norm(a - every @ b @ np.swapaxes(every, 1, 2), axis=(1, 2)).min()
