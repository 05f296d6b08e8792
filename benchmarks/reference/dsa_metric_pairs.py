"""The alignment distances of dsa-metric for 200 pairs of operators, four runs each.

    python benchmarks/reference/dsa_metric_pairs.py

Needs the extra `reference` and about an hour. The operators are stored in operators.npz (made from
networks trained here and from random numbers if the file is missing), the distances in
dsa_metric.json with versions and seconds; a second start goes on where the first stopped.
"""

import json
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
import torch
from DSA import SimilarityTransformDist

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study import conditions

FOLDER = Path(__file__).parent
PRESETS = FOLDER.parent.parent / "experiments"
RANKS = (10, 20)
PAIRS = 50
RUNS = 4
SETTINGS = {"score_method": "euclidean", "iters": 1500, "lr": 5e-3}
"""The defaults of dsa-metric's DSA class."""
TRAINED = {"flipflop": 6, "delayed_discrimination": 6, "sine": 5, "path_integration": 5}
"""Networks of each task; their 15 + 15 + 10 + 10 pairs are the trained ones."""


def trained_rates() -> dict[str, np.ndarray]:
    """Rates `[K, B, T, N]` of trained networks of width 32 by task."""
    runtime.use_all_cores()
    rates = {}
    for name, count in TRAINED.items():
        condition = conditions.from_toml((PRESETS / f"{name}.toml").read_text())
        population = rnne.train_population(
            condition.task,
            network=rnne.VanillaRNN(
                width=32,
                initialization=condition.network.initialization,
                gain=condition.network.gain,
            ),
            training=condition.training,
            size=count,
            seed=4,
        )
        print(name, population.summary(), flush=True)
        inputs = condition.task.sample(jax.random.key(4), 64).inputs
        each = zip(*population.params, strict=True)
        params = [type(population.params)(*one) for one in each]
        rates[name] = np.array([population.network.respond(p, inputs)[0] for p in params])
    return rates


def fitted(rates: np.ndarray, rank: int) -> np.ndarray:
    """The operator of rates `[B, T, N]` in whitened coordinates, in float64."""
    rows = rates.reshape(-1, rates.shape[-1]).astype(float)
    _, scale, basis = np.linalg.svd(rows, full_matrices=False)
    whitened = rates @ (basis[:rank].T / scale[:rank])
    before, after = (x.reshape(-1, rank) for x in (whitened[:, :-1], whitened[:, 1:]))
    return np.linalg.solve(before.T @ before + 1e-8 * np.eye(rank), before.T @ after).T


def make_operators() -> dict[str, np.ndarray]:
    """Pairs of operators of unit Frobenius norm by group, `[50, 2, n, n]`."""
    rates = trained_rates()
    rng = np.random.default_rng(4)
    groups = {}
    for rank in RANKS:
        groups[f"random_{rank}"] = rng.normal(size=(PAIRS, 2, rank, rank))
        pairs = []
        for each in rates.values():
            operators = [fitted(one, rank) for one in each]
            first, second = np.triu_indices(len(operators), 1)
            pairs += [(operators[i], operators[j]) for i, j in zip(first, second, strict=True)]
        groups[f"trained_{rank}"] = np.array(pairs)
    return {
        name: (x / np.linalg.norm(x, axis=(-2, -1), keepdims=True)).astype(np.float32)
        for name, x in groups.items()
    }


def load_operators() -> dict[str, np.ndarray]:
    """The stored operators, made first if there are none."""
    path = FOLDER / "operators.npz"
    if not path.exists():
        np.savez_compressed(path, **make_operators())
    with np.load(path) as stored:
        return dict(stored)


def align(a: np.ndarray, b: np.ndarray, seed: int) -> tuple[float, float]:
    """The euclidean distance that one run of dsa-metric finds, and its seconds."""
    torch.manual_seed(seed)
    started = time.perf_counter()
    tool = SimilarityTransformDist(**SETTINGS, verbose=False)
    distance = tool.fit_score(torch.from_numpy(a.copy()), torch.from_numpy(b.copy()))
    return float(distance), time.perf_counter() - started


def main() -> None:
    """Goes through all pairs, saving after each."""
    torch.set_num_threads(1)
    operators = load_operators()
    path = FOLDER / "dsa_metric.json"
    done = json.loads(path.read_text()) if path.exists() else {"groups": {}}
    done["settings"] = {"runs": RUNS, **SETTINGS}
    done["versions"] = {name: version(name) for name in ("dsa-metric", "torch", "numpy")}
    done["machine"] = runtime.describe()
    for name, pairs in operators.items():
        group = done["groups"].setdefault(name, {"distances": [], "seconds": []})
        for a, b in pairs[len(group["distances"]) :]:
            runs = [align(a, b, seed) for seed in range(RUNS)]
            group["distances"].append([round(distance, 6) for distance, _ in runs])
            group["seconds"].append([round(seconds, 3) for _, seconds in runs])
            path.write_text(json.dumps(done, indent=1) + "\n")
        print(name, len(group["distances"]), flush=True)


if __name__ == "__main__":
    main()
