"""Functions of one's own by import path, so that settings which name them can be stored."""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def imported(path: str, argument: str) -> Callable[..., Any]:
    """The function that a path such as `my_lab.optim:make` names; ValueError if none is there."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for each in name.split("."):
            found = getattr(found, each)
    except Exception as error:  # whatever the module itself may raise
        raise ValueError(
            f"`{argument}` {path!r} cannot be imported ({type(error).__name__}: {error}); give "
            "MODULE:FUNCTION of an installed module, or one in the current folder."
        ) from None
    if not callable(found):
        raise ValueError(f"`{argument}` {path!r} must name a function; got {found!r}.")
    return found


def path_of(function: Any, argument: str) -> str:
    """The import path of a function; of a library's private module, that of the library's own name.

    ValueError if the function cannot be found again by its name.
    """
    module, name = (getattr(function, each, "") for each in ("__module__", "__qualname__"))
    for place in (str(module).partition(".")[0], str(module)):
        found: Any = sys.modules.get(place)
        for each in str(name).split("."):
            found = getattr(found, each, None)
        if name and found is function:
            return f"{place}:{name}"
    raise ValueError(
        f"`{argument}` must be a name, or a function at the top of a module, which can be imported "
        f"again when a run is loaded; got {function!r}."
    )
