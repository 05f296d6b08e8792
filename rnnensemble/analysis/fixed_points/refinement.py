"""Points of one network's dynamics in float64: refined, told apart, with their spectra."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble.networks import Network

POLISHING = 4
"""Newton steps in float64."""


def exact(
    network: Network, params: Any, inputs: np.ndarray, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States `[P, N]`, F(h) - h and Jacobians there, in float64.

    Computed on the host's CPU whatever the other devices: accelerators have little float64 or
    none, and the points of one network are few. Their number is rounded up, so that few programs
    are compiled.
    """
    count = len(states)
    rows = np.zeros((max(8, 1 << max(count - 1, 0).bit_length()), states.shape[1]))
    rows[:count] = states
    with jax.enable_x64(True), runtime.on_host():
        # by way of the host, since an array of another device would stay there
        as_64 = partial(jax.tree.map, lambda x: jnp.asarray(np.asarray(x, np.float64)))
        found = _step_and_slope(as_64(params), as_64(rows), as_64(inputs), network=network)
        gaps, slopes = (np.asarray(each)[:count] for each in found)
    return rows[:count], gaps, slopes


@partial(jax.jit, static_argnames=("network",))
def _step_and_slope(params, states, inputs, *, network):  # noqa: ANN001, ANN202
    gaps = network.step(params, states, inputs) - states
    return gaps, network.jacobian(params, states, inputs)


def polished(look: Any, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States and their speeds after Newton's steps in float64, each taken if it lowers q."""
    now, gaps, slopes = look(states)
    speeds = np.sum(gaps**2, axis=1) / 2
    for _ in range(POLISHING):
        try:
            moves = np.linalg.solve(slopes - np.eye(now.shape[1]), gaps[..., None])[..., 0]
        except np.linalg.LinAlgError:  # a Jacobian with an eigenvalue of exactly 1
            break
        new, new_gaps, new_slopes = look(now - moves)
        there = np.sum(new_gaps**2, axis=1) / 2
        better = there < speeds
        if not better.any():
            break
        now, gaps = (np.where(better[:, None], *x) for x in ((new, now), (new_gaps, gaps)))
        slopes = np.where(better[:, None, None], new_slopes, slopes)
        speeds = np.where(better, there, speeds)
    return now, speeds


def distinct(
    states: np.ndarray, speeds: np.ndarray, distance: float, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """States further apart than a distance, and how many (or what weight) each stands for.

    Of states near one another the slowest stays; those that stand for most come first.
    """
    order = np.argsort(speeds, kind="stable")
    left, weight = states[order], (np.ones(len(states), int) if weights is None else weights)[order]
    found, counts = [], []
    while len(left):
        near = np.linalg.norm(left - left[0], axis=1) <= distance
        found.append(left[0])
        counts.append(weight[near].sum())
        left, weight = left[~near], weight[~near]
    order = np.argsort(-np.array(counts, int), kind="stable")
    points = np.array(found).reshape(-1, states.shape[1])
    return points[order], np.array(counts, int)[order]


def spectra_of(slopes: np.ndarray) -> np.ndarray:
    """Eigenvalues `[P, N]` of Jacobians `[P, N, N]`, by falling modulus."""
    values = np.linalg.eigvals(slopes) if len(slopes) else np.zeros(slopes.shape[:2], complex)
    order = np.argsort(-np.abs(values), axis=1)
    return np.take_along_axis(values.astype(complex), order, axis=1)
