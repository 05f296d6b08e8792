"""What a task is: a frozen description that samples trials from a key."""

import abc
import dataclasses
import math
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import jax
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import Config, require_at_least, require_least
from rnnensemble.tasks import draws


class Trials(NamedTuple):
    """A batch of trials.

    Attributes:
        inputs: What the network sees, `[B, T, I]`.
        targets: What it should put out, `[B, T, O]`.
        mask: Where the loss counts, `[B, T]`, zeros and ones.
        valid: Which steps belong to a trial, `[B, T]`, zeros and ones, where trials are of unequal
            length: the others only fill the array, and nothing is measured there. None if all do.
        rule: Which task of a mixture each trial is of, `[B]`; None for trials of other tasks.
    """

    inputs: Array
    targets: Array
    mask: Array
    valid: Array | None = None
    rule: Array | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(Config, abc.ABC):
    """What a network must do. Subclass it to add a task (docs/add-a-task.md shows one).

    A task is static: frozen, hashable, checked when it is made. Its numbers decide the shapes of
    a compiled program, so a changed task is a new program.

    Attributes:
        n_steps: Trial length T in time steps.
        input_noise: Standard deviation of white Gaussian noise added to every input at every
            step, in input units.
    """

    name: ClassVar[str]
    """How presets and the command line call the task."""
    threshold: ClassVar[float]
    """Mean training MSE below which a network counts as converged (paper, section 2.2)."""
    output_range: ClassVar[tuple[float, float]]
    """Smallest and largest target value."""
    ood_noise: ClassVar[float] = 0.1
    """Input noise of the out-of-distribution variant `noise`, in input units (our choice)."""

    n_steps: int = 100
    input_noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, n_steps=2, input_noise=0.0)

    @property
    @abc.abstractmethod
    def n_inputs(self) -> int:
        """Number of input channels I."""

    @property
    @abc.abstractmethod
    def n_outputs(self) -> int:
        """Number of output channels O."""

    @property
    def channels(self) -> list[tuple[list[int], list[int]]]:
        """Indices of inputs and of outputs of each part that needs no other part's inputs."""
        return [(list(range(self.n_inputs)), list(range(self.n_outputs)))]

    @property
    def label(self) -> str:
        """What a mixture calls the task; a task that has several kinds names its own."""
        return self.name

    @abc.abstractmethod
    def clean_trials(self, key: Key, batch: int) -> Trials:
        """Draws `batch` trials without input noise; pure, jittable, key consumed once."""

    def sample(self, key: Key, batch: int) -> Trials:
        """Draws trials, input noise included.

        Args:
            key: Random key, consumed.
            batch: Number of trials B.

        Returns:
            Inputs `[B, T, I]`, targets `[B, T, O]` and mask `[B, T]`.
        """
        if not self.input_noise:
            return self.clean_trials(key, batch)
        trial_key, noise_key = jax.random.split(key)
        return self.noisy(noise_key, self.clean_trials(trial_key, batch))

    def noisy(self, key: Key, trials: Trials) -> Trials:
        """The trials with input noise, where the task has some; key consumed once."""
        if not self.input_noise:
            return trials
        noise = self.input_noise * draws.normal(key, trials.inputs.shape)
        return trials._replace(inputs=trials.inputs + noise)

    def plan(self, key: Key, steps: Array, batch: int) -> Any:
        """What decides the trials of some steps of training, leading axis E: a key each.

        A task with a fixed training set decides here which of its trials each step takes.

        Args:
            key: What a network's trials are drawn from, the same in all its training.
            steps: Numbers of the steps, which follow one another, `[E]`.
            batch: Trials a step.
        """
        del batch
        return jax.vmap(partial(jax.random.fold_in, key))(steps)

    def training_trials(self, planned: Any, batch: int) -> Trials:
        """The trials of one step of training, by what `plan` has for it.

        They are `sample`'s, unless the task keeps trials for training alone.
        """
        return self.sample(planned, batch)

    def require_batch(self, batch: int) -> None:
        """Raises ValueError if the task cannot be trained with so many trials a step."""

    @property
    def operands(self) -> Any:
        """Arrays that the task reads; compiled programs take them as arguments (see `bound`)."""
        return None

    def bound(self, operands: Any) -> "Task":
        """The task as it is inside a compiled program, where its arrays are arguments."""
        del operands
        return self

    @property
    def whole_sets(self) -> "dict[str, Trials] | None":
        """All trials of a task with a fixed training set, `training` and `held_out`; else None."""
        return None

    @property
    def given_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Arrays that came from no file, by their digest: what a run folder has to keep."""
        return {}

    def variables(self, trials: Trials) -> dict[str, Array]:
        """What these trials are about, by name: `[B]`, or `[B, T]` where it changes in time.

        Categories are integers, quantities floats. The outputs' targets unless a task says more.
        """
        return {f"output_{i}": trials.targets[..., i] for i in range(self.n_outputs)}

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """Whether each trial was done right, 1 or 0, or what share of it, `[B]`.

        Only tasks with decisions have one; pure, jittable.

        Args:
            outputs: Of a network, `[B, T, O]`.
            trials: What it answered.
        """
        raise NotImplementedError

    def choice(self, outputs: Array, trials: Trials) -> Array:
        """What was chosen in each trial, 1 for the positive side and 0 for the other, `[B, C]`."""
        raise NotImplementedError

    def evidence(self, trials: Trials) -> Array:
        """How much speaks for the positive side of each choice, negative against it, `[B, C]`."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Whether the task defines `accuracy`, `choice` or `evidence`."""
        return getattr(type(self), name) is not getattr(Task, name)

    def lengthened(self, factor: int) -> Self:
        """The task with trials `factor` times as long (a task may define another stretch)."""
        return dataclasses.replace(self, n_steps=factor * self.n_steps)

    def out_of_distribution(self) -> dict[str, "Task"]:
        """The variants on which generalization is measured.

        Returns:
            `temporal`: the paper's temporal generalization (whole trial doubled, or the delay
            where the task has one); `noise`: the same trials with input noise.
        """
        noise = math.hypot(self.input_noise, self.ood_noise)
        return {
            "temporal": self.lengthened(2),
            "noise": dataclasses.replace(self, input_noise=noise),
        }


def require_within(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError unless `value` lies within [least, most]."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise ValueError(f"`{name}` must lie between {least} and {most}; got {value!r}.")


def require_range(name: str, pair: tuple[float, float], least: float) -> None:
    """Raises ValueError unless `pair` is (low, high) with least <= low <= high."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError(f"`{name}` must be a pair (low, high); got {pair!r}.")
    require_at_least(name, pair[0], least)
    require_at_least(name, pair[1], least)
    if pair[0] > pair[1]:
        raise ValueError(f"`{name}` must be (low, high) with low <= high; got {pair!r}.")
