"""TOML: read, checked and written."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from typing import Any

ALIKE = 0.65
"""How alike two words are of which one may be meant by the other: `size` and `quiet` are not."""


def parse(text: str, name: str) -> dict[str, Any]:
    """The table of a TOML text; ValueError, naming the argument, if it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"`{name}` must be TOML: {error}.") from None


def write(table: dict[str, Any]) -> str:
    """The TOML text of a table."""
    import tomli_w  # only where TOML is written: the GPU machine has none

    return tomli_w.dumps(table)


def mapping(value: Any, name: str) -> dict[str, Any]:
    """The value; ValueError, naming the setting, if it is no table."""
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` must be a table; got {value!r}.")
    return value


def array(value: Any, name: str) -> list[Any]:
    """The value; ValueError, naming the setting, if it is no list."""
    if not isinstance(value, list):
        raise ValueError(f"`{name}` must be a list; got {value!r}.")
    return value


def identifier(value: Any, name: str) -> str:
    """The value; ValueError, naming the setting, if it cannot be a name."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]+", value):
        raise ValueError(f"`{name}` must be letters, digits, - and _; got {value!r}.")
    return value


def require_known(table: dict[str, Any], known: Sequence[str], prefix: str = "") -> None:
    """Raises ValueError for a key that is unknown, with the nearest known one."""
    for key in table:
        if key not in known:
            raise ValueError(unknown_key(prefix + key, [prefix + each for each in known]))


def unknown_key(name: str, known: Sequence[str]) -> str:
    """The message for an unknown setting, with the nearest known one."""
    name = name if name.isprintable() else repr(name)[1:-1]  # a key may hold line breaks
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else f"known are {', '.join(known)}."
    return f"`{name}` is not a setting; {hint}"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known setting that is meant, most likely; None if none is like it."""
    table, _, last = name.lstrip("-").rpartition(".")

    def likeness(other: str) -> float:
        above, _, word = other.lstrip("-").rpartition(".")
        pair = (last, word) if above == table else (f"{table}.{last}", f"{above}.{word}")
        return difflib.SequenceMatcher(None, *pair).ratio()

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= ALIKE else None
