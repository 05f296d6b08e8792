"""What may be done to trained networks, as values: units silenced, weights cut, states kicked."""

import dataclasses
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnensemble._core.config import Config, require_positive, require_seed, require_whole
from rnnensemble.networks import Network
from rnnensemble.networks.base import require_known

RANKED = ("rates", "recurrent_weights", "readout_weights")
"""What units may be ranked by."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Silence(Config):
    """Units whose rates are 0, for readout and recurrence, at every step and before the first.

    Attributes:
        units: Their indices, the same in every network; or
        share: How many of the N units, above 0 and at most 1: round(share N), and at least 1.
        by: Which of them: `random`, or those of largest mean squared rates (`rates`), or norm of
            the weights that they send (`recurrent_weights`) or that read them out
            (`readout_weights`). Larger shares hold the units of smaller ones.
        seed: Of random units, which each network has of its own.
    """

    units: tuple[int, ...] | None = None
    share: float | None = None
    by: Literal["random", "rates", "recurrent_weights", "readout_weights"] = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require_known("by", self.by, ("random", *RANKED))
        _require_one("units", self.units, self.share)
        if self.units is not None:
            _require_indices("units", self.units)

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        if self.units is not None:
            return f"units {', '.join(map(str, self.units))} silent"
        which = "at random" if self.by == "random" else f"of largest {self.by.replace('_', ' ')}"
        return f"{self.share:.0%} of units silent, {which}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut(Config):
    """Recurrent weights that are 0, in all gates of a unit alike.

    Attributes:
        share: How many of a network's C connections (of which a weight is not 0), above 0 and at
            most 1, at random: round(share C), and at least 1; or
        pairs: Which connections, as pairs (i, j): what unit i receives from unit j.
        seed: Of random connections, which each network has of its own.
    """

    share: float | None = None
    pairs: tuple[tuple[int, int], ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        _require_one("pairs", self.pairs, self.share)
        for pair in self.pairs or ():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(f"`pairs` must be pairs (i, j) of units; got {pair!r}.")
            _require_indices("pairs", tuple({*pair}))

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        which = len(self.pairs) if self.pairs is not None else f"{self.share:.0%} of"
        return f"{which} connections cut"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kick(Config):
    """A push of the state after one step, which the rates of that step already show.

    Attributes:
        step: Which step, from 0.
        size: How far, in units of the spread of a network's states after that step: the root of
            the mean squared distance of states `[S]` of different trials to their mean.
        direction: Where to, `[S]`, of any length; for each network at random unless given.
        seed: Of random directions.
    """

    step: int
    size: float = 1.0
    direction: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require_whole(self, "step", least=0)
        require_positive("size", self.size)
        given = (1.0,) if self.direction is None else self.direction
        numbers = isinstance(given, tuple) and all(isinstance(x, (int, float)) for x in given)
        if not numbers or not np.isfinite(given).all() or not np.any(given):
            raise ValueError(f"`direction` must be finite numbers, not all 0; got {given!r}.")

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return f"kick of {self.size:.3g} spreads at step {self.step}"


Perturbation: TypeAlias = Silence | Cut | Kick


def cannot_silence(network: Network) -> str:
    """What is said of a network whose units cannot be silenced."""
    return (
        f"`network` {network.kind!r} has no units that can be silenced: its recurrence does not "
        "pass through its rates, or it does not say at which state they are 0 (`silent`)."
    )


def _require_one(name: str, given: Any, share: Any) -> None:
    """Raises ValueError unless one of two is given, and the share is one."""
    if (given is None) == (share is None) or given == ():
        raise ValueError(f"`share` or `{name}`, not empty, must be given, and one of them alone.")
    if share is not None and not (isinstance(share, (int, float)) and 0 < share <= 1):
        raise ValueError(f"`share` must be above 0 and at most 1; got {share!r}.")


def _require_indices(name: str, values: Any) -> None:
    """Raises ValueError unless these are different whole numbers of at least 0."""
    whole = isinstance(values, tuple) and all(isinstance(x, int) and x >= 0 for x in values)
    if not whole or len(set(values)) < len(values):
        raise ValueError(f"`{name}` must be different whole numbers of at least 0; got {values!r}.")
