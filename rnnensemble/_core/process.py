"""The process: its cores, its BLAS threads, and the signals that ask it to stop."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from threadpoolctl import threadpool_limits

STOPPING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # Windows has the first two
)
"""What asks a process to stop: Ctrl-C, a scheduler's limit or preemption, a lost terminal."""

DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
"""Their handlers where nobody has set another."""

SAME_STOP = 0.5
"""Seconds within which a signal is the one before sent twice: `timeout` and shells send it to the
process and to its group."""

STOPPED = 130
"""Exit status of a command that was asked to stop, as after Ctrl-C."""


def core_count() -> int:
    """CPU cores that this process may use; all there are where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
def stopped_by_signals() -> Iterator[None]:
    """Inside the block every signal of STOPPING does what Ctrl-C does; a second one ends at once.

    What the process was started to ignore, as `nohup` has it, stays ignored. Python runs no handler
    while a compiled program runs, however long; a thread therefore waits for the second signal and
    ends the process, which leaves on the disk what a kill leaves.
    """
    if not _in_main_thread():
        yield
        return
    before = {each: signal.signal(each, _interrupt) for each in _with_handler(DEFAULTS)}
    heard, told = socket.socketpair()
    told.setblocking(False)
    others = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_at_second, args=(heard,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(others)
        told.close()  # which ends the thread
        for each, handler in before.items():
            signal.signal(each, handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """The first signal, wherever it is not deferred."""
    for each in STOPPING:
        if signal.getsignal(each) is _interrupt:
            signal.signal(each, _leave_to_thread)
    raise KeyboardInterrupt


def _leave_to_thread(signum: int, frame: FrameType | None) -> None:
    """Later signals, which `_end_at_second` hears."""


def _end_at_second(heard: socket.socket) -> None:
    """Ends the process at the second signal of STOPPING that the main thread is told of."""
    first = None
    with heard:
        while numbers := heard.recv(64):
            if set(numbers) & set(STOPPING):
                now = time.monotonic()
                if first is not None and now - first > SAME_STOP:
                    os._exit(STOPPED)
                first = first or now


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first signal of STOPPING inside the block into an answer: yields what tells it.

    A second one does what it would have done without the block. Signals for which the caller has
    a handler of his own are left to it, and so are those that the process ignores, but for Ctrl-C.
    Outside the main thread, where Python delivers no signals, the answer is always no.
    """
    if not _in_main_thread():
        yield lambda: False
        return
    pressed: list[int] = []
    before = {each: signal.getsignal(each) for each in _with_handler((*DEFAULTS, _interrupt))}

    def note(signum: int, frame: FrameType | None) -> None:
        pressed.append(signum)
        time.sleep(SAME_STOP)
        for each, handler in before.items():
            signal.signal(each, _leave_to_thread if handler is _interrupt else handler)

    for each in before:
        signal.signal(each, note)
    try:
        yield lambda: bool(pressed)
    finally:
        for each, handler in before.items():
            ended = pressed and handler is _interrupt
            signal.signal(each, _leave_to_thread if ended else handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets the block end before the first signal of STOPPING interrupts."""
    with deferred_interrupt() as interrupted:
        yield
    if interrupted():
        raise KeyboardInterrupt


def _with_handler(handlers: Sequence[Any]) -> list[signal.Signals]:
    """The signals of STOPPING with one of these handlers; Ctrl-C, too, where it is ignored."""
    return [
        each
        for each in STOPPING
        if signal.getsignal(each) in handlers
        or (each == signal.SIGINT and signal.getsignal(each) is signal.SIG_IGN)
    ]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
