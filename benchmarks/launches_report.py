"""The tables of kernel launches in docs/performance.md, from benchmarks/results/launches.json.

Limits are estimates, not measurements: a launch takes 5 microseconds; arithmetic is
2 B T (3 N^2 + 2 N I + 3 N O) operations a net-step, N x N products at the peak of their precision
and the others at that of float32; memory moves 24 T B N bytes a net-step, states and their
gradients written once and read twice. Penalties, deflation, draws and Adam are not in these
formulas. XLA records kernels in CUDA graphs, in which a launch may take less.
"""

from documents import table

LAUNCH_SECONDS = 5e-6
PEAK = {"float32": 67e12, "tf32": 494e12, "bfloat16": 989e12}
"""Operations a second of an H100 SXM by precision, dense."""
BYTES_PER_SECOND = 3.35e12


def limits(found: dict) -> dict[str, float]:
    """Net-steps a second of a tile, at most, by what limits them: estimates."""
    width, batch, steps = found["width"], found["batch"], found["steps"]
    thin = 2 * width * found["inputs"] + 3 * width * found["outputs"]
    wide = 3 * width**2 / PEAK[found["precision"]]
    return {
        "launches": found["tile"] / (LAUNCH_SECONDS * found["launches"]),
        "arithmetic": 1 / (2 * batch * steps * (wide + thin / PEAK["float32"])),
        "memory": BYTES_PER_SECOND / (24 * steps * batch * width),
    }


def verdict(found: dict) -> str:
    """Whether a row's target is reached."""
    if found["target"] is None:
        return ""
    return f"{found['target']}, {'yes' if found['launches'] <= found['target'] else '**no**'}"


def counted(found: dict) -> str:
    """Launches; at least those where a loop runs until something holds."""
    return ("at least " if found["open_loops"] else "") + f"{found['launches']:,}"


def training_table(rows: dict[str, dict]) -> str:
    """Launches of a step, and what they allow."""
    lines = []
    for name, found in rows.items():
        each = limits(found)
        roof = min(each["arithmetic"], each["memory"])
        share = min(1.0, each["launches"] / roof)
        lines.append(
            [
                f"`{name.partition(' (')[0]}`",
                f"({found['width']}, {found['batch']}) x {found['tile']:,}",
                counted(found),
                verdict(found),
                found["parts"].get("tasks", 0),
                *(f"{speed:,.0f}" for speed in each.values()),
                min(each, key=lambda kind: each[kind]),
                f"{share:.0%}",
                f"{found['temporary_bytes'] / 1e9:.1f}",
                f"{found['compile_seconds']:.0f}",
            ]
        )
    head = ["program", "(N, B) x tile", "launches", "target, reached", "of them the task's"]
    head += [
        "limit by launches",
        "by arithmetic",
        "by memory",
        "decides",
        "of the roofline, at most",
    ]
    return table([*head, "GB", "s to compile"], lines)


def sampling_table(rows: dict[str, dict]) -> str:
    """Launches of drawing trials alone."""
    lines = [
        [f"`{found['task']}`" + "".join(f", {k} {v}" for k, v in found["task_options"]), found]
        for found in rows.values()
    ]
    shown = [[name, counted(found), f"{found['compile_seconds']:.0f}"] for name, found in lines]
    return table(["task", "launches", "s to compile"], shown)


def report(results: dict) -> str:
    """The part of docs/performance.md."""
    rows = results["rows"]
    training = {name: found for name, found in rows.items() if not found["sampling"]}
    sampling = {name: found for name, found in rows.items() if found["sampling"]}
    machine = results["machine"]
    return "\n\n".join(
        [
            "Kernel launches of one training step of one tile at T = 100, compiled for an H100 by "
            f"jax {machine['jax']} on a machine without a GPU (`python benchmarks/launches.py`; "
            f"{machine['processor']}, {results['date']}), and net-steps a second that they, "
            "arithmetic and memory would allow: **estimates, not measured on a GPU**, of 5 "
            "microseconds a launch, 67 TFLOP/s in float32 (494 and 989 for N x N products in "
            "`tf32` and `bfloat16`) and 3.35 TB/s. The task is the flip-flop unless the row "
            "names another. Arithmetic and memory are those of the recurrence alone, without "
            "penalties, deflation, draws and Adam. GB is temporary memory; compiling shared 2 "
            "cores with other work.",
            training_table(training),
            "Drawing the trials of such a tile at (64, 64), as a program of its own:",
            sampling_table(sampling),
        ]
    )
