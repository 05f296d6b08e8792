"""Recorded activity as what networks must show: `match_activity`."""

from typing import Any

import numpy as np

from rnnensemble._core.conversion import real_array
from rnnensemble.tasks.array_task import ArrayTask


def match_activity(
    inputs: Any,
    activity: Any,
    *,
    targets: Any = None,
    weight: float = 1.0,
    valid: Any = None,
    **settings: Any,
) -> ArrayTask:
    """The task of showing recorded activity through a linear readout, beside a task's own outputs.

    Outputs are the task's O, then one for each of R recorded units:

        z_r = sqrt(weight) (a_r - m_r) / s,   s^2 = mean over units of the variance of a_r

    with m_r a unit's mean over all valid steps, so that all units share one scale and what a
    network leaves unexplained costs about `weight` for a unit. Networks read these outputs from
    their rates linearly, as all outputs: their units stand for populations, of which the recorded
    ones are some. An `Observed` network shows them by its own first R units instead, one to one.
    Fitted populations are measured as all others are, on held-out trials.

    Args:
        inputs: What was shown while activity was recorded, `[M, T, I]`.
        activity: Rates of R units, `[M, T, R]`, in any unit.
        targets: Outputs of the task, `[M, T, O]`; None for activity alone.
        weight: Weight of activity against the task, above 0.
        valid: Which steps belong to a trial, zeros and ones, `[M, T]`; all unless given.
        **settings: Attributes of `ArrayTask`: `threshold`, `held_out`, ...

    Returns:
        A task that trains, is stored and measured as any other; `explained_variance` says how much
        of each unit a network shows.

    Raises:
        ValueError: If arrays do not fit or are not finite, no unit varies, or a setting is out of
            range.

    Example:
        >>> import numpy as np
        >>> from rnnensemble import tasks
        >>> inputs = np.random.default_rng(0).normal(size=(30, 12, 2))
        >>> recorded = np.tanh(np.cumsum(inputs, axis=1) @ np.ones((2, 5)))
        >>> task = tasks.match_activity(inputs, recorded, targets=inputs[..., :1])
        >>> task.n_inputs, task.n_outputs
        (2, 6)
    """
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not number or not 0 < weight < np.inf:
        raise ValueError(f"`weight` must be a number above 0; got {weight!r}.")
    rates, shown = real_array(activity, "activity"), real_array(inputs, "inputs")
    if rates.ndim != 3 or rates.shape[:2] != shown.shape[:2]:
        raise ValueError(
            f"`activity` must be [M, T, R] with the trials and steps of `inputs`, "
            f"{shown.shape[:2]}; got {rates.shape}."
        )
    counts = np.ones(rates.shape[:2], bool) if valid is None else np.asarray(valid) != 0
    if counts.shape != rates.shape[:2]:
        raise ValueError(f"`valid` must be [M, T], {rates.shape[:2]}; got {counts.shape}.")
    seen = rates[counts].astype(float)
    if not np.isfinite(seen).all():
        raise ValueError("`activity` must be finite; mask steps that were not recorded by `valid`.")
    scale = np.sqrt(np.mean(np.var(seen, axis=0))) if seen.size else 0.0
    if not scale > 0:
        raise ValueError("`activity` must have units that vary; all of these are constant.")
    wanted = np.sqrt(weight) * (rates - seen.mean(axis=0)) / scale
    wanted = np.where(counts[..., None], wanted, 0.0)
    if targets is not None:
        own = real_array(targets, "targets")
        if own.ndim != 3 or own.shape[:2] != rates.shape[:2]:
            raise ValueError(
                f"`targets` must be [M, T, O] with the trials and steps of `inputs`, "
                f"{shown.shape[:2]}; got {own.shape}."
            )
        wanted = np.concatenate([own, wanted], axis=-1)
    return ArrayTask.from_arrays(shown, wanted, valid=valid, **settings)
