"""Makes docs/figures/lesions.png and unit_importance.png, and prints the table of docs/lesions.md.

    python docs/make_lesions.py

Trains 16 vanilla networks of 64 units on the 3-bit flip-flop and silences, cuts and kicks them.
"""

from pathlib import Path
from typing import Any

import rnnensemble as rnne

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
FIGURES = Path(__file__).parent / "figures"


def row(found: dict[str, Any]) -> str:
    """A row of the table: a number with its interval in each column but the first."""
    cells = [
        f"{found[name]:.2g} [{found[f'{name}_low']:.2g}, {found[f'{name}_high']:.2g}]"
        for name in ("loss", "ratio", "sigma", "accuracy")
    ]
    return " | ".join(["", found["perturbation"], *cells, ""]).strip()


def main() -> None:
    """Trains, perturbs, draws."""
    rnne.use_all_cores()
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=3),
        network=rnne.VanillaRNN(width=64),
        training=rnne.Training(learning_rate=3e-3),
        size=16,
    )
    print(population.summary())
    at_random = [rnne.Silence(share=share) for share in SHARES]
    others = [
        *(rnne.Silence(share=0.1, by=by) for by in ("rates", "readout_weights")),
        *(rnne.Cut(share=share) for share in (0.05, 0.2)),
        *(rnne.Kick(step=50, size=size) for size in (0.5, 1.0, 2.0)),
    ]
    curve = rnne.measure_lesions(population, at_random)
    rows = curve.table() + rnne.measure_lesions(population, others).table()[1:]
    print("\n".join(map(row, rows)))
    importance = rnne.unit_importance(population)
    for name, estimate in importance.alignment.items():
        print(name, *(f"{x:.2f}" for x in estimate))
    for name, figure in (
        ("lesions", rnne.figures.lesions_figure(curve)),
        ("unit_importance", rnne.figures.importance_figure(importance)),
    ):
        figure.savefig(FIGURES / f"{name}.png", dpi=160)


if __name__ == "__main__":
    main()
