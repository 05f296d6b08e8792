"""What a sweep of thousands of conditions costs beside its networks.

    python benchmarks/many_conditions.py [CONDITIONS ...]

Training and measuring are a STUB here: the networks and distances of one tiny run, for each
condition anew. All else is what a sweep does: reading the file, the dry run, the folder, saving
each condition twice, summary.csv, going on where all is finished, the tasks of an engine, the
report. Folders lie where temporary files do (TMPDIR). Times are CPU seconds (user and system, all
threads of this process), so that other work on the machine matters little. Writes
benchmarks/results/many_conditions.json; `growth` there is the exponent between the smallest and the
largest sweep: 1 is linear, 2 would be the square.
"""

import contextlib
import dataclasses
import datetime
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import jax
from workers.machine import describe

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.cli import groups, report, work, worker
from rnnensemble.files import storage, sweep_folder
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep

RESULTS = Path(__file__).parent / "results" / "many_conditions.json"
TINY = Path(__file__).parent.parent / "experiments" / "tiny" / "sweep.toml"
COUNTS = (500, 5000)
FACTORS = 10
SECONDS = 1.0
"""What a condition is taken to train and to be measured."""

FACTOR = """
[[factors]]
name = "rate{k}"
task = "flipflop"
base = {{training = {{learning_rate = {rate}}}}}
field = "training.epoch_steps"
values = {values}
"""


def text_of(count: int) -> str:
    """A sweep of ten factors, of which each group has one condition: a tenth as many groups."""
    base, values = (
        TINY.read_text().partition("[[factors]]")[0],
        list(range(1, count // FACTORS + 1)),
    )
    parts = [FACTOR.format(k=k, rate=1e-3 * (k + 1), values=values) for k in range(FACTORS)]
    return base + "".join(parts)


class Stub:
    """Stands for training and measuring: what one tiny run gave, for whatever is asked."""

    def __init__(self, folder: Path) -> None:
        made = rnne.run_sweep(TINY.read_text(), runs=folder, only=["channels=1"], quiet=True)
        (path,) = (made / "conditions").iterdir()
        self.run = storage.load_run(path)

    def train(self, recipes: list, **_: object) -> list:
        return [dataclasses.replace(self.run.population, recipe=recipe) for recipe in recipes]

    def measure(self, population: object, *, analysis: object, **_: object) -> object:
        assert analysis == self.run.condition.analysis
        return self.run.degeneracy

    def features(self, population: object, *, analysis: object, **_: object) -> object:
        assert analysis == self.run.condition.features
        return self.run.features

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        measures = {
            "measure_degeneracy": self.measure,
            "measure_feature_learning": self.features,
        }
        trained = mock.patch.object(work, "train_populations", self.train)
        with trained, mock.patch.multiple(groups, **measures):
            yield


def cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def measured(count: int, stub: Stub, folder: Path) -> dict[str, float]:
    """CPU seconds of each step of a sweep of so many conditions."""
    text, tasks = text_of(count), []
    options = {"runs": folder, "quiet": True}

    class Noted:
        """An engine that notes one task and gives back that all went well."""

        def submit(self, function: Callable, task: worker.Task) -> None:
            tasks.append((function, task))
            raise RuntimeError("noted")

    found = {"read the file": cpu_seconds(lambda: read_sweep(text).digest)}
    sweep = read_sweep(text)
    assert (len(sweep.conditions), len(groups_of(sweep))) == (count, count // FACTORS)
    found["dry run"] = cpu_seconds(lambda: rnne.run_sweep(text, dry_run=True, **options))
    with contextlib.suppress(ValueError):  # the engine takes no more
        rnne.run_sweep(text, engine=Noted(), **options)
    with stub.installed():
        found["folder, saving, summary.csv while it runs"] = cpu_seconds(
            lambda: rnne.run_sweep(text, **options)
        )
        found["start again, all finished"] = cpu_seconds(lambda: rnne.run_sweep(text, **options))
        (function, task), *_ = tasks
        found["a task of an engine, for each group"] = (count // FACTORS) * cpu_seconds(
            lambda: function(task)
        )
    made = folder / sweep.folder_name
    found["summary.csv once"] = cpu_seconds(lambda: sweep_folder.write_summary(made))
    found["report"] = cpu_seconds(lambda: report.write_report(made, quiet=True))
    return found


def main(counts: list[int]) -> None:
    """Measures, and writes after each size."""
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    rows = {}
    with tempfile.TemporaryDirectory() as root:
        stub = Stub(Path(root) / "stub")
        for count in counts:
            rows[count] = measured(count, stub, Path(root) / str(count))
            for name, each in rows[count].items():
                print(f"{count:6d} {name:45s} {each:8.2f} s {1000 * each / count:8.2f} ms each")
            RESULTS.write_text(json.dumps(result_of(rows), indent=1) + "\n")


def result_of(rows: dict[int, dict[str, float]]) -> dict:
    """What is written: seconds by size and step, and how they grow."""
    first, last = min(rows), max(rows)
    growth = {
        name: round(math.log(rows[last][name] / rows[first][name]) / math.log(last / first), 2)
        for name in rows[last]
        if last > first
    }
    return {
        "stub": "training and measuring are those of one tiny run, for each condition anew",
        "date": datetime.date.today().isoformat(),
        "machine": describe(),
        "jax": jax.__version__,
        "cpu_seconds": {n: {k: round(x, 2) for k, x in row.items()} for n, row in rows.items()},
        "growth": growth,
        "share_of_one_second_each": {
            n: round(sum(row.values()) / (n * SECONDS), 4) for n, row in rows.items()
        },
    }


def table(result: dict) -> str:
    """The table of docs/performance.md: CPU seconds by step, and what all are a condition."""
    sizes = list(result["cpu_seconds"])
    head = " | ".join(f"{int(n):,} conditions" for n in sizes)
    lines = [f"| step | {head} |", "| --- |" + " --- |" * len(sizes)]
    for step in result["cpu_seconds"][sizes[0]]:
        seconds = " | ".join(f"{result['cpu_seconds'][n][step]:.1f}" for n in sizes)
        lines.append(f"| {step} | {seconds} |")
    shares = [result["share_of_one_second_each"][n] * SECONDS for n in sizes]
    each = " | ".join(f"**{1000 * share:.0f} ms**" for share in shares)
    return "\n".join([*lines, f"| all, a condition | {each} |"])


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or list(COUNTS))
