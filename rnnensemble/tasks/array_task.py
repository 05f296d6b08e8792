"""Trials from arrays: a fixed training set, and trials that no network trains on."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.array_files import read_named
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks.base import Task, Trials
from rnnensemble.tasks.trial_arrays import KNOWN, TrialArrays, checked, named_set

ORDERS = 2**32 - 1
"""Orders of the training trials come from fold_in(key, ORDERS); no step has this number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayTask(Task):
    """Trials from arrays of one's own, some of them held out.

    Of M trials, a part H is held out and drawn once by `split_seed`; networks train on the others,
    all networks on the same. Step s of network k takes B of the M - H training trials: B
    independent draws with replacement, or the next B of a random order of them, another one each
    time all were taken (the last (M - H) mod B of an order are left out). Everything is measured on
    trials drawn with replacement from those held out, the same for all networks.

    Variants out of distribution are further arrays by name. Trials of unequal length are filled to
    one length; what fills them counts nowhere (`Trials.valid`).

    Arrays given in Python are stored with each run. Those of a file are not: a run names the file
    and the digest of its arrays, and a file whose arrays have changed is refused.

    Attributes:
        threshold: Mean training MSE below which a network counts as converged.
        path: A `.npz` or `.safetensors` file of `inputs` `[M, T, I]`, `targets` `[M, T, O]`, and,
            where they are needed, `mask` and `valid` `[M, T]`; of variants `longer/inputs` and so
            on.
        digest: Of the arrays; filled in where it is left out.
        held_out: Share of the trials that are held out, or their indices.
        split_seed: Seed of the draw of these.
        replacement: Whether batches are drawn with replacement.
        variant: The variant whose trials these are; none for those of the training set.
        n_steps: Length of the longest trial, as the arrays have it.

    Example:
        >>> import numpy as np
        >>> from rnnensemble import tasks
        >>> inputs = np.random.default_rng(0).normal(size=(40, 12, 2))
        >>> task = tasks.ArrayTask.from_arrays(
        ...     inputs, np.cumsum(inputs, axis=1), ood={"louder": (2 * inputs, inputs)}
        ... )
        >>> task.n_steps, task.n_inputs, len(task.held_out_trials), list(task.out_of_distribution())
        (12, 2, 8, ['louder'])
    """

    name: ClassVar[str] = "arrays"
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_steps: int = 0
    threshold: float = 0.01  # pyright: ignore[reportIncompatibleVariableOverride]
    path: str | None = dataclasses.field(default=None, compare=False)
    digest: str = ""
    held_out: float | tuple[int, ...] = 0.2
    split_seed: int = 0
    replacement: bool = True
    variant: str = ""

    def __post_init__(self) -> None:
        arrays = self._found()
        known = [name for name in arrays.sets if name]
        if self.variant and self.variant not in known:
            raise ValueError(f"`variant` must be one of {known}; got {self.variant!r}.")
        own = arrays.sets[self.variant]
        steps = own["inputs"].shape[1]
        if self.n_steps not in (0, steps):
            raise ValueError(f"`n_steps` must be left out, or be the arrays' {steps}.")
        if not isinstance(self.replacement, bool):
            raise ValueError(f"`replacement` must be true or false; got {self.replacement!r}.")
        targets = own["targets"]
        kept = {
            "n_steps": steps,
            "digest": arrays.digest,
            "arrays": arrays,
            "output_range": (float(targets.min()), float(targets.max())),
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)
        super().__post_init__()
        require_least(self, threshold=0.0, split_seed=0)
        held = self._split(len(arrays.sets[""]["inputs"]))
        object.__setattr__(self, "held_out_trials", held)
        object.__setattr__(self, "own", None)

    arrays: ClassVar[TrialArrays]
    """What it is made of (set for each task, but no setting of it)."""
    held_out_trials: ClassVar[np.ndarray]
    """Indices of the trials that are held out, from the lowest up."""
    own: ClassVar[Any]
    """The arrays of its trials as arguments of a compiled program (`bound`); None outside."""

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        targets: Any,
        mask: Any = None,
        *,
        valid: Any = None,
        ood: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """The task of these arrays.

        Args:
            inputs: `[M, T, I]`, or a list of a trial's own `[T_m, I]` each.
            targets: `[M, T, O]`, or a list alike.
            mask: Where the loss counts, zeros and ones, `[M, T]`; all that is valid unless given.
            valid: Which steps belong to a trial, zeros and ones, `[M, T]`; for lists their lengths
                say so.
            ood: Variants out of distribution by name: (inputs, targets), or (inputs, targets,
                mask), of as many channels; trials and steps may be others.
            **settings: Attributes of the task.

        Raises:
            ValueError: If arrays or settings do not fit.
        """
        named = named_set(inputs, targets, mask, valid)
        for variant, given in (ood or {}).items():
            if not variant.isidentifier():
                raise ValueError(f"`ood` must name its variants by plain words; got {variant!r}.")
            if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
                raise ValueError(
                    f"`ood` must hold (inputs, targets) or (inputs, targets, mask) for "
                    f"{variant!r}; got {type(given).__name__}."
                )
            named |= {f"{variant}/{name}": x for name, x in named_set(*given).items()}
        return cls._of(checked(named), settings)

    @classmethod
    def _of(cls, arrays: TrialArrays, settings: dict[str, Any]) -> Self:
        """The task of arrays, which must be there until it holds them."""
        return cls(digest=arrays.digest, **settings)

    def _found(self) -> TrialArrays:
        """The arrays of a path, or those that a digest names."""
        known = KNOWN.get(self.digest)
        if known is not None:
            return known
        if self.path is None:
            what = f"the arrays of `digest` {self.digest} are" if self.digest else "no arrays are"
            raise ValueError(
                f"`path` is missing, and {what} given: name a .npz or .safetensors file of inputs "
                "and targets, or use ArrayTask.from_arrays in Python."
            )
        arrays = checked(read_named(self.path, "path"))
        if self.digest not in ("", arrays.digest):
            raise ValueError(
                f"`path` file {self.path} has changed: `digest` must be {self.digest}; its arrays "
                f"have {arrays.digest}. Restore it, or leave `digest` out for a new run."
            )
        return arrays

    def _split(self, trials: int) -> np.ndarray:
        """Indices of the trials that are held out."""
        given = self.held_out
        if isinstance(given, tuple):
            whole = all(isinstance(x, int) and 0 <= x < trials for x in given)
            if not whole or len(set(given)) < len(given):
                raise ValueError(
                    f"`held_out` must hold different indices of the {trials} trials; got {given}."
                )
            held = np.array(sorted(given), int)
        else:
            if not isinstance(given, (int, float)) or not 0 <= given < 1:
                raise ValueError(
                    f"`held_out` must be a share of the trials, above 0 and below 1, or their "
                    f"indices; got {given!r}."
                )
            order = np.random.default_rng(self.split_seed).permutation(trials)
            held = np.sort(order[: round(given * trials)])
        if not 0 < len(held) < trials:
            raise ValueError(
                f"`held_out` must leave trials on both sides; got {len(held)} of {trials} held out."
            )
        return held

    @property
    def n_inputs(self) -> int:
        return self.arrays.sets[""]["inputs"].shape[2]

    @property
    def n_outputs(self) -> int:
        return self.arrays.sets[""]["targets"].shape[2]

    @property
    def training_set(self) -> np.ndarray:
        """Indices of the trials that networks train on, from the lowest up."""
        trials = len(self.arrays.sets[""]["inputs"])
        return np.setdiff1d(np.arange(trials), self.held_out_trials)

    @property
    def _judged(self) -> np.ndarray:
        """Indices of the trials that it is measured on: of a variant all."""
        if self.variant:
            return np.arange(len(self.arrays.sets[self.variant]["inputs"]))
        return self.held_out_trials

    def clean_trials(self, key: Key, batch: int) -> Trials:
        judged = jnp.asarray(self._judged)
        return self._at(judged[jax.random.randint(key, (batch,), 0, len(judged))])

    def _at(self, rows: Any) -> Trials:
        """The trials of these indices."""
        own = self.operands if self.own is None else self.own
        return Trials(**{name: jnp.asarray(x)[rows] for name, x in own.items()})

    def plan(self, key: Key, steps: Array, batch: int) -> Any:
        """A key and the indices of B trials for each step."""
        keys, trained = super().plan(key, steps, batch), jnp.asarray(self.training_set)
        if self.replacement:
            pairs = jax.vmap(jax.random.split)(keys)
            places = jax.vmap(lambda key: jax.random.randint(key, (batch,), 0, len(trained)))
            return pairs[:, 0], trained[places(pairs[:, 1])]
        each = len(trained) // batch  # steps that one order serves
        passes = steps // each
        order_key = jax.random.fold_in(key, np.uint32(ORDERS))

        def order(number: Array) -> Array:
            return jax.random.permutation(jax.random.fold_in(order_key, number), trained)

        orders = jax.vmap(order)(passes[0] + jnp.arange(len(steps) // each + 2))
        places = (steps % each)[:, None] * batch + jnp.arange(batch)
        return keys, orders[(passes - passes[0])[:, None], places]

    def training_trials(self, planned: Any, batch: int) -> Trials:
        key, rows = planned
        return self.noisy(key, self._at(rows))

    def require_batch(self, batch: int) -> None:
        trained = len(self.training_set)
        if not self.replacement and batch > trained:
            raise ValueError(
                f"`batch` must be at most the {trained} training trials where `replacement` is "
                f"false; got {batch}."
            )

    @property
    def operands(self) -> dict[str, np.ndarray]:
        return self.arrays.sets[self.variant]

    def bound(self, operands: Any) -> "ArrayTask":
        task = copy.copy(self)
        object.__setattr__(task, "own", operands)
        return task

    @property
    def whole_sets(self) -> dict[str, Trials]:
        parts = {"training": self.training_set, "held_out": self.held_out_trials}
        own: dict[str, Any] = dict(self.arrays.sets[""])
        return {
            name: Trials(**{key: x[rows] for key, x in own.items()}) for name, rows in parts.items()
        }

    @property
    def given_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        return {} if self.path else {self.digest: self.arrays.named}

    def lengthened(self, factor: int) -> Self:
        """Raises ValueError: trials of arrays have the length that they have."""
        raise ValueError(
            f"`factor` of {factor}: trials from arrays have no longer form; give longer ones as a "
            "variant, `ood`."
        )

    def out_of_distribution(self) -> dict[str, Task]:
        """The variants that the arrays have, by name; there may be none."""
        return {
            name: dataclasses.replace(self, variant=name, n_steps=0)
            for name in self.arrays.sets
            if name
        }
