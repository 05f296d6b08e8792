"""How complex a task is: entropies of inputs and outputs, and the memory that outputs demand."""

from functools import partial
from typing import Literal, NamedTuple

import jax
import numpy as np

from rnnensemble._core import switches
from rnnensemble._core.config import require_at_least, require_seed
from rnnensemble.analysis import information
from rnnensemble.tasks import Task

GIVEN = ("present", "between")


class _Drawn(NamedTuple):
    """What the first three fields of `tasks.Trials` hold, on the host."""

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray


class Complexity(NamedTuple):
    """The complexity of a task, in bits. Every number is taken at a step, across trials.

    Attributes:
        input_entropy: Entropy of each input, mean over steps, `[I]`.
        output_entropy: Entropy of each output, mean over the steps at which the loss counts, `[O]`.
        continuous_inputs: Which inputs take a continuum of values at some step, `[I]`; their
            entropy is differential: relative to an interval of length 1, possibly negative.
        continuous_outputs: The same of outputs, `[O]`.
        memory_by_step: Memory demand at each present step, of each output at each lag, `[S, O, L]`.
        steps: The present steps t, `[S]`.
        weights: Share of trials in which the loss counts at these steps, over its sum, `[S]`.
        lags: 1 to L, `[L]`.
        given: What the memory demand takes as known: `present` or `between`.
        trials: Trials that were drawn.
    """

    input_entropy: np.ndarray
    output_entropy: np.ndarray
    continuous_inputs: np.ndarray
    continuous_outputs: np.ndarray
    memory_by_step: np.ndarray
    steps: np.ndarray
    weights: np.ndarray
    lags: np.ndarray
    given: str
    trials: int

    @property
    def memory(self) -> np.ndarray:
        """Memory demand of each output at each lag, mean over counted steps, `[O, L]`."""
        return np.tensordot(self.weights, self.memory_by_step, axes=1)

    @property
    def total_memory(self) -> float:
        """The sum of the memory demand over outputs and lags."""
        return float(self.memory.sum())

    @property
    def peak_lag(self) -> int:
        """The lag at which the memory demand, summed over outputs, is largest."""
        return int(self.lags[self.memory.sum(axis=0).argmax()])

    @property
    def mean_lag(self) -> float:
        """The mean lag, weighted by the memory demand where it is positive; NaN without any."""
        demand = np.maximum(self.memory.sum(axis=0), 0.0)
        return float(demand @ self.lags / demand.sum()) if demand.any() else float("nan")


def measure_complexity(
    task: Task,
    *,
    trials: int = 2048,
    steps: int = 8,
    max_lag: int | None = None,
    given: Literal["present", "between"] = "present",
    neighbors: int = 3,
    seed: int = 0,
) -> Complexity:
    """Measures entropies and memory demand of a task from sampled trials.

    With x_t all inputs of a channel of the task at step t and y_t one of its outputs:

        H(x_{i,t})  and  H(y_{o,t}),   mean over t
        M_L = sum_i I(x_{i,t-L}; y_t | x_t)            for `present`
        M_L = I(x_{t-L}; y_t | x_{t-L+1}, ..., x_t)    for `between`

    The memory demand M_L is what the input L steps ago tells about the output, beyond what the
    present input tells (`present`), or beyond what all later inputs tell (`between`: by the chain
    rule its sum over lags is I(x_0, ..., x_{t-1}; y_t | x_t), the whole memory demand, and lags
    that repeat one another do not count twice). Each t is a condition too: samples are trials, not
    steps; before a trial there is no input and M_L is 0. Entropies are those of single inputs and
    outputs, and M_L that of single outputs, for `present` also of single past inputs, since joint
    ones of many cannot be estimated: sums of entropies are upper bounds.

    Args:
        task: What to measure, with its input noise.
        trials: Trials to draw, the samples of every estimate.
        steps: Present steps t, evenly spaced over those at which the loss counts.
        max_lag: Largest lag, T - 1 unless given.
        given: What is known besides; `between` needs discrete inputs and outputs.
        neighbors: k of the estimators for continuous variables.
        seed: Seed of the trials.

    Returns:
        The complexity, in bits.

    Raises:
        ValueError: If an argument is out of range, or `between` is asked of continuous variables.

    Source: Huang et al. (arXiv 2410.03972v1) name entropies and the conditional mutual information
    as measures; definitions and estimators are open there and chosen here (`information`).
    """
    last = task.n_steps - 1
    max_lag = last if max_lag is None else max_lag
    for name, value in (("trials", trials), ("steps", steps), ("max_lag", max_lag)):
        require_at_least(name, value, 1)
    switches.require_switches()
    require_seed(seed)
    if given not in GIVEN:
        raise ValueError(f"`given` must be one of {GIVEN}; got {given!r}.")
    sampled = _draw(jax.random.key(seed), task=task, batch=trials)
    drawn = _Drawn(*map(np.asarray, (sampled.inputs, sampled.targets, sampled.mask)))
    counted = drawn.mask > 0
    going = np.ones_like(counted) if sampled.valid is None else np.asarray(sampled.valid) != 0
    present = spread_steps(counted, steps, neighbors)
    continuous = [_continuous(values, going) for values in (drawn.inputs, drawn.targets)]
    discrete = not any(each.any() for each in continuous)
    if given == "between" and not discrete:
        raise ValueError(
            f"`given` must be 'present' for {task.name}: the inputs between cannot be a "
            "condition where inputs or outputs are continuous."
        )
    lags = np.arange(1, min(max_lag, last) + 1)
    question = _Question(lags, given, neighbors, discrete)
    demand = [_memory(task, drawn, t, question) for t in present]
    shares = counted[:, present].mean(axis=0)
    return Complexity(
        _mean_entropy(drawn.inputs, going, neighbors),
        _mean_entropy(drawn.targets, counted, neighbors),
        *continuous,
        memory_by_step=np.array(demand),
        steps=present,
        weights=shares / shares.sum(),
        lags=lags,
        given=given,
        trials=trials,
    )


@partial(jax.jit, static_argnames=("task", "batch"))
def _draw(key, *, task, batch):  # noqa: ANN001, ANN202
    return task.sample(key, batch)


def spread_steps(counted: np.ndarray, steps: int, neighbors: int) -> np.ndarray:
    """Up to `steps` steps in the middle of equal shares of those that count, `[S]`.

    ValueError if no step counts in more trials than there are neighbors.
    """
    usable = np.flatnonzero(counted.sum(axis=0) > neighbors)
    if not len(usable):
        raise ValueError(
            f"`trials` must leave more than {neighbors} trials that count at a step; "
            f"got {len(counted)}; raise it."
        )
    steps = min(steps, len(usable))
    return usable[((np.arange(steps) + 0.5) * len(usable) / steps).astype(int)]


def _continuous(values: np.ndarray, going: np.ndarray) -> np.ndarray:
    """Which variables of `[B, T, V]` are not discrete at some step of trials going on, `[V]`."""
    steps = [values[going[:, t], t] for t in np.flatnonzero(going.any(axis=0))]
    return np.array(
        [
            any(information.kind_of(each[:, v]) != "discrete" for each in steps)
            for v in range(values.shape[2])
        ]
    )


def _mean_entropy(values: np.ndarray, counted: np.ndarray, neighbors: int) -> np.ndarray:
    """Entropies at a step, mean over steps by their number of counted trials, `[V]`."""
    total, weight = np.zeros(values.shape[2]), 0
    for t in np.flatnonzero(counted.sum(axis=0) > neighbors):
        samples = values[counted[:, t], t]
        found = [information.entropy(column, neighbors=neighbors) for column in samples.T]
        total, weight = total + len(samples) * np.array(found), weight + len(samples)
    return total / weight


class _Question(NamedTuple):
    """What is asked of every output at every present step."""

    lags: np.ndarray
    given: str
    neighbors: int
    discrete: bool


def _memory(task: Task, drawn: _Drawn, present: int, question: _Question) -> np.ndarray:
    """The memory demand at one step, `[O, L]`; 0 where the lag reaches before the trial."""
    counted = drawn.mask[:, present] > 0
    demand = np.zeros((task.n_outputs, len(question.lags)))
    reached = question._replace(lags=question.lags[question.lags <= present])
    measure = _discrete_demand if question.discrete else _continuous_demand
    for inputs, outputs in task.channels:
        latest_first = drawn.inputs[counted][:, present::-1, inputs]
        for o in outputs:
            found = measure(latest_first, drawn.targets[counted, present, o], reached)
            demand[o, : len(found)] = found
    return demand


def _continuous_demand(past: np.ndarray, output: np.ndarray, question: _Question) -> list[float]:
    """M_L of one output `[B]` from inputs `[B, t + 1, I]`, the present one first."""
    measure = partial(
        information.conditional_mutual_information, z=past[:, 0], neighbors=question.neighbors
    )
    return [sum(measure(column, output) for column in past[:, lag].T) for lag in question.lags]


def _discrete_demand(past: np.ndarray, output: np.ndarray, question: _Question) -> list[float]:
    """The same by counting."""
    answer, known = information.as_codes(output[:, None]), information.as_codes(past[:, 0])
    together = question.given == "between"
    found = []
    for lag in question.lags:
        columns = [past[:, lag]] if together else past[:, lag].T[:, :, None]
        before = [information.as_codes(each) for each in columns]
        found.append(sum(information.discrete_information(x, answer, known) for x in before))
        if together:
            known = information.joint_codes(known, before[0])
    return found
