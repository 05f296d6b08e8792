"""Classes by name: tasks, networks and metrics are found alike, yours as well as ours."""

import difflib
import functools
import importlib.metadata
import re
from collections.abc import Iterable
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=type)


class Registry(Generic[Kind]):
    """Classes that presets, saved runs and the command line know by name, a class attribute.

    Errors call what is looked for by `argument`.
    """

    def __init__(self, argument: str, classes: Iterable[Kind], *, field: str = "name") -> None:
        self.argument, self.field = argument, field
        self._classes: dict[str, Kind] = {}
        for each in classes:
            self.register(each)

    def register(self, kind: Kind) -> Kind:
        """Makes a class of your own known by its name; a decorator.

        ValueError if another class has the name, or it would be none in files and flags.
        """
        name = getattr(kind, self.field)
        if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"`{self.field}` must be letters, digits, - and _; got {name!r}.")
        taken = self._classes.get(name)
        if taken is not None and not _same(taken, kind):
            raise ValueError(
                f"`{self.field}` {name!r} is taken by {taken.__qualname__}; choose another."
            )
        self._classes[name] = kind
        return kind

    def registered(self) -> dict[str, Kind]:
        """All known classes by name, those of installed packages too."""
        load_plugins()
        return dict(self._classes)

    def find(self, name: str) -> Kind:
        """The class of this name, of installed packages too; ValueError suggests the nearest."""
        if isinstance(name, str) and name not in self._classes:
            load_plugins()
        if isinstance(name, str) and name in self._classes:
            return self._classes[name]
        near = difflib.get_close_matches(str(name), self._classes, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = sorted(self._classes)
        raise ValueError(
            f"`{self.argument}` must be one of {known}; got {name!r}.{hint} If it is your own, "
            "import it first; presets, sweeps and plans name its module: import = [...]."
        )


@functools.cache
def load_plugins() -> None:
    """Imports what installed packages register, by entry points of the group `rnnensemble`.

    ValueError if one of them cannot be imported.
    """
    for entry in importlib.metadata.entry_points(group="rnnensemble"):
        try:
            entry.load()
        except Exception as error:  # whatever the module itself may raise
            raise ValueError(
                f"`rnnensemble` entry point {entry.name!r} failed ({type(error).__name__}: "
                f"{error}); mend or remove the package that has it."
            ) from None


def _same(first: type, second: type) -> bool:
    """Whether both are one definition, which may have been run again."""
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)
