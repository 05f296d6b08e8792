"""How long a sweep takes, before it starts."""

from collections.abc import Collection

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.notes import clock
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Cost, Speed, compile_seconds, expected_costs, group_bytes
from rnnensemble.study.factors import Group, Sweep, trained_once
from rnnensemble.study.shards import largest


def print_forecast(
    groups: list[Group],
    sweep: Sweep,
    tiles: dict[str, int],
    counts: dict[str, int],
    *,
    left: list[Condition],
    trained: Collection[str],
    mesh: Mesh,
) -> None:
    """Prints groups and what they cost: their tiles and numbers of shards by name.

    `left` are the conditions that would run, of which those whose recipes are `trained` do not
    train.
    """
    everything = [condition for group in groups for condition in group.conditions]
    costs, speed, reporter = expected_costs(sweep, everything), Speed(mesh), Reporter(quiet=False)
    missing, rows, seconds = expected_costs(sweep, left, trained), [], 0.0
    for number, group in enumerate(groups, 1):
        name, members = group
        todo = [condition for condition in members if condition.digest in missing]
        each = [speed.seconds(c, missing[c.digest], tiles[name]) for c in todo]
        seconds += sum(each)
        operations = sum(costs[c.digest].total for c in members)
        memory = group_bytes(largest(group, counts[name]), mesh, tiles[name])
        networks = sum(c.size for c in trained_once(members))
        cells = (f"{networks:,}", str(counts[name]), str(tiles[name]), f"{memory / 2**20:,.0f} MiB")
        rows.append(
            (str(number), name, str(len(members)), *cells, f"{operations:.1e}", clock(sum(each)))
        )
    columns = ("", "group", "conditions", "networks", "shards", "tile", "memory")
    reporter.table(f"groups of {sweep.folder_name}", (*columns, "operations", "time"), rows)
    _print_totals(everything, sweep, costs, reporter)
    if len(left) < len(everything):
        reporter.line(f"{len(everything) - len(left)} of them are finished")
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
        level for part in sweep.parts for level in part.levels if level.expected_epochs is None
    ]
    training = sum(costs[c.digest].training for c in members)
    total = sum(costs[c.digest].total for c in members)
    networks = sum(c.size for c in trained_once(members))
    reporter.line(
        f"{len(members)} conditions, {networks:,} networks, {total:.2e} floating-point operations "
        f"(training {training:.2e}, {'at most' if unknown else 'for the epochs expected'})"
    )
