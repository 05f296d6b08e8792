"""Networks as files of other programs: `export`, and state dicts of PyTorch, `read_states`."""

import importlib.metadata
import inspect
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rnnensemble._core import process
from rnnensemble._core.array_files import needs_safetensors, read_named
from rnnensemble.files import folders
from rnnensemble.networks import Params
from rnnensemble.networks.torch_form import torch_form
from rnnensemble.study.conditions import as_table
from rnnensemble.training.population import Population, require_population
from rnnensemble.training.pytorch import require_torch

DESCRIPTION = "rnnensemble"
"""The entry of a .npz, and of a .safetensors header, that holds the description as JSON."""
MEANINGS = {
    "input_weights": ("what units receive of inputs", "N, I"),
    "recurrent_weights": ("row i holds what unit i receives of units", "N, N"),
    "bias": ("what is added to what units receive", "N"),
    "readout_weights": ("how rates make outputs", "O, N"),
    "readout_bias": ("what is added to outputs", "O"),
    "initial_state": ("the state in which trials start", "N"),
    "connections": ("1 where there is a connection", "N, N"),
    "left": ("loadings m, to units", "N, R"),
    "right": ("loadings n, of units", "N, R"),
}
"""What parameters are, and their axes after K; units with several gates have an axis G there."""
PREFIXES = {
    "final": "parameter after training",
    "initial": "parameter before training",
    "effective": "as it acts on inputs and rates after training",
}


@process.uninterrupted()
def export(population: Population, path: Path | str, *, torch: bool = False) -> Path:
    """Writes the networks of a population for other programs.

    A `.npz` or `.safetensors` file holds the parameters of all K networks, leading axis K:
    `final/NAME` after and `initial/NAME` before training (none of imported networks), and
    `effective/NAME`, the weights as they act, where these are others (scaled, masked, of low rank);
    `converged`, `diverged` and `stop_epoch`. Its entry `rnnensemble`, in the header of a
    `.safetensors`, is a JSON of the recipe and of what each array is.

    With `torch` it is a folder for PyTorch: `network.py`, the equations, which needs PyTorch alone,
    and `weights.pt`, which `load` of that file reads.

    Args:
        population: Trained networks.
        path: A file that ends in `.npz` or `.safetensors`, or a folder, which must not exist.
        torch: Whether to write the folder for PyTorch.

    Returns:
        The path.

    Raises:
        ValueError: If the ending is another, a package is missing, or PyTorch has no such cell.
        FileExistsError: If the path exists.
        OSError: If the disk is full or read-only.

    Example:
        >>> import tempfile
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with np.load(rnne.export(population, f"{folder}/mine.npz")) as stored:
        ...         stored["final/recurrent_weights"].shape
        (3, 6, 6)
    """
    require_population(population)
    path = folders.as_path(path, "path").absolute()
    if not torch and path.suffix not in (".npz", ".safetensors"):
        raise ValueError(
            f"`path` must end in .npz or .safetensors, or be a folder for PyTorch; got {path.name}."
        )
    if path.exists():
        raise FileExistsError(f"`path` {path} exists; choose another, or remove it.")
    folders.require_writable(path.parent, "path")
    if torch:
        _write_torch(population, path)
        return path
    folders.make_folder(path.parent)
    arrays = _arrays(population)
    text = json.dumps(_description(population, arrays))
    with folders.whole_file(path) as partial:
        if path.suffix == ".npz":
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays, **{DESCRIPTION: np.array(text)})
        else:
            _write_safetensors(partial, arrays, text)
    return path


def _write_safetensors(path: Path, arrays: dict[str, np.ndarray], text: str) -> None:
    try:
        from safetensors.numpy import save_file  # the extra `safetensors`
    except ImportError:
        raise ValueError(needs_safetensors(path, "path")) from None
    whole = {name: np.ascontiguousarray(x) for name, x in arrays.items()}
    save_file(whole, path, metadata={DESCRIPTION: text})


def _arrays(population: Population) -> dict[str, np.ndarray]:
    """All arrays by flat names."""
    found = _named("final", population.params)
    before = _named("initial", population.initial_params)
    if not any(np.isnan(x).any() for x in before.values()):
        found |= before
    acting = jax.jit(population.network.weights)(population.params)
    for name, x in _named("effective", acting).items():
        same = found.get(name.replace("effective", "final"))
        if same is None or not np.array_equal(same, x):
            found[name] = x
    outcome = {name: getattr(population, name) for name in ("converged", "diverged", "stop_epoch")}
    return found | outcome


def _named(prefix: str, params: Params) -> dict[str, np.ndarray]:
    """Arrays of a tree by their path in it, `final/cell/dense_h.kernel`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    keys = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    return {f"{prefix}/{key}": np.asarray(x) for key, (_, x) in zip(keys, leaves, strict=True)}


def _description(population: Population, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """What JSON says of the arrays: the recipe, and what each is."""
    meanings = {
        "converged": "whether a network converged, [K]",
        "diverged": "whether a network diverged, [K]",
        "stop_epoch": "epochs trained, [K]",
    }
    for name in arrays.keys() - meanings.keys():
        prefix, _, rest = name.partition("/")
        what, axes = MEANINGS.get(rest, (f"`{rest}` of the equations, or of the cell", ""))
        gates = ["G"] if axes and arrays[name].ndim > axes.count(",") + 2 else []
        shape = ", ".join(["K", *gates, axes]) if axes else str(list(arrays[name].shape))[1:-1]
        meanings[name] = f"{PREFIXES[prefix]}: {what}, [{shape}]"
    return {
        "version": importlib.metadata.version("rnnensemble"),
        # JSON has no word for infinity
        "recipe": json.loads(json.dumps(as_table(population.recipe)), parse_constant=str),
        "equations": (inspect.getdoc(type(population.network)) or "").partition("\nAttributes:")[0],
        "arrays": dict(sorted(meanings.items())),
    }


def _write_torch(population: Population, path: Path) -> None:
    """The folder for PyTorch."""
    form = torch_form(population.network, population.params)
    torch = require_torch("torch")
    from rnnensemble.networks import torch_network

    networks = [
        {name: torch.tensor(x[k]) for name, x in form.weights.items()}
        for k in range(population.size)
    ]
    with folders.whole_folder(path) as partial:
        folders.make_folder(partial)
        folders.write_text(partial / "network.py", inspect.getsource(torch_network))
        stored = {"settings": form.settings, "networks": networks}
        torch.save(stored, partial / "weights.pt")


def read_states(path: Path | str) -> list[Any]:
    """The state dicts in a file: `.pt` or `.pth` of one or of a list, `.npz` or `.safetensors`.

    Raises:
        ValueError: If it cannot be read, PyTorch is missing, or more than arrays would have to be
            unpickled.
    """
    path = Path(path)
    if path.suffix not in (".pt", ".pth"):
        return [read_named(path, "files")]
    if not path.is_file():
        raise ValueError(f"`files` file {path} does not exist.")
    torch = require_torch("files")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch has several
        raise ValueError(
            f"`files` file {path} holds no state dict ({type(error).__name__}), and nothing "
            "else is unpickled; write it by torch.save(module.state_dict(), PATH)."
        ) from None
    if isinstance(found, dict) and "networks" in found:  # as `export` writes them
        found = found["networks"]
    return found if isinstance(found, list) else [found]
