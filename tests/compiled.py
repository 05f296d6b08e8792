"""What tasks, networks and metrics do, each in one program for all tests of a process.

Called outside of `jax.jit`, their operations would be compiled one by one, some thirty for a task.
"""

from functools import partial

import jax


@partial(jax.jit, static_argnames=("task", "batch"))
def sample(task, key, batch):
    """Trials of a task."""
    return task.sample(key, batch)


@partial(jax.jit, static_argnames=("network", "n_inputs", "n_outputs"))
def init(network, key, *, n_inputs, n_outputs, **own):
    """Parameters of one network."""
    return network.init(key, n_inputs=n_inputs, n_outputs=n_outputs, **own)


@partial(jax.jit, static_argnames=("network",))
def respond(network, params, inputs, **options):
    """Rates and outputs of one network."""
    return network.respond(params, inputs, **options)
