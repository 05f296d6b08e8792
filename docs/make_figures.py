"""Makes docs/figures/hold.png and the table of docs/concepts.md: do networks hold their outputs?

    python docs/make_figures.py

Trains the flip-flop preset and runs it on trials ten times as long, with the preset's pulses
and with rare ones, so that outputs must be held for long.
"""

import dataclasses
import sys
from pathlib import Path

import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble.figures import trials as drawing
from rnnensemble.study import conditions

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from documents import replace_part, table  # noqa: E402

HOLDS = 0.01
"""Largest MSE over the long trial that counts as holding: ten times the training threshold."""


def main() -> None:
    """Trains, tests, draws."""
    rnne.use_all_cores()
    condition = conditions.from_toml((ROOT / "experiments" / "flipflop.toml").read_text())
    (population,) = rnne.train_populations([condition.recipe])
    print(population.summary())
    long = condition.task.lengthened(10)
    rare = dataclasses.replace(long, pulse_probability=0.01)
    networks, rows = np.flatnonzero(population.converged), []
    for name, task in (("the preset's pulses", long), ("rare pulses", rare)):
        trials = task.sample(jax.random.key(1), 32)
        errors, outputs = [], []
        for k in networks:
            params = jax.tree.map(lambda x, k=k: x[k], population.params)
            out = np.asarray(population.network.respond(params, trials.inputs)[1])
            errors.append(np.mean((out - np.asarray(trials.targets)) ** 2, axis=(0, 2)))
            outputs.append(out[:1])
        means = np.mean(errors, axis=1)
        held = int((means < HOLDS).sum())
        rows.append([name, f"{held} of {len(networks)}", f"{means.min():.1e} to {means.max():.1e}"])
    figure = drawing.hold_figure(
        jax.tree.map(np.asarray, trials),
        outputs[0],
        np.array(errors),
        trained_steps=condition.task.n_steps,
    )
    figure.savefig(ROOT / "docs" / "figures" / "hold.png", dpi=160)
    text = table(["trials with", f"networks with an MSE below {HOLDS}", "their MSE"], rows)
    replace_part(ROOT / "docs" / "concepts.md", "hold", text)


if __name__ == "__main__":
    main()
