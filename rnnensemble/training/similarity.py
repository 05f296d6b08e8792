"""What deflation adds to a loss: how well a network's rates predict those of earlier solutions."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble._core.config import Config
from rnnensemble._core.inverse import inverse
from rnnensemble.networks import Network, Params, weights_of
from rnnensemble.networks.cell import exact_product
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import losses
from rnnensemble.training.objective import ByTask, Terms, respond_in_training, steps_of, with_rest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deflation(Config):
    """How strongly networks are pushed away from earlier solutions, and when that is enough.

        L = L_task + strength * sum_r S(X, Y_r)

    with S the linear predictivity of reference r's rates Y_r from the network's own rates X (see
    `predictivity`). The two are never compared where the task forces them to agree: each is first
    projected on the null space of its own readout.

    Source: Qian & Pehlevan (arXiv 2509.21504), whose strength, ridge and stopping are not known
    to us: the defaults are ours, and so is `target`.

    Attributes:
        strength: lambda, at least 0; one number, or one for each network.
        ridge: rho as a share of the mean eigenvalue of X^T X, at least 0; one, or one for each.
        target: A network has converged once its task loss stays below the threshold while its
            predictivity of every reference stays at or below this; 1 asks for the task alone. One
            number, or one for each network.
        null_space: Whether rates are projected on the null spaces of the readouts.
        compared: Share of each batch's trials on which references are compared, above 0 and at
            most 1: half of them costs half as much and says nearly the same.
        references: What the references are called; a record alone.
    """

    per_network: ClassVar[tuple[str, ...]] = ("strength", "ridge", "target")
    """Fields that may differ between the networks of a population."""

    strength: float | tuple[float, ...] = 0.1
    ridge: float | tuple[float, ...] = 1e-4
    target: float | tuple[float, ...] = 1.0
    null_space: bool = True
    compared: float = 0.5
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.compared <= 1:
            raise ValueError(f"`compared` must be above 0 and at most 1; got {self.compared!r}.")

    def trials(self, batch: int) -> int:
        """How many trials of a batch references are compared on."""
        return max(1, round(self.compared * batch))


class References(NamedTuple):
    """R earlier solutions, as networks that see each batch or as rates on trials of their own.

    Attributes:
        params: Their parameters, leading axis R; None for rates.
        inputs: The trials that rates belong to, `[B, T, I]`; None for networks.
        rates: Their rates on those, `[R, B, T, M]`; None for networks.
        axes: Orthonormal rows, the directions of each reference that are compared, `[R, Q, M]`;
            rows of zeros where it has fewer.
    """

    params: Params | None
    inputs: ArrayLike | None
    rates: ArrayLike | None
    axes: ArrayLike


def deflated_loss_and_gradient(
    params: Params,
    trials: Trials,
    network: Network,
    references: References,
    deflation: Deflation,
    *,
    strength: ArrayLike,
    ridge: ArrayLike,
    loss: str = "mse",
    rates_l2: Array | None = None,
    accuracy_of: Task | None = None,
    by_task: ByTask | None = None,
    key: Key | None = None,
) -> tuple[Terms, Array, Params]:
    """The task's loss, the predictivity of each reference, and the gradient of what is lowered.

    References that are networks see the trials too, without noise. `strength` is lambda, `ridge`
    rho as a share of the mean eigenvalue; the rest is as for `terms_and_gradient`.

    Returns:
        The task's loss L and what comes with it, S `[R]`, and the gradient of
        L + lambda * sum_r S_r, and of what rates cost.
    """

    def objective(params: Params) -> tuple[Array, tuple[Terms, Array]]:
        rates, outputs = respond_in_training(params, trials.inputs, network, key)
        found = losses.find(loss)(outputs, trials.targets, trials.mask)
        how: dict[str, Any] = {"batch": len(trials.mask), "steps": steps_of(trials)}
        terms = with_rest(found, rates, outputs, trials, rates_l2, accuracy_of, by_task, **how)
        count = deflation.trials(len(rates))
        rates, inputs = rates[:count], trials.inputs[:count]
        valid = None if trials.valid is None else trials.valid[:count]
        if references.inputs is not None:
            inputs, valid = jnp.asarray(references.inputs), None
            rates = network.respond(params, inputs)[0]
        readout = readouts_of(network, params) if deflation.null_space else None
        total, each = predictivity(network, rates, readout, references, (inputs, valid), ridge)
        minimized = found + strength * total
        return minimized if terms.paid is None else minimized + terms.paid, (terms, each)

    (_, (terms, each)), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    return terms, each, gradient


def readouts_of(network: Network, params: Params) -> Array:
    """W_y of all rates, `[..., O, R]`, whose null space is compared; 0 for those not read out."""
    readout = weights_of(network, params, ["readout_weights"], "`null_space`")[0]
    unseen = network.n_rates - readout.shape[-1]
    return (
        readout if not unseen else jnp.pad(readout, [(0, 0)] * (readout.ndim - 1) + [(0, unseen)])
    )


def _predictivity(
    network: Network,
    rates: Array,
    readout: Array | None,
    references: References,
    shown: tuple[Array, Array | None],
    ridge: ArrayLike,
) -> tuple[Array, Array]:
    """Linear predictivity of every reference from a network's rates.

        S(X, Y) = 1 - min_M (|| X M - Y ||_F^2 + rho || M ||_F^2) / || Y ||_F^2
                = tr(Y^T X (X^T X + rho I)^-1 X^T Y) / || Y ||_F^2

    X and Y are centered rates on the same trials, `[B T, N]`, X projected on the null space of its
    readout (None for rates as they are), Y on the reference's axes; `ridge` is rho as a share of
    the mean eigenvalue of X^T X. `shown` are inputs, `[B, T, I]`, and which of their steps count,
    `[B, T]`, None for all. By the envelope theorem S has the derivative of the middle form at the
    best M, so that no solve is differentiated; references are visited one after another and their
    rates never kept.

    Returns:
        sum_r S_r, which can be differentiated in rates and readout, and S, `[R]`, which cannot.

    Source: Qian & Pehlevan (arXiv 2509.21504); centering, and the ridge's unit, are ours.
    """
    return _forward(network, rates, readout, references, shown, ridge)[0]


def _forward(network, rates, readout, references, shown, ridge):  # noqa: ANN001, ANN202
    x = _centered(_samples(rates), shown[1])
    gram = exact_product(x.T, x)
    unit, share = jnp.eye(len(gram)), ridge / len(gram)
    dual = None  # (W W^T)^-1 W, `[O, N]`
    if readout is not None:
        dual = inverse(exact_product(readout, readout.T)) @ readout
    outside = unit if readout is None else unit - readout.T @ dual
    inner = outside @ gram @ outside
    mean = jnp.trace(inner) / len(gram)
    apart = mean * (unit - outside)  # invertible where the readout sees, too
    solve = inverse(inner + ridge * mean * unit + apart)

    def visit(sums: tuple, reference: tuple[Any, Array]) -> tuple[tuple, Array]:
        y = _reference_samples(network, reference, references, shown)
        cross = exact_product(x.T, y)
        best = outside @ (solve @ (outside @ cross))  # M
        size = jnp.sum(best**2)
        square = best @ best.T
        score = (
            2 * jnp.sum(best * cross)
            - jnp.sum(gram * square)
            - share * size * jnp.trace(inner)  # as a maximum, right to second order in M
        )
        parts = exact_product(y, best.T), square, size, cross @ best.T
        return jax.tree.map(jnp.add, sums, parts), score

    zero = jnp.zeros_like(x), jnp.zeros_like(gram), jnp.zeros(()), jnp.zeros_like(gram)
    which = references.rates if references.params is None else references.params
    (pulled, square, size, crossed), scores = jax.lax.scan(visit, zero, (which, references.axes))
    x_bar = 2 * (pulled - exact_product(x, square + share * size * outside))
    readout_bar = None
    if dual is not None:
        outside_bar = crossed + crossed.T - gram @ square - square @ gram - share * size * gram
        readout_bar = -2 * dual @ outside_bar @ outside
    batch, steps, units = rates.shape
    rates_bar = jnp.swapaxes(x_bar.reshape(steps, batch, units), 0, 1)
    return (jnp.sum(scores), scores), (rates_bar, readout_bar)


def _backward(network: Network, kept: tuple, cotangents: tuple) -> tuple:
    del network
    scaled = jax.tree.map(lambda each: cotangents[0] * each, kept)
    return *scaled, None, None, None


predictivity: Any = jax.custom_vjp(_predictivity, nondiff_argnums=(0,))
predictivity.defvjp(_forward, _backward)


def _reference_samples(
    network: Network, reference: tuple[Any, Array], references: References, shown: tuple
) -> Array:
    """The centered rates of one reference along its axes, of unit norm, `[B T, Q]`."""
    (which, axes), (inputs, valid) = reference, shown
    rates = which if references.params is None else network.respond(which, inputs)[0]
    y = exact_product(_samples(rates), axes.T)  # few, so cheap to center
    y = _centered(y, valid)
    return y / jnp.maximum(jnp.linalg.norm(y), 1e-30)


def _samples(rates: Array) -> Array:
    """Rates `[B, T, N]` as samples, `[T B, N]`: time first, as they are made."""
    return jnp.swapaxes(rates, 0, 1).reshape(-1, rates.shape[-1])


def _centered(samples: Array, valid: Array | None) -> Array:
    """Samples `[T B, ..]` around their mean; zeros, which add nothing, for those not valid."""
    if valid is None:
        return samples - jnp.mean(samples, axis=0, keepdims=True)
    counts = valid.T.reshape(-1, 1)
    mean = jnp.sum(counts * samples, axis=0, keepdims=True) / jnp.sum(counts)
    return counts * (samples - mean)
