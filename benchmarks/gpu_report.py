"""Turns what benchmarks/gpu.py returned into results/gpu.json and a part of docs/performance.md."""

import json
from pathlib import Path

from documents import replace_part, table

from rnnensemble.study.benchmarking.ceilings import PRODUCTS_NAME, TRAFFIC_NAME, Ceilings
from rnnensemble.study.benchmarking.rows import LEFT_OUT
from rnnensemble.study.benchmarking.training import shares

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
PAGE = ROOT / "docs" / "performance.md"
SHOWN = 6
"""Kernels of a training step that the page shows."""
NOTHING = "**Not measured on a GPU.**"


def write(folders: list[Path]) -> str:
    """Keeps the results of some folders and writes the page's part; returns that part."""
    files = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    results = [json.loads(path.read_text()) for path in files]
    if not results:
        raise SystemExit(f"no check.json or measure.json in {', '.join(map(str, folders))}")
    for path, result in zip(files, results, strict=True):
        if result["machine"]["platform"] != "gpu" or result["tiny"]:
            what = "tiny" if result["tiny"] else f"of a {result['machine']['platform']}"
            raise SystemExit(f"{path} is {what}, not of a GPU; nothing was written")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    text = document(results)
    replace_part(PAGE, "gpu", text)
    return text


def stored() -> list[dict]:
    """What has been measured on a GPU so far."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def document(results: list[dict]) -> str:
    """The part of the page."""
    return "\n\n".join(map(section, results)) if results else NOTHING


def section(result: dict) -> str:
    """The tables of one command."""
    machine, rows = result["machine"], result["rows"]
    parts = [
        f"### `{result['command']}`: {machine['device']}, jax {machine['jax']}, {result['date']}",
        result.get("note", ""),
        _checks(_of(rows, "check")),
        _ceilings(_of(rows, "ceiling")),
        _speeds(rows, ceilings_of(rows)),
        _threshold(_of(rows, "threshold")),
        _pairs(_of(rows, "pairs")),
        _profiles(_of(rows, "profile")),
        _kernels(_of(rows, "kernel")),
        _conditions(_of(rows, "condition")),
        _problems(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _of(rows: list[dict], kind: str) -> list[dict]:
    """Rows of a kind that hold a number."""
    return [
        row for row in rows if row["kind"] == kind and row.keys() & {"speed", "error", "details"}
    ]


def ceilings_of(rows: list[dict]) -> Ceilings | None:
    """The float32 products and the memory traffic that were measured, if both were."""
    named = {(row["name"], row.get("precision")): row["speed"] for row in _of(rows, "ceiling")}
    flops, traffic = named.get((PRODUCTS_NAME, "float32")), named.get((TRAFFIC_NAME, None))
    return Ceilings(flops, traffic) if flops and traffic else None


def _checks(rows: list[dict]) -> str:
    if not rows:
        return ""
    cells = [
        [
            r["name"],
            r["width"],
            r["steps"],
            r["precision"],
            f"{r['error']:.1e}",
            r.get("problem", "passes"),
        ]
        for r in rows
    ]
    text = "Largest relative error of states, outputs and gradient against float64:"
    return f"{text}\n\n{table(['', 'N', 'T', 'precision', 'error', ''], cells)}"


def _ceilings(rows: list[dict]) -> str:
    if not rows:
        return ""
    told = [
        f"{r['name']} {r['speed'] / 1e9:,.0f} GB a second"
        if r["name"] == TRAFFIC_NAME
        else f"{r['name']} in {r['precision']} {r['speed'] / 1e12:,.1f} TFLOP/s"
        for r in rows
    ]
    return f"Ceilings: {'; '.join(told)}."


def _speeds(rows: list[dict], ceilings: Ceilings | None) -> str:
    """Training and what else there is, by shape."""
    speeds = _of(rows, "training") + _of(rows, "rival")
    if not speeds:
        return ""
    cells = []
    for r in sorted(speeds, key=lambda r: (-r["width"], -r["batch"])):
        shape = r["width"], r["batch"], r["steps"]
        found = shares(shape, r["speed"], ceilings)
        of = [f"{found[name]:.0%}" if found else "" for name in ("of_peak", "of_roofline")]
        compiling = f"{r['compile_seconds']:.1f}" if "compile_seconds" in r else ""
        memory = f"{r['memory_bytes'] / 2**20:,.0f}" if "memory_bytes" in r else ""
        numbers = [r.get(name, "") for name in ("size", "tile", "precision")]
        speed = f"{r['speed']:,.0f}" if r["speed"] >= 10 else f"{r['speed']:.2g}"
        cells.append([r["name"], *shape[:2], *numbers, speed, *of, compiling, memory])
    head = ["", "N", "B", "K", "tile", "products", "net-steps/s", "of peak", "of roofline"]
    head += ["compile, s", "memory, MiB"]
    return f"Net-steps a second (T = {speeds[0]['steps']}):\n\n{table(head, cells)}"


def _threshold(rows: list[dict]) -> str:
    told = []
    for r in rows:
        found = r["details"]
        low, middle, high = found["epochs"]
        told.append(
            f"{r['size']:,} flip-flop networks (N, B) = ({r['width']}, {r['batch']}) trained to "
            f"their threshold in {found['seconds']:.1f} s: {found['converged']:,} converged, "
            f"after {low} to {high} epochs (median {middle}); {r['speed']:,.0f} net-steps a second."
        )
    return "\n".join(told)


def _pairs(rows: list[dict]) -> str:
    told = [
        f"{r['name']} {r['speed']:,.0f} pairs a second ({r['size']} networks, N = {r['width']}; "
        f"the first call, which compiles, took {r['details']['first_call_seconds']} s)"
        for r in rows
    ]
    return f"Distances: {'; '.join(told)}." if told else ""


def _profiles(rows: list[dict]) -> str:
    """The longest kernels of training steps."""
    parts = []
    for r in rows:
        found = r["details"]
        cells = [[f"`{name}`", f"{n:g}", f"{ms:.3f}"] for name, n, ms in found["kernels"][:SHOWN]]
        what = "fused kernel" if found["fused"] else "scan"
        parts.append(
            f"A training step of {r['size']:,} networks (N, B) = ({r['width']}, {r['batch']}), "
            f"{r['precision']}, {what}: {found['busy_ms_a_step']:.2f} ms of kernels, "
            f"{r['speed']:,.0f} net-steps a second.\n\n"
            + table(["kernel", "launches", "ms"], cells)
        )
    return "\n\n".join(parts)


def _kernels(rows: list[dict]) -> str:
    """Forms of the fused kernel."""
    names = ("products", "trials", "warps", "forward_ms", "backward_ms")
    cells = [
        [r["width"], r["batch"], r["size"], *(r["details"][name] for name in names)] for r in rows
    ]
    head = ["N", "B", "K", "products", "trials", "warps", "forward, ms", "backward, ms"]
    return f"The fused kernel alone, in other forms:\n\n{table(head, cells)}" if cells else ""


def _conditions(rows: list[dict]) -> str:
    """Conditions of a sweep: what came out, with intervals."""
    cells = []
    for r in rows:
        for found in r["details"]["conditions"]:
            levels = [_interval(found.get(name)) for name in ("sigma_ood", "dsa", "pif")]
            seconds = found.get("degeneracy_seconds", "")
            counted = f"{found['converged']}/{found['size']}"
            alignment = found.get("kernel_alignment", "")
            cells.append(
                [found["condition"], counted, found["median_epochs"], *levels, alignment, seconds]
            )
    if not cells:
        return ""
    head = ["condition", "converged", "epochs", "sigma_OOD", "DSA", "PIF", "kernel alignment"]
    head.append("degeneracy, s")
    trained = sum(r["details"]["training_seconds"] for r in rows)
    text = f"Conditions, trained in {trained:.0f} s in all (compilation included):"
    return f"{text}\n\n{table(head, cells)}"


def _interval(found: list[float] | None) -> str:
    return "" if found is None else f"{found[0]:.3g} [{found[1]:.3g}, {found[2]:.3g}]"


def _problems(rows: list[dict]) -> str:
    """Rows without a number, and what is wrong."""
    lines = [f"- {_told(row)}: {row['problem']}" for row in rows if "problem" in row]
    return "\n".join(["Without a number:", "", *lines]) if lines else ""


def _told(row: dict) -> str:
    letters = {"N": "width", "B": "batch", "K": "size", "tile": "tile"}
    shape = [f"{letter} = {row[name]}" for letter, name in letters.items() if name in row]
    return ", ".join([row["name"], *shape])


def wrong(result: dict) -> list[str]:
    """What failed: checks that do not pass, and errors; rows left out for time are none."""
    return [
        _told(row)
        for row in result["rows"]
        if row.get("problem", "").startswith(("wrong", "failed"))
        and "OutOfTimeError" not in row["problem"]
    ]


def summary(result: dict) -> str:
    """What a reader of the command's last lines must know."""
    failed = wrong(result)
    left_out = sum(row.get("problem", "").startswith(LEFT_OUT) for row in result["rows"])
    lines = [f"{len(result['rows'])} rows, {left_out} left out for time, {len(failed)} wrong"]
    return "\n".join([*lines, *failed])
