"""What a metric is: prepare once a network, compare once a pair."""

import abc
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np

from rnnensemble._core.axes import Key
from rnnensemble._core.config import Config, require_whole


class Metric(Config, abc.ABC):
    """How far apart two networks are. Subclasses are frozen dataclasses that hold the settings.

    Both methods see one network or one pair, are pure and jittable; batching happens elsewhere.
    Data of one network is an array, or a dictionary of arrays where a metric needs several.
    """

    name: ClassVar[str]
    """How the registry and the command line call the metric."""
    data: ClassVar[str]
    """What `prepare` takes: `activity` (rates `[B, T, N]`), `outputs` (`[B, T, O]`) or `weights`
    (recurrent, `[N, N]`)."""
    symmetric: ClassVar[bool] = True
    """Whether d(a, b) = d(b, a) and d(a, a) = 0; then only pairs i < j are computed."""
    mixed_widths: ClassVar[bool] = False
    """Whether networks of different N can be compared: what `prepare` returns has one shape for
    all N, or comes to the same distance when padded with zeros."""
    by_sample: ClassVar[bool] = False
    """Whether (trial, step) samples count one by one, whatever trial and step they are of: then the
    valid ones of a mask may be prepared as if they were one trial."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What `prepare` makes use of; of several arrays it takes a dictionary by these names."""
        return (self.data,)

    @property
    def host_cores(self) -> float:
        """How many of the host's cores compare pairs as fast as one accelerator.

        Where the host has more of them, pairs are compared there: a search of many short loops,
        whose lengths depend on the data, leaves an accelerator waiting, since each step is a few
        launches and the host must hear whether another one follows.
        """
        return math.inf

    def fitted(self, shapes: Iterable[Any]) -> Self:
        """The metric with the settings that it leaves open, decided by the shapes of all networks.

        Args:
            shapes: Of the data of each network that is compared, as `check` takes them.
        """
        del shapes
        return self

    def places(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        """What `prepare` must know of where the valid steps lie; none if samples count one by one.

        With a mask `prepare` takes the valid steps of all trials as one trial, `[1, S, ...]`. If
        anything is returned here, it takes a `masks.Masked` of them and of this.

        Args:
            mask: Where a step is valid, bools, `[B, T]`.

        Returns:
            Indices by name.

        Raises:
            ValueError: If the metric takes no mask.
        """
        del mask
        if not self.by_sample:
            raise ValueError(
                f"`mask` must be left out: `{self.name}` compares {self.data} and takes none."
            )
        return {}

    @abc.abstractmethod
    def check(self, shape: Any) -> None:
        """Raises ValueError unless data of this shape (of one network) can be prepared.

        Args:
            shape: A tuple, or a dictionary of tuples by name; `masks.Masked` as `prepare`.
        """

    @abc.abstractmethod
    def prepare(self, data: Any) -> Any:
        """Reduces the data of one network to what pairs are compared by, a tree of arrays."""

    def ranks(self, features: Any) -> np.ndarray | None:
        """How many coordinates of each network count, `[K]`; None if the metric keeps them all.

        Those within the rounding of the largest, which are no data, do not.

        Args:
            features: What `prepare` returned, host arrays with leading axis K.
        """
        del features
        return None

    @abc.abstractmethod
    def compare(self, key: Key, first: Any, second: Any) -> Any:
        """The distance of two prepared networks, a scalar of at least 0.

        Or a NamedTuple with a field `distance` and the evidence for it: the alignment found, a
        lower bound. Nothing here may factor a matrix by LAPACK (docs/architecture.md).
        """


def require_counts(metric: Metric, *names: str) -> None:
    """Raises ValueError unless these settings are whole numbers of at least 1, or None."""
    require_whole(metric, *(name for name in names if getattr(metric, name) is not None))


def distance_of(compared: Any) -> Any:
    """The distances in what `compare` returned."""
    return compared.distance if hasattr(compared, "_fields") else compared
