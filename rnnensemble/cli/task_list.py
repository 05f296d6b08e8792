"""The command `tasks`: tasks, their knobs, thresholds and out-of-distribution variants."""

import dataclasses
import re

from rnnensemble.cli.console import Reporter
from rnnensemble.tasks import ArrayTask, Mixture, Task, registered


def run() -> None:
    """Lists the tasks."""
    reporter = Reporter(quiet=False)
    for name, task in registered().items():
        reporter.line(f"{name}: {(task.__doc__ or '').splitlines()[0]} {_limits(task)}")
        rows = [
            (field.name, str(field.default), _knob_help(task, field.name))
            for field in dataclasses.fields(task)
        ]
        reporter.table(f"  knobs of {name}", ("knob", "default", "meaning"), rows)


def _limits(task: type[Task]) -> str:
    """What is known of a task's numbers; of what users give themselves there are none."""
    if issubclass(task, (ArrayTask, Mixture)):
        return "Threshold, outputs and OOD variants are those of what it is made of."
    low, high = task.output_range
    variants = ", ".join(task().out_of_distribution())
    return f"Threshold {task.threshold:g}, outputs in [{low:g}, {high:g}], OOD variants {variants}."


def _knob_help(task: type, name: str) -> str:
    """The knob's line in the class's docstring, or its parent's."""
    for owner in task.__mro__:
        found = re.search(rf"^ +{name}: (.*(?:\n {{12}}.*)*)", owner.__doc__ or "", re.MULTILINE)
        if found:
            return " ".join(found.group(1).split())
    return ""
