"""One condition: everything that decides a run, as a value and as TOML text."""

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import json
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal

from rnnensemble import networks, tasks
from rnnensemble.analysis.feature_learning import FeatureAnalysis
from rnnensemble.analysis.settings import Analysis
from rnnensemble.metrics.dsa import RANK
from rnnensemble.networks import Network, Perturbed, VanillaRNN
from rnnensemble.study import toml
from rnnensemble.tasks import Task
from rnnensemble.training import optimizers, schedules
from rnnensemble.training.optimizers import Adam, Optimizer, as_optimizer
from rnnensemble.training.recipe import Recipe, plain
from rnnensemble.training.schedules import Constant, Schedule, as_schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition(Recipe):
    """All settings of a run: a recipe, and how its networks are measured.

    Attributes:
        analysis: How degeneracy is measured.
        features: How feature learning is measured.
        imports: Modules that register tasks, networks and measures of one's own; `import` in TOML.
    """

    analysis: Analysis = Analysis()
    features: FeatureAnalysis = FeatureAnalysis()
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.network, Perturbed):
            raise ValueError(
                "`population` is perturbed, which no run folder holds; save the population that it "
                "was made of, and perturb that when it is loaded."
            )

    @property
    def recipe(self) -> Recipe:
        """What decides how its networks train."""
        return plain(self)

    @functools.cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name these settings."""
        return digest_of(self)

    @functools.cached_property
    def recipe_digest(self) -> str:
        """Twelve hexadecimal digits that name the recipe: conditions with equal ones differ only
        in how they are measured."""
        return digest_of(self.recipe)


def started(condition: Condition, start: Condition) -> Condition:
    """The condition of networks that start from trained ones of another."""
    imports = tuple(dict.fromkeys(condition.imports + start.imports))
    return dataclasses.replace(condition, start=start.recipe, imports=imports)


def require_one_rank(compared: Iterable[Condition], where: str) -> None:
    """Raises ValueError if DSA's rank is left open and differs between conditions."""
    ranks = [
        None
        if each.analysis.dsa.rank is not None
        else each.analysis.fitted(each.task, each.network).dsa.rank
        for each in compared
    ]
    if None not in ranks and len(set(ranks)) > 1:
        raise ValueError(
            f"`analysis.dsa.rank` must be set for {where}: left open, its levels have ranks "
            f"{ranks}, whose distances do not compare."
        )


def digest_of(recipe: Recipe) -> str:
    """Twelve hexadecimal digits that name a recipe, or a condition, and what it started from."""
    table = as_table(recipe, deciding=True)
    table.pop("imports", None)  # where a task is found decides nothing
    part = table
    while part:  # and what it started from
        if part["network"].get("fused") == "auto":  # which program runs decides but rounding
            part["network"]["fused"] = False
        part = part.get("start")
    if "analysis" in table:  # left open, the rank of DSA is this one where digests need it
        table["analysis"]["dsa"].setdefault("rank", RANK)
    text = json.dumps(table, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def as_table(value: Any, *, deciding: bool = False) -> Any:
    """A config as a tree of TOML values, without what is None; what has a kind gains it.

    Args:
        value: A config, or a value of one.
        deciding: Leave out what decides nothing: fields that do not compare, such as the place of
            a file whose content has a digest, and fields that were added later and have their
            default.
    """
    inner = functools.partial(as_table, deciding=deciding)
    if isinstance(value, tuple):
        return [inner(each) for each in value]
    if not dataclasses.is_dataclass(value):
        return value
    kind = value.name if isinstance(value, Task) else getattr(value, "kind", None)
    fields = {"kind": kind}
    for field in dataclasses.fields(value):
        each = getattr(value, field.name)
        left_out = not field.compare or ("later" in field.metadata and each == field.default)
        if not (deciding and left_out):
            fields[field.name] = each
    return {name: inner(each) for name, each in fields.items() if each is not None}


def to_toml(condition: Condition) -> str:
    """The condition as TOML text that `from_toml` reads back."""
    table = as_table(condition)
    imports = table.pop("imports")
    return toml.write(({"import": imports} if imports else {}) | table)


def from_toml(text: str) -> Condition:
    """Reads a condition.

    Raises:
        ValueError: If the text is no TOML, a key is unknown (suggests the nearest) or a value
            does not fit.
    """
    return from_table(toml.parse(text, "preset"))


def from_table(table: dict[str, Any]) -> Condition:
    """The condition of a TOML table; raises ValueError as `from_toml` does."""
    imports = import_modules(table.get("import", []))
    task = _task(table.get("task"), "task")
    rest = {name: x for name, x in table.items() if name not in ("task", "network", "import")}
    network = _network(table.get("network", {}))
    return build(Condition, rest, "", task=task, network=network, imports=imports)


def import_modules(names: Any) -> tuple[str, ...]:
    """Imports the modules that a TOML table names, which register what is one's own.

    Raises:
        ValueError: If they are no list of names, or cannot be imported.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"`import` must be a list of modules; got {names!r}.")
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever the module itself may raise
            raise ValueError(
                f"`import` {name!r} failed ({type(error).__name__}: {error}); is it installed, or "
                "in the current folder?"
            ) from None
    return tuple(names)


def own_modules(*parts: Any) -> tuple[str, ...]:
    """The modules of tasks, networks and measures that are not this package's, to import again.

    What was defined in `__main__`, or in no module that Python can import, is left out.
    """
    every = (each for part in parts for each in (part, *getattr(part, "tasks", ())))
    names = dict.fromkeys(type(each).__module__ for each in every)
    return tuple(
        name
        for name in names
        if name.partition(".")[0] not in (__name__.partition(".")[0], "__main__")
        and getattr(sys.modules.get(name), "__spec__", None) is not None
    )


DEFAULT_KIND = {"network": VanillaRNN.kind, "optimizer": Adam.kind, "schedule": Constant.kind}
"""Kinds that a table may leave out."""
KINDS: dict[type, tuple[str, Any, Any]] = {
    Optimizer: ("optimizer", optimizers.find, as_optimizer),
    Schedule: ("schedule", schedules.find, as_schedule),
}
"""What a table's `kind` names, and what a text alone means."""


def merged(below: dict[str, Any], above: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Two tables in one; the upper wins, and replaces the lower if it names another kind.

    The recipe of a `start` is one value: it is replaced, never mixed with another.
    """
    if "kind" in above and above["kind"] != below.get("kind", DEFAULT_KIND.get(name)):
        return above
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        if isinstance(under, str) and key in DEFAULT_KIND:
            under = {"kind": under}
        if isinstance(value, dict) and isinstance(under, dict) and key != "start":
            value = merged(under, value, key)
        both[key] = value
    return both


def _task(table: Any, name: str) -> Task:
    """The task of a TOML table."""
    if not isinstance(table, dict) or "kind" not in table:
        known = ", ".join(tasks.registered())
        raise ValueError(f"`{name}.kind` is missing; add a [{name}] table with one of {known}.")
    rest = dict(table)
    return build(tasks.find(rest.pop("kind")), rest, f"{name}.")


def _network(table: Any, name: str = "network") -> Network:
    """The network of a TOML table; a vanilla RNN unless its `kind` says otherwise."""
    rest = dict(toml.mapping(table, name))
    kind = rest.pop("kind", DEFAULT_KIND["network"])
    return build(networks.find(kind), rest, f"{name}.")


_hints = functools.cache(typing.get_type_hints)
"""The types of a class's fields; looking them up takes most of reading a file of many levels."""


def build(config: type, table: dict[str, Any], prefix: str, **given: Any) -> Any:
    """An instance of a config class from a TOML table."""
    names = [field.name for field in dataclasses.fields(config)]
    # what TOML calls `import` is read by `from_table`
    toml.require_known(table, ["import" if n == "imports" else n for n in names], prefix)
    hints = _hints(config)
    return config(**given, **{n: _fit(x, hints[n], prefix + n) for n, x in table.items()})


def _fit(value: Any, hint: Any, name: str) -> Any:
    """The TOML value as the type that the field is declared with.

    By hand: cattrs makes 2 of 2.5 and msgspec passes over unknown keys of dataclasses, unless these
    rules are given to them as hooks, and their errors would have to be said again in one line.
    """
    if hint is Task:
        return _task(value, name)
    if hint is Network:
        return _network(value, name)
    if hint in KINDS:
        what, find, meant = KINDS[hint]
        if isinstance(value, str):
            return meant(value)
        rest = dict(toml.mapping(value, name))
        return build(find(rest.pop("kind", DEFAULT_KIND[what])), rest, name + ".")
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), toml.mapping(value, name), name + ".")
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        some = [choice for choice in choices if choice is not type(None)]
        if len(some) == 1:
            return _fit(value, some[0], name)
        for choice in some:
            with contextlib.suppress(ValueError):
                return _fit(value, choice, name)
    elif origin is Literal and value in choices:
        return value
    elif origin is tuple and isinstance(value, list):
        inner = [choices[0]] * len(value) if choices[-1] is Ellipsis else choices
        if len(inner) == len(value):
            return tuple(_fit(v, h, name) for v, h in zip(value, inner, strict=True))
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of whole numbers beyond 1e308
            return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    shown = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise ValueError(f"`{name}` must be {shown.replace('typing.', '')}; got {value!r}.")
