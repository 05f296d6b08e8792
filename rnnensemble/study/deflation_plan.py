"""Rounds of deflation as TOML: a standard population, then alternatives to it.

name = "flipflop"
rounds = 2                    # of alternatives
references = [0]              # standard networks that all rounds keep away from; [] for all
kept = 1                      # alternatives of a round that later rounds keep away from, too
gains = [0.01, 0.5, 1.0, 1.5] # initial gains of the standard networks, in equal shares

[standard]                    # a condition, as presets are
size = 40
[standard.task]
kind = "flipflop"

[alternative]                 # what alternatives change in it
size = 4
[alternative.deflation]
strength = 0.1
target = 0.2
"""

import dataclasses
import hashlib
from typing import Any

from rnnensemble._core.config import require_whole
from rnnensemble.study import conditions, toml
from rnnensemble.study.conditions import Condition, merged
from rnnensemble.training.similarity import Deflation

KEYS = ("name", "import", "rounds", "references", "kept", "gains", "standard", "alternative")
"""Keys of the file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeflationPlan:
    """A standard population, then rounds of alternatives.

    Attributes:
        name: Of the folder.
        standard: What the standard networks are.
        alternative: What each round's networks are; the seed of round r is r higher.
        rounds: Number of rounds.
        references: Standard networks that all rounds keep away from; none for all that converged.
        kept: Converged networks of each round that later rounds keep away from, too.
        digest: Twelve hexadecimal digits that name the file's text.
    """

    name: str
    standard: Condition
    alternative: Condition
    rounds: int = 1
    references: tuple[int, ...] = (0,)
    kept: int = 1
    digest: str = ""

    def __post_init__(self) -> None:
        toml.identifier(self.name, "name")
        require_whole(self, "rounds", "kept")
        for index in self.references:
            if type(index) is not int or not 0 <= index < self.standard.size:
                raise ValueError(
                    f"`references` must be indices of the {self.standard.size} standard networks; "
                    f"got {index!r}."
                )
        if self.standard.starts is not None or self.alternative.starts is not None:
            raise ValueError("`starts` must be left out of a plan; its seeds say it.")
        if self.alternative.task != self.standard.task:
            raise ValueError("`alternative` must learn the standard networks' task.")
        self.round_condition(self.rounds, ("standard:0",))  # the last seed

    def round_condition(self, number: int, references: tuple[str, ...]) -> Condition:
        """The settings of a round, from 1, that keeps away from references of these names."""
        deflation = self.alternative.deflation or Deflation()
        return dataclasses.replace(
            self.alternative,
            seed=self.alternative.seed + number,
            deflation=dataclasses.replace(deflation, references=references),
        )


def read_plan(text: str) -> DeflationPlan:
    """Reads a plan.

    ValueError if the text is no TOML, a key is unknown (suggests the nearest), or a value does not
    fit.
    """
    table = toml.parse(text, "plan")
    toml.require_known(table, KEYS)
    standard, changes = (toml.mapping(table.get(x), x) for x in ("standard", "alternative"))
    for name, each in (("standard", standard), ("alternative", changes)):
        if "start" in each:
            raise ValueError(
                f"`{name}.start` must be left out of a plan, whose rounds draw their weights; in "
                "Python, deflate(..., start=population) starts from trained networks."
            )
    if "deflation" in standard:
        raise ValueError("`standard.deflation` must be left out; set `alternative.deflation`.")
    base = {"import": table.get("import", [])} | standard
    found = conditions.from_table(base)
    alternative = conditions.from_table(merged(base, {"deflation": {}} | changes))
    rest = {key: table[key] for key in ("rounds", "kept") if key in table}
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return DeflationPlan(
        name=table.get("name", ""),
        standard=_with_gains(found, table.get("gains")),
        alternative=alternative,
        references=tuple(toml.array(table.get("references", [0]), "references")),
        digest=digest,
        **rest,
    )


def _with_gains(standard: Condition, gains: Any) -> Condition:
    """The standard condition with initial gains in equal shares."""
    if gains is None:
        return standard
    gains = toml.array(gains, "gains")
    if not gains or standard.size % len(gains):
        raise ValueError(
            f"`gains` must be as many as divide the {standard.size} standard networks; got "
            f"{len(gains)}."
        )
    if not all(type(gain) in (int, float) for gain in gains):
        raise ValueError(f"`gains` must be numbers; got {gains}.")
    each = tuple(float(gain) for gain in gains for _ in range(standard.size // len(gains)))
    network: Any = dataclasses.replace(standard.network, gain=each)  # type: ignore[type-var]
    return dataclasses.replace(standard, network=network)
