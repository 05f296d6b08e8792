"""Trials as arrays: checked, named by a digest of their content, kept once in a process."""

import hashlib
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnensemble._core.conversion import real_array, single

NAMES = ("inputs", "targets", "mask", "valid")
"""Arrays of one set of trials; those of a variant are called `variant/inputs` and so on."""


class TrialArrays:
    """A training set, and sets of further trials by the name of a variant.

    Attributes:
        sets: Arrays by name, float32, for the training set (called "") and each variant: `inputs`
            `[M, T, I]`, `targets` `[M, T, O]`, `mask` `[M, T]` and, where trials are of unequal
            length, `valid` `[M, T]`.
        digest: Of what they hold, whatever file or process it came from.
    """

    def __init__(self, sets: dict[str, dict[str, np.ndarray]]) -> None:
        self.sets = sets
        found = hashlib.sha256()
        for name, x in sorted(self.named.items()):
            found.update(f"{name} {x.shape} ".encode())
            found.update(np.ascontiguousarray(x, "<f4").tobytes())
        self.digest = found.hexdigest()[:32]

    @property
    def named(self) -> dict[str, np.ndarray]:
        """All arrays, as a file of them calls them."""
        return {
            f"{variant}/{name}" if variant else name: x
            for variant, each in self.sets.items()
            for name, x in each.items()
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return checked, (self.named,)


KNOWN: weakref.WeakValueDictionary[str, TrialArrays] = weakref.WeakValueDictionary()
"""What tasks of this process hold, by digest: a task that is made again from its settings finds it.

A digest stands for one content, so it does not matter who put it here."""


def checked(named: Mapping[str, Any]) -> TrialArrays:
    """The arrays of a task.

    Args:
        named: `inputs` `[M, T, I]`, `targets` `[M, T, O]`, and, if not all steps count or belong to
            a trial, `mask` and `valid` `[M, T]`; of a variant `variant/inputs` and so on.

    Raises:
        ValueError: If one is missing or unknown, has other trials, steps or channels than the
            others, holds what is no finite number, or a trial has no step that counts.
    """
    variants = dict.fromkeys(["", *(name.rpartition("/")[0] for name in named)])
    sets = {}
    for variant in variants:
        start = f"{variant}/" if variant else ""
        own = {
            k.removeprefix(start): x for k, x in named.items() if k.rpartition("/")[0] == variant
        }
        sets[variant] = _set_of(own, start)
        for name in ("inputs", "targets"):
            channels, first = (sets[each][name].shape[2] for each in (variant, ""))
            if channels != first:
                raise ValueError(
                    f"`{start}{name}` must have the {first} channels of `{name}`; got {channels}."
                )
    found = TrialArrays(sets)
    return KNOWN.setdefault(found.digest, found)


def _set_of(own: dict[str, Any], start: str) -> dict[str, np.ndarray]:
    """One set of trials, checked."""
    for name in own:
        if name not in NAMES:
            raise ValueError(
                f"`{start}{name}` is no array of a task; known are {', '.join(NAMES)}."
            )
    for name in ("inputs", "targets"):
        if name not in own:
            raise ValueError(f"`{start}{name}` is missing: an array of trials, steps and channels.")
    inputs = _numbers(own["inputs"], f"{start}inputs", 3)
    trials, steps = inputs.shape[:2]
    if trials < 2 or steps < 2:
        raise ValueError(
            f"`{start}inputs` must hold at least 2 trials of at least 2 steps; got {trials} of "
            f"{steps}."
        )
    found = {"inputs": inputs, "targets": _numbers(own["targets"], f"{start}targets", 3)}
    marks = {
        name: _marks(own[name], start + name)
        for name in ("mask", "valid")
        if own.get(name) is not None
    }
    for name, x in (found | marks).items():
        if x.shape[:2] != (trials, steps):
            raise ValueError(
                f"`{start}{name}` must have the {trials} trials and {steps} steps of "
                f"`{start}inputs`; got {x.shape[0]} and {x.shape[1]}."
            )
    whole = np.ones((trials, steps), np.float32)
    found["mask"] = marks.get("mask", whole) * marks.get("valid", whole)
    if marks.get("valid", whole).min() == 0:
        found["valid"] = marks["valid"]
    silent = np.flatnonzero(found["mask"].sum(axis=1) == 0)
    if len(silent):
        raise ValueError(
            f"`{start}mask` must leave at least one step of each trial; trial {silent[0]} has none."
        )
    for x in found.values():
        x.setflags(write=False)
    return found


def _numbers(x: Any, name: str, axes: int) -> np.ndarray:
    """A copy in float32, of so many axes, none empty; what is not finite is refused."""
    given = real_array(x, name)
    if given.ndim != axes or not given.size:
        kind = "[M, T, channels]" if axes == 3 else "[M, T]"
        raise ValueError(f"`{name}` must be {kind} and not empty; got shape {given.shape}.")
    if not np.isfinite(given).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(given))[0]))
        raise ValueError(
            f"`{name}` must hold finite numbers; got {given[place]} in trial {place[0]}, step "
            f"{place[1]}."
        )
    return np.array(single(given, name), np.float32) + np.float32(0)  # a digest sees no -0


def _marks(x: Any, name: str) -> np.ndarray:
    """Zeros and ones, `[M, T]`."""
    found = _numbers(x, name, 2)
    other = found[(found != 0) & (found != 1)]
    if other.size:
        raise ValueError(f"`{name}` must hold zeros and ones; got {other[0]:g}.")
    return found


def padded(trials: Any, name: str) -> tuple[Any, np.ndarray | None]:
    """Trials of unequal length, `[T_m, channels]`, as one array with zeros behind shorter ones.

    Returns:
        The array, and the lengths `[M]`; as it is, and None, where all are of one length.

    Raises:
        ValueError: If trials of a list are no arrays of steps and channels.
    """
    if not isinstance(trials, Sequence) or isinstance(trials, str):
        return trials, None
    each = [real_array(x, f"{name}[{k}]") for k, x in enumerate(trials)]
    if len({x.shape for x in each}) <= 1:
        return trials, None
    for k, x in enumerate(each):
        if x.ndim != 2 or x.shape[1] != each[0].shape[1]:
            raise ValueError(
                f"`{name}[{k}]` must be [steps, channels] like the others; got shape {x.shape}, "
                f"trial 0 has {each[0].shape}."
            )
    lengths = np.array([len(x) for x in each])
    whole = np.zeros((len(each), lengths.max(), each[0].shape[1]), np.result_type(*each))
    for row, x in zip(whole, each, strict=True):
        row[: len(x)] = x
    return whole, lengths


def named_set(inputs: Any, targets: Any, mask: Any = None, valid: Any = None) -> dict[str, Any]:
    """Arrays of one set by name; lists of unequal trials are filled."""
    inputs, lengths = padded(inputs, "inputs")
    targets, others = padded(targets, "targets")
    if lengths is not None and others is not None and not np.array_equal(lengths, others):
        if len(lengths) != len(others):
            what = f"{len(others)} and {len(lengths)} trials"
        else:
            at = int(np.flatnonzero(lengths != others)[0])
            what = f"{others[at]} and {lengths[at]} steps in trial {at}"
        raise ValueError(f"`targets` must have the trials and steps of `inputs`; got {what}.")
    if lengths is not None and valid is None:
        valid = np.arange(lengths.max()) < lengths[:, None]
    if lengths is not None and mask is not None:
        mask, _ = padded([np.asarray(x)[:, None] for x in mask], "mask")
        mask = np.asarray(mask)[..., 0]
    named = {"inputs": inputs, "targets": targets, "mask": mask, "valid": valid}
    return {name: x for name, x in named.items() if x is not None}
