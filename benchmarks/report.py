"""Writes docs/performance.md's tables and figure from benchmarks/results/throughput.json."""

from pathlib import Path

import numpy as np
from documents import replace_part, table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rnnensemble.figures.panels import COLORS
from rnnensemble.study.benchmarking import training
from rnnensemble.study.benchmarking.ceilings import Ceilings
from rnnensemble.study.benchmarking.training import flops

DOCS = Path(__file__).parent.parent / "docs"
STEPS = 100
"""Steps of a trial T in the comparison."""
TARGETS = {
    (128, 256): {"plain_vmap": 2.5, "pytorch_loop": 3.5},
    (64, 64): {"plain_vmap": 3.5, "pytorch_loop": 12.0},
    (32, 32): {"plain_vmap": 3.5, "pytorch_loop": 25.0},
}
OTHERWISE = {"whole": ", whole batches", "together": ", one device of all cores"}
NAMES = {
    "ours": "`train_population`",
    "plain_vmap": "`jit(vmap(step))`",
    "pytorch_processes": "PyTorch `nn.RNN`, a process on each core",
    "pytorch_loop": "PyTorch `nn.RNN`, one after another",
    "pytorch_vmap": "PyTorch `torch.func` ensemble",
}
RIVALS = tuple(name for name in NAMES if name != "ours")


def ratio(row: dict, rival: str) -> float:
    """How many times as fast as a rival: the median of the ratios within rounds."""
    return float(np.median(np.array(row["ours"]) / row[rival]))


def peak(result: dict) -> float:
    """The better of the two measurements of the matrix-product peak, in FLOP/s."""
    return 1e9 * max(result[when]["gflops"] for when in ("ceilings", "ceilings_after"))


def bandwidth(result: dict) -> float:
    """The better of the two measurements of the memory traffic, in bytes a second."""
    names = ("ceilings", "ceilings_after")
    return 1e9 * max(result[when]["gigabytes_per_second"] for when in names)


def shares(result: dict, row: dict) -> tuple[float, float]:
    """Of the matrix-product peak, and of the roofline."""
    shape = row["width"], row["batch"], STEPS
    ceilings = Ceilings(peak(result), bandwidth(result))
    found = training.shares(shape, float(np.median(row["ours"])), ceilings)
    return found["of_peak"], found["of_roofline"]


def scaling(result: dict) -> dict[int, list[float]]:
    """Net-steps a second by number of networks, round by round."""
    speeds: dict[int, list[float]] = {}
    for row in result["sizes"]:
        speeds.setdefault(row["K"], []).append(row["speed"])
    return speeds


def targets(result: dict) -> list[tuple[str, str, str]]:
    """What was aimed at and what was reached."""
    lines = []
    for row in result["comparison"]:
        shape = (row["width"], row["batch"])
        for rival, aim in TARGETS[shape].items():
            found = f"{ratio(row, rival):.1f}x" if rival in row else "not measured"
            lines.append((f"against {NAMES[rival]}, N, B = {shape}", f"{aim:g}x", found))
    gated = result.get("gated", {})
    if gated.get("ours"):
        aim = f"GRU against PyTorch `nn.GRU`, a process on each core, N, B = {(64, 64)}"
        lines.append((aim, "3x", f"{ratio(gated, 'pytorch_processes'):.1f}x"))
    share = shares(result, result["comparison"][0])[0]
    lines.append(("share of the matrix-product peak at (128, 256)", "60%", f"{share:.0%}"))
    by_size = scaling(result)
    change = np.median(np.array(by_size[1024]) / by_size[16]) - 1
    lines.append(("throughput from K = 16 to K = 1,024", "within 10%", f"{change:+.1%}"))
    waste = result["waste"]
    lines.append(("net-steps spent on finished networks, CPU", "2%", f"{waste['waste']:.1%}"))
    replay = f"{waste['waste_in_tiles_of_64']:.1%} (replayed on the CPU in tiles of 64)"
    lines.append(("the same, GPU", "10%", replay))
    compiling = max(s["cold"]["compile_seconds"] for s in result["starts"].values())
    lines.append(("compiling, slowest preset", "10 s", f"{compiling:.1f} s"))
    warm = max(s["warm"]["seconds"] for s in result["starts"].values())
    lines.append(("second start to first step, slowest preset", "5 s", f"{warm:.1f} s"))
    memory = result["memory"]["1000"]
    lines.append(("peak memory, 1,000 networks of width 128", "2 GB", f"{memory / 1e9:.2f} GB"))
    return lines


def comparison_table(result: dict) -> str:
    """Net-steps a second of all alternatives that were measured."""
    rows = []
    names = [n for n in ("ours", *RIVALS) if any(n in row for row in result["comparison"])]
    for row in result["comparison"]:
        cells = [f"{np.median(row[n]):.0f}" if n in row else "" for n in names]
        of_peak, of_roof = shares(result, row)
        rows.append([row["width"], row["batch"], *cells, f"{of_peak:.0%}", f"{of_roof:.0%}"])
    head = ["N", "B", *(NAMES[n] for n in names), "of peak", "of roofline"]
    return table(head, rows)


def parts_table(result: dict) -> str:
    """Where the time of a net-step goes, in milliseconds on one core."""
    head, rows = ["N", "B"], []
    for shape, row in zip(result["parts"], result["comparison"], strict=True):
        width, batch, *parts = shape.values()
        cores = result["machine"]["devices"]
        ideal = 1e3 * 2 * 100 * batch * width**2 / (peak(result) / cores)
        step = 1e3 * cores / np.median(row["ours"])
        rows.append([width, batch, *(f"{ms:.2f}" for ms in (ideal, *parts, step))])
        head = ["N", "B", "one N x N block at peak", *list(shape)[2:], "net-step"]
    return table(head, rows)


def layout_table(result: dict) -> str:
    """Net-steps a second by layout: networks at a time on a device, and slices of a batch."""
    by_shape: dict = {}
    for row in result["sweeps"]["layout"]:
        tile, *whole = row["layout"]
        name = f"tile {tile}" + "".join(OTHERWISE[word] for word in whole)
        by_shape.setdefault((row["N"], row["B"]), {})[name] = row["speed"]
    names = list(next(iter(by_shape.values())))
    rows = [[*shape, *(f"{cells[n]:.0f}" for n in names)] for shape, cells in by_shape.items()]
    return table(["N", "B", *names], rows)


def start_table(result: dict) -> str:
    """Seconds from process start to the first step, by preset."""
    rows = []
    for name, found in result["starts"].items():
        cold, warm = found["cold"], found["warm"]
        numbers = (cold["seconds"], warm["seconds"], cold["compile_seconds"])
        rows.append([f"`{name}`", *(f"{seconds:.1f}" for seconds in numbers)])
    return table(["preset", "first start, s", "second start, s", "compiling, s"], rows)


def section(name: str, result: dict) -> str:
    """All tables of one run."""
    machine = result["machine"]
    memory = {size: f"{peak / 1e9:.2f} GB" for size, peak in result["memory"].items()}
    return "\n\n".join(
        [
            f"### {name}",
            f"Python {machine['python']}, {machine['cores']} cores, {result['date']}. "
            f"Large float32 matrix products reach {peak(result) / 1e9:.0f} GFLOP/s, "
            f"memory {bandwidth(result) / 1e9:.0f} GB/s.",
            table(["", "target", "reached"], targets(result)),
            "Net-steps a second (T = 100, medians of rounds in turn):",
            comparison_table(result),
            "Where the time of a net-step goes, in milliseconds on one core (all cores busy):",
            parts_table(result),
            "Networks at a time on each core, batches in slices or whole (net-steps a second):",
            layout_table(result),
            f"Peak memory at N = 128, B = 64: {memory['4']} for 4 networks, "
            f"{memory['1000']} for 1,000.",
            "From the start of the process to the first training step:",
            start_table(result),
        ]
    )


def figure(results: dict) -> Figure:
    """Speed against alternatives, K, N, B and T."""
    drawn = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = drawn.subplots(2, 2)
    latest = list(results.values())[-1]
    rows = latest["comparison"]
    names = [n for n in ("ours", *RIVALS) if n in rows[0]]
    for index, name in enumerate(names):
        heights = [np.median(row[name]) for row in rows]
        x = np.arange(len(rows)) + 0.8 * ((index + 0.5) / len(names) - 0.5)
        label = NAMES[name].replace("`", "")
        axes[0, 0].bar(x, heights, width=0.8 / len(names), color=COLORS[index], label=label)
    axes[0, 0].set_xticks(range(len(rows)), [f"N={r['width']}\nB={r['batch']}" for r in rows])
    axes[0, 0].set(yscale="log", ylabel="net-steps per second", ylim=(None, 60_000))
    axes[0, 0].legend(fontsize=6.5, frameon=False, loc="upper left")
    for color, (name, result) in zip(COLORS, results.items(), strict=False):
        by_size = scaling(result)
        speeds = [np.median(found) for found in by_size.values()]
        axes[0, 1].plot(list(by_size), speeds, "o-", ms=4, color=color, label=name)
    axes[0, 1].set(xscale="log", xlabel="networks K (N = B = 32)", ylim=(0, None))
    axes[0, 1].set_xticks([1, 4, 16, 64, 256, 1024, 4096], [1, 4, 16, 64, 256, "1,024", "4,096"])
    axes[0, 1].xaxis.set_minor_locator(NullLocator())
    axes[0, 1].set_ylabel("net-steps per second")
    axes[0, 1].legend(fontsize=6.5, frameon=False)
    draw_shares(axes[1, 0], results, {"N": "o-"})
    axes[1, 0].set_xlabel("width N (B = 64, T = 100)")
    draw_shares(axes[1, 1], results, {"B": "o-", "T": "s--"})
    axes[1, 1].set_xlabel("trials B or steps T (N = 64)")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return drawn


def draw_shares(axis: Axes, results: dict, marks: dict[str, str]) -> None:
    """Share of the matrix-product peak against some letters, by run."""
    shown = set()
    for color, (name, result) in zip(COLORS, results.items(), strict=False):
        for letter, mark in marks.items():
            rows = result["sweeps"][letter]
            reached = [r["speed"] * flops(r["N"], r["B"], r["T"]) / peak(result) for r in rows]
            x = [row[letter] for row in rows]
            shown.update(x)
            label = f"{letter}, {name}"
            axis.plot(x, 100 * np.array(reached), mark, ms=4, color=color, label=label)
    axis.set(xscale="log", ylim=(0, 100), ylabel="% of the matrix-product peak")
    axis.set_xticks(sorted(shown), map(str, sorted(shown)), fontsize=7)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.legend(fontsize=5.5, frameon=False)


def write_report(results: dict) -> str:
    """Writes tables and figure; returns the targets of the last measurement as text."""
    drawn = figure(results)
    for ending in ("png", "svg"):
        drawn.savefig(DOCS / "figures" / f"performance.{ending}", dpi=150)
    measured = "\n\n".join(section(name, result) for name, result in results.items())
    replace_part(DOCS / "performance.md", "measured", measured)
    reached = targets(list(results.values())[-1])
    return "\n".join(f"{what:68s} {aim:>10s}   {found}" for what, aim, found in reached)
