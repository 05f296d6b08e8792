"""Whether scan and kernel compute what float64 computes."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble.networks import VanillaRNN, recurrence
from rnnensemble.networks.cell import Scheme, VanillaParams
from rnnensemble.study.benchmarking.rows import Row, Step

LARGEST_ERRORS = {"float32": 2e-5, "tf32": 3e-3, "bfloat16": 3e-2}
"""Relative errors of states, outputs and gradients against float64 that pass, by precision."""
TRIALS = 64


class Case(NamedTuple):
    """What is checked: `method` is `scan`, `fused` or `interpreted`."""

    width: int
    method: Any
    precision: Any
    n_steps: int = 100


def reference(params: VanillaParams, inputs: np.ndarray, probe: np.ndarray) -> list[np.ndarray]:
    """States, outputs and the recurrent weights' gradient of sum(probe * y), float64, tanh."""
    into, recurrent, bias, readout, start = (np.asarray(x, np.float64) for x in params)
    states = [np.broadcast_to(start, (inputs.shape[1], len(bias)))]
    for now in inputs:
        states.append(np.tanh(states[-1] @ recurrent.T + now @ into.T + bias))
    gradient, state_bar = np.zeros_like(recurrent), np.zeros_like(states[0])
    for t in reversed(range(len(inputs))):
        drive_bar = (1 - states[t + 1] ** 2) * (state_bar + probe[t] @ readout)
        gradient += drive_bar.T @ states[t]
        state_bar = drive_bar @ recurrent
    rates = np.stack(states[1:])
    return [rates, rates @ readout.T, gradient]


def largest_error(case: Case) -> float:
    """The largest relative error of states, outputs and gradient; NaN if any is NaN."""
    params, inputs, probe = _drawn(case)
    exact = reference(params, np.asarray(inputs), np.asarray(probe))
    found = _with_gradient(_scheme(case), params, inputs, probe)
    errors = [
        np.linalg.norm(np.asarray(f) - e) / np.linalg.norm(e)
        for f, e in zip(found, exact, strict=True)
    ]
    return float(np.max(errors))


def verdict(error: float, precision: str) -> dict[str, Any]:
    """The fields of a row of this error; NaN never passes."""
    most = LARGEST_ERRORS[precision]
    problem = "" if error < most else f"wrong: the error must be below {most:g}"
    return {"error": error, "problem": problem}


def check_step(case: Case, expected: float) -> Step:
    """A row of kind `check`."""

    def measure() -> dict[str, Any]:
        return verdict(largest_error(case), case.precision)

    row = Row(
        kind="check",
        name=f"{case.method} against float64",
        width=case.width,
        batch=TRIALS,
        steps=case.n_steps,
        precision=case.precision,
    )
    program = partial(_with_gradient.lower, _scheme(case))
    return Step(row, lambda: expected, measure, lambda: program(*_drawn(case)).compile())


def _scheme(case: Case) -> Scheme:
    return Scheme("tanh", case.precision, case.method)


def _drawn(case: Case) -> tuple[VanillaParams, jax.Array, jax.Array]:
    """Weights, inputs `[T, B, 3]` and a probe of the outputs, drawn from the width."""
    key = jax.random.key(case.width)
    network = VanillaRNN(width=case.width)
    params = network.init(key, n_inputs=3, n_outputs=3, gain=jnp.float32(1.5))
    shape = (case.n_steps, TRIALS, 3)
    inputs, probe = (jax.random.normal(jax.random.fold_in(key, i), shape) for i in (1, 2))
    return params, inputs, probe


@partial(jax.jit, static_argnums=0)
def _with_gradient(scheme, params, inputs, probe):  # noqa: ANN001, ANN202
    def loss(params: VanillaParams) -> tuple:
        rates, outputs = recurrence.respond(scheme, params, inputs)
        return jnp.sum(probe * outputs), (rates, outputs)

    gradient, (rates, outputs) = jax.grad(loss, has_aux=True)(params)
    return rates, outputs, gradient.recurrent_weights
