"""Ten thousand networks on a small machine: trained in shards, joined, compared in blocks of pairs.

    python benchmarks/scale.py [--folder build/scale] [STEP ...]

Each step is a command in a process of its own, of which are kept the seconds, the CPU seconds and
the most memory that it held (what the kernel says when it has ended, `ru_maxrss`). Steps that were
done are skipped, so that the script goes on where it was; `FOLDER/steps.json` says how far it is.
benchmarks/results/scale.json holds what came out, written after each step once shards are joined.

On a machine that others use as well, seconds are upper bounds; memory is what it is.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
NETWORKS, SHARDS, COMPARED = 10_000, 10, 4_000
TRIALS, SEED = 8, 0
METRICS = "procrustes", "cka"
PRESET = f"""\
size = {NETWORKS}
[task]
kind = "flipflop"
n_bits = 1
n_steps = 12
[network]
width = 16
[training]
batch = 8
epoch_steps = 10
learning_rate = 1e-2
max_epochs = 60
threshold = 0.01
"""
COMMAND = [sys.executable, "-m", "rnnensemble"]


def steps(folder: Path) -> dict[str, list[str]]:
    """The command of each step."""
    common = ["--runs", str(folder)]
    preset, joined = str(folder / "many.toml"), str(folder / "many")
    shards = [f"{part}/{SHARDS}" for part in range(1, SHARDS + 1)]
    folders = [f"{joined}-{part}-of-{SHARDS}" for part in range(1, SHARDS + 1)]
    found = {f"shard {each}": ["train", preset, "--shard", each, *common] for each in shards}
    found["join"] = ["join", *folders, "--name", "many", "--no-analyse", *common]
    commands = {name: [*COMMAND, *each, "--quiet"] for name, each in found.items()}
    commands["activity"] = [sys.executable, __file__, "--folder", str(folder), "--activity"]
    for metric in METRICS:
        given = ["--activity", str(folder / "rates.npy"), "--metrics", metric, "--name", metric]
        commands[metric] = [*COMMAND, "analyse", *given, *common, "--quiet"]
    return commands


def write_activity(folder: Path) -> None:
    """Rates of the first converged networks on shared trials, `[K, B, T, N]`."""
    runtime.use_all_cores()
    population = rnne.load(folder / "many").population
    chosen = population[np.flatnonzero(population.converged)[:COMPARED]]
    inputs = chosen.task.sample(jax.random.key(SEED), TRIALS).inputs
    np.save(folder / "rates.npy", chosen.respond(inputs).rates)


def measured(command: list[str]) -> dict[str, float]:
    """Runs a command; what it took."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gigabytes": round(used.ru_maxrss * 1024 / 1e9, 3),
    }


def results(folder: Path, done: dict[str, dict[str, float]]) -> dict:
    """What is kept: settings, machine, and each step."""
    population = rnne.load(folder / "many").population
    return {
        "command": "python benchmarks/scale.py",
        "date": str(date.today()),
        "machine": runtime.describe() | {"gigabytes": round(runtime.host_bytes() / 1e9, 1)},
        "note": "Other programs used the same cores: seconds are upper bounds, memory is exact.",
        "preset": PRESET,
        "networks": population.size,
        "converged": int(population.converged.sum()),
        "net_steps": int(population.stop_epoch.sum()) * population.training.epoch_steps,
        "shards": SHARDS,
        "compared": COMPARED,
        "pairs": COMPARED * (COMPARED - 1) // 2,
        "trials": TRIALS,
        "steps": done,
        "left": [name for name in steps(folder) if name not in done],
    }


def main(arguments: list[str]) -> None:
    """Runs the steps that are left, or those named."""
    folder = ROOT / "build" / "scale"
    if "--folder" in arguments:
        at = arguments.index("--folder")
        folder = Path(arguments[at + 1]).absolute()
        del arguments[at : at + 2]
    if arguments == ["--activity"]:
        write_activity(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "many.toml").write_text(PRESET)
    file, commands = folder / "steps.json", steps(folder)
    done = json.loads(file.read_text()) if file.exists() else {}
    for name in arguments or commands:
        if name not in done:
            done[name] = measured(commands[name])
            file.write_text(json.dumps(done, indent=1) + "\n")
            print(name, done[name], flush=True)
        if "join" in done:
            RESULTS.write_text(json.dumps(results(folder, done), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
