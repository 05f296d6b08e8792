"""Training that was asked to stop, and what is saved while it runs."""

from collections.abc import Callable

from rnnensemble.training.population import Population


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 during training.

    Attributes:
        populations: What is there; `train_populations`, or `train_sequence`, goes on with them as
            its `resume`.
        population: The first of them, the only one of `train_population`; `resume` goes on with it.
    """

    def __init__(self, populations: list[Population], how: str | None = None) -> None:
        first, several = populations[0], len(populations) > 1
        epochs = max(int(each.stop_epoch.max()) for each in populations)
        converged = sum(int(each.converged.sum()) for each in populations)
        size = sum(each.size for each in populations)
        summary = f"{converged} of {size} networks converged" if several else first.summary()
        if how is None:
            how = "train_populations(..., resume=populations)" if several else "resume(population)"
        super().__init__(f"interrupted after {epochs} epochs: {summary}; go on with {how}")
        self.populations = populations
        self.population = first


def for_one(
    checkpoint: Callable[[Population], None] | None,
) -> Callable[[list[Population]], None] | None:
    """The checkpoint of a single population as one of several."""
    return None if checkpoint is None else lambda populations: checkpoint(populations[0])
