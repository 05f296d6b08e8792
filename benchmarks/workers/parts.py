"""Where the time of a net-step goes: milliseconds of its parts, with all cores busy.

    python parts.py WIDTH BATCH

A slice of the batch is what `train_population` takes at once; parts are scaled to the whole batch.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

import rnnensemble as rnne
from rnnensemble._core import mapping, runtime
from rnnensemble.networks import recurrence
from rnnensemble.networks.cell import Scheme
from rnnensemble.training import slots
from rnnensemble.training.objective import loss_and_gradient
from rnnensemble.training.recipe import Recipe

STEPS, REPEATS = 100, 10


def milliseconds(function: Callable, *args: jax.Array) -> float:
    """Of one call of many in a loop, each waiting for the one before; the best of five loops."""
    mesh = runtime.network_mesh()

    def loop(args: tuple, _: tuple) -> jax.Array:
        def turn(_: int, carry: tuple) -> tuple:
            first, *rest = carry
            results = jax.lax.optimization_barrier(function(first, *rest))
            found = sum(jnp.ravel(x)[-1] for x in jax.tree.leaves(results))
            index = (0,) * first.ndim
            return (first.at[index].add(1e-30 * found), *rest)

        return jax.lax.fori_loop(0, REPEATS, turn, args)[0].ravel()[0]

    spread = jax.jit(lambda args: mapping.map_items(loop, args, mesh=mesh, tile=1))
    args = jax.tree.map(lambda x: jnp.stack([x] * mesh.size), args)
    jax.block_until_ready(spread(args))
    times = []
    for _ in range(5):
        started = time.perf_counter()
        jax.block_until_ready(spread(args))
        times.append(time.perf_counter() - started)
    return 1e3 * min(times) / REPEATS


def measure(width: int, batch: int) -> dict[str, float]:
    """Milliseconds of a net-step's parts on one core."""
    task, network = rnne.tasks.FlipFlop(n_bits=3, n_steps=STEPS), rnne.VanillaRNN(width=width)
    settings = Recipe(task, network, rnne.Training(batch=batch), 1, 0)
    slices = slots._slices(settings, runtime.network_mesh())
    scheme, some = Scheme(), batch // slices
    key = jax.random.key(0)
    params = network.init(key, n_inputs=3, n_outputs=3, gain=jnp.float32(1))
    trials = task.sample(key, batch)
    inputs = jnp.swapaxes(trials.inputs, 0, 1)[:, :some]
    states, last = recurrence._scan_states(scheme, params, inputs)
    weights = params.recurrent_weights.T

    def with_weights(function: Callable) -> Callable:
        return lambda w, *args: function(params._replace(recurrent_weights=w), *args)

    def chain(w: jax.Array, state: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda h, _: (h @ w, None), state, length=STEPS)[0]

    def over_all(left: jax.Array, right: jax.Array) -> jax.Array:
        return left.reshape(-1, width).T @ right.reshape(-1, width)

    forward = with_weights(partial(recurrence._scan_states, scheme))
    backward = with_weights(partial(recurrence._scan_drives_bar, scheme))
    whole = with_weights(partial(loss_and_gradient, network=network, slices=slices))

    def draw(seed: jax.Array) -> tuple:
        return task.sample(jax.random.key(seed.astype(jnp.int32)), batch)

    return {
        "forward products alone": slices * milliseconds(chain, weights, states[0]),
        "forward": slices * milliseconds(forward, weights, inputs),
        "backward": slices * milliseconds(backward, weights, states, last, inputs),
        "weight gradient": slices * milliseconds(over_all, states, states + 1),
        "loss and gradient": milliseconds(whole, weights, trials),
        "draws": milliseconds(draw, jnp.zeros(())),
    }


if __name__ == "__main__":
    rnne.use_all_cores()
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
