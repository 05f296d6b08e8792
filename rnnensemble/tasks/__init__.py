"""What a network must do: one file a task, and a registry that knows them by name."""

from rnnensemble._core.registry import Registry
from rnnensemble.tasks.array_task import ArrayTask
from rnnensemble.tasks.base import Task, Trials
from rnnensemble.tasks.context_integration import ContextIntegration
from rnnensemble.tasks.delayed_cue import DelayedCue
from rnnensemble.tasks.delayed_discrimination import DelayedDiscrimination
from rnnensemble.tasks.flipflop import FlipFlop
from rnnensemble.tasks.lorenz96 import Lorenz96
from rnnensemble.tasks.memory_pro import MemoryPro
from rnnensemble.tasks.mixture import Mixture
from rnnensemble.tasks.neurogym_task import NeurogymTask
from rnnensemble.tasks.path_integration import PathIntegration
from rnnensemble.tasks.recordings import match_activity
from rnnensemble.tasks.ring import Ring, ring_tasks
from rnnensemble.tasks.sine import Sine

__all__ = [
    "ArrayTask",
    "ContextIntegration",
    "DelayedCue",
    "DelayedDiscrimination",
    "FlipFlop",
    "Lorenz96",
    "MemoryPro",
    "Mixture",
    "NeurogymTask",
    "PathIntegration",
    "Ring",
    "Sine",
    "Task",
    "Trials",
    "find",
    "match_activity",
    "register",
    "registered",
    "ring_tasks",
]

REGISTRY: Registry[type[Task]] = Registry(
    "task",
    (
        FlipFlop,
        DelayedDiscrimination,
        DelayedCue,
        Sine,
        PathIntegration,
        Lorenz96,
        ContextIntegration,
        MemoryPro,
        Ring,
        Mixture,
        ArrayTask,
        NeurogymTask,
    ),
)
register = REGISTRY.register
"""Makes a task of your own known by its `name` to presets and saved runs; a decorator."""
registered = REGISTRY.registered
"""All known tasks by name."""
find = REGISTRY.find
"""The task called `name`; raises ValueError that suggests the nearest name."""
