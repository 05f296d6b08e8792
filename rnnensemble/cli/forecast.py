"""How long a sweep takes: before it starts, and while it runs."""

import time
from collections.abc import Collection, Iterable

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.cli.console import Reporter, clock
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import SHARES, Cost, Speed, compile_seconds, cost_of, group_bytes
from rnnensemble.study.factors import Group, Sweep


def expected_costs(sweep: Sweep) -> dict[str, Cost]:
    """What each condition costs if its networks train for the epochs that its level expects."""
    levels = [level for factor in sweep.factors for level in factor.levels]
    epochs: dict[str, float | None] = {}
    for level in levels:
        digest = level.condition.digest
        epochs[digest] = epochs.get(digest) or level.expected_epochs
    return {digest: cost_of(c, epochs[digest]) for digest, c in sweep.conditions.items()}


def names_of(sweep: Sweep) -> dict[str, str]:
    """How each condition is called: its first factor, task and level."""
    named: dict[str, str] = {}
    for factor in sweep.factors:
        for level in factor.levels:
            text = f"{factor.name}:{factor.task}={level.label}"
            named.setdefault(level.condition.digest, text)
    return named


def print_forecast(
    groups: list[Group],
    sweep: Sweep,
    *,
    tiles: dict[str, int],
    finished: Collection[str],
    mesh: Mesh,
    reporter: Reporter,
) -> None:
    """Prints groups and what they cost.

    Args:
        groups: What would run.
        sweep: What they are of.
        tiles: Networks of each group that a device trains at once.
        finished: Digests of the conditions that would be skipped.
        mesh: Devices.
        reporter: Where to print.
    """
    costs, speed = expected_costs(sweep), Speed(mesh)
    rows, left, seconds = [], [], 0.0
    for number, (name, members) in enumerate(groups, 1):
        todo = [condition for condition in members if condition.digest not in finished]
        each = [speed.seconds(c, costs[c.digest], tiles[name]) for c in todo]
        left, seconds = left + todo, seconds + sum(each)
        operations = sum(costs[c.digest].total for c in members)
        memory = group_bytes(members, mesh, tiles[name])
        networks = sum(c.size for c in members)
        cells = (f"{networks:,}", str(tiles[name]), f"{memory / 2**20:,.0f} MiB")
        rows.append(
            (str(number), name, str(len(members)), *cells, f"{operations:.1e}", clock(sum(each)))
        )
    columns = ("", "group", "conditions", "networks", "tile", "memory", "operations", "time")
    reporter.table(f"groups of {sweep.folder_name}", columns, rows)
    _print_totals([c for group in groups for c in group.conditions], sweep, costs, reporter)
    done = sum(len(group.conditions) for group in groups) - len(left)
    if done:
        reporter.line(f"{done} of them are finished")
    if left:
        rates = [rate / 1e9 for rate in speed.measured]
        reporter.line(
            f"expected time on {mesh.size} {runtime.describe()['device']} devices: "
            f"{clock(seconds)}, and up to {clock(compile_seconds(left, mesh))} to compile, once "
            f"(products at {min(rates):.3g} to {max(rates):.3g} GFLOP/s, measured now; the time "
            "of analyses is scaled from 2 cores)"
        )


def _print_totals(
    members: list[Condition], sweep: Sweep, costs: dict[str, Cost], reporter: Reporter
) -> None:
    """Prints conditions, networks and operations of all groups."""
    unknown = [
        level
        for factor in sweep.factors
        for level in factor.levels
        if level.expected_epochs is None
    ]
    training = sum(costs[c.digest].training for c in members)
    total = sum(costs[c.digest].total for c in members)
    networks = sum(c.size for c in members)
    reporter.line(
        f"{len(members)} conditions, {networks:,} networks, {total:.2e} floating-point operations "
        f"(training {training:.2e}, {'at most' if unknown else 'for the epochs expected'})"
    )


class Budget:
    """How much of a sweep is done, and how long the rest takes at the speed so far."""

    def __init__(self, sweep: Sweep, members: Iterable[Condition]) -> None:
        costs = expected_costs(sweep)
        self.names = names_of(sweep)
        self.parts = {}
        for condition in members:
            parts = {n: value / SHARES[n] for n, value in costs[condition.digest]._asdict().items()}
            training = parts.pop("training")
            self.parts[condition.digest] = {"training": training, "analysis": sum(parts.values())}
        self.spent, self.started = 0.0, time.monotonic()

    def skip(self, condition: Condition) -> None:
        """Takes out what is left of a condition: somebody else does or did it."""
        self.parts.pop(condition.digest, None)

    def finish(self, condition: Condition, part: str) -> None:
        """Counts `training` or `analysis` of a condition as done."""
        self.spent += self.parts.get(condition.digest, {}).pop(part, 0.0)

    def left(self) -> str:
        """How long the rest takes."""
        rest = sum(sum(parts.values()) for parts in self.parts.values())
        elapsed = time.monotonic() - self.started
        return f"about {clock(elapsed * rest / self.spent if self.spent else float('inf'))} left"
