"""Engines: what the tasks of a sweep are submitted to."""

import importlib
import logging
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rnnensemble.study.engines import (
    LOCAL,
    EngineSettings,
    Ray,
    Slurm,
    require_engine,
    settings_of,
)

REQUEUES = 1000
"""How often a job may go on in another one after its time limit."""

LOOK = 2.0
"""Seconds between looks at SLURM's queue, or at what Dask's workers have."""

LOST = 20.0
"""Seconds that a job's result may come after the queue has forgotten it."""


class Engine(Protocol):
    """Anything that takes work: an executor of `concurrent.futures`, `dask.distributed.Client`."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Has a worker call a function; what it returns has `done()` and `result()`."""
        ...


def engine_of(settings: EngineSettings, logs: Path) -> Engine:
    """The engine of these settings.

    Args:
        settings: Of one of the engines.
        logs: Folder for the logs of tasks, where the engine does not keep them itself.

    Raises:
        ValueError: If it is not installed, or this machine has no such scheduler.
    """
    return SlurmEngine(settings, logs) if isinstance(settings, Slurm) else RayEngine(settings)


def watched(engine: Engine) -> Engine:
    """An engine from Python, with what the driver needs to see of its tasks."""
    return DaskEngine(engine) if callable(getattr(engine, "processing", None)) else engine


def settings_for(engine: Any, changes: Sequence[str], text: str) -> EngineSettings | None:
    """The settings of an engine that is named; None for this process, or an engine from Python."""
    if not isinstance(engine, str):
        if not callable(getattr(engine, "submit", None)):
            raise ValueError(f"`engine` must be a name or have `submit`; got {engine!r}.")
    else:
        require_engine(engine)
        if engine != LOCAL:
            return settings_of(text, engine, tuple(changes))
    if changes:
        raise ValueError("`engine_setting` must come with an engine that is named, as slurm.")
    return None


def chosen(engine: Any, settings: EngineSettings | None, folder: Path) -> tuple[Engine | None, int]:
    """What groups are submitted to, None for nothing, and how many may be at once."""
    if settings is not None:
        return engine_of(settings, folder.absolute() / "logs"), settings.at_once
    return (None if engine == LOCAL else watched(engine)), sys.maxsize


def _required(module: str, extra: str) -> Any:
    """A module of one of the extras."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(
            f"`engine` {extra} needs {module}; install it by: pip install 'rnnensemble[{extra}]'"
        ) from None


class SlurmEngine:
    """One job a task, by submitit; its folder of logs holds the tasks as well."""

    def __init__(self, settings: Slurm, logs: Path) -> None:
        submitit, self.states, self.asked = _required("submitit", "slurm"), None, -math.inf
        if submitit.SlurmExecutor.affinity() < 0:
            raise ValueError("`engine` slurm needs SLURM's commands; this machine has no `srun`.")
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns of clusters without sacct
        options = _options(settings)
        _require_accepted(options)
        self.executor = submitit.AutoExecutor(
            folder=logs / "%j", cluster="slurm", slurm_max_num_timeout=REQUEUES
        )
        self.executor.update_parameters(
            name="rnnensemble",
            slurm_setup=list(settings.setup),
            slurm_additional_parameters={"requeue": True},
            **{f"slurm_{name}": value for name, value in options.items()},
        )

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Submits a job."""
        return SlurmJob(self.executor.submit(Requeued(function), *arguments), self._states)

    def _states(self) -> dict[str, str] | None:
        """What state each of the user's jobs is in, by number; None if SLURM does not answer."""
        if time.monotonic() - self.asked > LOOK:
            command = ["squeue", "--me", "--noheader", "--array", "--format=%i %T"]
            shown = subprocess.run(command, capture_output=True, text=True, check=False)
            states = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
            self.states = None if shown.returncode else states
            self.asked = time.monotonic()
        return self.states


def _options(settings: Slurm) -> dict[str, Any]:
    """What SLURM is asked for, by the names of `sbatch`'s options with `_` for `-`."""
    megabytes = None if settings.memory_gb is None else f"{math.ceil(1024 * settings.memory_gb)}M"
    options = {
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "mem": megabytes,
        "gpus_per_node": settings.gpus or None,
        "cpus_per_task": settings.cpus,
        "time": settings.minutes,
    }
    return {name: value for name, value in options.items() if value is not None}


def _require_accepted(options: dict[str, Any]) -> None:
    """Raises ValueError, with the scheduler's words, if it would refuse such a job."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = ["sbatch", "--test-only", "--nodes=1", *flags, "--wrap=true"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError(
            "`engine` slurm needs SLURM's commands; this machine has no `sbatch`."
        ) from None
    words = [line.rpartition("error: ")[2] for line in asked.stderr.splitlines() if line.strip()]
    if asked.returncode:
        shown = "; ".join(dict.fromkeys(words)) or f"sbatch ends with status {asked.returncode}"
        raise ValueError(f"`engine` slurm takes no such job ({shown}): {' '.join(flags)}")


class SlurmJob:
    """A job as its driver sees it, on clusters without accounting (`sacct`) too.

    There submitit would wait for ever for a job that was killed: it has ended for us once the queue
    has not held it for a while, and no result has come.
    """

    def __init__(self, job: Any, states: Callable[[], dict[str, str] | None]) -> None:
        self.job, self.states, self.missed = job, states, math.inf
        self.paths = job.paths

    def running(self) -> bool:
        """Whether it runs."""
        return (self.states() or {}).get(str(self.job.job_id)) == "RUNNING"

    def done(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.job.done() or self._lost()

    def _lost(self) -> bool:
        states = self.states()
        if states is None or str(self.job.job_id) in states:
            self.missed = math.inf
        else:
            self.missed = min(self.missed, time.monotonic())
        return time.monotonic() - self.missed > LOST

    def result(self) -> Any:
        """What the function returned; raises what it raised."""
        if not self.job.done():
            raise RuntimeError(f"job {self.job.job_id} is gone and has left no result")
        return self.job.result()

    def cancel(self) -> None:
        """Has SLURM end it."""
        self.job.cancel()


class Requeued:
    """A function that SLURM calls again, where it was, after it has taken the node away.

    submitit's own handler of SIGUSR2 would end the process amid its work. Here the signal does what
    Ctrl-C does, training saves a checkpoint, and then that handler has the job requeued.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        """Calls it."""
        requeue = signal.signal(signal.SIGUSR2, signal.SIG_DFL)  # as `stopped_by_signals` wants it
        try:
            found = self.function(*arguments)
            if "stopped" in found and callable(requeue):
                requeue(signal.SIGUSR2, None)  # ends the process
            return found
        finally:
            signal.signal(signal.SIGUSR2, requeue)

    def checkpoint(self, *arguments: Any) -> Any:
        """What submitit submits again: the disk holds how far it came."""
        return importlib.import_module("submitit").helpers.DelayedSubmission(self, *arguments)


class DaskEngine:
    """A Dask client, whose tasks say whether a worker has them."""

    def __init__(self, client: Any) -> None:
        self.client, self.keys, self.asked = client, frozenset[str](), -math.inf

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Submits a task."""
        # without `pure`, a task that is submitted again would give what it gave before
        return DaskTask(self.client.submit(function, *arguments, pure=False), self._processing)

    def _processing(self) -> frozenset[str]:
        """The keys of the tasks that workers have."""
        if time.monotonic() - self.asked > LOOK:
            workers = self.client.processing().values()
            self.keys = frozenset(key for keys in workers for key in keys)
            self.asked = time.monotonic()
        return self.keys


class DaskTask(NamedTuple):
    """A Dask future as its driver sees it: futures themselves do not say whether they run."""

    future: Any
    processing: Callable[[], frozenset[str]]

    def running(self) -> bool:
        """Whether a worker has it."""
        return not self.future.done() and self.future.key in self.processing()

    def done(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.future.done()

    def result(self) -> Any:
        """What the function returned; raises what it raised."""
        return self.future.result()

    def cancel(self) -> None:
        """Has Dask forget it, unless it runs already."""
        self.future.cancel()


class RayEngine:
    """Ray's tasks, each of which Ray starts again where its worker has died."""

    def __init__(self, settings: Ray) -> None:
        self.ray = _required("ray", "ray")
        if not self.ray.is_initialized():
            self.ray.init(settings.address, log_to_driver=False, logging_level=logging.ERROR)
        self.needs = {"num_cpus": settings.cpus, "num_gpus": settings.gpus}

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Submits a task."""
        return self.ray.remote(max_retries=2, **self.needs)(function).remote(*arguments).future()
