"""Loads matplotlib, before any other file does.

A backend named by MPLBACKEND that this environment lacks, as a notebook's own, must not stop
figures that are written to files alone.
"""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules:
    _backend = os.environ.pop("MPLBACKEND", None)
    import matplotlib

    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
        with contextlib.suppress(ValueError):  # matplotlib does not know it
            matplotlib.rcParams["backend"] = _backend
