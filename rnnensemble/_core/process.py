"""The process: BLAS threads and interrupts."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Factorizations inside the block use one thread each; they must end inside it.

    On CPUs JAX factors by SciPy's BLAS, whose threads spin while they wait for one another. Among
    JAX's own threads they spin for threads that have no core: preparing 128 networks of
    `[20, 50, 64]` rates for CKA on 2 cores took 11 to 40 s with two threads and 0.2 s with one.
    """
    import scipy.linalg  # noqa: F401  loads that BLAS: only then can its threads be limited

    with threadpool_limits(1, user_api="blas"):
        yield


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C inside the block into an answer; a second one interrupts at once.

    Yields:
        A function that says whether Ctrl-C was pressed. Outside the main thread, where Python
        delivers no signals, it always says no.
    """
    pressed: list[bool] = []

    def note(signum: int, frame: object) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
