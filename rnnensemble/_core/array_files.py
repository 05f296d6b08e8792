"""Files of arrays by name, read whole: .npz and .safetensors. Nothing is unpickled."""

import io
from pathlib import Path

import numpy as np


def read_named(path: Path | str, argument: str) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` or `.safetensors` file by name, as the file holds them.

    Raises:
        ValueError: If the file is missing, of another kind, cannot be read, or would have to be
            unpickled; it calls the file by the name of the `argument`.
    """
    path = Path(path)
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise ValueError(f"`{argument}` must be a .npz or .safetensors file; got {path}.")
    if not path.is_file():
        raise ValueError(f"`{argument}` file {path} does not exist.")
    try:
        return readers[path.suffix](path)
    except ImportError:
        raise ValueError(needs_safetensors(path, argument)) from None
    except Exception as error:  # each format has its own
        raise ValueError(f"`{argument}` file {path} cannot be read: {reason(error)}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """From memory: NumPy leaves a damaged file open."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        return dict(stored)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file  # the extra `safetensors`

    return load_file(path)


def needs_safetensors(path: Path, argument: str) -> str:
    """What is said where the package for a file is missing."""
    return (
        f"`{argument}` file {path} needs the package safetensors: "
        "pip install 'rnnensemble[safetensors]'."
    )


def reason(error: Exception) -> str:
    """Why a file cannot be read; of NumPy's advice to unpickle it nothing is passed on."""
    text = str(error)
    if "pickle" in text or "Python objects" in text:
        return (
            "it holds pickled objects or is damaged, and nothing is unpickled here; write plain "
            "arrays of numbers, by numpy.save or numpy.savez."
        )
    return f"{text.splitlines()[0][:200].rstrip('.') if text else type(error).__name__}."
