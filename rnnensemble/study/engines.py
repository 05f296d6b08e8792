"""What the tasks of a sweep run on: engines by name, and their settings, as values.

[engine.slurm]                       # of a sweep file, for `--engine slurm`
partition = "gpu"
gpus = 1
minutes = 240
"""

import dataclasses
from typing import Any, ClassVar, TypeAlias

from rnnensemble._core.config import Config, require_whole
from rnnensemble.study import conditions, toml


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slurm(Config):
    """SLURM jobs, one a task, submitted by submitit.

    Attributes:
        partition: Of the cluster; None for its default.
        account: What the jobs are charged to; None for the user's own.
        qos: Quality of service; None for the cluster's default.
        gpus: GPUs of a job.
        cpus: CPU cores of a job.
        memory_gb: GB of a job; None for the cluster's default.
        minutes: Time limit of a job, after which it goes on in another one.
        at_once: Jobs that wait or run at the same time, at most.
        setup: Shell lines before a job's work, as `module load cuda`.
    """

    name: ClassVar[str] = "slurm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpus: int = 0
    cpus: int = 2
    memory_gb: float | None = None
    minutes: int = 60
    at_once: int = 100
    setup: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "cpus", "minutes", "at_once")
        require_whole(self, "gpus", least=0)
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise ValueError(f"`memory_gb` must be a positive number; got {self.memory_gb!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ray(Config):
    """Tasks of a Ray cluster.

    Attributes:
        address: Of a running cluster; None for one of this machine, started here.
        gpus: GPUs of a task, which may be a part of one.
        cpus: CPU cores of a task.
        at_once: Tasks that wait or run at the same time, at most.
    """

    name: ClassVar[str] = "ray"
    address: str | None = None
    gpus: float = 0.0
    cpus: int = 1
    at_once: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "cpus", "at_once")
        if not self.gpus >= 0:
            raise ValueError(f"`gpus` must be at least 0; got {self.gpus!r}.")


EngineSettings: TypeAlias = Slurm | Ray
"""Settings of one of the engines."""

LOCAL = "local"
"""No engine: this process works on all groups, one after another."""

ENGINES: dict[str, type[EngineSettings]] = {each.name: each for each in (Slurm, Ray)}


def require_engine(name: Any) -> None:
    """Raises ValueError unless there is such an engine."""
    if name != LOCAL and name not in ENGINES:
        near = toml.nearest(str(name), [LOCAL, *ENGINES])
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"`engine` must be {LOCAL}, {', '.join(ENGINES)}, or, in Python, anything with "
            f"`submit`; got {name!r}{hint}"
        )


def read_engines(table: Any) -> dict[str, EngineSettings]:
    """The engines' settings in a sweep file's table `engine`, by name.

    Raises:
        ValueError: If an engine or a setting is unknown, or a value does not fit.
    """
    toml.require_known(toml.mapping(table, "engine"), list(ENGINES), "engine.")
    return {
        name: conditions.build(
            ENGINES[name], toml.mapping(own, f"engine.{name}"), f"engine.{name}."
        )
        for name, own in table.items()
    }


def settings_of(text: str, name: str, changes: tuple[str, ...] = ()) -> EngineSettings:
    """An engine's settings: those of a sweep file's text, changed by `KEY=VALUE`.

    Raises:
        ValueError: As `read_engines`, or if a change is none.
    """
    table = dict(toml.mapping(toml.parse(text, "sweep").get("engine", {}), "engine"))
    own = dict(toml.mapping(table.get(name, {}), f"engine.{name}"))
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise ValueError(f"`engine_setting` must be KEY=VALUE; got {change!r}.")
        try:
            own[key] = toml.parse(f"value = {value}", "engine_setting")["value"]
        except ValueError:  # text without quotes, as shells leave it
            own[key] = value
    return read_engines({name: own})[name]
