"""Several tasks at once: each trial is of one of them, and an input says of which."""

import copy
import dataclasses
import difflib
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.tasks.base import Task, Trials

PLANS = 2**32 - 2
"""What task k plans comes from fold_in(key, PLANS - k); no step has these numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture(Task):
    """A mixture of tasks: each trial is of task r with probability w_r / sum of w.

    With `rules`, input channels I_1 to I_R follow those of the tasks: channel r is 1 at all steps
    of a trial of task r and the others are 0. Inputs and outputs of tasks that have fewer than
    others are filled with zeros, and so are steps of shorter ones, which count nowhere
    (`Trials.valid`).

    Source: Yang et al. (2019), "Task representations in neural networks trained to perform many
    cognitive tasks", whose one-hot rule units these are.

    Attributes:
        tasks: The tasks, at least two.
        rules: Whether inputs say which task a trial is of.
        weights: How often each task is drawn, as shares of their sum; equally often unless given.
        threshold: Mean training MSE of all tasks together, or of each by `Training.every_task`,
            below which a network counts as converged; the mean of the tasks' own, by weight,
            unless given.
        n_steps: Length of the longest task.

    Example:
        >>> from rnnensemble import tasks
        >>> both = tasks.Mixture(tasks=[tasks.Ring(rule="go"), tasks.Ring(rule="anti")])
        >>> both.labels, both.n_inputs - tasks.Ring().n_inputs
        (('go', 'anti'), 2)
        >>> both.alone("anti").weights
        (0.0, 1.0)
    """

    name: ClassVar[str] = "mixture"
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_steps: int = 0
    tasks: tuple[Task, ...] = ()
    rules: bool = True
    weights: tuple[float, ...] = ()
    threshold: float = 0.0  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        given = self.tasks if isinstance(self.tasks, (tuple, list)) else (self.tasks,)
        if len(given) < 2 or not all(isinstance(each, Task) for each in given):
            raise ValueError(f"`tasks` must hold at least two tasks; got {self.tasks!r}.")
        object.__setattr__(self, "tasks", tuple(given))
        steps = max(each.n_steps for each in given)
        if self.n_steps not in (0, steps):
            raise ValueError(
                f"`n_steps` must be left out, or be that of the longest task, {steps}; got "
                f"{self.n_steps!r}."
            )
        object.__setattr__(self, "n_steps", steps)
        super().__post_init__()
        if not self.weights:
            object.__setattr__(self, "weights", (1.0,) * len(given))
        fits = len(self.weights) == len(given) and all(
            isinstance(x, (int, float)) and np.isfinite(x) and x >= 0 for x in self.weights
        )
        if not fits or not sum(self.weights) > 0:
            raise ValueError(
                f"`weights` must be a number of at least 0 for each of the {len(given)} tasks, not "
                f"all 0; got {self.weights}."
            )
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))
        if not isinstance(self.rules, bool):
            raise ValueError(f"`rules` must be true or false; got {self.rules!r}.")
        self._require_fitting()
        if not np.isfinite(self.threshold) or self.threshold < 0:
            raise ValueError(f"`threshold` must be at least 0; got {self.threshold}.")
        if not self.threshold:
            own = np.average([each.threshold for each in given], weights=self.weights)
            object.__setattr__(self, "threshold", float(own))
        lows, highs = zip(*(each.output_range for each in given), strict=True)
        object.__setattr__(self, "output_range", (min(lows), max(highs)))

    def _require_fitting(self) -> None:
        """Raises ValueError if the tasks cannot be told apart at all, or are mixtures."""
        if any(isinstance(each, Mixture) for each in self.tasks):
            raise ValueError("`tasks` must not hold mixtures; give the tasks of all in one.")
        shapes = [(each.n_inputs, each.n_outputs) for each in self.tasks]
        if not self.rules and len(set(shapes)) > 1:
            raise ValueError(
                "`tasks` must have equally many inputs and outputs where `rules` is false; got "
                + ", ".join(f"{i} and {o}" for i, o in shapes)
                + "; with rules, missing ones are filled with zeros."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The rules: what the tasks are called, numbered where several are called the same."""
        names = [each.label for each in self.tasks]
        return tuple(
            f"{name}_{names[:k].count(name) + 1}" if names.count(name) > 1 else name
            for k, name in enumerate(names)
        )

    def alone(self, rule: str) -> "Mixture":
        """The mixture with trials of one task only, told by the same rule inputs.

        Raises:
            ValueError: If no task is called so.
        """
        if rule not in self.labels:
            near = difflib.get_close_matches(str(rule), self.labels, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"`rule` must be one of {list(self.labels)}; got {rule!r}.{hint}")
        weights = tuple(float(name == rule) for name in self.labels)
        return dataclasses.replace(self, weights=weights)

    @property
    def n_inputs(self) -> int:
        return max(each.n_inputs for each in self.tasks) + self.rules * len(self.tasks)

    @property
    def n_outputs(self) -> int:
        return max(each.n_outputs for each in self.tasks)

    @property
    def _drawn(self) -> list[int]:
        """The tasks that trials are drawn of."""
        return [k for k, weight in enumerate(self.weights) if weight]

    def clean_trials(self, key: Key, batch: int) -> Trials:
        choice, *keys = jax.random.split(key, 1 + len(self._drawn))
        drawn = [self.tasks[k].sample(key, batch) for k, key in zip(self._drawn, keys, strict=True)]
        return self._mixed(choice, drawn, batch)

    def plan(self, key: Key, steps: Array, batch: int) -> Any:
        """A key for each step, and what each task plans."""
        each = [
            self.tasks[k].plan(jax.random.fold_in(key, np.uint32(PLANS - k)), steps, batch)
            for k in self._drawn
        ]
        return super().plan(key, steps, batch), each

    def training_trials(self, planned: Any, batch: int) -> Trials:
        key, plans = planned
        choice, noise = jax.random.split(key)
        drawn = [
            self.tasks[k].training_trials(own, batch)
            for k, own in zip(self._drawn, plans, strict=True)
        ]
        return self.noisy(noise, self._mixed(choice, drawn, batch))

    def _mixed(self, key: Key, drawn: list[Trials], batch: int) -> Trials:
        """A trial of one of the tasks for each of the batch, of which all were drawn."""
        weights = jnp.array([self.weights[k] for k in self._drawn])
        which = jax.random.choice(key, len(drawn), (batch,), p=weights / weights.sum())
        unequal = any(x.valid is not None or x.inputs.shape[1] < self.n_steps for x in drawn)
        pairs = zip(self._drawn, drawn, strict=True)
        filled = [self._filled(k, trials, unequal=unequal) for k, trials in pairs]

        def picked(*each: Array) -> Array:
            return jnp.stack(each)[which, jnp.arange(batch)]

        return jax.tree.map(picked, *filled)

    def _filled(self, number: int, trials: Trials, *, unequal: bool) -> Trials:
        """Trials of a task with the channels and steps of all, and its rule.

        Args:
            number: Of the task.
            trials: Trials of it.
            unequal: Whether some steps of some trials only fill the array.
        """
        batch, steps = trials.mask.shape
        widest = self.n_inputs - self.rules * len(self.tasks)

        def fill(x: Array, channels: int) -> Array:
            more = [(0, 0), (0, self.n_steps - steps), (0, channels - x.shape[2])]
            return jnp.pad(x, more)

        valid = jnp.ones((batch, steps)) if trials.valid is None else trials.valid
        rule = jnp.arange(len(self.tasks)) == number
        rules = jnp.broadcast_to(rule * 1.0, (batch, self.n_steps, len(self.tasks)))
        seen = [fill(trials.inputs, widest), *([rules] if self.rules else [])]
        return Trials(
            inputs=jnp.concatenate(seen, axis=2),
            targets=fill(trials.targets, self.n_outputs),
            mask=fill(trials.mask[..., None], 1)[..., 0],
            valid=fill(valid[..., None], 1)[..., 0] if unequal else None,
            rule=jnp.full((batch,), number, jnp.int32),
        )

    def members(self, trials: Trials) -> Array:
        """Which trials are of which of the R tasks that are drawn: zeros and ones, `[R, B]`."""
        return 1.0 * (jnp.asarray(trials.rule) == jnp.array(self._drawn)[:, None])

    def has(self, name: str) -> bool:
        """Whether all tasks define it, and the mixture does."""
        return super().has(name) and all(each.has(name) for each in self.tasks)

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """That of each trial by its own task, on the steps and channels of that, `[B]`."""
        found = jnp.stack([self._accuracy_of(self.tasks[k], outputs, trials) for k in self._drawn])
        which = jnp.argmax(self.members(trials), axis=0)
        return found[which, jnp.arange(len(which))]

    @staticmethod
    def _accuracy_of(task: Task, outputs: Array, trials: Trials) -> Array:
        """The accuracy by one of the tasks; it means something for the trials of that alone."""
        steps = task.n_steps
        own = Trials(
            inputs=trials.inputs[:, :steps, : task.n_inputs],
            targets=trials.targets[:, :steps, : task.n_outputs],
            mask=trials.mask[:, :steps],
            valid=None if trials.valid is None else trials.valid[:, :steps],
        )
        return task.accuracy(outputs[:, :steps, : task.n_outputs], own)

    def require_batch(self, batch: int) -> None:
        for each in self.tasks:
            each.require_batch(batch)

    @property
    def operands(self) -> Any:
        return tuple(each.operands for each in self.tasks)

    def bound(self, operands: Any) -> "Mixture":
        task = copy.copy(self)
        own = tuple(each.bound(x) for each, x in zip(self.tasks, operands, strict=True))
        object.__setattr__(task, "tasks", own)
        return task

    @property
    def given_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        return {name: x for each in self.tasks for name, x in each.given_arrays.items()}

    def variables(self, trials: Trials) -> dict[str, Array]:
        """Which task each trial is of, where inputs say so, and the outputs."""
        found = super().variables(trials)
        if self.rules:
            found["rule"] = jnp.asarray(trials.rule)
        return found

    def lengthened(self, factor: int) -> Self:
        """The mixture of the lengthened tasks."""
        return self._of([each.lengthened(factor) for each in self.tasks])

    def _of(self, tasks: list[Any]) -> Self:
        return dataclasses.replace(self, tasks=tuple(tasks), n_steps=0)

    def out_of_distribution(self) -> dict[str, Task]:
        """The variants that all drawn tasks have; the others stay as they are."""
        variants = [each.out_of_distribution() for each in self.tasks]
        common = [
            name
            for name in variants[self._drawn[0]]
            if all(name in variants[k] for k in self._drawn)
        ]
        return {
            name: self._of(
                [own.get(name, each) for own, each in zip(variants, self.tasks, strict=True)]
            )
            for name in common
        }
