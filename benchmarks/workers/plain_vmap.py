"""What a JAX user writes first: `jit(vmap(step))` over networks, autodiff, optax."""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax


def sample(key: jax.Array, batch: int, n_steps: int, n_bits: int = 3) -> tuple:
    """Flip-flop trials: pulses, and the last pulse of each channel."""
    drawn = jax.random.uniform(key, (n_steps, batch, n_bits))
    pulses = jnp.where(drawn < 0.15, -1.0, jnp.where(drawn < 0.3, 1.0, 0.0))
    pulses = pulses.at[0].set(jnp.where(drawn[0] < 0.5, -1.0, 1.0))

    def hold(held: jax.Array, now: jax.Array) -> tuple:
        held = jnp.where(now == 0, held, now)
        return held, held

    return pulses, jax.lax.scan(hold, pulses[0], pulses)[1]


def loss(params: dict, pulses: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean squared error of a vanilla RNN."""

    def step(state: jax.Array, now: jax.Array) -> tuple:
        drive = now @ params["input"].T + params["bias"]
        state = jnp.tanh(state @ params["recurrent"].T + drive)
        return state, state @ params["readout"].T

    start = jnp.zeros((pulses.shape[1], len(params["bias"])))
    return jnp.mean((jax.lax.scan(step, start, pulses)[1] - targets) ** 2)


def measure(width: int, batch: int, n_steps: int, size: int, epoch_steps: int) -> float:
    """Net-steps a second, the median of four epochs after the first."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def init(key: jax.Array) -> tuple:
        keys = jax.random.split(key, 3)
        bound = width**-0.5

        def draw(key: jax.Array, *shape: int) -> jax.Array:
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        params = {
            "input": draw(keys[0], width, 3),
            "recurrent": draw(keys[1], width, width),
            "bias": jnp.zeros(width),
            "readout": draw(keys[2], 3, width),
        }
        return params, optimizer.init(params)

    def step(key: jax.Array, params: dict, state: tuple) -> tuple:
        value, gradient = jax.value_and_grad(loss)(params, *sample(key, batch, n_steps))
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    keys = jax.random.split(jax.random.key(0), size)
    params, state = jax.vmap(init)(keys)
    step = jax.jit(jax.vmap(step), donate_argnums=(1, 2))
    fold = jax.jit(jax.vmap(jax.random.fold_in, (0, None)))
    speeds = []
    for epoch in range(5):
        started = time.perf_counter()
        for index in range(epoch_steps):
            params, state, value = step(fold(keys, epoch * epoch_steps + index), params, state)
        value.block_until_ready()
        speeds.append(size * epoch_steps / (time.perf_counter() - started))
    return float(np.median(speeds[1:]))


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:])))
