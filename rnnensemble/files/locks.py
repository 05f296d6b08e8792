"""Locks between processes: the kernel's, or a lease where a filesystem has none."""

import contextlib
import datetime
import errno
import logging
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOG = logging.getLogger("rnnensemble")
"""What is said beside results, on standard error unless the user's program says otherwise."""

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What a filesystem says that knows no locks (NFS without lockd, Lustre without `flock`)."""

BRIEF = 2.0
"""Seconds of waiting of which nothing is said."""

_SAID: set[int] = set()
"""Of these a line was printed already."""

LEASE = 30.0
"""Seconds after which a lease without a heartbeat is another's. A heart beats three times in it."""


@contextlib.contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a lock inside the block; yields whether it is ours.

    The kernel holds it and lets go when the process ends, however that happens; the file itself,
    made with its folder if missing, stays and says who holds it (`holder`). On one machine this
    always holds. Between machines it holds where the network filesystem passes flock on: NFS 4 and
    NFS 3 with lockd do, Lustre if mounted with `flock`. Where a filesystem has no locks, one line
    says so and a lease takes their place: a file beside it, touched again and again, which others
    take over once it has not been for `LEASE` seconds. With `wait` it waits until the lock is free,
    and says so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _acquired(path, wait=wait)
    if lock is None:
        yield False
        return
    try:
        with contextlib.suppress(OSError):  # Windows lets nobody write to a locked file
            now = datetime.datetime.now().astimezone().isoformat(" ", timespec="seconds")
            path.write_text(f"process {os.getpid()} on {platform.node()} since {now}", "utf-8")
        yield True
    finally:
        lock.release()


def holder(path: Path) -> str:
    """Who holds a lock, in words."""
    try:
        return path.read_text("utf-8") or "another process"
    except OSError:
        return "another process"


def is_alive(path: Path) -> bool | None:
    """Whether the process that holds a lock, or held it last, runs; None where that is not known.

    Nothing is locked for it: a look from outside must not take what a worker is about to take. A
    process of another machine cannot be asked.
    """
    found = re.match(r"process (\d+) on (\S+) since", holder(path))
    if found is None:
        return None if path.exists() else False
    if found[2] != platform.node() or sys.platform == "win32":  # there, a signal of 0 ends it
        return None
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _acquired(path: Path, *, wait: bool) -> "BaseFileLock | None":
    """The lock or lease, held; None if it is another's."""
    # without `preserve_lock_file`, a filesystem without flock would get a lock that outlives a kill
    import filelock  # the GPU machine has none, and takes no lock

    lock: BaseFileLock = filelock.FileLock(path, preserve_lock_file=True)
    patience = 0.0
    try:
        if _try(lock, BRIEF if wait else 0.0):
            return lock
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        if error.errno not in _SAID:
            _SAID.add(error.errno)
            LOG.warning(
                "%s has no locks (%s); leases of %g s take their place", path.parent, error, LEASE
            )
        lease = path.with_name(path.name + ".lease")
        lock = filelock.SoftFileLease(lease, lease_duration=LEASE, on_compromise=_lost)
        if _try(lock, 0.0):
            return lock
        patience = 1.5 * LEASE  # whether its holder is alive shows in that time
    if wait:
        LOG.warning("waiting for %s, held by %s", path, holder(path))
        patience = -1.0
    elif patience:
        LOG.warning("waiting up to %g s for the lease of %s", patience, holder(path))
    return lock if patience and _try(lock, patience) else None


def _try(lock: "BaseFileLock", seconds: float) -> bool:
    """Whether a lock is ours within so many seconds; -1 for as long as it takes."""
    import filelock

    with contextlib.suppress(filelock.Timeout):
        lock.acquire(timeout=seconds)
    return lock.is_locked


def _lost(compromise: object) -> None:
    LOG.warning("a lease was lost to another process: %s", compromise)
