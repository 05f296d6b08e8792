"""Programs compiled ahead of what is timed, in threads, into JAX's cache on disk."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.training import memory, slots
from rnnensemble.training.recipe import Recipe


class Program(NamedTuple):
    """The program of an epoch.

    Attributes:
        seconds: What compiling took; little if the program was in the cache.
        memory_bytes: Arguments, results and temporary arrays on each device, by the compiler; None
            where it does not say.
        tile: Networks that a device trains at once; fewer than asked for where memory is short.
    """

    seconds: float
    memory_bytes: int | None
    tile: int


def compile_epoch(settings: Recipe, mesh: Mesh, tile: int | None = None) -> Program:
    """Compiles the program of an epoch as `train_population` will run it."""
    active = np.ones(settings.size, bool)
    launched = slots.launch(settings, mesh, tile or slots.default_tile(settings, mesh))
    lowered = slots.lowered_epoch(launched, active)
    started = time.perf_counter()
    needed = memory.program_bytes(lowered.compile())
    seconds = time.perf_counter() - started
    if tile is None and needed is not None and needed > runtime.memory_bytes(mesh):
        launched = memory.fitted(launched, active, asked=False)
    return Program(seconds, needed, launched.tile)


@contextlib.contextmanager
def cache_in(folder: str) -> Iterator[None]:
    """Keeps every program compiled inside the block in a folder, and finds those kept there."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    for name, value in zip(names, (folder, 0.0), strict=True):
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def compile_all(
    prepare: Sequence[Callable[[], object]], *, threads: int, seconds: float
) -> list[str]:
    """Compiles in threads, and gives up waiting after some seconds.

    Returns the messages of those that failed; their rows will fail again and say so themselves.
    """
    pool = ThreadPoolExecutor(threads)
    futures = [pool.submit(each) for each in prepare]
    done, _ = wait(futures, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    return [str(error) for each in done if (error := each.exception()) is not None]
