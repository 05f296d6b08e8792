"""Distance matrices: blocks, tiles, devices, stops, foreign data."""

import dataclasses
import threading
from concurrent.futures import Future
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg  # noqa: F401  loads the BLAS that JAX factors by
from threadpoolctl import threadpool_info, threadpool_limits

from rnnensemble import DSA, PIF, compare_networks, distance_matrix
from rnnensemble._core import mapping, programs, runtime
from rnnensemble._core.process import core_count
from rnnensemble.analysis import distances as distances_of_networks
from rnnensemble.analysis.distances import distances
from rnnensemble.files.arrays import MatrixCheckpoint
from rnnensemble.metrics import Metric, blocks, pairwise, pif, preparation
from rnnensemble.networks import VanillaRNN
from rnnensemble.tasks import FlipFlop
from rnnensemble.training import evaluation

RNG = np.random.default_rng(0)
ACTIVITY = RNG.normal(size=(7, 2, 5, 3))


@dataclasses.dataclass(frozen=True)
class Power(Metric):
    """A share of the first network's power that the second lacks."""

    name: ClassVar[str] = "power"
    data: ClassVar[str] = "activity"
    symmetric: ClassVar[bool] = False
    mixed_widths: ClassVar[bool] = True

    def check(self, shape):
        if len(shape) != 3:
            raise ValueError(f"`activity` must be [K, B, T, N]; got {shape} for one network.")

    def prepare(self, data):
        return data**2

    def compare(self, key, first, second):
        return jnp.sum(jnp.maximum(first - second, 0)) / jnp.sum(first)


def direct(data, other=None):
    other = data if other is None else other
    width = max(x.shape[-1] for x in (*data, *other))
    first, second = (
        [np.pad(np.square(x), ((0, 0), (0, 0), (0, width - x.shape[-1]))) for x in each]
        for each in (data, other)
    )
    return np.array([[np.maximum(a - b, 0).sum() / a.sum() for b in second] for a in first])


def test_asymmetric_metric_goes_both_ways():
    np.testing.assert_allclose(distance_matrix(Power(), ACTIVITY), direct(ACTIVITY), atol=1e-6)


def test_cross_matrix():
    found = distance_matrix(Power(), ACTIVITY[:3], ACTIVITY[3:])
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, direct(ACTIVITY[:3], ACTIVITY[3:]), atol=1e-6)
    weights = RNG.normal(size=(5, 6, 6))
    np.testing.assert_allclose(
        distance_matrix("pif", weights[:2], weights[2:], settings={"starts": 48}),
        distance_matrix("pif", weights, settings={"starts": 48})[:2, 2:],
        rtol=1e-5,
    )


def test_networks_of_different_width():
    networks = [*ACTIVITY, RNG.normal(size=(2, 5, 4)), RNG.normal(size=(2, 5, 2))]
    np.testing.assert_allclose(distance_matrix(Power(), networks), direct(networks), atol=1e-6)


@pytest.mark.parametrize(
    ("metric", "networks"),
    [(DSA(rank=3), [*ACTIVITY]), (Power(), [ACTIVITY[0], np.ones((2, 5, 9)), np.ones((2, 5, 4))])],
)
def test_memory_is_planned_for_what_is_prepared(metric, networks):
    networks = [np.float32(one) for one in networks]
    expected = preparation.expected_features(metric, networks)
    prepared = preparation.prepare_networks(metric, networks, mesh=runtime.network_mesh())
    assert jax.tree.structure(expected) == jax.tree.structure(prepared)
    for x, y in zip(jax.tree.leaves(expected), jax.tree.leaves(prepared), strict=True):
        assert (x.shape, x.dtype, x.nbytes) == (y.shape, y.dtype, y.nbytes)


@pytest.mark.parametrize(
    ("devices", "tile", "networks"), [(1, 1, 7), (2, 1, 3), (2, 3, 2), (1, 4, 5), (2, 2, 1)]
)
def test_devices_tiles_and_blocks_do_not_matter(devices, tile, networks):
    pair = 2 * ACTIVITY[0].size * 4
    memory = (networks + preparation.WORKSPACE * tile) * pair
    seen = []
    found = distance_matrix(
        Power(),
        ACTIVITY,
        devices=devices,
        tile=tile,
        memory=memory,
        progress=lambda *done: seen.append(done),
    )
    np.testing.assert_allclose(found, direct(ACTIVITY), atol=1e-6)
    assert len(seen) >= -((-7 // networks) ** 2)  # as many calls as there are blocks, at least
    assert seen[-1] == (49, 49)


def test_symmetric_distances_do_not_depend_on_devices_tiles_or_blocks():
    options = {"settings": {"rank": 3, "starts": 8}}
    one = distance_matrix("dsa", ACTIVITY, devices=1, tile=1, **options)
    np.testing.assert_array_equal(one, one.T)
    np.testing.assert_array_equal(np.diag(one), 0)
    other = distance_matrix("dsa", ACTIVITY, devices=2, tile=3, memory=8000, **options)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_any_number_of_networks_shares_one_program():
    found = distance_matrix(Power(), ACTIVITY)
    before = blocks._compared.programs()
    for count in (2, 5, 6):
        fewer = distance_matrix(Power(), ACTIVITY[:count])
        np.testing.assert_array_equal(fewer, found[:count, :count])
    assert blocks._compared.programs() == before


@pytest.mark.parametrize("tile", [1, 2, 3])
def test_the_first_items_are_mapped_whatever_their_number(tile):
    mesh = runtime.network_mesh()
    slots = 4 * mesh.size * tile
    items = np.arange(slots, dtype=np.float32)
    mapped = jax.jit(partial(mapping.map_first, jnp.add, mesh=mesh, tile=tile))
    for count in range(slots + 1):
        found = mapped(items, 1.0, count=count)
        np.testing.assert_array_equal(np.asarray(found)[:count], items[:count] + 1)


def wired_alike():
    """Three networks of one wiring and a little noise, renumbered: rounding misleads no search."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(9, 9)) + 0.1 * rng.normal(size=(3, 9, 9))
    orders = [rng.permutation(9) for _ in weights]
    return np.array([each[order][:, order] for each, order in zip(weights, orders, strict=True)])


@pytest.fixture
def one_accelerator(monkeypatch):
    """Of two CPU devices the first passes for an accelerator, the second for the host's core."""
    accelerator, core = jax.local_devices()
    on_core = lambda mesh: mesh.devices.flat[0] == core
    monkeypatch.setattr(runtime, "on_cpu", on_core)
    monkeypatch.setattr(runtime, "_host_devices", lambda: [core])
    return accelerator, core


@pytest.mark.parametrize(
    ("metric", "enough", "on_host"),
    [
        (PIF(place="host"), 8, True),
        pytest.param(PIF(place="device"), 1, False, marks=pytest.mark.long),
        (PIF(), 1, True),
        pytest.param(PIF(), 2, False, marks=pytest.mark.long),  # one core is too few
        pytest.param(DSA(rank=3, starts=8), 1, False, marks=pytest.mark.long),
    ],
)
def test_pairs_go_to_the_host_where_its_cores_are_faster(
    monkeypatch, one_accelerator, metric, enough, on_host
):
    data = ACTIVITY if isinstance(metric, DSA) else wired_alike()
    expected = distance_matrix(metric, data, devices=2)
    monkeypatch.setattr(pif, "HOST_CORES", enough)
    seen = []

    def compare(*args, where, **options):
        seen.append(where)
        return blocks.compare_pairs(*args, where=where, **options)

    monkeypatch.setattr(pairwise, "compare_pairs", compare)
    found = distance_matrix(metric, data, devices=1, tile=4)
    assert list(seen[0].mesh.devices.flat) == [one_accelerator[on_host]]
    assert seen[0].tile == (1 if on_host else 4)  # meant for the accelerator
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_level_goes_to_the_host_too(monkeypatch, one_accelerator):
    mesh = runtime.network_mesh(1)
    features = preparation.prepare_networks(PIF(), [*wired_alike()], mesh=mesh)
    seen = []

    def compare(*args, where, **options):
        seen.append(where.mesh)
        return blocks.compare_pairs(*args, where=where, **options)

    monkeypatch.setattr(distances_of_networks, "compare_pairs", compare)
    subject = evaluation.Subject(np.zeros(3), None, mesh, 4)
    matrices = [
        distances(PIF(place=place), features, features, subject=subject, seed=0).matrix
        for place in ("device", "host")
    ]
    assert [mesh.devices.flat[0] for mesh in seen] == [*one_accelerator]
    np.testing.assert_allclose(*matrices, rtol=1e-5)


def test_networks_are_factored_on_the_host(monkeypatch, one_accelerator):
    """Accelerators factor matrices one after another."""
    mesh, seen = runtime.network_mesh(1), []
    map_items = mapping.map_items

    def mapped(function, *items, mesh, **options):
        seen.append(mesh.devices.flat[0])
        return map_items(function, *items, mesh=mesh, **options)

    monkeypatch.setattr(mapping, "map_items", mapped)
    network, task = VanillaRNN(width=5), FlipFlop(n_bits=1, n_steps=12)
    keys = jax.random.split(jax.random.key(0), 3)
    draw = partial(network.init, n_inputs=1, n_outputs=1, gain=jnp.float32(1.0))
    params = jax.tree.map(np.asarray, jax.vmap(draw)(keys))
    subject = evaluation.Subject(params, network, mesh, None)
    how = DSA(rank=3, starts=7)  # settings of its own: nothing is compiled for them yet
    key = evaluation.evaluation_key(0, 0)
    draw = evaluation.Draw(subject, task, how, batch=6, key=key)
    draw.extend(6)
    found = draw.finished(how)
    rates = evaluation.responses(subject, task, trials=6, key=key)["activity"]
    again = preparation.prepare_networks(how, [*rates], mesh=mesh)
    accelerator, core = one_accelerator
    # begin, add, finish; rates; the metric alone
    assert seen == [core, accelerator, core, accelerator, core]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_host_without_cores_for_jax_leaves_the_work_to_the_devices(monkeypatch):
    mesh = runtime.network_mesh(1)
    assert runtime.host_mesh(mesh, cores=0) is mesh  # of cores already
    monkeypatch.setattr(runtime, "on_cpu", lambda mesh: False)
    assert runtime.host_mesh(mesh, cores=0).size == 2
    monkeypatch.setattr(runtime, "_host_devices", list)  # JAX_PLATFORMS=cuda
    assert runtime.host_mesh(mesh, cores=0) is mesh
    with runtime.on_host():
        jnp.zeros(1)


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@dataclasses.dataclass(frozen=True)
class Threads(Power):
    """Prepares the largest number of BLAS threads while it prepares."""

    def prepare(self, data):
        shape = jax.ShapeDtypeStruct((1,), np.float32)
        return jax.pure_callback(lambda _: np.float32([max(blas_threads())]), shape, data)


def test_networks_are_prepared_with_one_blas_thread():
    with threadpool_limits(2, user_api="blas"):
        mesh = runtime.network_mesh()
        assert (preparation.prepare_networks(Threads(), ACTIVITY, mesh=mesh) == 1).all()
        assert blas_threads() == {2}  # as before


def test_a_stopped_matrix_goes_on(tmp_path, monkeypatch):
    checkpoint = MatrixCheckpoint(tmp_path / "power.npz")
    memory = (2 + preparation.WORKSPACE) * 2 * ACTIVITY[0].size * 4
    seen = []

    def stop(done, total):
        seen.append(done)
        if len(seen) == 3:
            raise KeyboardInterrupt

    options = {"devices": 1, "memory": memory, "checkpoint": checkpoint}
    with pytest.raises(KeyboardInterrupt):
        distance_matrix(Power(), ACTIVITY, progress=stop, **options)
    seen.clear()
    found = distance_matrix(Power(), ACTIVITY, progress=lambda d, _: seen.append(d), **options)
    np.testing.assert_allclose(found, direct(ACTIVITY), atol=1e-6)
    assert len(seen) == 16 - 3  # of the 4 x 4 blocks
    seen.clear()
    again = distance_matrix(Power(), ACTIVITY, progress=lambda d, _: seen.append(d), **options)
    np.testing.assert_array_equal(again, found)
    assert not seen
    with pytest.raises(ValueError, match=r"`checkpoint` .* belongs to other data or settings"):
        distance_matrix(Power(), ACTIVITY + 1, **options)
    checkpoint.path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"`checkpoint` .* cannot be read"):
        distance_matrix(Power(), ACTIVITY, **options)


def test_evidence_comes_with_every_pair():
    metric = DSA(rank=3, starts=8)
    found = compare_networks(metric, ACTIVITY)
    assert found.found.rotation.shape == (21, 3, 3)
    assert found.shape == (7, 7)
    np.testing.assert_array_equal(found.matrix(), distance_matrix(metric, ACTIVITY))
    assert found.matrix("lower_bound").shape == (7, 7)


@pytest.mark.parametrize(
    ("metric", "data", "options", "message"),
    [
        ("dsq", np.zeros((2, 3, 3)), {}, "`metric` must be one of.*Did you mean 'dsa'"),
        ("pif", np.zeros((1, 3, 3)), {}, "`data` must hold at least 2 networks"),
        ("pif", np.zeros((2, 3, 4)), {}, r"`weights` must be \[K, N, N\]"),
        ("pif", np.full((2, 3, 3), np.nan), {}, "`data` must be finite; networks 0, 1"),
        ("pif", np.zeros(3), {}, "`data` must hold networks along its first axis"),
        ("pif", [np.eye(3), np.eye(4)], {}, r"`pif` compares networks of one size; .* \(4, 4\)"),
        (Power(), [np.ones((2, 5, 3)), np.ones((3, 5, 3))], {}, "the same trials and steps in all"),
        ("pif", np.ones((2, 3, 3)), {"tile": 0}, "`tile` must be at least 1"),
        ("pif", np.ones((2, 3, 3)), {"tile": 99, "memory": 9e3}, "a tile of 13 fits"),
        ("pif", np.ones((2, 3, 3)), {"memory": 100}, "`memory` of 0.0001 MB is too little"),
        ("pif", np.ones((2, 3, 3)), {"settings": {"stars": 1}}, "`settings` of 'pif' are .*starts"),
        (PIF(), np.ones((2, 3, 3)), {"settings": {"starts": 1}}, "`settings` go with a metric's"),
        ("pif", np.broadcast_to(np.float32(1), (10**6, 1, 1)), {}, "at most [0-9]+ fit"),
    ],
)
def test_bad_data(metric, data, options, message):
    with pytest.raises(ValueError, match=message):
        distance_matrix(metric, data, **options)


@pytest.mark.long
def test_programs_compiled_ahead_are_those_that_run(monkeypatch):
    """`measure_degeneracy` compiles its searches in threads; one that fails is compiled again."""
    metric, mesh = PIF(starts=3), runtime.network_mesh()
    weights = np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32)
    features = preparation.prepare_networks(metric, [*weights], mesh=mesh)
    where, pairs = blocks.plan(features, mesh), np.triu_indices(4, 1)

    def compared():
        found = blocks.compare_pairs(metric, features, pairs, where=where)
        return found, sum(form._cache_size() for form in blocks._compared._forms.values())

    programs.forget_programs()
    blocks.compile_ahead(metric, weights[0], 4, mesh=mesh, tile=None)
    first, called = compared()
    assert called == 0
    programs.forget_programs()
    blocks.compile_ahead(metric, np.eye(6), 4, mesh=mesh, tile=None)  # of another shape
    second, called = compared()
    assert called == 1
    programs.forget_programs()
    with monkeypatch.context() as patch:
        patch.setattr(PIF, "compare", lambda *_: 1 / 0)
        blocks.compile_ahead(metric, weights[0], 4, mesh=mesh, tile=None)
        assert isinstance(
            next(iter(blocks._compared._ahead.values())).exception(), ZeroDivisionError
        )
    third, called = compared()
    assert called == 1
    for other in (second, third):
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_no_thread_has_begun_is_compiled_where_it_is_needed(monkeypatch):
    given = []

    def never(work):
        given.append(Future())
        return given[-1]

    metric = PIF(starts=2)
    weights = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    expected = distance_matrix(metric, weights)
    programs.forget_programs()
    with monkeypatch.context() as patch:
        patch.setattr(programs, "in_background", never)
        blocks.compile_ahead(metric, weights[0], 3, mesh=runtime.network_mesh(), tile=None)
    assert len(given) == 1
    np.testing.assert_array_equal(distance_matrix(metric, weights), expected)
    assert given[0].cancelled()
    assert blocks._compared.programs() == 1


def test_nothing_is_begun_once_background_work_is_dropped():
    begun, go, seen = threading.Event(), threading.Event(), []

    def more():
        begun.set()
        go.wait(30)
        programs.in_background(lambda: seen.append("inner"))

    first = programs.in_background(more)
    waiting = [programs.in_background(partial(seen.append, k)) for k in range(core_count() + 3)]
    assert begun.wait(30)
    programs.drop_background()
    go.set()
    assert isinstance(first.exception(), RuntimeError)
    assert all(each.cancelled() or each.done() for each in waiting)
    assert "inner" not in seen
    assert programs.in_background(lambda: 7).result() == 7
