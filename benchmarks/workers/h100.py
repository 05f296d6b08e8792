"""Training programs compiled for an H100 on a machine that has none.

Import it only after `benchmarks/launches.py` has set the environment. The devices of such a
topology can be compiled for and nothing else: they hold no memory and run no program.
"""

import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

import rnnensemble as rnne
from rnnensemble import tasks
from rnnensemble._core import runtime
from rnnensemble.training import slots
from rnnensemble.training.epoch import init_state
from rnnensemble.training.recipe import Recipe, shared, shared_deflation
from rnnensemble.training.similarity import Deflation, References

DESCRIPTION = Path(__file__).parent.parent / "reference" / "h100.txtpb"
EPOCH_STEPS = 127
"""Steps an epoch: a prime number, by which the loop over the steps is found among others."""
NETWORKS = {"vanilla": rnne.VanillaRNN, "mup": rnne.MuPRNN, "gru": rnne.GRU, "lstm": rnne.LSTM}
GATED = ("gru", "lstm")
"""Those of one precision and without a kernel."""


def make_mesh(cuda: str) -> Mesh:
    """One H100 to compile for; `cuda` is the folder with JAX's CUDA plugin."""
    sys.path.append(cuda)
    found = topologies.get_topology_desc(
        platform="cuda", target_config=DESCRIPTION.read_text(), topology="1x1x1"
    )
    devices = np.array(found.devices[:1])
    return Mesh(devices, (runtime.AXIS,), axis_types=(AxisType.Auto,))


def make_settings(row: Any) -> Recipe:
    """The recipe of a row of `benchmarks/launches.py`."""
    task = tasks.find(row.task)(n_steps=row.steps, **dict(row.task_options))
    how = {} if row.network in GATED else {"precision": row.precision, "fused": row.fused}
    network = NETWORKS[row.network](width=row.width, **how)
    training = rnne.Training(
        batch=row.batch, epoch_steps=EPOCH_STEPS, **dict.fromkeys(row.penalties, 0.001)
    )
    return Recipe(task, network, training, row.tile, 0, Deflation() if row.deflated else None)


def compile_row(row: Any, mesh: Mesh) -> tuple[Any, float]:
    """A row's program, and the seconds that compiling took."""
    lowered = (lower_sampling if row.sampling else lower_epoch)(row, mesh)
    started = time.perf_counter()
    return lowered.compile(), time.perf_counter() - started


def lower_epoch(row: Any, mesh: Mesh) -> Any:
    """An epoch of one tile, as `slots.advance` runs it."""
    settings = make_settings(row)
    how: dict[str, Any] = {"task": settings.task, "network": shared(settings.network)}
    members = jax.eval_shape(lambda: slots.members_of([settings]))
    state = jax.eval_shape(
        jax.vmap(lambda *each: init_state(*each, **how)), members.keys, members.hyper
    )
    active = jax.ShapeDtypeStruct((row.tile,), bool)
    each = _placed((members.keys, state, members.hyper, active), runtime.spread_over(mesh))
    references = _one_reference(settings, state.params) if row.deflated else None
    return slots._epoch.lower(
        *each,
        _placed((references, settings.task.operands), runtime.whole_on(mesh)),
        training=shared(settings.training),
        deflation=shared_deflation(settings.deflation),
        mesh=mesh,
        tile=row.tile,
        slices=1,
        **how,
    )


def lower_sampling(row: Any, mesh: Mesh) -> Any:
    """Fresh trials of one tile."""
    task = make_settings(row).task
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), row.tile))

    def sample(keys: Any) -> Any:
        return jax.vmap(lambda key: task.sample(key, row.batch))(keys)

    return jax.jit(sample).lower(_placed(keys, runtime.spread_over(mesh)))


def _placed(tree: Any, sharding: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def _one_reference(settings: Recipe, params: Any) -> References:
    """One earlier solution, a network; a quarter of its directions are compared."""
    width = settings.network.width
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype), params)
    return References(one, None, None, jax.ShapeDtypeStruct((1, width // 4, width), np.float32))
