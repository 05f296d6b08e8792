"""What of a recipe is checked before anything is trained: values by network, the criterion."""

import math
from typing import Any

from rnnensemble.tasks import Mixture, Task
from rnnensemble.training.penalties import PENALTIES
from rnnensemble.training.settings import Training

MAY_BE_ZERO = (
    *PENALTIES,
    "weight_decay",
    "momentum",
    "strength",
    "ridge",
    "target",
    "noise",
    "initial_noise",
)
"""Per-network values that may be 0; all others are above it."""


def require_per_network(name: str, value: Any, size: int) -> None:
    """Raises ValueError unless `value` is one number, or one for each network, and in range.

    Strengths, of noise too, and ridges are at least 0, all others above it.
    """
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and len(value) != size:
        raise ValueError(
            f"`{name}` must be one number or one for each of the {size} networks; "
            f"got {len(value)} numbers."
        )
    for each in values:
        if name == "threshold" and each is None:
            continue
        is_number = isinstance(each, (int, float)) and not isinstance(each, bool)
        infinite = name != "clip_norm" and is_number and math.isinf(each)
        may_be_zero = name in MAY_BE_ZERO and each == 0
        if not is_number or math.isnan(each) or infinite or not (each > 0 or may_be_zero):
            what = "a number of at least 0" if name in MAY_BE_ZERO else "a positive number"
            raise ValueError(f"`{name}` must be {what}; got {each!r}.")
        if name == "momentum" and each > 1:
            raise ValueError(f"`momentum` must be at most 1; got {each!r}.")


def require_criterion(task: Task, training: Training) -> None:
    """Raises ValueError unless a task has what training stops by, and the threshold fits it."""
    threshold = training.threshold
    if training.every_task and not isinstance(task, Mixture):
        raise ValueError(
            f"`every_task` needs a task that is a mixture, which {task.name!r} is not; leave it "
            "out."
        )
    if training.records_accuracy and not task.has("accuracy"):
        what = "criterion" if training.criterion == "accuracy" else "record_accuracy"
        lacking = [x.label for x in getattr(task, "tasks", ()) if not x.has("accuracy")]
        of = f"{task.name!r} has not" + (f" ({', '.join(lacking)})" if lacking else "")
        raise ValueError(
            f"`{what}` needs a task with an accuracy, which {of}; give it the method `accuracy`."
        )
    if threshold is None and (training.criterion, training.loss) != ("loss", "mse"):
        of = training.loss if training.criterion == "loss" else "accuracy"
        raise ValueError(
            f"`threshold` must be given for {of!r}: the task's own, {task.threshold:g}, is a mean "
            "squared error."
        )
    values = threshold if isinstance(threshold, tuple) else (threshold,)
    if training.criterion == "accuracy" and any(
        each is None or not 0 < each <= 1 for each in values
    ):
        raise ValueError(
            f"`threshold` of an accuracy must be above 0 and at most 1; got {threshold!r}."
        )
