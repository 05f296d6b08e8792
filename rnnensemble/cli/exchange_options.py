"""What `export` and `import` are told, as `options` has it for other commands."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from rnnensemble.cli.options import Quiet, Runs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export(Quiet):
    """Write the networks of a run for other programs.

    Attributes:
        run: Run folder.
        path: File to write, which ends in .npz or .safetensors; with `--torch` a folder.
        torch: Write a module of PyTorch, which needs nothing else, and its weights.
    """

    run: Positional[Path]
    path: Positional[Path]
    torch: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Import(Quiet, Runs):
    """Make a run of networks that PyTorch trained, to measure them.

    Attributes:
        preset: TOML file with the task that they learned, and how they are measured.
        files: State dicts in .pt files, one a network or lists of them, or in .safetensors or .npz.
        kind: Their layer: rnn, gru or lstm.
        activation: Of rnn: tanh or relu.
        recurrent: What the names of the layer's weights begin with; None to find it.
        readout: The same of the linear readout.
        name: Name of the run folder; None for the preset's name.
    """

    preset: Positional[Path]
    files: Positional[tuple[Path, ...]] = ()
    kind: str = "rnn"
    activation: str = "tanh"
    recurrent: str | None = None
    readout: str | None = None
    name: str | None = None
