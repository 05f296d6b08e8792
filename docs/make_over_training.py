"""Makes docs/figures/over_training.png and prints what docs/over-training.md says of it.

    python docs/make_over_training.py

Trains 20 networks on the one-bit flip-flop and measures them along training.
"""

from pathlib import Path

import numpy as np

import rnnensemble as rnne


def main() -> None:
    """Trains, measures, draws."""
    rnne.use_all_cores()
    training = rnne.Training(
        learning_rate=5e-3,
        batch=32,
        epoch_steps=16,
        max_epochs=60,
        threshold=0.03,
        snapshots=rnne.log_spaced(32, 9),
    )
    analysis = rnne.Analysis(
        dsa=rnne.DSA(rank=5, starts=16),
        grid=rnne.DSAGrid(ranks=(5,), delays=(1,)),
        autocovariance=rnne.Autocovariance(components=6, starts=8),
        pif=rnne.PIF(starts=2),
        fixed_trials=True,
    )
    task, network = rnne.tasks.FlipFlop(n_bits=1, n_steps=20), rnne.VanillaRNN(width=16)
    population = rnne.train_population(task, network=network, training=training, size=20)
    print(population.summary(), np.sort(population.stop_epoch))
    features = rnne.FeatureAnalysis(step_stride=5)
    found = rnne.measure_over_training(population, analysis=analysis, features=features)
    for row in found.table():
        if row["value"] is not None:
            interval = row["low"], row["high"], row["null"]
            print(row["epoch"], row["measure"], row["value"], *interval)
    told = rnne.predict_classes(found)
    print("classes", np.bincount(told.classes), "told from", told.told_from)
    for row in told.table():
        print(row)
    title = "20 networks on the one-bit flip-flop"
    figure = rnne.figures.over_training_figure(found, told, title=title)
    figure.savefig(Path(__file__).parent / "figures" / "over_training.png", dpi=130)


if __name__ == "__main__":
    main()
