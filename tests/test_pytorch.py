"""Ensembles of PyTorch as populations: state dicts in, the same outputs out."""

import dataclasses
import sys

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from tests.tiny import ANALYSIS, TASK, TINY

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(3, 9, 1)).astype(np.float32)
ROWS = {"rnn": 6, "gru": 18, "lstm": 24}


def states(kind="rnn", *, bias=True, count=3, width=6, inputs=1, outputs=1):
    """State dicts as `torch.nn.Module` has them, of arrays."""
    rows = ROWS[kind] * width // 6
    shapes = {"cell.weight_ih_l0": (rows, inputs), "cell.weight_hh_l0": (rows, width)}
    shapes |= {"out.weight": (outputs, width)}
    if bias:
        shapes |= {"cell.bias_ih_l0": (rows,), "cell.bias_hh_l0": (rows,), "out.bias": (outputs,)}
    return [
        {name: RNG.normal(size=x) / width**0.5 for name, x in shapes.items()} for _ in range(count)
    ]


def sigma(x):
    return 1 / (1 + np.exp(-x))


def responses(kind, state, inputs, activation=np.tanh):
    """PyTorch's documented equations, step by step."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w_x, w, outer, inner = (state.get(f"cell.{name}", 0.0) for name in names)
    h = c = np.zeros((len(inputs), w.shape[1]))
    rates = []
    for now in inputs.swapaxes(0, 1):
        a, b = now @ w_x.T + outer, h @ w.T + inner
        if kind == "rnn":
            h = activation(a + b)
        elif kind == "gru":
            (r, z, n), (hr, hz, hn) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
            r, z = sigma(r + hr), sigma(z + hz)
            h = (1 - z) * np.tanh(n + r * hn) + z * h
        else:
            i, f, g, o = np.split(a + b, 4, axis=1)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
        rates.append(h)
    rates = np.stack(rates, axis=1)
    return rates, rates @ state["out.weight"].T + state.get("out.bias", 0.0)


FORMS = {
    "rnn": ("rnn", True, "tanh", "flax.linen:SimpleCell"),
    "gru": ("gru", True, "tanh", "flax.linen:GRUCell"),
    "relu": ("rnn", True, "relu", "flax.linen:SimpleCell"),
    "bare": ("rnn", False, "relu", "vanilla"),
    "bare gru": ("gru", False, "tanh", "gru"),
    "lstm": ("lstm", True, "tanh", "lstm"),
}
LONG = ("relu", "bare", "bare gru", "lstm")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.long) if x in LONG else x for x in FORMS]
)
def test_responses_are_those_of_pytorchs_equations(name):
    kind, bias, activation, form = FORMS[name]
    given = states(kind, bias=bias)
    population = rnne.from_torch(given, kind=kind, task=TASK, activation=activation)
    assert form in (population.network.kind, getattr(population.network, "cell", None))
    found = population.respond(INPUTS)
    phi = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0)
    for k, state in enumerate(given):
        for each, expected in zip(found, responses(kind, state, INPUTS, phi), strict=True):
            np.testing.assert_allclose(each[k], expected, atol=1e-5)
    weights = population.network.weights(population.params)["recurrent_weights"]
    stacked = np.stack([state["cell.weight_hh_l0"] for state in given])
    np.testing.assert_allclose(np.reshape(weights, stacked.shape), stacked, rtol=1e-6)


@pytest.fixture(scope="module")
def population():
    return rnne.from_torch(states(), kind="rnn", task=TASK)


def test_what_was_not_trained_here_is_told(population, tmp_path):
    assert population.converged.all()
    assert (population.stop_epoch == 0).all()
    assert population.history.loss.shape == (3, 1)
    assert np.isfinite(population.history.loss).all()
    other = rnne.from_torch(states(), kind="rnn", task=TASK)
    assert len(population.recipe.imported) == 12
    assert other.recipe != population.recipe  # other weights
    assert rnne.load(rnne.save(tmp_path / "run", population)).population == population
    part = population[[2, 0]]
    assert part.recipe.imported == population.recipe.imported
    assert rnne.concatenate([part, population[1]]).size == 3
    with pytest.raises(ValueError, match="`populations` must share the imported"):
        rnne.concatenate([population, other])
    with pytest.raises(ValueError, match="`recipe` is of imported networks, which nothing here"):
        rnne.train_populations([population.recipe])
    with pytest.raises(ValueError, match="`imported` must be a text; got 3"):
        dataclasses.replace(population.recipe, imported=3)
    with pytest.raises(ValueError, match="`population` must have initial parameters"):
        rnne.measure_feature_learning(population)
    arrays = np.load(rnne.export(population, tmp_path / "out.npz"))
    assert not any(name.startswith("initial") for name in arrays)


def changed(number=1, **changes):
    """State dicts of which one has other entries, or lacks those that are None."""
    every = states()
    given = every[number] | {name.replace("__", "."): x for name, x in changes.items()}
    every[number] = {name: x for name, x in given.items() if x is not None}
    return every


SQUARE = np.zeros((6, 6))
WRONG = [
    ({}, {"kind": "rnn"}, "`state_dicts` must be a list of state dicts, .* got dict"),
    ([], {}, "`state_dicts` must be a list of state dicts, .* at least one"),
    (states()[0], {}, "`state_dicts` must be a list of state dicts"),
    (states(), {"kind": "elman"}, r"`kind` must be one of \['gru', 'lstm', 'rnn'\]; got 'elman'"),
    (states(), {"kind": "gru"}, r"number 0 must have cell|weight_ih_l0 of shape \(18, 1\)"),
    (states(), {"activation": "sigmoid"}, "`activation` must be one of"),
    (states("gru"), {"kind": "gru", "activation": "relu"}, "`activation` 'relu' is of kind 'rnn'"),
    (states(inputs=2), {}, "must have the weights' 2 inputs and 1 outputs; it has 1 and 1"),
    (states() + states(width=12), {}, "number 3 must be like number 0"),
    (changed(cell__weight_hh_l0=None), {}, "number 1 lacks cell.weight_hh_l0"),
    (changed(cell__weight_ih_l0=None), {}, "number 1 must have one weight_ih_l0; got none of"),
    (changed(out__weight=None), {}, "number 1 must have one weight; got none of"),
    (changed(cell__weight_ih_l1=SQUARE), {}, "one recurrent layer in one direction.*ih_l1"),
    (changed(cell__weight_ih_l0_reverse=SQUARE), {}, "in one direction.*l0_reverse"),
    (changed(cell__weight_hr_l0=SQUARE), {}, "without projections; it has cell.weight_hr_l0"),
    (changed(second__weight=SQUARE), {}, "got out.weight, second.weight; say by `readout`"),
    (changed(scale=np.ones(2)), {}, "number 1 must hold a recurrent layer and a readout alone"),
    (changed(out__bias=np.array([np.nan])), {}, "`out.bias` .* finite numbers.* 0 of 1 are"),
    (changed(cell__weight_hh_l0=1.0), {}, r"`cell.weight_hh_l0` must be .* its shape is \(\)"),
    (changed(out__bias="none"), {}, "`out.bias` must hold real numbers"),
    (changed(out__bias=np.ones(2)), {}, r"number 1 must have readout.bias of shape \(1,\)"),
    (changed(out__bias=None), {}, "number 1 must be like number 0"),
    (states(), {"recurrent": "encoder"}, "number 0 must have one encoder.weight_ih_l0; got none"),
    (
        states(),
        {"training": rnne.Training(record_accuracy=True)},
        "`training` of imported networks must not record accuracy",
    ),
]


@pytest.mark.parametrize(("given", "settings", "told"), WRONG)
def test_what_does_not_fit_is_said_in_one_line(given, settings, told):
    with pytest.raises(ValueError, match=told) as error:
        rnne.from_torch(given, **{"kind": "rnn", "task": TASK} | settings)
    assert "\n" not in str(error.value)


def test_prefixes_choose_among_several(population):
    every = [
        {f"model.{name}": x for name, x in each.items()} | {"model.out2.weight": SQUARE}
        for each in states()
    ]
    with pytest.raises(ValueError, match=r"has model\.out2\.weight too, which would be lost"):
        rnne.from_torch(every, kind="rnn", task=TASK, recurrent="model.cell", readout="model.out")
    for each in every:
        del each["model.out2.weight"]
    found = rnne.from_torch(
        every, kind="rnn", task=TASK, recurrent="model.cell.", readout="model.out"
    )
    assert found.network == population.network


def test_the_command_makes_a_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "task.toml").write_text(TINY)
    for number, state in enumerate(states()):
        np.savez(tmp_path / f"{number}.npz", **state)
    files = [str(tmp_path / f"{number}.npz") for number in range(3)]
    command = ["import", str(tmp_path / "task.toml"), *files, "--runs", str(tmp_path / "runs")]
    cli.main(command)
    assert "imported 3 networks into" in capsys.readouterr().out
    run = rnne.load(tmp_path / "runs" / "task")
    assert (run.population.size, run.condition.analysis) == (3, ANALYSIS)
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "a.pt").write_bytes(b"")
    for arguments, told in (
        (command, "`name` 'task' is taken by"),
        (command[:2], "`files` are missing: rnnensemble import PRESET FILE"),
        ([*command[:2], "b.pt"], "`files` file b.pt does not exist"),
        ([*command[:2], str(tmp_path / "a.pt")], "`files` needs PyTorch, which is not installed"),
    ):
        with pytest.raises(SystemExit):
            cli.main([*arguments, "--runs", str(tmp_path / "runs")])
        assert told in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("kind", ROWS)
def test_modules_of_pytorch_come_in_and_go_out(kind, tmp_path, capsys):
    """State dicts in a file, a run folder, measures and fixed points of one kind, and out again."""
    torch = pytest.importorskip("torch", reason="extra `torch` is not installed")
    torch.manual_seed(0)
    layer = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]

    def module():
        return torch.nn.ModuleDict(
            {"cell": layer(1, 6, batch_first=True), "out": torch.nn.Linear(6, 1)}
        )

    modules = [module() for _ in range(3)]
    torch.save([each.state_dict() for each in modules], tmp_path / "all.pt")
    (tmp_path / "task.toml").write_text(TINY)
    command = ["import", str(tmp_path / "task.toml"), "--kind", kind, "--runs", str(tmp_path)]
    cli.main([*command, str(tmp_path / "all.pt")])
    population = rnne.load(tmp_path / "task").population
    found = population.respond(INPUTS)
    for k, each in enumerate(modules):
        with torch.no_grad():
            rates = each["cell"](torch.from_numpy(INPUTS))[0]
            outputs = each["out"](rates)
            again = rnne.to_torch(population, k)(torch.from_numpy(INPUTS))
        for x, theirs, ours in zip(found, (rates, outputs), again, strict=True):
            np.testing.assert_allclose(x[k], theirs.numpy(), atol=1e-5)
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)
    torch.save(modules[0], tmp_path / "whole.pt")
    with pytest.raises(SystemExit):
        cli.main([*command, str(tmp_path / "whole.pt"), "--name", "other"])
    assert "holds no state dict" in capsys.readouterr().err
    if kind == "gru":
        cli.main(["analyse", str(tmp_path / "task")])
        assert "mean DSA distance" in capsys.readouterr().out
        assert rnne.load(tmp_path / "task").degeneracy.weights.mean.value > 0
        assert len(rnne.find_fixed_points(population)) == 3
