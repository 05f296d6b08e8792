"""Settings of training: `Training`."""

import dataclasses
from typing import ClassVar, Literal

from rnnensemble._core.config import Config, later, require_whole
from rnnensemble.training import losses
from rnnensemble.training.optimizers import Adam, Optimizer, as_optimizer
from rnnensemble.training.schedules import Constant, Schedule, as_schedule
from rnnensemble.training.snapshots import require_epochs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Config):
    """How a network is trained: on fresh trials until its loss stays below a threshold.

    An epoch is `epoch_steps` steps. A network has converged once its mean training loss was
    below the threshold in `patience` epochs in a row, or its mean accuracy at least the threshold
    (`criterion`), in each task of a mixture if that is asked (`every_task`); then it stops.
    Gradients are clipped by their global norm. When the epoch loss has not fallen for more than
    `plateau_patience` epochs, the learning rate is multiplied by `plateau_factor`. Penalties are
    added to what is minimized; threshold, patience and plateau look at the task's loss alone, the
    plateau at that of all trials.

    Source: Huang et al. (arXiv 2410.03972, section 2.1 and App. B.4: Adam without weight decay,
    128 steps an epoch, patience 3, plateau factor 0.5 after 40 epochs). That the patience counts
    epochs in a row, and the clipping, are our reading and our choice.

    Attributes:
        learning_rate: The optimizer's step size, eta_0 in the muP form; one number, or one for each
            network.
        clip_norm: Largest global gradient norm, infinity for none; one, or one for each network.
            The muP form measures gradients in units that depend on neither width nor gamma.
        threshold: Mean training loss to come below, None for the task's own, which is an MSE; or
            the accuracy to reach, above 0 and at most 1. One, or one for each.
        nuclear_norm: Strength of the sum of singular values of the recurrent weights, at least 0
            (see `penalties.penalty`); one number, or one for each network.
        l1: Strength of the sum of absolute weights, likewise.
        l2: Strength of the sum of squared weights, likewise.
        rates_l2: Strength of the squared rates, summed over units, likewise.
        optimizer: Adam, or what `optimizers.as_optimizer` takes: an `Optimizer`, its name, or any
            function that makes an `optax.GradientTransformation`.
        schedule: Factor on the learning rate by step, a `Schedule` or its name.
        loss: What is lowered: "mse", "cross_entropy" (outputs are logits, targets probabilities of
            classes), or a function of outputs, targets and mask, registered or by import path.
        criterion: What the threshold is compared with, "loss" or the task's "accuracy".
        every_task: Whether each task that a mixture draws has to meet the threshold in its own
            trials, instead of all trials together.
        record_accuracy: Whether the task's accuracy stands in the history; by the criterion
            "accuracy" it always does.
        frozen: Paths of parameters that training leaves as they are, to the last bit, or what such
            paths begin with, up to a "." or "_": `("recurrent", "readout_bias")`, or
            `("cell.dense_h",)` of a cell of flax. They have no share in the gradient's norm and do
            not decay; penalties still count them.
        batch: Trials a step B.
        epoch_steps: Steps an epoch.
        max_epochs: Epochs after which an unconverged network stops.
        patience: Epochs in a row below the threshold before a network stops.
        plateau_factor: Factor on the learning rate at a plateau, 1 for none.
        plateau_patience: Epochs without progress that make a plateau.
        snapshots: Epochs after which `Population.snapshots` keeps the parameters, ascending, at
            most `max_epochs`; 0 is the start (see `log_spaced`). They change nothing else.
    """

    per_network: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "clip_norm",
        "threshold",
        "nuclear_norm",
        "l1",
        "l2",
        "rates_l2",
    )
    """Fields that may differ between the networks of a population."""

    learning_rate: float | tuple[float, ...] = 1e-3
    clip_norm: float | tuple[float, ...] = 1.0
    threshold: float | tuple[float, ...] | None = None
    nuclear_norm: float | tuple[float, ...] = 0.0
    l1: float | tuple[float, ...] = 0.0
    l2: float | tuple[float, ...] = later(0.0)
    rates_l2: float | tuple[float, ...] = later(0.0)
    optimizer: Optimizer = later(Adam())
    schedule: Schedule = later(Constant())
    loss: str = later("mse")
    criterion: Literal["loss", "accuracy"] = later("loss")
    every_task: bool = later(False)
    record_accuracy: bool = later(False)
    snapshots: tuple[int, ...] = later(())
    frozen: tuple[str, ...] = later(())
    batch: int = 64
    epoch_steps: int = 128
    max_epochs: int = 200
    patience: int = 3
    plateau_factor: float = 0.5
    plateau_patience: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "optimizer", as_optimizer(self.optimizer))
        object.__setattr__(self, "schedule", as_schedule(self.schedule))
        object.__setattr__(self, "loss", losses.name_of(self.loss))
        if self.criterion not in ("loss", "accuracy"):
            raise ValueError(f"`criterion` must be loss or accuracy; got {self.criterion!r}.")
        for name in ("record_accuracy", "every_task"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` must be a bool; got {getattr(self, name)!r}.")
        if not isinstance(self.frozen, tuple) or not all(
            isinstance(path, str) and path for path in self.frozen
        ):
            raise ValueError(f"`frozen` must be a list of paths; got {self.frozen!r}.")
        whole = ("batch", "epoch_steps", "max_epochs", "patience", "plateau_patience")
        require_whole(self, *whole)
        if self.epoch_steps * self.max_epochs >= 2**31:  # steps are counted in 32 bits
            raise ValueError("`epoch_steps` times `max_epochs` must be below 2^31.")
        if not 0 < self.plateau_factor <= 1:
            raise ValueError(
                f"`plateau_factor` must be above 0 and at most 1; got {self.plateau_factor!r}."
            )
        require_epochs(self.snapshots, self.max_epochs)

    @property
    def goal(self) -> str:
        """What the threshold is compared with, in words."""
        return self.criterion + " of the worst task" * self.every_task

    @property
    def records_accuracy(self) -> bool:
        """Whether the task's accuracy is found in each step."""
        return self.record_accuracy or self.criterion == "accuracy"
