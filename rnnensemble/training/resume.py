"""Training that goes on where it stopped: `resume`."""

import dataclasses
from collections.abc import Callable

from rnnensemble.training.population import Population, require_resumable
from rnnensemble.training.progress import Progress
from rnnensemble.training.recipe import with_epochs
from rnnensemble.training.train import for_one, train_populations


def resume(
    population: Population,
    *,
    max_epochs: int | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[Population], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Population:
    """Goes on training a population that was interrupted, or stopped too early.

    Networks that converged or diverged stay as they are; the others become what they would have
    become without a stop, to the last bit on equal devices and tiles. Those that ended at
    `max_epochs` go on if it is raised.

    Args:
        population: Whose training goes on; one that `deflate` trained goes on by its `resume`.
        max_epochs: Epochs at most, counted from the first; those of its recipe unless given.
        devices: As in `train_population`.
        tile: As in `train_population`.
        progress: Called after every epoch.
        checkpoint: Called with the unfinished population every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The population; its recipe has the `max_epochs` asked for.

    Raises:
        ValueError: If no network is left to train, `max_epochs` is below what the recipe has, or
            the population was deflated.
        TrainingInterrupted: On Ctrl-C, after the running epoch, with what is there.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> rnne.resume(population, max_epochs=2)
        <Population: 0 of 3 networks converged; vanilla, 6 units, on flipflop; 2 epochs>
    """
    recipe = population.recipe
    if recipe.deflation is not None:
        raise ValueError(
            "`population` kept away from references, which `resume` does not have; go on by "
            "deflate(..., resume=population)."
        )
    if max_epochs is not None:
        recipe = with_epochs(recipe, max_epochs)
    require_resumable(population, recipe)
    if not dataclasses.replace(population, recipe=recipe).unfinished:
        raise ValueError(
            f"`population` has no network to go on with: {population.summary()}; where some ended "
            "at `max_epochs`, give a higher one."
        )
    (found,) = train_populations(
        [recipe],
        devices=devices,
        tile=tile,
        resume=[population],
        progress=progress,
        checkpoint=for_one(checkpoint),
        checkpoint_seconds=checkpoint_seconds,
    )
    return found
