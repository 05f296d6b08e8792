"""The tables of docs/distances.md from benchmarks/results/distances.json; see distances.py."""

from collections.abc import Callable

import numpy as np
from documents import table

Row = tuple[str, str, str, bool | None]
"""What, target, reached, and whether it was; None where there is no target."""
VERDICTS = {True: "yes", False: "**no**", None: ""}


def report(results: dict) -> str:
    """All tables."""
    rows = [
        (*row[:3], VERDICTS[row[3]])
        for part, targets in TARGETS.items()
        if part in results
        for row in targets(results[part]["found"])
    ]
    parts = [table(["", "target", "measured", "reached"], rows)]
    parts += [show(results[part]["found"]) for part, show in DETAILS.items() if part in results]
    return "\n\n".join([*parts, "When, where and with what:", conditions_table(results)])


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{1e3 * seconds:,.0f} ms" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def alignment_targets(groups: dict[str, dict]) -> list[Row]:
    """DSA against dsa-metric."""
    pairs = sum(group["pairs"] for group in groups.values())
    share = sum(group["not_above"] for group in groups.values()) / pairs
    gap = sum((g["ours"] - g["dsa_metric"]) * g["pairs"] for g in groups.values()) / pairs
    least = "at most the best of 4 runs of dsa-metric + 0.001 for 99% of 200 pairs"
    rows: list[Row] = [
        ("DSA, euclidean", least, f"{share:.1%} of {pairs} pairs", share >= 0.99 and pairs == 200),
        ("", "lower on average", f"by {-gap:.4f}", gap < 0),
    ]
    for rank in (10, 20):
        chosen = [group for name, group in groups.items() if name.endswith(f"_{rank}")]
        if chosen:
            rows.append(alignment_speed(rank, chosen))
    return rows


def alignment_speed(rank: int, groups: list[dict]) -> Row:
    """How many times as fast a pair as one run of dsa-metric; judged by its faster setting."""

    def of(name: str) -> np.ndarray:
        return np.concatenate([group["seconds"].get(name, []) for group in groups])

    ratios = {name: float(np.median(of(name) / of("ours"))) for name in THREADS if len(of(name))}
    words = [f"{ratio:,.0f}x {THREADS[name]}" for name, ratio in ratios.items()]
    if not ratios:
        stored = np.median([group["stored_seconds"] for group in groups])
        ratios = {"stored": float(stored / np.median(of("ours")))}
        words = [f"{ratios['stored']:,.0f}x (stored seconds)"]
    target = "100x as fast as one run of dsa-metric"
    return (f"DSA, a pair at rank {rank}", target, ", ".join(words), min(ratios.values()) >= 100)


THREADS = {"one_thread": "with one thread", "default_threads": "with torch's default threads"}


def alignment_table(groups: dict[str, dict]) -> str:
    """By group."""
    head = ["operators", "pairs", "ours", "best of 4 runs of dsa-metric", "not above by 0.001"]
    head += ["lower by 0.001", "largest excess", "a pair, ours"]
    head += [f"a run of dsa-metric {how}" for how in THREADS.values()]
    rows = []
    for name, group in groups.items():
        kind, _, rank = name.partition("_")
        times = [group["seconds"].get(each) for each in ("ours", *THREADS)]
        rows.append(
            [
                f"{kind}, rank {rank}",
                *(group["pairs"], f"{group['ours']:.4f}", f"{group['dsa_metric']:.4f}"),
                *(group["not_above"], group["lower"], f"{group['largest_excess']:+.4f}"),
                *(milliseconds(np.median(each)) if each else "" for each in times),
            ]
        )
    return "DSA distances of stored pairs of operators (means; ours on all cores):\n\n" + table(
        head, rows
    )


def equality_targets(found: dict) -> list[Row]:
    """Where ours and dsa-metric must agree."""
    names = {
        "wasserstein": f"Wasserstein, {found['wasserstein_pairs']} pairs",
        "operators": f"entries of operators up to signs, {found['operator_cases']} cases",
        "eigenvalues": "their eigenvalues",
    }
    target = "dsa-metric's to 1e-4"
    return [(f"DSA, {text}", target, *below(found[name], 1e-4)) for name, text in names.items()]


def exact_targets(found: dict[str, float]) -> list[Row]:
    """Where the minimum is known."""
    names = {
        "symmetric": "symmetric operators, n = 2 to 20",
        "two_by_two": "2 x 2, dense scan",
        "rotation": "planted rotation, n = 2 to 20",
        "reflection": "planted reflection, n = 2 to 20",
    }
    return [
        (f"DSA, {text}", "minimum to 1e-4", *below(found[name], 1e-4))
        for name, text in names.items()
    ]


def below(error: float, tolerance: float) -> tuple[str, bool]:
    """How large an error was, and whether that will do."""
    return f"{error:.1e}", error <= tolerance


def pif_targets(found: dict[str, dict]) -> list[Row]:
    """PIF against scipy's FAQ."""
    rows: list[Row] = []
    for kind, each in found.items():
        ours, theirs = (np.array(each["seconds"][name]) for name in ("ours", "scipy"))
        ratio = float(np.median(theirs / ours))
        excess, gap = each["largest_ratio"] - 1, each["ours"] / each["scipy"] - 1
        what = f"PIF, N = 128, {kind} weights, {each['pairs']} pairs"
        rows += [
            (what, "scipy's FAQ + 0.1% at most", f"{excess:+.2%} at most", excess <= 1e-3),
            ("", "lower on average", f"{gap:+.2%}", gap < 0),
            ("", "3x as fast a pair", f"{ratio:.2g}x", ratio >= 3),
        ]
    return rows


def pif_table(found: dict[str, dict]) -> str:
    """Distances and milliseconds."""
    rows = [
        [
            kind,
            *(f"{each[name]:.4g}" for name in ("ours", "scipy")),
            *(milliseconds(np.median(each["seconds"][name])) for name in ("ours", "scipy")),
        ]
        for kind, each in found.items()
    ]
    head = ["weights", "ours", "scipy", "a pair, ours", "a pair, scipy"]
    return (
        "PIF at N = 128 (mean distances; ours on all cores, scipy one pair after another with one "
        "BLAS thread):\n\n" + table(head, rows)
    )


def optimum_targets(found: dict) -> list[Row]:
    """PIF where the optimum is known."""
    rows: list[Row] = [
        (f"PIF, planted permutation, N = {n}", "all", *counted(each))
        for n, each in found["planted"].items()
    ]
    several = f"{found['thorough_starts']} starts"
    for search, how in (("default", "default"), ("thorough", several)):
        what = f"PIF, brute force, n = 3 to 7, {how}"
        rows.append((what, "all", *counted(found["brute_force"][search])))
    (chr12c,) = (row for row in found["published"] if row["instance"].startswith("chr12c"))
    for search, how in (("default", "default"), ("thorough", several)):
        excess = chr12c[search] / chr12c["optimum"] - 1
        rows.append((f"PIF, chr12c, {how}", "optimum + 2%", f"{excess:+.1%}", excess <= 0.02))
    return rows


def counted(each: dict[str, int]) -> tuple[str, bool]:
    """Found of how many, and whether all were."""
    return f"{each['found']} of {each['of']}", each["found"] == each["of"]


def optimum_table(found: dict) -> str:
    """The published instances."""
    head = ["instance", "optimum", "default", f"{found['thorough_starts']} starts"]
    rows = [
        [row[name] for name in ("instance", "optimum", "default", "thorough")]
        for row in found["published"]
    ]
    return "PIF on the instances of scipy's documentation and tests:\n\n" + table(head, rows)


def layout_targets(found: dict[str, dict]) -> list[Row]:
    """Symmetry, diagonal, tiles and devices."""
    proper = all(each["symmetric"] and each["zero_diagonal"] for each in found.values())
    worst = max(found, key=lambda metric: found[metric]["largest_difference"])
    text, small = below(found[worst]["largest_difference"], 1e-6)
    what = f"{len(found)} metrics, 7 networks"
    return [
        (what, "symmetric, zero diagonal", "exactly" if proper else "not all", proper),
        ("", "independent of tile and devices to 1e-6", f"{text} at most (`{worst}`)", small),
    ]


def thousand_targets(found: dict[str, dict]) -> list[Row]:
    """Whole matrices of many networks."""
    rows: list[Row] = []
    for metric, each in found.items():
        peak, done = each["peak_bytes"] / 1e9, each["progress_reports"]
        sound = each["finite"] and each["symmetric"] and each["zero_diagonal"]
        what = f"`{metric}`, {each['networks']:,} networks, {each['pairs']:,} pairs"
        rows += [
            (what, "under 4 GB", f"{peak:.2f} GB", peak < 4 and sound),
            ("", "progress", f"{done} reports", done > 1),
            ("", "", f"{each['seconds']:.0f} s", None),
        ]
    return rows


def conditions_table(results: dict) -> str:
    """Of every part."""
    rows = []
    for name, part in results.items():
        machine, versions = part["machine"], part["versions"]
        where = f"{machine['cores']} cores, {machine['devices']} {machine['platform']} devices"
        rows.append([f"`{name}`", part["date"], where, machine["python"], machine["jax"]])
        rows[-1] += [versions[each] or "not installed" for each in ("scipy", "dsa-metric", "torch")]
    return table(["part", "date", "machine", "Python", "jax", "scipy", "dsa-metric", "torch"], rows)


TARGETS: dict[str, Callable[[dict], list[Row]]] = {
    "alignments": alignment_targets,
    "equalities": equality_targets,
    "exact": exact_targets,
    "pif": pif_targets,
    "known_optima": optimum_targets,
    "layouts": layout_targets,
    "thousand": thousand_targets,
}
DETAILS: dict[str, Callable[[dict], str]] = {
    "alignments": alignment_table,
    "pif": pif_table,
    "known_optima": optimum_table,
}
