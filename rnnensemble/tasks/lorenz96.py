"""Lorenz-96: predict the next state of a chaotic ring."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks import draws
from rnnensemble.tasks.base import Task, Trials

MEAN, DEVIATION = 2.3, 3.6
"""Of a site at F = 8, in units of x."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lorenz96(Task):
    """Lorenz-96: the input is the state of a chaotic ring, the target its state a step later.

        dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F,   i on a ring of D sites

    Inputs and targets are (x - MEAN) / DEVIATION, those of a site at F = 8 and large D (a few
    percent off for small D). A state is drawn at random and left alone for `burn_in` before a
    trial starts, which brings it to the attractor. The whole state is seen, so that the task asks
    for a nonlinear map and for no memory. Expected dynamics: those of the input, chaos (a cycle
    for D = 4 at F = 8). Chaos also enlarges rounding: programs compiled differently (another
    tile, another device) draw trials of the same law from a key, but not quite the same ones.

    Source: the system is that of Lorenz (1996, "Predictability: a problem partly solved"), the
    task that of Huang et al. (arXiv 2410.03972, App. E), who leave all numbers open. F and the
    time step of 0.05 are Lorenz's, integrated by the classical Runge-Kutta method of order 4 as
    there. The threshold is our choice: see docs/tasks.md.

    Attributes:
        dimension: Number of sites D.
        forcing: F.
        time_step: Time between two states, in time units of the equation.
        substeps: Runge-Kutta steps a time step.
        burn_in: Time before a trial starts, in time units.
    """

    name: ClassVar[str] = "lorenz96"
    threshold: ClassVar[float] = 0.001
    output_range: ClassVar[tuple[float, float]] = (-4.0, 4.0)

    n_steps: int = 50
    dimension: int = 8
    forcing: float = 8.0
    time_step: float = 0.05
    substeps: int = 1
    burn_in: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, dimension=4, forcing=0.0, time_step=1e-6, substeps=1, burn_in=0.0)

    @property
    def n_inputs(self) -> int:
        return self.dimension

    @property
    def n_outputs(self) -> int:
        return self.dimension

    def clean_trials(self, key: Key, batch: int) -> Trials:
        start = MEAN + DEVIATION * draws.normal(key, (self.dimension, batch))
        step = self.time_step / self.substeps
        burnt = self.integrate(start, step=step, count=round(self.burn_in / step))

        def advance(state: Array, _: None) -> tuple[Array, Array]:
            state = self.integrate(state, step=step, count=self.substeps)
            return state, state

        states = jax.lax.scan(advance, burnt, length=self.n_steps)[1]
        states = jnp.concatenate([burnt[None], states])  # [T + 1, D, B]: lanes are trials
        scaled = jnp.transpose((states - MEAN) / DEVIATION, (2, 0, 1))
        return Trials(scaled[:, :-1], scaled[:, 1:], jnp.ones((batch, self.n_steps)))

    def integrate(self, state: Array, *, step: float, count: int) -> Array:
        """States `[D, ...]` after `count` steps of the classical Runge-Kutta method."""

        def advance(_: int, x: Array) -> Array:
            first = self.velocity(x)
            second = self.velocity(x + step / 2 * first)
            third = self.velocity(x + step / 2 * second)
            fourth = self.velocity(x + step * third)
            return x + step / 6 * (first + 2 * second + 2 * third + fourth)

        return jax.lax.fori_loop(0, count, advance, state)

    def velocity(self, x: Array) -> Array:
        """dx/dt of states `[D, ...]`."""
        site = np.arange(self.dimension)
        after, before, second = (x[(site + shift) % self.dimension] for shift in (1, -1, -2))
        return (after - second) * before - x + self.forcing
