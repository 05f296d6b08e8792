"""Path integration: keep track of a position from heading and speed."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble._core.platforms import by_platform
from rnnensemble.tasks import draws
from rnnensemble.tasks.base import Task, Trials


@dataclasses.dataclass(frozen=True, kw_only=True)
class PathIntegration(Task):
    """Path integration: output the position of a walker whose heading and speed are the input.

    A walker starts at a random place of the box [-box, box]^D and moves
    p_t = p_{t-1} + speed_t * heading_t; walls mirror it. Its heading turns by a Gaussian angle
    each step, its speed is uniform in [0, 2 mean_speed]. In 2-D the heading is (cos a, sin a) of
    an azimuth a; in 3-D (cos e cos a, cos e sin a, sin e) with an elevation e.
    Inputs of a channel: the angles, each as cosine and sine; the speed divided by its mean; the
    start position divided by the box, at the first step only. Expected dynamics: an attractor
    manifold.

    Source: Huang et al. (arXiv 2410.03972, section 2.2 and App. B.4: positions in [-5, 5],
    random start, threshold 0.05). Open there, chosen here: trial length, the walk's statistics,
    walls, the code of angles and start.

    Attributes:
        dimensions: 2 or 3.
        n_channels: Number of independent walkers in one trial.
        box: Half the width of the box, in position units.
        mean_speed: Mean speed, in position units a step.
        turn: Standard deviation of the change of an angle, in radians a step.
    """

    name: ClassVar[str] = "path_integration"
    threshold: ClassVar[float] = 0.05
    output_range: ClassVar[tuple[float, float]] = (-5.0, 5.0)

    n_steps: int = 50
    dimensions: Literal[2, 3] = 2
    n_channels: int = 1
    box: float = 5.0
    mean_speed: float = 0.2
    turn: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimensions not in (2, 3):
            raise ValueError(f"`dimensions` must be 2 or 3; got {self.dimensions!r}.")
        require_least(self, n_channels=1, box=1e-3, mean_speed=0.0, turn=0.0)

    @property
    def n_inputs(self) -> int:
        n_angles = self.dimensions - 1
        return (2 * n_angles + 1 + self.dimensions) * self.n_channels

    @property
    def n_outputs(self) -> int:
        return self.dimensions * self.n_channels

    @property
    def channels(self) -> list[tuple[list[int], list[int]]]:
        inputs = np.arange(self.n_inputs).reshape(self.n_channels, -1).tolist()
        outputs = np.arange(self.n_outputs).reshape(self.n_channels, -1).tolist()
        return list(zip(inputs, outputs, strict=True))

    def clean_trials(self, key: Key, batch: int) -> Trials:
        start_key, path_key = jax.random.split(key)
        shape = (batch, self.n_channels, self.dimensions)
        start = draws.uniform(start_key, shape, minval=-self.box, maxval=self.box)
        free = start[:, None] + running_sum(self.free_moves(path_key, batch))
        positions = mirrored(jnp.concatenate([start[:, None], free], axis=1), self.box)
        angles, speed = polar(jnp.diff(positions, axis=1))  # exact also where a wall mirrors
        is_first = (np.arange(self.n_steps) == 0).astype(np.float32)[None, :, None, None]
        cue = is_first * start[:, None] / self.box
        inputs = jnp.concatenate([angles, speed / self.mean_speed, cue], axis=-1)
        flat = (batch, self.n_steps, -1)
        targets = positions[:, 1:].reshape(flat)
        return Trials(inputs.reshape(flat), targets, jnp.ones(flat[:2]))

    def free_moves(self, key: Key, batch: int) -> Array:
        """Displacements of walkers without walls, `[B, T, C, D]`."""
        angle_key, turn_key, speed_key = jax.random.split(key, 3)
        shape = (batch, self.n_steps, self.n_channels)
        n_angles = self.dimensions - 1
        first = draws.uniform(angle_key, (batch, 1, *shape[2:], n_angles), maxval=2 * jnp.pi)
        turns = self.turn * draws.normal(turn_key, (*shape, n_angles))
        angle = first + running_sum(turns)
        azimuth, elevation = angle[..., 0], angle[..., 1:].sum(axis=-1)  # elevation 0 in 2-D
        heading = [jnp.cos(elevation) * jnp.cos(azimuth), jnp.cos(elevation) * jnp.sin(azimuth)]
        if self.dimensions == 3:
            heading.append(jnp.sin(elevation))
        spread = draws.uniform(speed_key, (*shape, 1), maxval=2.0)
        return self.mean_speed * spread * jnp.stack(heading, axis=-1)


def running_sum(steps: Array) -> Array:
    """Sums over time, `[B, T, ...]` to the same: on GPUs and TPUs as one triangular product."""

    def product(steps: Array) -> Array:
        triangle = np.tril(np.ones((steps.shape[1],) * 2, np.float32))
        flat = steps.reshape(*steps.shape[:2], -1)
        return jnp.matmul(triangle, flat, precision="highest").reshape(steps.shape)

    return by_platform(steps, cpu=lambda steps: jnp.cumsum(steps, axis=1), default=product)


def lengths(moves: Array) -> Array:
    """Euclidean lengths, `[..., 1]`; a GPU needs no kernel of their own for sums of few terms."""

    def by_terms(moves: Array) -> Array:
        squares = moves**2
        return jnp.sqrt(sum(squares[..., i, None] for i in range(moves.shape[-1])))

    def by_norm(moves: Array) -> Array:
        return jnp.linalg.norm(moves, axis=-1, keepdims=True)

    return by_platform(moves, cpu=by_norm, default=by_terms)


def mirrored(position: Array, box: float) -> Array:
    """Folds an unbounded position into [-box, box], as if mirrored at the walls."""
    return jnp.abs((position - box) % (4 * box) - 2 * box) - box


def polar(moves: Array) -> tuple[Array, Array]:
    """Cosine and sine of each angle, `[..., 2 (D - 1)]`, and length `[..., 1]` of moves."""
    tiny = 1e-6  # a walker that stands still has angle 0
    forward = np.array([1.0, 0.0], np.float32)
    level, speed = lengths(moves[..., :2]), lengths(moves)
    azimuth = jnp.where(level > tiny, moves[..., :2] / jnp.maximum(level, tiny), forward)
    if moves.shape[-1] == 2:
        return azimuth, speed
    climb = jnp.concatenate([level, moves[..., 2:]], axis=-1)
    elevation = jnp.where(speed > tiny, climb / jnp.maximum(speed, tiny), forward)
    return jnp.concatenate([azimuth, elevation], axis=-1), speed
