"""Networks made elsewhere: files of arrays, the command that compares them, PyTorch."""

import json
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rnnensemble import VanillaRNN, cli, distance_matrix, metrics
from rnnensemble.cli import distances as commanded
from rnnensemble.cli.console import Reporter
from rnnensemble.files import arrays, manifests, stages
from rnnensemble.files.arrays import read_arrays
from rnnensemble.networks import VanillaParams
from rnnensemble.stats.digits import value_and_interval
from rnnensemble.stats.intervals import mean_distance
from tests.test_cli import failure
from tests.test_pairwise import Power, direct

pytestmark = pytest.mark.painted

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)
ACTIVITY = RNG.normal(size=(4, 3, 8, 5)).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 5, 5))
QUICK = ["--dsa.rank", "3", "--dsa.starts", "4", "--pif.starts", "1"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with A.npy and W.npy."""
    np.save(tmp_path / "A.npy", ACTIVITY)
    np.save(tmp_path / "W.npy", WEIGHTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def analyse(*arguments):
    cli.main(["analyse", *arguments])


def found(folder):
    with np.load(folder / "matrices.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def test_the_command_finds_what_the_call_finds(files, capsys):
    analyse("--activity", "A.npy", "--weights", "W.npy", *QUICK)
    printed = capsys.readouterr().out
    folder = files / "runs" / "A"
    expected = {
        "dsa": distance_matrix("dsa", ACTIVITY, settings={"rank": 3, "starts": 4}),
        "pif": distance_matrix("pif", WEIGHTS, settings={"starts": 1}),
    }
    matrices = found(folder)
    assert set(matrices) == set(expected)
    for row in arrays.read_distances(folder):
        np.testing.assert_array_equal(matrices[row.metric], expected[row.metric])
        mean = mean_distance(expected[row.metric])
        assert (row.mean, row.low, row.high) == mean
        value, interval = value_and_interval(mean)
        assert re.search(rf" {value} +{interval}\n", printed)
        assert json.loads(row.settings)["starts"] == {"dsa": 4, "pif": 1}[row.metric]
        for kind in ("mds", "matrix"):
            figure = folder / "figures" / f"{row.metric}_{kind}"
            assert figure.with_suffix(".png").stat().st_size > 5_000
            assert figure.with_suffix(".svg").exists()
    manifest = stages.read_manifest(folder)
    assert manifest["status"] == arrays.COMPARED
    assert manifest["inputs"]["weights"]["sha256"] == manifests.file_digest("W.npy")
    assert manifest["settings"]["dsa"]["rank"] == 3
    assert not (folder / arrays.CHECKPOINT).exists()
    assert [path.name for path in (files / "runs").iterdir()] == ["A"]


def test_shown_listed_and_never_overwritten(files, capsys):
    analyse("--weights", "W.npy", "--name", "mine", "--quiet")
    assert capsys.readouterr().out == ""
    before = (files / "runs" / "mine" / "manifest.json").read_bytes()
    assert "`name` 'mine' is taken" in failure(
        capsys, "analyse", "--weights", "W.npy", "--name", "mine"
    )
    assert (files / "runs" / "mine" / "manifest.json").read_bytes() == before
    cli.main(["show", "runs/mine"])
    assert "pif" in capsys.readouterr().out
    cli.main(["show"])
    assert "compared" in capsys.readouterr().out
    assert "no population" in failure(capsys, "analyse", "runs/mine")
    (files / "runs" / "mine" / "distances.csv").write_text("metric\npif\n")
    assert "distances.csv is missing or damaged" in failure(capsys, "show", "runs/mine")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_several_arrays_are_one_network_each(files, monkeypatch, suffix):
    monkeypatch.setitem(metrics.REGISTRY._classes, "power", Power)  # asymmetric, of any N
    networks = {f"net{k}": RNG.normal(size=(2, 5, 3 + k % 3)) for k in range(11)}
    shuffled = dict(sorted(networks.items())) if suffix == ".safetensors" else networks
    save = np.savez if suffix == ".npz" else lambda path, **x: safetensors.numpy.save_file(x, path)
    save(f"A{suffix}", **shuffled)
    analyse("--activity", f"A{suffix}", "--metrics", "power")
    expected = direct(list(networks.values()))
    matrix = found(files / "runs" / "A")["power"]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    (row,) = arrays.read_distances(files / "runs" / "A")
    np.testing.assert_allclose(row.mean, expected[~np.eye(11, dtype=bool)].mean(), rtol=1e-5)
    assert np.isnan([row.low, row.high]).all()
    assert not (files / "runs" / "A" / "figures").exists()
    commanded.show_rows([row], Reporter(quiet=True))


def test_one_array_holds_all_networks(files):
    np.savez("A.npz", ACTIVITY)
    safetensors.numpy.save_file({"w": WEIGHTS}, "W.safetensors")
    np.testing.assert_array_equal(read_arrays("A.npz"), ACTIVITY)
    np.testing.assert_array_equal(read_arrays("W.safetensors"), WEIGHTS)
    np.testing.assert_array_equal(read_arrays("A.npy"), ACTIVITY)


def test_safetensors_is_an_extra(files, monkeypatch):
    safetensors.numpy.save_file({"w": WEIGHTS}, "W.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match=r"pip install 'rnnensemble\[safetensors\]'"):
        read_arrays("W.safetensors")


class Harm:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return (Path("unpickled").touch, ())


def write_unreadable(folder):
    (folder / "pickle.npy").write_bytes(pickle.dumps(Harm()))
    harmful = np.array([Harm()], object)
    np.save(folder / "object.npy", harmful, allow_pickle=True)
    np.savez(folder / "object.npz", a=harmful)
    (folder / "half.npy").write_bytes((folder / "A.npy").read_bytes()[:400])
    (folder / "half.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "half.safetensors").write_bytes(b"no tensors")
    np.savez(folder / "empty.npz")
    np.save(folder / "text.npy", np.array(["a", "b"]))
    np.save(folder / "complex.npy", ACTIVITY + 1j)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pickle.npy", "holds pickled objects or is damaged, and nothing is unpickled"),
        ("object.npy", "holds pickled objects or is damaged, and nothing is unpickled"),
        ("object.npz", "holds pickled objects or is damaged, and nothing is unpickled"),
        ("half.npy", "cannot be read: "),
        ("half.npz", "cannot be read: "),
        ("half.safetensors", "cannot be read: "),
        ("empty.npz", "holds no arrays"),
        ("text.npy", "must hold real numbers; got <U1"),
        ("complex.npy", "must hold real numbers; got complex64"),
        ("none.npy", "none.npy does not exist"),
        ("A.mat", "`activity` must be a .npy, .npz or .safetensors file; got A.mat"),
    ],
)
def test_unreadable_files(files, capsys, name, message):
    write_unreadable(files)
    error = failure(capsys, "analyse", "--activity", name)
    assert message in error
    assert "`activity`" in error
    assert "allow_pickle" not in error
    assert not (files / "runs").exists()
    assert not (files / "unpickled").exists()


def spoiled(networks):
    bad = ACTIVITY.copy()
    bad[networks, 0, 0, 0] = np.nan
    return bad


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (spoiled([1, 3]), [], "`activity` must be finite; networks 1, 3 hold NaN or infinity"),
        (ACTIVITY[:, :1, :3], ["--dsa.rank", "3"], "`rank` must be at most 2 for 1 trials of 3"),
        ([*ACTIVITY[:3], ACTIVITY[3, :2]], [], "network 0 has (3, 8, 5), network 3 has (2, 8, 5)"),
        (
            [*ACTIVITY[:3], ACTIVITY[3, :, :6]],
            ["--metrics", "power"],
            "`activity` must have the same trials and steps",
        ),
        ([*ACTIVITY[:3], ACTIVITY[3, ..., :4]], ["--metrics", "fixed"], "networks of one size"),
        (ACTIVITY[0], [], "`activity` must be [K, B, T, N]; got (8, 5) for one network"),
        (ACTIVITY[:1], [], "`activity` must hold at least 2 networks"),
        (np.ones(3), [], "`activity` must hold networks along its first axis"),
        (
            ACTIVITY,
            ["--weights", "OBLONG"],
            "`weights` must be [K, N, N], or [K, G, N, N] of gates; got (5, 4)",
        ),
        (ACTIVITY, ["--weights", "FEWER"], "`weights` must hold the 4 networks of `activity`"),
        (ACTIVITY, ["--memory-gb", "1e-9"], "`memory` of 1e-06 MB is too little"),
        (ACTIVITY, ["--memory-gb", "0"], "`memory_gb` must be above 0"),
        (ACTIVITY, ["--devices", "99"], "`devices` must lie between 1 and the 2 local devices"),
        (ACTIVITY, ["--metrics", "dsq"], "`metric` must be one of"),
        (ACTIVITY, ["--metrics", "pif"], "`weights` is missing: pif compares it"),
        (ACTIVITY, ["--pif.starts", "3"], "`pif` has settings but is none of the metrics"),
        (ACTIVITY, ["--dsa.rnk", "2"], "did you mean `--dsa.rank`"),
        (ACTIVITY, ["--dsa.rank", "0"], "`rank` must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_one_line_before_any_computing(
    files, capsys, monkeypatch, data, arguments, message
):
    fixed = type("Fixed", (Power,), {"name": "fixed", "mixed_widths": False})
    monkeypatch.setitem(metrics.REGISTRY._classes, "power", Power)
    monkeypatch.setitem(metrics.REGISTRY._classes, "fixed", fixed)
    monkeypatch.setattr(commanded, "distance_matrix", None)
    np.save("OBLONG.npy", WEIGHTS[:, :, :4])
    np.save("FEWER.npy", WEIGHTS[:3])
    np.savez("A.npz", *(data if isinstance(data, list) else [data]))
    named = [f"{a}.npy" if a in ("OBLONG", "FEWER") else a for a in arguments]
    if "--metrics" not in arguments:
        named += [] if "--dsa.rank" in arguments else ["--dsa.rank", "3"]
    assert message in failure(capsys, "analyse", "--activity", "A.npz", *named)
    assert not (files / "runs").exists()


def test_a_matrix_that_would_not_fit(files, capsys, monkeypatch):
    monkeypatch.setattr("rnnensemble._core.runtime.host_bytes", lambda: 100.0)
    error = failure(capsys, "analyse", "--weights", "W.npy")
    assert "`weights` of 4 networks gives a matrix of 6.4e-08 GB" in error


def test_data_are_missing(files, capsys):
    assert "`activity` is missing" in failure(capsys, "analyse", "--quiet")
    assert "--activity A.npy" in failure(capsys, "analyse")
    assert "give the file A.npy by --activity" in failure(capsys, "analyse", "A.npy")


def test_an_interrupted_analysis_goes_on(files, capsys, monkeypatch):
    arguments = ["--activity", "A.npy", "--weights", "W.npy", *QUICK]
    computed = []

    def stop_at_weights(_, level, done, total):
        computed.append((level, done, total))
        if level == "pif":
            raise KeyboardInterrupt

    monkeypatch.setattr(Reporter, "analysis", stop_at_weights)
    with pytest.raises(SystemExit) as stop:
        analyse(*arguments)
    assert stop.value.code == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "go on with: rnnensemble analyse --activity A.npy --weights W.npy" in error
    folder = files / "runs" / "A"
    assert {x.name for x in (folder / arrays.CHECKPOINT).iterdir()} == {"dsa.npz", "pif.npz"}
    assert [level for level, _, _ in computed] == ["dsa", "pif"]
    cli.main(["show", "runs/A"])
    assert "go on with: rnnensemble analyse --activity A.npy" in capsys.readouterr().out
    assert "`name` 'A' is an unfinished analysis of other data or settings" in failure(
        capsys, "analyse", *arguments, "--seed", "1"
    )
    computed.clear()
    monkeypatch.setattr(Reporter, "analysis", lambda *_: computed.append(_))
    analyse(*arguments)
    assert not computed  # all pairs had been done
    assert "going on with the unfinished analysis" in capsys.readouterr().out
    np.testing.assert_array_equal(
        found(folder)["dsa"], distance_matrix("dsa", ACTIVITY, settings={"rank": 3, "starts": 4})
    )
    assert not (folder / arrays.CHECKPOINT).exists()


def test_weights_of_pytorch_have_our_orientation():
    torch = pytest.importorskip("torch", reason="extra `reference` is not installed")
    torch.manual_seed(0)
    theirs = torch.nn.RNN(2, 6, batch_first=True)
    w = {name: x.detach().numpy() for name, x in theirs.named_parameters()}
    inputs = RNG.normal(size=(3, 7, 2)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(inputs))[0].numpy()
    ours = VanillaRNN(width=6)
    params = VanillaParams(
        input_weights=w["weight_ih_l0"],
        recurrent_weights=w["weight_hh_l0"],
        bias=w["bias_ih_l0"] + w["bias_hh_l0"],
        readout_weights=np.zeros((1, 6), np.float32),
        initial_state=np.zeros(6, np.float32),
    )
    np.testing.assert_allclose(ours.respond(params, inputs)[0], expected, atol=1e-6)
