"""What a network must do: one file a task, and a registry that knows them by name."""

import difflib

from rnnensemble.tasks.base import Task, Trials
from rnnensemble.tasks.context_integration import ContextIntegration
from rnnensemble.tasks.delayed_discrimination import DelayedDiscrimination
from rnnensemble.tasks.flipflop import FlipFlop
from rnnensemble.tasks.lorenz96 import Lorenz96
from rnnensemble.tasks.memory_pro import MemoryPro
from rnnensemble.tasks.path_integration import PathIntegration
from rnnensemble.tasks.sine import Sine

__all__ = [
    "ContextIntegration",
    "DelayedDiscrimination",
    "FlipFlop",
    "Lorenz96",
    "MemoryPro",
    "PathIntegration",
    "Sine",
    "Task",
    "Trials",
    "find",
    "register",
    "registered",
]

_TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        FlipFlop,
        DelayedDiscrimination,
        Sine,
        PathIntegration,
        Lorenz96,
        ContextIntegration,
        MemoryPro,
    )
}


def register(task: type[Task]) -> type[Task]:
    """Makes a task of your own known by its `name` to presets and saved runs; a decorator."""
    taken = _TASKS.get(task.name)
    if taken is not None and taken.__qualname__ != task.__qualname__:
        raise ValueError(f"`name` {task.name!r} is taken by {taken.__qualname__}; choose another.")
    _TASKS[task.name] = task
    return task


def registered() -> dict[str, type[Task]]:
    """All known tasks by name."""
    return dict(_TASKS)


def find(name: str) -> type[Task]:
    """The task called `name`; raises ValueError that suggests the nearest name."""
    if name in _TASKS:
        return _TASKS[name]
    near = difflib.get_close_matches(name, _TASKS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`task` must be one of {sorted(_TASKS)}; got {name!r}.{hint}")
