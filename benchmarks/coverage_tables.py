"""The tables of benchmarks/coverage.py."""

from collections.abc import Iterable

import coverage_two_way
import documents
import laws


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.1f}"


def coverage_table(found: dict, columns: dict[str, str]) -> str:
    """A row for each law; columns `key: words` at every K."""
    rows = []
    for name, sizes in found.items():
        row = [name]
        for key in columns:
            row += [percent(one[key] if key else one) for one in sizes.values()]
        rows.append(row)
    sizes = next(iter(found.values()))
    return documents.table(["", *(f"{w}K = {k}" for w in columns.values() for k in sizes)], rows)


def two_way_table(found: dict, key: str) -> str:
    """A row for each law and setting of two factors at once; columns for each effect and K."""
    rows, effects, columns = [], coverage_two_way.EFFECTS, list[str]()
    for setting, by_law in found.items():
        for name, sizes in by_law.items():
            cells = [one[key].get(effect) for effect in effects for one in sizes.values()]
            shown = ["" if cell is None else percent(cell) for cell in cells]
            rows.append([f"{name}; {setting}", *shown])
            columns = [f"{effect}, K = {k}" for effect in effects for k in sizes]
    return documents.table(["", *columns], rows)


def report(results: dict) -> str:
    """The results as Markdown."""
    both = {"level": "level, ", "power": "power, "}
    parts = []

    def add(title: str, found: dict, columns: dict[str, str]) -> None:
        parts.append(f"{title}:\n\n{coverage_table(found, columns)}")

    def some(key: str, names: Iterable) -> dict:
        return {name: results[key][name] for name in names}

    mean = {"ours": "", "pairs": "pairs as samples, "}
    add("Coverage (%) of `mean_distance`", some("mean_distance", laws.FAIR_DISTANCES), mean)
    add(
        "The same for clusters far apart, a rare cluster and heavier tails",
        some("mean_distance", laws.HARD_DISTANCES),
        mean,
    )
    add(
        "Coverage (%) of `mean_cross_distance`, K networks each",
        results["mean_cross_distance"],
        {"": ""},
    )
    add("Coverage (%) of `spread`", some("spread", laws.FAIR_VALUES), {"ours": ""})
    add("The same for other laws", some("spread", laws.HARD_VALUES), {"ours": ""})
    add(
        "Coverage (%) of `log_spread`, and of how many samples `heavy_tailed` warns (%)",
        results["log_spread"],
        {"ours": "", "warned": "warned, "},
    )
    nulls = {f"null {name}": found for name, found in results["against_null"].items()}
    add("Coverage (%) of the ratio of `against_null`", nulls, {"": ""})
    words = {"ratio_coverage": "ratio, ", **both}
    for statistic, effect in results["settings"]["effects"].items():
        found = results["compare_conditions"][statistic]
        add(
            f"`compare_conditions`, {statistic}, K networks each: coverage (%) of the ratio, "
            f"rejections (%) at 5% without a difference and at a ratio of {effect}",
            found,
            words,
        )
    for statistic, effect in results["settings"]["effects"].items():
        add(
            f"`trend`, {statistic}, four levels of K networks: rejections (%) at 5% without a "
            f"trend and at a ratio of {effect} from the first level to the last",
            results["trend"][statistic],
            both,
        )
    words = {"level": "rejections (%) at 5% of effects that are not there"}
    words["coverage"] = "coverage (%) of the changes of these"
    for statistic, found in results["two_way"].items():
        for key, shown in words.items():
            title = f"`two_way`, {statistic}, six conditions of K networks: {shown}"
            parts.append(f"{title}:\n\n{two_way_table(found, key)}")
    joint = {f"conditions {k} sd apart": v for k, v in results["compare_jointly"].items()}
    add(
        "`compare_jointly` of Gaussian points: rejections (%) at 5% without a difference",
        joint,
        {"": ""},
    )
    for statistic in results["power_curve"]:
        found = results["power_curve"][statistic]
        add(
            f"`power_curve`, {statistic}: predicted from 20 networks, % of the measured width",
            found,
            {"": ""},
        )
    return "\n\n".join(parts)
