"""Any dataclass as flags, by tyro: nested settings have dotted names, a mistake is one line."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from rnnensemble.study.conditions import Condition
from rnnensemble.study.toml import nearest

Options = TypeVar("Options")

NO_FLAGS = ("features", "deflation", "imports", "starts", "start", "imported")
"""What is no flag: sweeps measure feature learning, plans deflate, presets name modules, parts of
populations where their networks start, a run folder what they started from, and imported ones the
digest of their weights."""

HELP = frozenset({"-h", "--help"})
"""What asks for help instead of work."""


class _MisfitError(Exception):
    """A value does not fit its flag. It is no ValueError, which tyro would print in a box."""


class _Flags:
    """What tyro fills: a subclass of a dataclass, whose checks wait until all flags are read."""

    def __post_init__(self) -> None:
        pass

    def _settings(self) -> Any:
        """The dataclass that the flags stand for, checked."""
        _, kind = type(self).__bases__
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(kind)}
        nested = {n: x._settings() for n, x in values.items() if isinstance(x, _Flags)}
        return kind(**values | nested)


def parse(kind: type[Options], command: str, arguments: list[str], **given: Any) -> Options:
    """Reads the flags of a command.

    Args:
        kind: A dataclass, whose fields are flags, or arguments where they are positional.
        command: As the user calls it.
        arguments: What follows it.
        **given: Defaults of fields, where they are not those of `kind`.

    Returns:
        An instance of `kind`.

    Raises:
        ValueError: If a flag is unknown (suggests the nearest), a value is missing or does not fit,
            or the settings refuse it.
        SystemExit: With status 0, after help was printed.
    """
    known = {"--help": ""}
    fields = {f.name: f.default for f in dataclasses.fields(typing.cast(Any, kind))} | given
    arguments = _gathered(arguments, kind)
    program, told = f"rnnensemble {command}", f"see `rnnensemble {command} --help`."
    helps = bool(HELP & set(arguments))
    try:
        flags, unknown = tyro.cli(
            _flags_of(kind, fields, known, helps=helps),
            prog=program,
            description=None if helps else "",
            args=arguments,
            return_unknown_args=True,
            console_outputs=helps,  # mistakes are told here
        )
    except _MisfitError as misfit:
        raise ValueError(str(misfit)) from None
    except SystemExit as stop:
        if not stop.code:
            raise
        after = [*arguments[1:], "--"]
        lacking = (a for a, b in zip(arguments, after, strict=True) if a in known and b[:2] == "--")
        flag = next((each for each in lacking if known[each]), "--")
        raise ValueError(f"`{flag}` lacks its value, {known.get(flag, '')}; {told}") from None
    switch = next((a for a in arguments if unknown and a.endswith(f"={unknown[0]}")), "")
    if switch:
        raise ValueError(f"`{switch.partition('=')[0]}` is a switch and takes no value; {told}")
    if unknown and not unknown[0].startswith("-"):
        raise ValueError(f"`{unknown[0]}` is one argument too many; {told}")
    if unknown:
        flag = unknown[0].partition("=")[0]
        near = nearest(flag, list(known))
        hint = f"did you mean `{near}`?" if near else told
        raise ValueError(f"`{flag}` is not a setting; {hint}")
    for name, default in fields.items():
        if default is dataclasses.MISSING and getattr(flags, name) is None:
            raise ValueError(f"`{name}` is missing: {program} {name.upper()} [flags]; {told}")
    return flags._settings()


def _gathered(arguments: list[str], kind: type) -> list[str]:
    """The arguments with each flag that takes any number of texts, as `--only`, once, at the end.

    Of a flag that is given twice, tyro would count the last one alone.
    """
    hints = typing.get_type_hints(kind)
    several = {f"--{name.replace('_', '-')}" for name, x in hints.items() if x == tuple[str, ...]}
    rest, found, into = [], dict[str, list[str]](), None
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        flag = flag.replace("_", "-")
        if flag in several:
            values = found.setdefault(flag, [])
            values += [value] if equals else []
            into = None if equals else values
        elif argument.startswith("-"):
            into = None
            rest.append(argument)
        else:
            (rest if into is None else into).append(argument)
    return [*rest, *(each for flag, values in found.items() for each in (flag, *values))]


def _flags_of(
    kind: type, values: Mapping[str, Any], known: dict[str, str], prefix: str = "", *, helps: bool
) -> Any:
    """What tyro fills for a dataclass with these values; its flags are added to `known`.

    Unless it `helps`, tyro need not look for descriptions of groups, which takes a quarter of its
    time.
    """
    fields, hints = [], typing.get_type_hints(kind, include_extras=True)
    told = None if helps else ""
    for name, value in ((field.name, values[field.name]) for field in dataclasses.fields(kind)):
        flag = prefix + name.replace("_", "-")
        if name in NO_FLAGS and not prefix:
            hint = ClassVar[Any]
        elif isinstance(value, Condition):  # its settings are the command's own
            made = _flags_of(type(value), vars(value), known, helps=helps)
            hint, value = Annotated[made, tyro.conf.arg(name="", help=told)], made()
        elif dataclasses.is_dataclass(value):
            made = _flags_of(type(value), vars(value), known, f"{flag}.", helps=helps)
            hint, value = Annotated[made, tyro.conf.arg(help=told)], made()
        else:
            hint = _flag(hints[name], flag, known)
            value = None if value is dataclasses.MISSING else value
        fields.append((name, hint, value))
    made = dataclasses.make_dataclass(
        kind.__name__, fields, bases=(_Flags, kind), frozen=True, kw_only=True
    )
    made.__doc__ = kind.__doc__  # the help, with those of the classes above it
    return made


def _flag(hint: Any, flag: str, known: dict[str, str]) -> Any:
    """The type of a flag or positional argument; a value that does not fit names it."""
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(hint, set()))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return ClassVar[Any]
    extras = getattr(hint, "__metadata__", ())
    told = flag if tyro.conf.Positional in extras else f"--{flag}"
    if told == flag:
        spec = dataclasses.replace(spec, metavar=flag.upper())
    else:
        known[told] = "" if hint is bool else str(spec.metavar)
    if hint is bool:  # a switch takes no value
        return hint

    def read(texts: list[str]) -> Any:
        if not all(isinstance(text, str) for text in texts):
            return None  # before an unknown flag tyro has nothing for a positional argument
        if not texts and told == flag:
            return ()  # of any number of folders, none
        if not texts:
            raise _MisfitError(f"`{told}` lacks its value, {spec.metavar}.")
        try:
            return spec.instance_from_str(texts)
        except (ValueError, TypeError):
            text = " ".join(texts)
            raise _MisfitError(f"`{told}` must be {spec.metavar}; got {text!r}.") from None

    checked = dataclasses.replace(spec, instance_from_str=read, choices=None)
    return Annotated[(Any, *extras, checked)]  # a positional one is None until it is given
