"""Attractors beyond single points: lines of slow points, and orbits that recur."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

NEAR_UNIT = 0.05
"""Eigenvalues this near to 1 move a state slowly."""

LEAST_POINTS = 8
"""Points that make a chain."""

ALIGNED = 0.8
"""Least cosine between a step along the chain and the slow directions at its ends."""

SPACING = 0.02
"""Least distance of two points of a chain, relative to the spread of all states."""

MOVING, RECURRENT, KEPT = 1e-2, 0.05, 0.95
"""Least amplitude of a cycle; largest return relative to it; what of it must last."""


class Line(NamedTuple):
    """A chain of slow points whose neighbors lie along slow directions.

    Attributes:
        points: `[C, N]`, from one end to the other.
        length: Sum of the distances between neighbors along the chain.
        nearest: Eigenvalue nearest to 1 at each point, `[C]`.
        alignment: Mean cosine of steps along the chain and slow directions.
        dimension: Median number of eigenvalues near 1: 1 for a line, 2 for a surface.
    """

    points: np.ndarray
    length: float
    nearest: np.ndarray
    alignment: float
    dimension: int


class Cycle(NamedTuple):
    """An orbit that recurs without shrinking.

    Attributes:
        period: Steps after which it comes back.
        amplitude: Largest distance from its mean.
        returned: Mean distance to itself a period later.
        share: Share of the orbits followed that recur.
    """

    period: int
    amplitude: float
    returned: float
    share: float


def find_lines(
    slow: np.ndarray,
    points: np.ndarray,
    spectra: np.ndarray,
    jacobian: Callable[[np.ndarray], np.ndarray],
) -> tuple[Line, ...]:
    """Chains among slow states `[S, N]`.

    Slow states beside `points` `[P, N]` whose spectra `[P, N]` have no eigenvalue near 1 are no
    part of a line. `jacobian` gives `[C, N, N]` at states `[C, N]`.
    """
    if len(slow) < LEAST_POINTS:
        return ()
    spread = np.sqrt(np.mean(np.sum((slow - slow.mean(axis=0)) ** 2, axis=1)))
    rigid = points[np.min(np.abs(spectra - 1), axis=1) > NEAR_UNIT] if len(points) else points
    kept: list[np.ndarray] = []
    for state in slow:
        near = np.concatenate([rigid, np.array(kept).reshape(-1, slow.shape[1])])
        if not len(near) or np.linalg.norm(near - state, axis=1).min() > SPACING * spread:
            kept.append(state)
    if len(kept) < LEAST_POINTS:
        return ()
    states = np.array(kept)
    found = [_slow_directions(each) for each in jacobian(states)]
    usable = np.array([vectors.shape[1] > 0 for _, vectors in found])
    states, found = states[usable], [each for each, use in zip(found, usable, strict=True) if use]
    return _chains(states, found) if len(states) >= LEAST_POINTS else ()


def _slow_directions(slope: np.ndarray) -> tuple[float, np.ndarray]:
    """The real eigenvalue nearest to 1, and orthonormal columns that span those near it."""
    values, vectors = np.linalg.eig(slope)
    near = (np.abs(values - 1) <= NEAR_UNIT) & (np.abs(np.imag(values)) < 1e-6)
    if not near.any():
        return np.nan, np.zeros((len(slope), 0))
    nearest = np.real(values[near])
    basis = np.linalg.qr(np.real(vectors[:, near]))[0]
    return float(nearest[np.argmin(np.abs(nearest - 1))]), basis


def _chains(states: np.ndarray, found: list[tuple[float, np.ndarray]]) -> tuple[Line, ...]:
    """Connected parts of the tree of nearest neighbors, whose edges run along slow directions."""
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    distances = squareform(pdist(states))
    tree = minimum_spanning_tree(distances).tocoo()
    cosines = np.array(
        [
            min(_cosine(states[j] - states[i], found[k][1]) for k in (i, j))
            for i, j in zip(tree.row, tree.col, strict=True)
        ]
    )
    kept = cosines >= ALIGNED
    graph = np.zeros_like(distances)
    graph[tree.row[kept], tree.col[kept]] = tree.data[kept]
    labels = connected_components(graph, directed=False)[1]
    lines = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < LEAST_POINTS:
            continue
        own = kept & (labels[tree.row] == label)
        centered = states[members] - states[members].mean(axis=0)
        along = centered @ np.linalg.svd(centered, full_matrices=False)[2][0]
        order = members[np.argsort(along)]
        line = Line(
            points=states[order],
            length=float(tree.data[own].sum()),
            nearest=np.array([found[k][0] for k in order]),
            alignment=float(cosines[own].mean()),
            dimension=int(np.median([found[k][1].shape[1] for k in members])),
        )
        lines.append(line)
    return tuple(sorted(lines, key=lambda line: -line.length))


def _cosine(step: np.ndarray, basis: np.ndarray) -> float:
    """The share of a step that lies within a subspace."""
    return float(np.linalg.norm(basis.T @ step) / np.linalg.norm(step))


def find_cycle(orbits: np.ndarray) -> Cycle | None:
    """The recurring orbit of largest amplitude among `[L, S, N]`; None if none recurs.

    An orbit recurs if, having been at least half its amplitude away, it comes back to within
    `RECURRENT` of it, and its second half is at least `KEPT` as wide as its first.
    """
    cycles = [each for orbit in np.moveaxis(orbits, 1, 0) if (each := _recurrence(orbit))]
    if not cycles:
        return None
    widest = max(cycles, key=lambda cycle: cycle.amplitude)
    return widest._replace(share=len(cycles) / orbits.shape[1])


def _recurrence(orbit: np.ndarray) -> Cycle | None:
    """The recurrence of one orbit `[L, N]`."""
    amplitude = _amplitude(orbit)
    half = len(orbit) // 2
    if not np.isfinite(amplitude) or amplitude < MOVING:
        return None
    if _amplitude(orbit[half:]) < KEPT * _amplitude(orbit[:half]):
        return None
    lags = np.arange(1, half)
    apart = np.array([np.linalg.norm(orbit[lag:] - orbit[:-lag], axis=1).mean() for lag in lags])
    away = np.flatnonzero(apart >= 0.5 * amplitude)
    if not len(away):
        return None
    back = np.flatnonzero(apart[away[0] :] <= RECURRENT * amplitude)
    if not len(back):
        return None
    index = away[0] + back[0]
    return Cycle(int(lags[index]), float(amplitude), float(apart[index]), 0.0)


def _amplitude(orbit: np.ndarray) -> float:
    return float(np.linalg.norm(orbit - orbit.mean(axis=0), axis=1).max())
