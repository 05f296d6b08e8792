"""Networks in files of other programs, and as modules of PyTorch."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core.array_files import read_named
from rnnensemble.files.export import read_states
from rnnensemble.networks.noise import standard_normal, words_of
from rnnensemble.networks.torch_form import torch_form
from tests import own_cells
from tests.tiny import NETWORK, TASK

HOW = {"batch": 8, "epoch_steps": 4, "max_epochs": 3, "threshold": 10.0, "patience": 2}
SHORT = rnne.Training(**HOW, learning_rate=(1e-3, 2e-3, 3e-3))
INPUTS = np.random.default_rng(0).normal(size=(4, 9, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def population():
    return rnne.train_population(TASK, network=NETWORK, training=SHORT, size=3)


def described(path):
    """What the JSON in a file says."""
    if path.suffix == ".npz":
        return json.loads(str(np.load(path)["rnnensemble"]))
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["rnnensemble"])


def holds_parameters(path, population):
    """Whether a file has a population's parameters to the last bit, each with what it is."""
    arrays = read_named(path, "path")
    arrays.pop("rnnensemble", None)
    assert set(described(path)["arrays"]) == set(arrays)
    for prefix, tree in (("final", population.params), ("initial", population.initial_params)):
        found = [x for name, x in sorted(arrays.items()) if name.startswith(prefix)]
        leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
        named = {jax.tree_util.keystr(k, simple=True, separator="/"): x for k, x in leaves}
        assert len(found) == len(named)
        for x, name in zip(found, sorted(named), strict=True):
            np.testing.assert_array_equal(x, named[name])
    return arrays


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_holds_all_parameters_and_says_what_they_are(suffix, population, tmp_path):
    path = rnne.export(population, tmp_path / f"mine{suffix}")
    arrays = holds_parameters(path, population)
    np.testing.assert_array_equal(arrays["stop_epoch"], [2, 2, 2])
    assert not any(name.startswith("effective") for name in arrays)  # they act as they are
    told = described(path)
    assert told["recipe"]["network"]["kind"] == "vanilla"
    assert told["recipe"]["training"]["learning_rate"] == [1e-3, 2e-3, 3e-3]
    assert told["equations"].startswith("The vanilla RNN: h_t = phi(W_h h_{t-1} + W_x x_t + b)")
    shape = "row i holds what unit i receives of units, [K, N, N]"
    assert told["arrays"]["final/recurrent_weights"] == f"parameter after training: {shape}"
    with pytest.raises(FileExistsError, match=r"`path` .*mine.* exists; choose another"):
        rnne.export(population, path)


def test_infinity_is_a_word_in_json(population, tmp_path):
    training = rnne.Training(**HOW, clip_norm=np.inf)
    free = rnne.train_population(TASK, network=NETWORK, training=training, size=3)
    path = rnne.export(free, tmp_path / "free.npz")
    assert described(path)["recipe"]["training"]["clip_norm"] == "Infinity"


def test_what_cannot_be_written_is_said(population, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"`path` must end in \.npz or \.safetensors.*got a\.csv"):
        rnne.export(population, tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"`k` must be a network from 0 to 2; got 3"):
        rnne.to_torch(population, 3)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"`to_torch` needs PyTorch.*rnnensemble\[torch\]"):
        rnne.to_torch(population, 0)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match=r"needs the package safetensors: pip install"):
        rnne.export(population, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (rnne.FlaxRNN(cell=own_cells.Traced, width=4), "'flax' with the cell 'tests.own_cells"),
        (rnne.FlaxRNN(cell="flax.linen:MGUCell", width=4), "'flax' with the cell 'flax.linen:MGU"),
        (
            rnne.FlaxRNN(cell="flax.nnx:SimpleCell", width=4, arguments={"residual": True}),
            "'flax' with the cell 'flax.nnx:SimpleCell'",
        ),
    ],
)
def test_unknown_cells_have_no_form_in_pytorch(network, told):
    with pytest.raises(ValueError, match=f"`network` {told}.*has no form in PyTorch; export its"):
        torch_form(network, None)


def test_the_command_exports_a_run(population, tmp_path, capsys):
    rnne.save(tmp_path / "run", population)
    cli.main(["export", str(tmp_path / "run"), str(tmp_path / "new" / "mine.npz")])
    assert "3 networks in" in capsys.readouterr().out
    holds_parameters(tmp_path / "new" / "mine.npz", population)
    with pytest.raises(SystemExit):
        cli.main(["export", str(tmp_path / "run"), str(tmp_path / "mine.txt")])
    assert "`path` must end in .npz or .safetensors" in capsys.readouterr().err


def equals(module, population, k, inputs=INPUTS):
    """Whether a module of PyTorch does what network k does."""
    import torch

    expected = population.respond(inputs)
    with torch.no_grad():
        rates, outputs = module(torch.from_numpy(inputs))
    np.testing.assert_allclose(rates.numpy(), expected.rates[k], atol=1e-5)
    np.testing.assert_allclose(outputs.numpy(), expected.outputs[k], atol=1e-5)


NETWORKS = {
    "vanilla": rnne.VanillaRNN(width=6, train_initial_state=True),
    "relu": rnne.VanillaRNN(width=6, activation="relu"),
    "mup": rnne.MuPRNN(width=6),
    "dale": rnne.LeakyRNN(width=6, activation="softplus", excitatory=0.5, density=0.5),
    "rank": rnne.LeakyRNN(width=6, rank=2, readout_bias=False, train_initial_state=True),
    "taus": rnne.LeakyRNN(width=6, tau=(20, 100)),
    "gru": rnne.GRU(width=6),
    "lstm": rnne.LSTM(width=6, hidden="all"),
    "simple": rnne.FlaxRNN(
        cell="flax.nnx:SimpleCell", width=6, arguments={"activation_fn": "jax.nn:relu"}
    ),
    "linen": rnne.FlaxRNN(cell="flax.linen:GRUCell", width=6),
    "nnx": rnne.FlaxRNN(cell="flax.nnx:OptimizedLSTMCell", width=6, hidden="all"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_leaves(name, tmp_path):
    """All its parameters in a file, and a module of PyTorch that does the same."""
    training = rnne.Training(**HOW, learning_rate=0.1)
    population = rnne.train_population(TASK, network=NETWORKS[name], training=training, size=2)
    holds_parameters(rnne.export(population, tmp_path / "arrays.npz"), population)
    pytest.importorskip("torch", reason="extra `torch` is not installed")
    equals(rnne.to_torch(population, 1), population, 1)


@pytest.mark.long
def test_pytorch_alone_reads_the_folder(population, tmp_path, capsys):
    """In a process without this package."""
    pytest.importorskip("torch", reason="extra `torch` is not installed")
    folder = tmp_path / "theirs"
    rnne.save(tmp_path / "run", population)
    cli.main(["export", str(tmp_path / "run"), str(folder), "--torch"])
    assert f"3 networks in {folder}" in " ".join(capsys.readouterr().out.split("\n"))
    np.save(folder / "inputs.npy", INPUTS)
    code = (
        "import sys, numpy, torch, network\n"
        "rates, outputs = network.load('weights.pt', 1)(torch.tensor(numpy.load('inputs.npy')))\n"
        "assert not [m for m in sys.modules if m.startswith(('jax', 'rnnensemble'))]\n"
        "numpy.save('outputs.npy', outputs.detach().numpy())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=120)
    expected = population.respond(INPUTS).outputs[1]
    np.testing.assert_allclose(np.load(folder / "outputs.npy"), expected, atol=1e-5)
    assert len(read_states(folder / "weights.pt")) == 3
    with pytest.raises(FileExistsError, match=r"`path` .*theirs exists"):
        rnne.export(population, folder, torch=True)


@pytest.mark.long
def test_noise_can_be_given():
    torch = pytest.importorskip("torch", reason="extra `torch` is not installed")
    network = rnne.LeakyRNN(width=6, noise=0.3)
    population = rnne.train_population(TASK, network=network, training=SHORT, size=3)
    one, key = jax.tree.map(lambda x: x[0], population.params), jax.random.key(3)
    words = words_of(key, INPUTS.shape[1])
    drawn = [np.asarray(standard_normal(each, 0, (len(INPUTS), 6))) for each in words[1:]]
    noise = (2 * network.leak_of({})) ** 0.5 * 0.3 * np.stack(drawn, axis=1)
    expected = network.respond_noisily(one, INPUTS, key)
    module = rnne.to_torch(population, 0)
    with torch.no_grad():
        found = module(torch.from_numpy(INPUTS), torch.tensor(noise))
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(each.numpy(), other, atol=1e-5)
    gru = rnne.train_population(TASK, network=rnne.GRU(width=6), training=SHORT, size=3)
    with pytest.raises(ValueError, match=r"`noise` is for leaky networks; this one is 'gru'"):
        rnne.to_torch(gru, 0)(torch.from_numpy(INPUTS), torch.zeros(1))
