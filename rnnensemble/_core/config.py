"""What all configs share: settings as plain, hashable values, and the check of whole numbers."""

import dataclasses
import functools
import math
from typing import Any, ClassVar, TypeVar

import jax
import numpy as np


class Config:
    """Base of frozen dataclasses of settings, which stay hashable whatever they are given.

    Lists and arrays become tuples, numbers of NumPy and JAX become Python's. A subclass that
    checks its settings in a `__post_init__` of its own calls `super().__post_init__()` first.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        for name, is_number in _settings(type(self)):
            value = as_plain(getattr(self, name))
            entries = value if isinstance(value, tuple) else (value,)
            if is_number and any(isinstance(each, bool) for each in entries):
                raise ValueError(f"`{name}` must be a number, not a bool; got {value!r}.")
            object.__setattr__(self, name, value)


@functools.cache
def _settings(config: type) -> tuple[tuple[str, bool], ...]:
    """What a class of settings is made of, by name, and whether each is of numbers."""
    found = {each.name: str(each.type) for each in dataclasses.fields(config) if each.init}
    return tuple(
        (name, ("int" in kind or "float" in kind) and "bool" not in kind)
        for name, kind in found.items()
    )


Value = TypeVar("Value")


def later(value: Value) -> Value:
    """The default of a field that was added after run folders had been written.

    At its default such a field is no part of digests, so that these folders keep theirs.
    """
    field: Any = dataclasses.field(default=value, metadata={"later": True})
    return field


def as_plain(value: Any) -> Any:
    """Lists, arrays and their numbers as tuples and Python's numbers; anything else as it is."""
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        value = np.asarray(value).tolist()
    if not isinstance(value, (list, tuple)):
        return value
    found = map(as_plain, value)
    return type(value)(*found) if hasattr(value, "_fields") else tuple(found)


def finite(value: Any) -> Any:
    """A number as Python's; None where it is not finite, for which JSON has no word."""
    number = as_plain(value)
    return number if math.isfinite(number) else None


SEEDS = 2**32
"""How many seeds there are: of a larger number `jax.random.key` keeps the lower 32 bits alone."""


def require_seed(value: Any, name: str = "seed") -> None:
    """Raises ValueError unless this is a seed that no smaller one equals."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SEEDS:
        raise ValueError(
            f"`{name}` must be a whole number of at least 0 and below 2^32; got {value!r}."
        )


def require_at_least(name: str, value: Any, least: float) -> None:
    """Raises ValueError unless a value is finite and at least so much; whole, if that is."""
    whole = isinstance(least, int)
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not least <= value < math.inf:
        kind = "a whole number of" if whole else "a finite number of"
        raise ValueError(f"`{name}` must be {kind} at least {least}; got {value!r}.")


def require_least(config: Any, **least: float) -> None:
    """Raises ValueError as `require_at_least`, of several settings by name."""
    for name, value in least.items():
        require_at_least(name, getattr(config, name), value)


def require_whole(config: Any, *names: str, least: int = 1) -> None:
    """Raises ValueError unless these settings are whole numbers of at least `least`."""
    require_least(config, **dict.fromkeys(names, least))


def require_positive(name: str, value: Any) -> None:
    """Raises ValueError unless a value is a finite number above 0."""
    if not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number; got {value!r}.")


def require_seconds(value: Any) -> None:
    """Raises ValueError unless there can be so many seconds between checkpoints."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not value >= 0:
        raise ValueError(f"`checkpoint_seconds` must be a number of at least 0; got {value!r}.")
