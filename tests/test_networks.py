"""The vanilla RNN against its equation and against autodiff."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from rnnensemble.networks import MuPRNN, VanillaParams, VanillaRNN, cell, fused
from rnnensemble.networks.cell import ACTIVATIONS, THIN, Scheme
from rnnensemble.networks.recurrence import respond
from tests import compiled


def make(key=0, **settings):
    network = VanillaRNN(width=12, **settings)
    params = compiled.init(
        network, jax.random.key(key), n_inputs=2, n_outputs=3, gain=jnp.float32(1.0)
    )
    return network, params


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_respond_is_the_published_equation(activation):
    network, params = make(activation=activation)
    inputs = np.random.default_rng(0).normal(size=(4, 9, 2)).astype(np.float32)
    rates, outputs = jax.jit(network.respond)(params, inputs)
    phi = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[activation]
    for trial in range(4):
        h = np.zeros(12)
        for t in range(9):
            drive = params.recurrent_weights @ h + params.input_weights @ inputs[trial, t]
            h = phi(drive + params.bias)
            np.testing.assert_allclose(rates[trial, t], h, atol=1e-5)
            np.testing.assert_allclose(outputs[trial, t], params.readout_weights @ h, atol=1e-5)


def plain(activation, tau, params, inputs):
    """The reference: nothing but the equation, for autodiff."""

    def step(now, x):
        a, h = now
        drive = params.recurrent_weights @ h + params.input_weights @ x + params.bias
        a = a + tau * (-a + drive)
        h = ACTIVATIONS[activation](a)
        return (a, h), (h, params.readout_weights @ h)

    def trial(inputs):
        return jax.lax.scan(step, (params.initial_state,) * 2, inputs)[1]

    return jax.vmap(trial, 1, 1)(inputs)


def example(width, batch, n_inputs, n_outputs, key=1):
    """Parameters, inputs and the weights of rates and outputs in a loss."""
    keys = jax.random.split(jax.random.key(key), 8)
    params = VanillaParams(
        input_weights=jax.random.normal(keys[0], (width, n_inputs)),
        recurrent_weights=jax.random.normal(keys[1], (width, width)) / width**0.5,
        bias=jax.random.normal(keys[2], (width,)),
        readout_weights=jax.random.normal(keys[3], (n_outputs, width)),
        initial_state=jax.random.normal(keys[4], (width,)),
    )
    inputs = jax.random.normal(keys[5], (11, batch, n_inputs))
    probes = (
        jax.random.normal(keys[6], (11, batch, width)),
        jax.random.normal(keys[7], (11, batch, n_outputs)),
    )
    return params, inputs, probes


@partial(jax.jit, static_argnames=("function", "seen"))
def value_and_gradients(function, params, inputs, probes, seen=(True, True)):
    """Of a loss that sees the rates, the outputs or both: results and gradients, as one list."""

    def loss(params, inputs):
        results = function(params, inputs)
        parts = [jnp.sum(p * r) for p, r, s in zip(probes, results, seen, strict=True) if s]
        return sum(parts), results

    return jax.tree.leaves(jax.value_and_grad(loss, (0, 1), has_aux=True)(params, inputs))


SHAPES = {
    "scan": [(7, 5, 2, 3), (7, 5, THIN + 1, THIN + 1)],
    "interpreted": [(16, 32, 2, 3), (32, 48, 1, 1), (128, 16, THIN, THIN)],
}
"""Width, batch, inputs and outputs."""


USUAL = ("tanh", 1.0, (True, True))
OTHERS = [
    ("tanh", 1.0, (False, True)),
    ("tanh", 1.0, (True, False)),
    ("relu", 1.0, (True, True)),
    ("tanh", 0.3, (True, True)),
]
"""Activation, tau, and whether the loss sees rates and outputs."""


@pytest.mark.parametrize(
    ("activation", "tau", "seen", "method", "shape"),
    [(*USUAL, method, shape) for method, shapes in SHAPES.items() for shape in shapes]
    + [(*other, method, shapes[0]) for method, shapes in SHAPES.items() for other in OTHERS],
)
def test_backward_pass_equals_autodiff(activation, tau, seen, method, shape):
    params, inputs, probes = example(*shape)
    scheme = Scheme(activation, "float32", method, tau)
    ours = value_and_gradients(partial(respond, scheme), params, inputs, probes, seen)
    theirs = value_and_gradients(partial(plain, activation, tau), params, inputs, probes, seen)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_fused_kernel_takes_a_population():
    single = [example(16, 32, 2, 2, key) for key in (1, 2, 3)]
    many = jax.tree.map(lambda *x: jnp.stack(x), *single)

    def all_of(scheme):
        one = partial(value_and_gradients, partial(respond, scheme), seen=(False, True))
        return jax.vmap(one)(*many)

    kernel, scan = all_of(Scheme("tanh", "float32", "interpreted")), all_of(Scheme("tanh"))
    for a, b in zip(kernel, scan, strict=True):
        assert not np.allclose(a[0], a[1])
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_networks_that_the_kernel_does_not_fit_are_scanned():
    params, inputs, _ = example(7, 5, 2, 3)
    for a, b in zip(
        jax.jit(partial(respond, Scheme("tanh", "float32", "interpreted")))(params, inputs),
        jax.jit(partial(respond, Scheme("tanh")))(params, inputs),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_tf32_rounds_to_eleven_bits():
    x = jax.random.normal(jax.random.key(0), (1000,)) * 10.0 ** jnp.arange(-5, 5).repeat(100)
    expected = jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=10)
    rounded = jax.jit(cell._rounded)
    np.testing.assert_array_equal(rounded(x), expected)
    special = jnp.array([0.0, jnp.inf, -jnp.inf, jnp.nan])
    special = jnp.append(special, jax.lax.bitcast_convert_type(jnp.uint32(0x7FFFFFFF), jnp.float32))
    np.testing.assert_array_equal(rounded(special), special)


@pytest.mark.parametrize("method", ["scan", "interpreted"])
def test_precision_is_what_its_name_says(method):
    params, inputs, probes = example(32, 32, 2, 3)
    params = params._replace(recurrent_weights=params.recurrent_weights * 0.5)
    exact = value_and_gradients(partial(respond, Scheme("tanh")), params, inputs, probes)
    errors = {}
    for precision in ("float32", "tf32", "bfloat16"):
        scheme = Scheme("tanh", precision, method)
        found = value_and_gradients(partial(respond, scheme), params, inputs, probes)
        errors[precision] = [
            np.linalg.norm(a - b) / np.linalg.norm(b)
            for a, b in zip(found[1:3], exact[1:3], strict=True)
        ]
    assert max(errors["float32"]) < 2e-6
    assert 2e-5 < min(errors["tf32"]) <= max(errors["tf32"]) < 1e-3  # 2^-11 is 5e-4
    assert 2e-4 < min(errors["bfloat16"]) <= max(errors["bfloat16"]) < 1e-2  # 2^-8 is 4e-3


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_fused_kernel_lowers_to_triton(precision, activation):
    params, inputs, probes = example(64, 64, 3, 3)
    scheme = Scheme(activation, precision, "fused")

    def gradients(params, inputs, probes):
        return value_and_gradients(partial(respond, scheme), params, inputs, probes, (False, True))

    h200 = AbstractDevice(device_kind="NVIDIA H200", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((), (), abstract_device=h200)):
        traced = jax.jit(gradients).trace(params, inputs, probes)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("__gpu$xla.gpu.triton") == 2  # forward and backward
    assert "triton" not in traced.lower(lowering_platforms=("cpu",)).as_text()


def test_initial_state_is_trained_only_on_request():
    inputs = jnp.ones((2, 5, 2))
    for trained in (False, True):
        network, params = make(train_initial_state=trained)
        squares = jax.jit(lambda p, n=network: jnp.sum(n.respond(p, inputs)[1] ** 2))
        gradient = jax.jit(jax.grad(squares))(params)
        assert bool(jnp.any(gradient.initial_state != 0)) is trained


def test_initializations():
    for name in ("uniform", "gaussian", "orthogonal", "identity"):
        network = VanillaRNN(width=200, initialization=name)
        draw = lambda gain, n=network: compiled.init(
            n, jax.random.key(0), n_inputs=1, n_outputs=1, gain=jnp.float32(gain)
        )
        w = np.asarray(draw(1.0).recurrent_weights)
        np.testing.assert_allclose(draw(1.5).recurrent_weights, 1.5 * w, rtol=1e-6)
        if name == "uniform":
            assert np.abs(w).max() <= 200**-0.5
            assert w.std() == pytest.approx((3 * 200) ** -0.5, rel=0.02)
        elif name == "gaussian":
            assert w.std() == pytest.approx(200**-0.5, rel=0.02)
        else:
            np.testing.assert_allclose(w @ w.T, np.eye(200), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "`width` must be a whole number of at least 1; got 0"),
        ({"activation": "sigmoid"}, "`activation` must be one of"),
        ({"precision": "float16"}, "`precision` must be one of"),
        ({"initialization": "zeros"}, "`initialization` must be one of"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        VanillaRNN(**settings)


@pytest.mark.parametrize("kind", [VanillaRNN, MuPRNN])
def test_gpus_train_with_the_kernel(kind, monkeypatch):
    assert kind().fused == "auto"
    assert not fused.resolved(kind(width=64)).fused
    assert fused.resolved(kind(width=64, fused=True)).fused
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(fused, "_compiles", lambda *how: True)
    for precision in ("float32", "tf32", "bfloat16"):
        assert fused.resolved(kind(width=64, precision=precision)).fused
    assert not fused.resolved(kind(width=60)).fused
    assert not fused.resolved(kind(width=64, fused=False)).fused
    with pytest.raises(ValueError, match="`fused` must be true, false or 'auto'; got 'on'"):
        kind(fused="on")


@pytest.mark.parametrize(("width", "most"), [(64, 5e-7), (128, 2e-7)])
def test_products_of_parts_are_float32_products(width, most):
    # on a GPU the smaller of two tf32 parts is rounded to 11 bits as well
    keys = jax.random.split(jax.random.key(0), 2)
    left, right = (jax.random.normal(key, (width, width)) for key in keys)
    exact = np.asarray(left, np.float64) @ np.asarray(right, np.float64)
    norm = np.linalg.norm(exact)
    found = fused.KERNEL_PRODUCTS[fused.FORMS["float32", width].products](left, right)
    assert np.linalg.norm(found - exact) < most * norm
    one_part = fused.KERNEL_PRODUCTS[fused.FORMS["tf32", width].products](left, right)
    assert np.linalg.norm(one_part - exact) > 1e-4 * norm
    np.testing.assert_array_equal(sum(map(jnp.float32, fused._bfloat16_parts(left))), left)
    large, small = fused._tf32_parts(left)
    np.testing.assert_array_equal(large, cell._rounded(large))
    np.testing.assert_array_equal(large + small, left)


def test_the_scan_takes_over_where_the_kernel_does_not_compile(monkeypatch):
    def broken(*args, **settings):
        raise NotImplementedError("no such backend\nand more")

    fused._compiles.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(fused, "states", broken)
    network = VanillaRNN(width=16, fused=True)
    with pytest.warns(UserWarning, match=r"the scan takes over \(no such backend\)$"):
        assert not fused.resolved(network).fused
    assert not fused.resolved(network).fused  # a second warning would be an error
    fused._compiles.cache_clear()
