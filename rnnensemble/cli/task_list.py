"""The command `tasks`: tasks, their knobs, thresholds and out-of-distribution variants."""

import dataclasses
import re

from rnnensemble.cli.console import Reporter
from rnnensemble.tasks import registered


def run() -> None:
    """Lists the tasks."""
    reporter = Reporter(quiet=False)
    for name, task in registered().items():
        example = task()
        low, high = task.output_range
        variants = ", ".join(example.out_of_distribution())
        reporter.line(
            f"{name}: {(task.__doc__ or '').splitlines()[0]} Threshold {task.threshold:g}, "
            f"outputs in [{low:g}, {high:g}], OOD variants {variants}."
        )
        rows = [
            (field.name, str(field.default), _knob_help(task, field.name))
            for field in dataclasses.fields(task)
        ]
        reporter.table(f"  knobs of {name}", ("knob", "default", "meaning"), rows)


def _knob_help(task: type, name: str) -> str:
    """The knob's line in the class's docstring, or its parent's."""
    for owner in task.__mro__:
        found = re.search(rf"^ +{name}: (.*(?:\n {{12}}.*)*)", owner.__doc__ or "", re.MULTILINE)
        if found:
            return " ".join(found.group(1).split())
    return ""
