"""Two CPU devices for all tests, asked for before JAX touches one; compiled programs kept apart."""

import os
import tempfile

CACHE = tempfile.TemporaryDirectory(prefix="rnnensemble-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE.name

import jax  # noqa: E402
import pytest  # noqa: E402

from rnnensemble import runtime  # noqa: E402

jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Compiled programs of all tests together have more memory maps than Linux allows (65,530)."""
    yield
    runtime.forget_programs()
