"""TOML: read, checked and written."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from typing import Any


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
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}."
    return f"`{name}` is not a setting; {hint}"
