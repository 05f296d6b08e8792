"""What a metric is: prepare once a network, compare once a pair."""

import abc
from typing import Any, ClassVar

from rnnensemble.axes import Array, Key


class Metric(abc.ABC):
    """How far apart two networks are. Subclasses are frozen dataclasses that hold the settings.

    Both methods see one network or one pair, are pure and jittable; batching happens elsewhere.
    """

    name: ClassVar[str]
    """How the registry and the command line call the metric."""
    data: ClassVar[str]
    """What `prepare` takes: `activity` (rates `[B, T, N]`) or `weights` (recurrent, `[N, N]`)."""

    @abc.abstractmethod
    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError unless data of this shape (of one network) can be prepared."""

    @abc.abstractmethod
    def prepare(self, data: Array) -> Any:
        """Reduces the data of one network to what pairs are compared by."""

    @abc.abstractmethod
    def compare(self, key: Key, first: Any, second: Any) -> Array:
        """The distance of two prepared networks, a scalar of at least 0."""
