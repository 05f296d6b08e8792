"""Two CPU devices for all tests, asked for before JAX touches one; compiled programs are kept.

They lie in `build/compiled`: the second run of the tests compiles next to nothing.

Most of the tests' time is compilation, so LLVM optimizes less, here and in processes they start.
XLA also emits fusions in the way that compiles fastest, as long as it has the choice (jax 0.10).
"""

import os
from importlib.metadata import version
from pathlib import Path

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share what who started them has set
    kept = Path(__file__).parent.parent / "build" / "compiled"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(kept)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    flags = ["--xla_backend_optimization_level=0"]
    if version("jax").startswith("0.10."):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *flags])

import jax
import pytest

from rnnensemble._core import programs

jax.config.update("jax_num_cpu_devices", 2)


LONGEST = ("test_commands.py", "test_tiles.py")
"""Files that begin first: neither worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items):
    """The longest files first; the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Compiled programs of all tests together have more memory maps than Linux allows (65,530)."""
    yield
    programs.forget_programs()
