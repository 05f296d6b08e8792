"""Two CPU devices for all tests, asked for before JAX touches one; compiled programs are kept.

They lie in `build/compiled`: the second run of the tests compiles next to nothing.

Most of the tests' time is compilation, so LLVM optimizes less, here and in processes they start.
XLA also emits fusions in the way that compiles fastest, as long as it has the choice (jax 0.10),
and compiles a program as one part: parts are for cores that would be idle, and cost more in all.
Programs do not note from which lines of Python they come: each operation's note takes a seventh of
the time. LLVM leaves out what it calls expensive.
"""

import gc
import os
from functools import partial
from importlib.metadata import version
from pathlib import Path

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share what who started them has set
    kept = Path(__file__).parent.parent / "build" / "compiled"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(kept)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads of small products wait by turning in circles
    os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
    flags = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
    if version("jax").startswith("0.10."):
        flags.append("--xla_cpu_use_fusion_emitters=false")
        flags.append("--xla_cpu_parallel_codegen_split_count=1")
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *flags])

import jax
import pytest
from matplotlib.figure import Figure

from rnnensemble._core import programs
from rnnensemble.cli import driver
from rnnensemble.figures import style
from rnnensemble.study.benchmarking import plan

jax.config.update("jax_num_cpu_devices", 2)


MOST_MAPS = 30_000
"""Memory maps of a process, before which compiled programs are kept from one file to the next."""

LONGEST = ("test_commands.py", "test_docs.py", "test_slurm.py", "test_tiles.py")
"""Files that begin first: no worker is left alone with one of them at the end."""


def pytest_collection_finish():
    """What was imported stays: Python need not look through it for garbage again and again.

    Tracing makes objects by the hundred thousand; Python would look for garbage at each 700th.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_collection_modifyitems(items):
    """The longest files first; the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True, scope="session")
def _little_memory_is_passed_over():
    """Over far more than a cache holds, programs that LLVM hardly optimizes take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "traffic_step", partial(plan.traffic_step, numbers=2**16))
        yield


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Compiled programs of all tests together have more memory maps than Linux allows (65,530).

    What a file leaves and is no garbage is looked through again only when programs are forgotten:
    the last files would otherwise spend half of their time on what earlier ones have left.
    """
    yield
    maps = Path("/proc/self/maps")  # other systems have no such limit
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        gc.unfreeze()
        programs.forget_programs()  # looks for garbage itself
    else:
        gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _figures_are_made_and_not_painted(request):
    """Painting a run's figures takes longer than all else that a tiny run does.

    They are made, and files of an empty one are written. Where files are looked at, a module is
    marked `painted`.
    """

    def save(figure, target, *, dpi, kind=None):
        assert figure.axes or figure.texts
        Figure(figsize=(1, 1)).savefig(target, dpi=dpi, format=kind)

    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("painted") is None:
            patch.setattr(style, "save", save)
        yield


@pytest.fixture
def quick_driver(monkeypatch):
    """Has a driver of tasks look at them at once, and soon again."""
    monkeypatch.setattr(driver, "POLL", 0.01)
    monkeypatch.setattr(driver, "BUSY", 0.1)
