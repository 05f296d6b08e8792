"""Seconds from the start of a process to its first training step of a preset, and of compiling.

    python first_step.py PRESET.toml CACHE STARTED

STARTED is the time.time() just before this process was started.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

os.environ["JAX_COMPILATION_CACHE_DIR"] = sys.argv[2]

import jax

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study import conditions

runtime.use_all_cores()
runtime.use_compilation_cache()
compiling: list[float] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiling.append(seconds) if "backend_compile" in event else None
)
condition = conditions.from_toml(Path(sys.argv[1]).read_text())
rnne.train_population(
    condition.task,
    network=condition.network,
    training=dataclasses.replace(condition.training, epoch_steps=1, max_epochs=1),
    size=condition.size,
    progress=lambda _: print(
        json.dumps({"seconds": time.time() - float(sys.argv[3]), "compile_seconds": sum(compiling)})
    ),
)
