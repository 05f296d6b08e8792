"""What decides how networks train, as values: recipes, and what may differ between networks."""

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Key
from rnnensemble._core.config import SEEDS, Config, as_plain, later, require_seed, require_whole
from rnnensemble.networks import Network, VanillaRNN, fused
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import Hyperparameters, Training
from rnnensemble.training.recipe_checks import require_criterion, require_per_network
from rnnensemble.training.similarity import Deflation


@dataclasses.dataclass(frozen=True)
class Recipe(Config):
    """What decides how the networks of a population train.

    Attributes:
        task: What they learn.
        network: Their architecture.
        training: Their optimization.
        size: Number of networks K.
        seed: Network k starts from `fold_in(key(seed), k)`.
        deflation: How they keep away from earlier solutions, if they do.
        starts: The seed s and index i of each network, which starts from `fold_in(key(s), i)`; None
            where these are `seed` and its place. Parts of populations and joined ones have it;
            `seed` is then that of the first.
        imported: A digest of the weights of networks that another program trained (`from_torch`),
            which nothing here can train; empty for all others.
        start: The recipe of the trained networks that they started from, network k from the k-th;
            None where their weights were drawn. Their trials are drawn as those of others.
    """

    task: Task
    network: Network = VanillaRNN()
    training: Training = Training()
    size: int = 50
    seed: int = 0
    deflation: Deflation | None = None
    starts: tuple[tuple[int, int], ...] | None = None
    imported: str = later("")
    start: "Recipe | None" = later(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.task, Task):
            raise ValueError(f"`task` must be a Task such as tasks.FlipFlop(); got {self.task!r}.")
        for name, kind in (("network", Network), ("training", Training), ("deflation", Deflation)):
            value = getattr(self, name)
            if not isinstance(value, kind) and (name, value) != ("deflation", None):
                raise ValueError(f"`{name}` must be a {kind.__name__}; got {value!r}.")
        self.task.require_batch(self.training.batch)
        require_whole(self, "size")
        require_seed(self.seed)
        if self.starts is not None:
            _require_starts(self.starts, self.size)
            if self.seed != self.starts[0][0]:
                raise ValueError(
                    f"`seed` must be that of the first of `starts`, {self.starts[0][0]}; got "
                    f"{self.seed}."
                )
        if not isinstance(self.imported, str):
            raise ValueError(f"`imported` must be a text; got {self.imported!r}.")
        named = [(config, name) for config in self.parts for name in config.per_network]
        for config, name in named:
            require_per_network(name, getattr(config, name), self.size)
        names = [name for _, name in named]
        require_criterion(self.task, self.training)
        if self.start is not None:
            require_start(self, self.start)
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"`per_network` of {self.network.kind!r} holds {sorted(twice)}, which training has "
                "too; choose other names."
            )

    @property
    def lineage(self) -> "tuple[Recipe, ...]":
        """This recipe, the one that it started from, the one that that started from, ..."""
        return (self, *(self.start.lineage if self.start else ()))

    @property
    def own_starts(self) -> tuple[tuple[int, int], ...]:
        """The seed and index that each network starts from."""
        return self.starts or tuple((self.seed, k) for k in range(self.size))

    @property
    def parts(self) -> tuple[Any, ...]:
        """What may hold values that differ between networks."""
        parts = self.training, self.training.optimizer, self.network, self.deflation
        return tuple(part for part in parts if part is not None)


def require_start(recipe: Any, start: Any) -> None:
    """Raises ValueError unless networks of a recipe can start from those of another."""
    if not isinstance(start, Recipe):
        raise ValueError(f"`start` must be a Recipe; got {start!r}.")
    if start.size != recipe.size:
        raise ValueError(
            f"`size` must be that of `start`, {start.size}, each of whose networks goes on; got "
            f"{recipe.size}."
        )
    rules = [each.network.plain() for each in (start, recipe)]
    rules = [with_own_values(x, lambda name, _, x=x: x.stand_in(name, 1.0)) for x in rules]
    if rules[0] != rules[1]:
        raise ValueError(
            "`network` must be that of `start`, but for its values by network: expected "
            f"{start.network}, got {recipe.network}."
        )
    channels = [(each.task.n_inputs, each.task.n_outputs) for each in (start, recipe)]
    if channels[0] != channels[1]:
        raise ValueError(
            f"`task` must have the {channels[0][0]} inputs and {channels[0][1]} outputs of the "
            f"networks in `start`; {recipe.task.name!r} has {channels[1][0]} and {channels[1][1]}."
        )


def _require_starts(starts: Any, size: int) -> None:
    """Raises ValueError unless these are a seed and an index for each network."""
    pairs = isinstance(starts, tuple) and all(
        isinstance(each, tuple) and len(each) == 2 and all(isinstance(x, int) for x in each)
        for each in starts
    )
    if not pairs or len(starts) != size or not all(0 <= x < SEEDS for each in starts for x in each):
        raise ValueError(
            "`starts` must hold a seed and an index, each at least 0 and below 2^32, for each of "
            f"the {size} networks; got {starts}."
        )


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)
"""A recipe, or a condition, which is more."""


def group_key(recipe: Recipe) -> tuple[Hashable, ...]:
    """Equal for recipes that one program trains: they differ in per-network values, size, seed."""
    one = without_own_values(recipe, size=1)
    return one.task, one.network, one.training, one.deflation


def without_own_values(recipe: AnyRecipe, *, size: int) -> AnyRecipe:
    """The recipe of this many networks without what may differ between them (see `shared`).

    That is also which trained networks they started from.
    """
    return dataclasses.replace(
        recipe,
        network=shared(recipe.network),
        training=shared(recipe.training),
        deflation=shared_deflation(recipe.deflation),
        size=size,
        starts=None,
        start=None,
    )


def own_keys(recipe: Recipe) -> Key:
    """The keys of a recipe's networks: fold_in(key(seed), k) unless its starts differ, `[K]`."""
    if recipe.starts is None:
        seed = jax.random.key(recipe.seed)
        return jax.vmap(jax.random.fold_in, (None, 0))(seed, np.arange(recipe.size))
    seeds, indices = zip(*recipe.starts, strict=True)
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    return jax.vmap(jax.random.fold_in)(keys, np.array(indices))


def hyperparameters(recipe: Recipe) -> Hyperparameters:
    """What may differ by network, each `[K]`."""
    found = {}
    for config in recipe.parts:
        for name in config.per_network:
            value = getattr(config, name)
            value = recipe.task.threshold if (name, value) == ("threshold", None) else value
            found[name] = np.broadcast_to(np.asarray(value, np.float32), (recipe.size,))
    return found


def shared(config: Any) -> Any:
    """The config without what may differ by network, so that such changes do not recompile.

    Such a value becomes 1, or 0 if it is that for all networks: what nobody uses costs nothing.
    Of a network, it is decided here whether its recurrence is a kernel. Snapshots are taken between
    epochs, and are no part of what is compiled.
    """

    def used(name: str, value: Any) -> float:
        found = float(np.any(np.not_equal(value, 0)))
        return config.stand_in(name, found) if isinstance(config, Network) else found

    found = with_own_values(config, used)
    if isinstance(found, Training):
        return dataclasses.replace(found, snapshots=())
    return fused.resolved(found)


def with_own_values(config: Any, change: Callable[[str, Any], Any]) -> Any:
    """A config, and the optimizer in it, whose values by network are what becomes of each."""
    found = {name: change(name, getattr(config, name)) for name in config.per_network}
    if isinstance(config, Training):
        found["optimizer"] = with_own_values(config.optimizer, change)
    return dataclasses.replace(config, **found)


def shared_deflation(deflation: Deflation | None) -> Deflation | None:
    """A deflation without what may differ by network, and without the names of references."""
    return deflation and dataclasses.replace(shared(deflation), references=())


def plain(recipe: Recipe) -> Recipe:
    """The recipe alone of what may be more, as a condition is."""
    return Recipe(*(getattr(recipe, field.name) for field in dataclasses.fields(Recipe)))


def with_epochs(recipe: Recipe, max_epochs: int) -> Recipe:
    """The recipe with another number of epochs at most."""
    training = dataclasses.replace(recipe.training, max_epochs=max_epochs)
    return dataclasses.replace(recipe, training=training)


PARTS = ("network", "training", "deflation")
"""What of a recipe may hold values that differ between networks."""


def part_of(recipe: Recipe, networks: Sequence[int]) -> Recipe:
    """The recipe of some of a recipe's networks, in this order."""

    def cut(_: str, value: Any) -> Any:
        return tuple(value[k] for k in networks) if isinstance(value, tuple) else value

    configs = {name: getattr(recipe, name) for name in PARTS}
    parts = {name: config and with_own_values(config, cut) for name, config in configs.items()}
    own = recipe.starts
    starts = [own[k] if own else (recipe.seed, int(k)) for k in networks]
    parts |= {"start": recipe.start and part_of(recipe.start, networks)}
    return started(dataclasses.replace(recipe, starts=None, size=len(starts), **parts), starts)


def started(recipe: Recipe, starts: Sequence[tuple[int, int]]) -> Recipe:
    """The recipe with these starts; without them where its first seed says as much."""
    seeded = dataclasses.replace(recipe, seed=starts[0][0])
    if seeded.own_starts == tuple(starts):
        return seeded
    return dataclasses.replace(seeded, starts=tuple(starts))


def counted_from(recipe: Recipe, first: int) -> Recipe:
    """The recipe of as many networks of its seed, of which this is the number of the first.

    Raises:
        ValueError: As `require_first`.
    """
    first = require_first(recipe, first)
    if first == 0:
        return recipe
    return started(recipe, [(recipe.seed, first + k) for k in range(recipe.size)])


def require_first(recipe: Recipe, first: int) -> int:
    """The number of a recipe's first network, as Python's.

    Raises:
        ValueError: Unless all numbers are whole, at least 0 and below 2^32.
    """
    first = as_plain(first)
    whole = isinstance(first, int) and not isinstance(first, bool)
    if not whole or not 0 <= first <= SEEDS - recipe.size:
        raise ValueError(
            f"`first` must be a whole number of at least 0, and at most 2^32 with `size` "
            f"{recipe.size} added; got {first!r}."
        )
    return first


def require_group(recipes: list[Recipe]) -> None:
    """Raises ValueError unless these recipes can train together."""
    if not recipes:
        raise ValueError("`recipes` must hold at least one recipe; got none.")
    for number, recipe in enumerate(recipes):
        if recipe.imported:
            raise ValueError(
                "`recipe` is of imported networks, which nothing here can train; leave `imported` "
                "out to train others."
            )
        for name, mine, first in zip(
            ("task", "network", "training", "deflation"),
            group_key(recipe),
            group_key(recipes[0]),
            strict=True,
        ):
            if mine != first:
                raise ValueError(
                    f"`recipes` must share the {name} but for what may differ by network; "
                    f"recipe {number} has {mine}, recipe 0 {first}."
                )
