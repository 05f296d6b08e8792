"""How far one network's kernel and rates moved from where they started."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Trials
from rnnensemble.training.frozen import stopped


def kernel_alignment(
    pair: Params, parts: Trials, *, network: Network, stride: int, frozen: tuple[str, ...] = ()
) -> Array:
    """KA, in [0, 1], of one network's parameters before and after training (leading axis 2).

    The kernel is never whole: its blocks come from two parts of the trials `[n, b, ...]` at a time.
    It is symmetric, so that blocks below its diagonal count twice. It is taken at the steps stride,
    2 stride, ...; `frozen` paths were not trained.
    """
    how: dict[str, Any] = {"network": network, "stride": stride, "frozen": frozen}

    def jacobians(trials: Trials) -> Params:
        jacobian = partial(output_jacobian, trials=trials, **how)
        return jax.lax.map(jacobian, pair)

    def part(i: Array) -> Params:
        return jacobians(jax.tree.map(lambda x: x[i], parts))

    # KA does not depend on the kernels' scales; near 1, their squares do not overflow
    one_trial = jacobians(jax.tree.map(lambda x: x[0, :1], parts))
    scales = _largest(jax.vmap(kernel_block)(one_trial, one_trial))

    def products(left: Params, right: Params) -> Array:
        kernels = jax.lax.map(lambda each: kernel_block(*each), (left, right)) / scales
        return jnp.einsum("arc,brc->ab", kernels, kernels)

    def block_row(i: Array) -> Array:
        own = part(i)

        def add(j: Array, total: Array) -> Array:
            return total + 2 * products(own, part(j))

        return jax.lax.fori_loop(0, i, add, products(own, own))

    return _alignment(jnp.sum(jax.lax.map(block_row, jnp.arange(len(parts.mask))), axis=0))


def output_jacobian(
    params: Params, trials: Trials, *, network: Network, stride: int, frozen: tuple[str, ...] = ()
) -> Params:
    """J of the outputs at every stride-th step, zero where the loss does not count.

    A tree of the parameters' shapes with leading axes `[b, steps, O]`; zero for an initial state
    that is not trained, and for what is frozen.
    """

    def of_trial(inputs: Array, mask: Array) -> Params:
        def counted(params: Params) -> Array:
            outputs = network.respond(stopped(params, frozen), inputs[None])[1][0]
            return (mask[:, None] * outputs)[stride - 1 :: stride]

        return jax.jacrev(counted)(params)

    return jax.vmap(of_trial)(trials.inputs, trials.mask)


def kernel_block(left: Params, right: Params) -> Array:
    """J_left J_right^T, `[rows, rows]`, summed over the parameters' arrays."""

    def of_array(left: Array, right: Array) -> Array:
        axes = tuple(range(3, left.ndim))  # after trial, step and output
        block = jax.lax.dot_general(left, right, ((axes, axes), ((), ())))
        return block.reshape(left.shape[0] * left.shape[1] * left.shape[2], -1)

    first, *others = map(of_array, jax.tree.leaves(left), jax.tree.leaves(right))
    return sum(others, first)


def representation_alignment(
    pair: Params, parts: Array, valid: Array | None = None, *, network: Network
) -> Array:
    """The alignment of Gram matrices of rates, by Tr(G_T G_0) = ||H_T^T H_0||_F^2, in [0, 1].

    Parameters before and after training have a leading axis 2; inputs come in n parts of b trials,
    `[n, b, T, I]`, as do the steps that belong to a trial, `[n, b, T]`, None if all do.
    """

    shown = parts, valid

    def rates(shown: tuple[Array, Array | None]) -> Array:
        inputs, valid = shown
        both = jax.lax.map(lambda params: network.respond(params, inputs)[0], pair)
        both = both if valid is None else jnp.where(valid[..., None] != 0, both, 0.0)
        return both.reshape(2, -1, network.n_rates)

    scales = _largest(rates(jax.tree.map(lambda x: x[0], shown)))  # as for kernels

    def add(total: Array, part: tuple[Array, Array | None]) -> tuple[Array, None]:
        scaled = rates(part) / scales
        return total + jnp.einsum("arm,brn->abmn", scaled, scaled), None

    zero = jnp.zeros((2, 2, network.n_rates, network.n_rates))
    overlaps = jax.lax.scan(add, zero, shown)[0]
    return _alignment(jnp.sum(overlaps**2, axis=(2, 3)))


def _largest(matrices: Array) -> Array:
    """The largest absolute value in each of two matrices, 1 for zeros, `[2, 1, 1]`."""
    largest = jnp.max(jnp.abs(matrices), axis=(1, 2), keepdims=True)
    return jnp.where(largest == 0, 1.0, largest)


def _alignment(products: Array) -> Array:
    """Tr(K_T K_0) / (||K_T|| ||K_0||) from the traces of products, `[2, 2]`."""
    norms = jnp.sqrt(jnp.diag(products))
    return jnp.clip(products[0, 1] / norms[0] / norms[1], 0.0, 1.0)  # beyond only by rounding
