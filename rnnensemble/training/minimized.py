"""What a step minimizes: the loss, penalties, and likeness to earlier solutions."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task, Trials
from rnnensemble.training.objective import Terms, sums_by_task, terms_and_gradient
from rnnensemble.training.penalties import ON_WEIGHTS, penalty
from rnnensemble.training.settings import Training
from rnnensemble.training.similarity import Deflation, References, deflated_loss_and_gradient

Hyperparameters = dict[str, ArrayLike]
"""What may differ by network without a new program: scalars for one network, `[K]` for many.

Their names are those in the `per_network` of the training, its optimizer, the network and, if
networks are deflated, the deflation."""


def is_used(training: Training, name: str) -> bool:
    """Whether a network has a penalty; static: other programs do without."""
    return bool(np.any(np.not_equal(getattr(training, name), 0)))


def minimized_on(
    params: Params,
    trials: Trials,
    deflation: Deflation | None,
    references: References | None,
    *,
    hyper: Hyperparameters,
    network: Network,
    training: Training,
    slices: int,
    task: Task,
    key: Key | None,
) -> tuple[Terms, Array, Params]:
    """Loss and penalties on a batch, the best predictivity of a reference, and the gradient.

    `key` is the step's, for the noise of a noisy network; None for none.
    """
    paid, predicted = jnp.zeros(()), jnp.zeros(())
    judged_by: Any = {"loss": None if training.criterion == "accuracy" else training.loss}
    asked: dict[str, Any] = {
        "loss": training.loss,
        "rates_l2": jnp.asarray(hyper["rates_l2"]) if is_used(training, "rates_l2") else None,
        "accuracy_of": task if training.records_accuracy else None,
        "by_task": partial(sums_by_task, task=task, **judged_by) if training.every_task else None,
        "key": key,
    }
    if deflation is None or references is None:
        terms, gradient = terms_and_gradient(params, trials, network, slices=slices, **asked)
    else:
        asked |= {name: hyper[name] for name in ("strength", "ridge")}
        terms, scores, gradient = deflated_loss_and_gradient(
            params, trials, network, references, deflation, **asked
        )
        paid, predicted = jnp.asarray(hyper["strength"]) * jnp.sum(scores), jnp.max(scores)
    strengths = {name: jnp.asarray(hyper[name]) for name in ON_WEIGHTS if is_used(training, name)}
    if strengths:
        more, slope = jax.value_and_grad(penalty)(params, strengths, network)
        paid = paid + more
        gradient = jax.tree.map(jnp.add, gradient, slope)
    return (
        terms._replace(paid=paid if terms.paid is None else paid + terms.paid),
        predicted,
        gradient,
    )
