"""Fixed points of populations: how long they take, and whether flip-flops have 2^N stable ones.

    python benchmarks/fixed_points.py
    python benchmarks/fixed_points.py --only bits

Writes benchmarks/results/fixed_points.json, docs/fixed_points.md and docs/figures/fixed_points.png.
"""

import datetime
import json
import sys
import time
from pathlib import Path

import documents
import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.analysis.fixed_points.points import find_fixed_points
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.figures.fixed_points import fixed_points_figure

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "fixed_points.json"
FIGURE = ROOT / "docs" / "figures" / "fixed_points.png"
NETWORKS, WIDTH, STARTS = 50, 128, 256
BITS, SEEDS = (1, 2, 3), 20


def flipflops(bits: int, width: int, size: int, steps: int = 50) -> rnne.Population:
    """Trained N-bit flip-flops."""
    return rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=bits, n_steps=steps),
        network=rnne.VanillaRNN(width=width),
        training=rnne.Training(batch=32, learning_rate=2e-3, max_epochs=100),
        size=size,
    )


def measure_time() -> dict:
    """Seconds for 50 networks of 128 units from 256 starts each, compilation included, twice."""
    population = flipflops(3, WIDTH, NETWORKS, steps=30)
    chosen = np.arange(NETWORKS)
    seconds = []
    for seed in range(2):
        search = FixedPointSearch(starts=STARTS, seed=seed)
        started = time.perf_counter()
        found = find_fixed_points(population, search=search, networks=chosen)
        seconds.append(time.perf_counter() - started)
    return {
        "networks": NETWORKS,
        "width": WIDTH,
        "starts": STARTS,
        "converged": int(population.converged.sum()),
        "seconds": seconds,
        "points": int(sum(len(each.points) for each in found)),
        "lost": int(sum(each.lost for each in found)),
    }


def measure_bits() -> list[dict]:
    """The share of converged networks with 2^N stable points; draws one of 3 bits."""
    rows = []
    for bits in BITS:
        population = flipflops(bits, 64, SEEDS)
        found = find_fixed_points(population)
        stable = [each.stable for each in found]
        rows.append(
            {
                "bits": bits,
                "networks": SEEDS,
                "converged": len(found),
                "with_2_to_the_n": sum(count == 2**bits for count in stable),
                "stable": stable,
                "saddles": [each.saddles for each in found],
                "largest_lost": max(each.lost for each in found),
            }
        )
    draw(population)
    return rows


def draw(population: rnne.Population) -> None:
    """The figure of the first converged network, from more starts."""
    first = int(np.flatnonzero(population.converged)[0])
    search = FixedPointSearch(starts=1024, noise=0.5)
    (found,) = find_fixed_points(population, networks=[first], search=search)
    params = jax.tree.map(lambda x: x[first], population.params)
    inputs = population.task.sample(jax.random.key(3), 64).inputs
    states = np.asarray(population.network.respond(params, inputs)[0])
    title = (
        f"3-bit flip-flop, network {first}: {found.stable} stable points, {found.saddles} saddles"
    )
    fixed_points_figure(found, states, title=title).savefig(FIGURE, dpi=150)


def report(results: dict) -> str:
    """The results as Markdown."""
    rows = [
        [
            f"{row['bits']}",
            f"{row['converged']} of {row['networks']}",
            f"{row['with_2_to_the_n']} of {row['converged']}",
            f"{min(row['saddles'])} to {max(row['saddles'])}",
        ]
        for row in results["bits"]
    ]
    head = ["bits N", "converged", "with 2^N stable points", "saddles found"]
    t, machine = results["time"], results["machine"]
    text = (
        f"{t['networks']} networks of {t['width']} units from {t['starts']} starts each took "
        f"{t['seconds'][0]:.0f} s the first time and {t['seconds'][1]:.0f} s the second, "
        f"compilation and spectra of {t['points']} points included."
    )
    where = f"{machine['cores']} cores, jax {machine['jax']}, {results['date']}"
    command = f"(`python benchmarks/fixed_points.py`; {where}.)"
    return f"{documents.table(head, rows)}\n\n{text}\n\n{command}"


def main(arguments: list[str]) -> None:
    """Measures and writes; `--only` does parts."""
    runtime.use_all_cores()
    parts = {"time": measure_time, "bits": measure_bits}
    chosen = arguments[1:] if arguments[:1] == ["--only"] else list(parts)
    unknown = [name for name in chosen if name not in parts]
    if unknown or (arguments and arguments[0] != "--only"):
        raise SystemExit(f"usage: python benchmarks/fixed_points.py [--only {' '.join(parts)}]")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {name: parts[name]() for name in chosen}
    results |= {"date": datetime.date.today().isoformat(), "machine": runtime.describe()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if parts.keys() <= results.keys():
        documents.replace_part(ROOT / "docs" / "fixed_points.md", "measured", report(results))


if __name__ == "__main__":
    main(sys.argv[1:])
