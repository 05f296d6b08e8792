"""Many networks at once: `train_population`; several populations at once: `train_populations`."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from rnnensemble._core import process, runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.networks import Network, VanillaRNN
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import Training
from rnnensemble.training.interruption import TrainingInterrupted as TrainingInterrupted
from rnnensemble.training.interruption import for_one
from rnnensemble.training.memory import fitted, require_training_room
from rnnensemble.training.population import Population, require_resumable
from rnnensemble.training.progress import Progress
from rnnensemble.training.recipe import Recipe, counted_from, require_first, require_group
from rnnensemble.training.run import one_epoch, populations_of, progress_of, started
from rnnensemble.training.similarity import References
from rnnensemble.training.slots import default_tile
from rnnensemble.training.warm_start import own_part, warm_started


def train_population(
    task: Task,
    *,
    network: Network | None = None,
    training: Training | None = None,
    size: int | None = None,
    seed: int = 0,
    first: int = 0,
    start: Population | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[Population], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Population:
    """Trains K networks on one task in one compiled program.

    Network k draws its weights and trials from `fold_in(key(seed), k)` alone: it is the same
    network whatever the population's size, tiling, device count or neighbors. Each network
    stops by its own threshold and patience and then costs nothing more.

    Args:
        task: What to learn.
        network: Architecture, that of `start` or `VanillaRNN()` unless given; its `gain`, and the
            muP form's `gamma`, may differ by network.
        training: Optimization, `Training()` unless given; its rates, clipping and thresholds
            may differ by network.
        size: Number of networks K: that of `start`, or 50 unless given.
        seed: Seed of the population.
        first: Number k of the first network: networks k to k + K - 1 of the seed are those rows of
            a larger population, so that machines can share it (`concatenate` joins the shards).
            Values that differ by network are those of the K networks.
        start: Trained networks to start from instead of drawn weights, on a task of as many inputs
            and outputs: network k from the end of the k-th. The optimizer begins anew, and trials
            are those of this `seed` and k. These networks become the `initial_params`, and their
            recipe `recipe.start`. Of more than `size` networks those from `first` on are taken.
        devices: How many local devices to use, None for all of them (on a CPU call
            `runtime.use_all_cores()` first).
        tile: Networks that a device trains at once; None for 1 on a CPU, elsewhere for as many
            as keep it busy and fit into its memory (`runtime.default_tile`).
        progress: Called after every epoch.
        checkpoint: Called with the unfinished population every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The population, converged or not.

    Raises:
        ValueError: If an argument is out of range, `start` does not fit or holds networks that
            diverged or have still to train, or the tile does not fit into the memory of a device
            (says the one that does).
        TrainingInterrupted: On Ctrl-C or its like, after the running epoch, with what is there.
    """
    if start is not None:
        start = own_part(start, size, first)
        network, size = network or start.network, start.size if size is None else size
    recipe = Recipe(
        task,
        network or VanillaRNN(),
        training or Training(),
        50 if size is None else size,
        seed,
        start=None if start is None else start.recipe,
    )
    require_first(recipe, first)
    require_training_room([recipe], runtime.network_mesh(devices))  # before starts are listed
    recipe = counted_from(recipe, first)
    (population,) = train_populations(
        [recipe],
        devices=devices,
        tile=tile,
        resume=None if start is None else [warm_started(recipe, start)],
        progress=progress,
        checkpoint=for_one(checkpoint),
        checkpoint_seconds=checkpoint_seconds,
    )
    return population


def train_populations(
    recipes: Sequence[Recipe],
    *,
    references: References | None = None,
    devices: int | None = None,
    tile: int | None = None,
    resume: Sequence[Population | None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[list[Population]], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> list[Population]:
    """Trains populations of one compiled shape together: each becomes what it would alone.

    Args:
        recipes: What decides each population; they share task, architecture and training but for
            what may differ by network (`recipe.group_key` is equal), and differ in that, in size
            and in seed.
        references: What all keep away from, if the recipes have a deflation (see `deflate`).
        devices: As in `train_population`.
        tile: As in `train_population`.
        resume: A population to go on from for each recipe, None for one that starts. The recipe is
            its own, or has a higher `max_epochs`. They may have come to different epochs, and
            finished ones are returned as they are. For a recipe with a `start`, what
            `warm_start.warm_started` makes of the trained networks.
        progress: Called after every epoch of all.
        checkpoint: Called with all populations every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The populations, in the order of the recipes.

    Raises:
        ValueError: If an argument is out of range, recipes cannot train together, or `resume`
            has other settings.
        TrainingInterrupted: On Ctrl-C or its like, after the running epoch, with what is there.
    """
    recipes = list(recipes)
    require_group(recipes)
    if (references is None) != (recipes[0].deflation is None):
        raise ValueError("`references` must come with recipes that have a deflation, and only so.")
    runtime.require_tile(tile)
    require_seconds(checkpoint_seconds)
    before = _resumable(recipes, resume)
    going = [
        k
        for k, (each, recipe) in enumerate(zip(before, recipes, strict=True))
        if each is None or dataclasses.replace(each, recipe=recipe).unfinished
    ]
    if not going:
        return [each for each in before if each is not None]
    mesh = runtime.network_mesh(devices)
    require_training_room([recipes[k] for k in going], mesh)
    starting = [recipes[k] for k in going], [before[k] for k in going]
    run = started(*starting, references, mesh, tile or default_tile(recipes[0], mesh))
    run = run._replace(slots=fitted(run.slots, run.active, asked=tile is not None))

    def populations() -> list[Population]:
        now = dict(zip(going, populations_of(run), strict=True))
        ended = {k: each for k, each in enumerate(before) if each is not None}
        return [({**ended, **now})[k] for k in range(len(before))]

    saved = time.monotonic()
    with process.deferred_interrupt() as interrupted:
        while run.active.any():
            began, trained = time.perf_counter(), run.active
            run = one_epoch(run)
            if progress is not None:
                progress(progress_of(run, trained, time.perf_counter() - began))
            if interrupted():
                raise TrainingInterrupted(populations())
            if checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
                checkpoint(populations())
                saved = time.monotonic()
        return populations()


def _resumable(
    recipes: list[Recipe], resume: Sequence[Population | None] | None
) -> list[Population | None]:
    """What each recipe goes on from."""
    before: list[Population | None] = [None] * len(recipes)
    before = before if resume is None else list(resume)
    if len(before) != len(recipes):
        raise ValueError(
            f"`resume` must hold one population, or None, for each of the {len(recipes)} recipes; "
            f"got {len(before)}."
        )
    for population, recipe in zip(before, recipes, strict=True):
        if population is not None:
            require_resumable(population, recipe)
        elif recipe.start is not None:
            raise ValueError(
                "`start` of a recipe names trained networks, which it does not hold; give them: "
                "train_population(..., start=population)."
            )
    return before
