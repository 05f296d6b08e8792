"""Where the dynamics of whole populations rest: fixed points, slow points, lines and cycles."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import mapping, process, runtime
from rnnensemble._core.axes import ArrayLike
from rnnensemble.analysis.fixed_points.attractors import Cycle, Line, find_cycle, find_lines
from rnnensemble.analysis.fixed_points.descent import Rest, find_rest
from rnnensemble.analysis.fixed_points.refinement import distinct, exact, polished, spectra_of
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.networks import Network
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import shared

DEVICE_TOLERANCE = 1e-11
"""q at which searches in float32 stop; float64 goes on from there."""


class FixedPoints(NamedTuple):
    """Where one network rests under constant inputs.

    Attributes:
        points: P different points, `[P, N]`, as states of the architecture; fixed ones first, each
            kind by how many starts came to it.
        speeds: q, `[P]`.
        outputs: What the readout puts out there, `[P, O]`.
        spectra: Eigenvalues of the Jacobian of one step, by falling modulus, `[P, N]`.
        unstable: Eigenvalues of modulus above 1, `[P]`; 0 is a stable point, others saddles (or
            repellers).
        fixed: Whether q is within the tolerance of fixed points, or of slow ones alone, `[P]`.
        reached: Starts that came to it, `[P]`.
        lost: Starts that came to none.
        lines: Lines of slow points along near-unit eigenvectors.
        cycle: The recurring orbit of largest amplitude, None if orbits settle.
    """

    points: np.ndarray
    speeds: np.ndarray
    outputs: np.ndarray
    spectra: np.ndarray
    unstable: np.ndarray
    fixed: np.ndarray
    reached: np.ndarray
    lost: int
    lines: tuple[Line, ...]
    cycle: Cycle | None

    @property
    def stable(self) -> int:
        """Number of stable fixed points."""
        return int(np.sum(self.fixed & (self.unstable == 0)))

    @property
    def saddles(self) -> int:
        """Number of fixed points that are not stable."""
        return int(np.sum(self.fixed & (self.unstable > 0)))

    def counts(self) -> tuple[int, ...]:
        """Fixed points by number of unstable directions, from 0."""
        return tuple(np.bincount(self.unstable[self.fixed]).tolist())


def find_fixed_points(
    population: Population,
    *,
    search: FixedPointSearch | None = None,
    inputs: ArrayLike | None = None,
    networks: ArrayLike | None = None,
    devices: int | None = None,
) -> list[FixedPoints]:
    """Fixed points of the converged networks of a population, from states that they visit.

    All networks start from the same steps of the same fresh trials, or between two of these.

    Args:
        population: Trained networks.
        search: Settings, `FixedPointSearch()` unless given.
        inputs: Constant inputs, `[I]`; zeros unless given.
        networks: Indices of the networks, all that converged unless given.
        devices: How many local devices to use, None for all.

    Returns:
        One for each network.

    Raises:
        ValueError: If no network converged, or inputs do not fit or vary in time.

    Source: Sussillo & Barak (2013, Neural Computation); Golub & Sussillo (2018, JOSS).
    """
    search = search or FixedPointSearch()
    chosen = np.flatnonzero(population.converged) if networks is None else np.asarray(networks)
    if not len(chosen):
        raise ValueError(f"`population` must hold converged networks; {population.summary()}.")
    subject = evaluation.subject_of(population, chosen, devices, None)
    states = visited_states(subject, population.task, search)
    given = np.zeros(population.task.n_inputs) if inputs is None else inputs
    return search_from(
        subject.network, subject.params, states, inputs=given, search=search, devices=devices
    )


def visited_states(subject: evaluation.Subject, task: Task, search: FixedPointSearch) -> np.ndarray:
    """States of every network at the same random steps of the same trials, `[K, S, N]`.

    A share of them lies between two such states.
    """
    key = evaluation.evaluation_key(search.seed, 0)
    trials = task.sample(key, search.trials)
    inputs, valid = trials.inputs, trials.valid
    rng, count = np.random.default_rng(search.seed), search.starts
    if valid is None:
        picked = tuple(rng.integers(most, size=2 * count) for most in inputs.shape[:2])
    else:  # trials of unequal length: none after its end
        places = np.argwhere(np.asarray(valid) != 0)
        picked = tuple(places[rng.integers(len(places), size=2 * count)].T)
    both = states_at(inputs, picked, subject.params, network=subject.network, mesh=subject.mesh)
    first, second = np.split(np.asarray(both), 2, axis=1)
    toward = rng.uniform(size=(count, 1)) * (np.arange(count) < search.between * count)[:, None]
    noise = search.noise * rng.normal(size=first.shape[1:])
    return (first + toward * (second - first) + noise).astype(np.float32)


@partial(jax.jit, static_argnames=("network", "mesh"))
def states_at(inputs, picked, params, *, network, mesh):  # noqa: ANN001, ANN201
    """States `[K, P, S]` of every network in P trials after steps, both `[P]`, of inputs."""

    def one(params: Any, given: tuple) -> Any:
        inputs, (trial, step) = given

        def advance(state: Any, now: Any) -> tuple:
            state = network.step(params, state, now)
            return state, state

        start = network.initial_state(params)
        start = jnp.broadcast_to(start, (inputs.shape[0], *start.shape))
        states = jax.lax.scan(advance, start, jnp.swapaxes(inputs, 0, 1))[1]
        return states[step, trial]

    tile = runtime.default_tile(mesh, inputs.shape[0] * network.width)
    return mapping.map_items(one, params, (inputs, picked), mesh=mesh, tile=tile)


def search_from(
    network: Network,
    params: Any,
    states: ArrayLike,
    *,
    inputs: ArrayLike | None = None,
    search: FixedPointSearch | None = None,
    devices: int | None = None,
) -> list[FixedPoints]:
    """Fixed points of K networks from given states; what `find_fixed_points` is made of.

    Args:
        network: Architecture.
        params: Parameters with leading axis K.
        states: Where to start, `[K, S, N]`.
        inputs: Constant inputs, `[I]`; zeros unless given.
        search: Settings, of which trials, starts and noise do not matter here.
        devices: How many local devices to use, None for all.

    Raises:
        ValueError: If there are no states, or states or inputs do not fit.
    """
    search, states = search or FixedPointSearch(), np.asarray(states, np.float32)
    count = len(jax.tree.leaves(params)[0])
    first = jax.eval_shape(network.initial_state, jax.tree.map(lambda x: x[0], params))
    width, states = len(first), states.astype(first.dtype)  # float64 under `jax_enable_x64`
    if states.ndim != 3 or states.shape[0] != count or states.shape[2] != width:
        raise ValueError(
            f"`states` must be [K, S, N] with K = {count} and N = {width}; got {states.shape}."
        )
    if not states.shape[1] or not np.isfinite(states).all():
        raise ValueError("`states` must hold at least one finite state for each network.")
    known = network.weights(params).get("input_weights", inputs)
    if known is None:
        raise ValueError(f"`inputs` must be given for networks of kind {network.kind!r}.")
    channels = np.shape(known)[-1]
    inputs = _constant(np.zeros(channels) if inputs is None else inputs, channels)
    mesh = runtime.network_mesh(devices)
    how = {"tolerance": DEVICE_TOLERANCE, "slow": search.slow, "most": search.steps}
    rests, orbits = jax.tree.map(
        np.asarray,
        _search(
            inputs, params, states, network=shared(network), mesh=mesh, settle=search.settle, **how
        ),
    )
    each = [
        jax.tree.map(lambda x, k=k: np.asarray(x)[k], (params, rests, orbits)) for k in range(count)
    ]
    with process.one_blas_thread(), ThreadPoolExecutor() as pool:
        return list(pool.map(partial(_sort_out, shared(network), inputs, search), each))


def _constant(inputs: ArrayLike, channels: int) -> np.ndarray:
    """Constant inputs `[I]`; ValueError if they vary or do not fit."""
    found = np.asarray(inputs, np.float32)
    if found.ndim > 1 and found.shape[-1] == channels:
        rows = found.reshape(-1, channels)
        if np.ptp(rows, axis=0).any():
            raise ValueError(
                "`inputs` must be constant, [I]: fixed points are those of one input; got inputs "
                f"{found.shape} that vary."
            )
        found = rows[0]
    if found.shape != (channels,) or not np.isfinite(found).all():
        raise ValueError(f"`inputs` must be {channels} finite numbers; got {found.shape}.")
    return found


ORBITS, RECORDED = 16, 120
"""Starts whose orbits are followed, and steps that are recorded of each."""


@partial(jax.jit, static_argnames=("network", "mesh", "settle", "tolerance", "slow", "most"))
def _search(inputs, params, states, *, network, mesh, settle, **how):  # noqa: ANN001, ANN003, ANN202
    """Where searches and orbits of all networks end: `Rest` with axes K and S, `[K, L, 16, N]`."""
    starts, units = states.shape[1:]
    batch = runtime.default_tile(mesh, units**2)  # of starts
    tile = runtime.default_tile(mesh, min(batch, starts) * units**2)  # of networks

    def one(item: tuple, inputs: Any) -> tuple[Rest, Any]:
        params, states = item
        find = partial(find_rest, network, params, inputs=inputs, **how)
        advance = partial(network.step, params, inputs=inputs)
        settled = jax.lax.fori_loop(0, settle, lambda _, h: advance(h), states[:ORBITS])

        def record(state: Any, _: None) -> tuple:
            return advance(state), state

        orbits = jax.lax.scan(record, settled, length=RECORDED)[1]
        found = jax.lax.map(find, states, batch_size=None if batch == 1 else batch)
        return found, orbits

    return mapping.map_items(one, (params, states), inputs, mesh=mesh, tile=tile)


def _sort_out(network: Network, inputs: np.ndarray, search: FixedPointSearch, of: tuple) -> Any:
    """What the searches of one network found, in float64."""
    params, rests, orbits = of
    look = partial(exact, network, params, inputs)
    candidates, counts = distinct(rests.state, rests.speed, search.distance)
    states, speeds = polished(look, candidates)
    fixed, slow = speeds <= search.tolerance, speeds <= search.slow
    parts = [
        distinct(states[kind], speeds[kind], search.distance, counts[kind])
        for kind in (fixed, slow & ~fixed)
    ]
    points, reached = (np.concatenate(each) for each in zip(*parts, strict=True))
    _, gaps, slopes = look(points)
    spectra = spectra_of(slopes)
    outputs = network.readout(params, network.rates(jnp.asarray(points)))
    return FixedPoints(
        points=points,
        speeds=np.sum(gaps**2, axis=1) / 2,
        outputs=np.asarray(outputs),
        spectra=spectra,
        unstable=np.sum(np.abs(spectra) > 1, axis=1),
        fixed=np.arange(len(points)) < len(parts[0][0]),
        reached=reached,
        lost=int(counts[~slow].sum()),
        lines=find_lines(
            rests.slow[rests.speed <= search.slow], points, spectra, lambda x: look(x)[2]
        ),
        cycle=find_cycle(orbits),
    )
