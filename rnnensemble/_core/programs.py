"""Compiled programs: quickly compiled ones, compiled while other work goes on, and forgotten."""

import functools
import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from rnnensemble._core.process import core_count
from rnnensemble._core.runtime import on_cpu

COMPILED_FAST: dict[str, bool | int | str] = {}
"""Options for programs on a CPU that spend their time in products and LAPACK, or hardly any: what
LLVM and XLA do otherwise takes longer and gains nothing there. A level in XLA_FLAGS stands."""
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    COMPILED_FAST["xla_backend_optimization_level"] = 1
if jax.__version_info__ < (0, 11):
    COMPILED_FAST["xla_cpu_use_fusion_emitters"] = False  # later XLA has but one way


EVERY: "list[CompiledFast]" = []
"""All of them, for `forget_programs`."""

HERE = threading.local()
"""In a thread that compiles, those it is one of."""

LOCK = threading.Lock()
"""Held while a program is looked for and given to a thread: two threads may ask for one."""


class CompiledFast:
    """`jax.jit` with COMPILED_FAST where it runs on a CPU: on `mesh`, if it is called with one.

    `ahead` has a program compiled in another thread; `__call__` waits for that, or compiles it
    itself if no thread has begun. On an accelerator a search takes ten seconds to compile, on one
    core of the host.
    """

    def __init__(self, function: Callable, *, static_argnames: tuple[str, ...]) -> None:
        functools.update_wrapper(self, function)
        self._forms = {
            cpu: jax.jit(
                function,
                static_argnames=static_argnames,
                compiler_options=COMPILED_FAST if cpu else None,
            )
            for cpu in (True, False)
        }
        self._ahead: dict[Any, Future] = {}
        EVERY.append(self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        form = self._form(options.get("mesh"))
        signature = _signature(args, options) if self._ahead else ()
        program = self._ahead.get(signature)
        if program is not None and program.cancel():
            program = self._ahead[signature] = Future()
            _compile(program, form, args, options)
        if program is not None and program.exception() is None:
            return program.result()(*args)
        return form(*args, **options)

    def ahead(self, *args: Any, **options: Any) -> None:
        """Starts to compile the program of these arguments, of which shapes are enough."""
        signature, form = _signature(args, options), self._form(options.get("mesh"))
        with LOCK:
            if signature not in self._ahead:
                self._ahead[signature] = in_background(
                    lambda: form.lower(*args, **options).compile()
                )

    def programs(self) -> int:
        """How many programs there are."""
        called = sum(form._cache_size() for form in self._forms.values())  # pyright: ignore[reportAttributeAccessIssue]
        return called + len(self._ahead)

    def _form(self, mesh: Mesh | None) -> Any:
        return self._forms[jax.default_backend() == "cpu" if mesh is None else on_cpu(mesh)]


def compiled_fast(*, static_argnames: tuple[str, ...]) -> Callable[[Callable], CompiledFast]:
    """Decorates a function as `CompiledFast`."""
    return functools.partial(CompiledFast, static_argnames=static_argnames)


def _signature(args: Any, options: dict[str, Any]) -> tuple:
    """What decides a program: the structure, shapes and types of arrays, and the options."""
    leaves, tree = jax.tree.flatten(args)
    arrays = tuple(
        (jnp.shape(x), jax.dtypes.canonicalize_dtype(jnp.result_type(x))) for x in leaves
    )
    return tree, arrays, tuple(sorted(options.items()))


def _compile(program: Future, form: Any, args: Any, options: dict[str, Any]) -> None:
    """Compiles in this thread what no other has begun."""
    try:
        program.set_result(form.lower(*args, **options).compile())
    except Exception as error:  # told where the program is called
        program.set_exception(error)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """One core is left to the main thread."""
    return ThreadPoolExecutor(max(1, core_count() - 1), thread_name_prefix="compile")


def in_background(work: Callable[[], Any]) -> Future:
    """Starts work in one of the threads that compile, once one is free.

    Work that gives more work gives it to the same threads, which take none once they were dropped.
    """
    threads = getattr(HERE, "threads", None) or _threads()

    def run() -> Any:
        HERE.threads = threads
        return work()

    return threads.submit(run)


def drop_background() -> None:
    """Forgets what no thread has begun: a process that ends would wait for it."""
    if _threads.cache_info().currsize:
        _threads().shutdown(wait=False, cancel_futures=True)
        _threads.cache_clear()


def forget_programs() -> None:
    """Frees the memory of compiled programs, for work of many shapes; those on disk stay."""
    for each in EVERY:
        each._ahead.clear()
    jax.clear_caches()
    gc.collect()
