"""Entropies and memory demand of tasks, for docs/complexity.md.

    python benchmarks/complexity.py [TASK ...]    measure these, or all that have no result yet
    python benchmarks/complexity.py --table       rewrite the table in docs/complexity.md

Finished tasks stay in benchmarks/results/complexity.json and are measured again only by name.
"""

import datetime
import json
import sys
import time
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble import tasks
from rnnensemble._core import runtime
from rnnensemble.study import conditions

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "complexity.json"
DOCS = ROOT / "docs" / "complexity.md"
TASKS = {
    "flip-flop, 1 channel": tasks.FlipFlop(n_bits=1),
    "flip-flop, 2 channels": tasks.FlipFlop(n_bits=2),
    "flip-flop, 3 channels": tasks.FlipFlop(n_bits=3),
    "flip-flop, 4 channels": tasks.FlipFlop(n_bits=4),
    "discrimination": tasks.DelayedDiscrimination(),
    "discrimination, delay 20 to 40": tasks.DelayedDiscrimination(delay=(20, 40), n_steps=60),
    "discrimination, magnitude": tasks.DelayedDiscrimination(magnitude=True),
    "discrimination, 3 channels": tasks.DelayedDiscrimination(n_channels=3),
    "sine, 1 frequency": tasks.Sine(n_frequencies=1),
    "sine, 3 frequencies": tasks.Sine(),
    "sine, 10 frequencies": tasks.Sine(n_frequencies=10),
    "path integration, 2-D": tasks.PathIntegration(),
    "path integration, 3-D": tasks.PathIntegration(dimensions=3),
    "Lorenz-96, 5 sites": tasks.Lorenz96(dimension=5),
}
SETTINGS = {"trials": 4096, "steps": 10, "neighbors": 3, "seed": 0}
FEWER = {
    "path integration, 2-D": {"trials": 1024, "steps": 5},
    "path integration, 3-D": {"trials": 1024, "steps": 5},
    "Lorenz-96, 5 sites": {"trials": 1024, "steps": 5, "max_lag": 10},
}
"""What is measured with less, since the search for neighbors takes minutes."""


def measure(name: str, task: rnne.Task) -> dict:
    """One task: `present` for all, `between` where all is discrete."""
    started = time.perf_counter()
    settings = SETTINGS | FEWER.get(name, {})
    found = rnne.measure_complexity(task, **settings)
    row = {
        "task": conditions.as_table(task),
        "settings": settings,
        "input_entropy": found.input_entropy.tolist(),
        "output_entropy": found.output_entropy.tolist(),
        "continuous_inputs": found.continuous_inputs.tolist(),
        "continuous_outputs": found.continuous_outputs.tolist(),
        "memory": found.memory.sum(axis=0).tolist(),
        "mean_lag": finite(found.mean_lag),
        "peak_lag": found.peak_lag,
    }
    if not (found.continuous_inputs.any() or found.continuous_outputs.any()):
        between = rnne.measure_complexity(task, given="between", **settings)
        row["memory_between"] = between.memory.sum(axis=0).tolist()
        row["mean_lag_between"] = finite(between.mean_lag)
    row["seconds"] = time.perf_counter() - started
    row["date"] = datetime.date.today().isoformat()
    row["machine"] = runtime.describe()
    return row


def bits(value: float) -> str:
    """Two decimals, without the sign of zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def finite(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if np.isfinite(value) else None


def entropy(values: list[float], continuous: list[bool]) -> str:
    """The sum over channels; discrete and differential bits stand apart."""
    values, differential = np.array(values), np.array(continuous)
    parts = []
    if not differential.all():
        parts.append(f"{values[~differential].sum():.2f}")
    if differential.any():
        parts.append(f"({values[differential].sum():.2f})")
    return " + ".join(parts)


def table(results: dict) -> str:
    """The results as a Markdown table."""
    head = ["task", "H(x)", "H(y)", "memory, given later inputs", "mean lag"]
    head += ["memory, given the present", "largest", "at lag"]
    rows = []
    for name in TASKS:
        row = results[name]
        whole, lag = "", ""
        if "memory_between" in row:
            whole = bits(sum(row["memory_between"]))
            lag = f"{row['mean_lag_between']:.1f}" if float(whole) > 0 else ""
        memory = np.array(row["memory"])
        any_memory = memory.max() > 0.005
        rows.append(
            [
                name,
                entropy(row["input_entropy"], row["continuous_inputs"]),
                entropy(row["output_entropy"], row["continuous_outputs"]),
                whole,
                lag,
                bits(memory.sum()),
                f"{memory.max():.2f}" if any_memory else "",
                row["peak_lag"] if any_memory else "",
            ]
        )
    return documents.table(head, rows)


def main() -> None:
    """Measures what is missing or named, then prints the table."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    named = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    for name, task in TASKS.items():
        if "--table" not in sys.argv and (name in named or (not named and name not in results)):
            results[name] = measure(name, task)
            print(f"{name}: {results[name]['seconds']:.1f} s", flush=True)
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if set(results) == set(TASKS):
        print(table(results))
    if "--table" in sys.argv:
        documents.replace_part(DOCS, "complexity", table(results))


if __name__ == "__main__":
    main()
