"""Populations to PyTorch, `to_torch`, and ensembles from there, `from_torch`."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.config import as_plain
from rnnensemble._core.conversion import real_array
from rnnensemble.networks import Params
from rnnensemble.networks.base import require_known
from rnnensemble.networks.torch_form import GATES, of_torch, torch_form
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.epoch import Training, blank_history
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import Recipe, shared
from rnnensemble.training.requirements import require_trainable

LAYER = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""What PyTorch calls the weights of a recurrent layer; biases may be missing."""
TRIALS, DRAW = 256, 3
"""Trials that imported networks are tried on, and which evaluation trials these are."""


def to_torch(population: Population, k: int) -> Any:
    """Network k as a `torch.nn.Module`, whose outputs are the same to 1e-5.

    Its `forward(inputs [B, T, I])` returns rates `[B, T, N]` and outputs `[B, T, O]`, in float32.
    GRU and LSTM, and vanilla networks, have PyTorch's own layers; the muP form and the leaky RNN a
    loop over the steps, without noise, or with what is given: `forward(inputs, noise)` adds noise
    `[B, T, N]` to the potentials. Weights are effective ones: what ties them (the muP form's
    scales, masks, signs, a low rank, shares that are not trained) is no part of the module.

    Args:
        population: Of vanilla, muP or leaky networks, GRU or LSTM, or flax's cells that are these.
        k: Which network.

    Raises:
        ValueError: If PyTorch is not installed, PyTorch has no such cell, or there is no network k.

    Source: PyTorch's equations of `nn.RNN`, `nn.GRU` and `nn.LSTM`.
    """
    which = as_plain(k)
    if not isinstance(which, int) or isinstance(which, bool) or not 0 <= which < population.size:
        raise ValueError(f"`k` must be a network from 0 to {population.size - 1}; got {k!r}.")
    one = jax.tree.map(lambda x: x[which : which + 1], population.params)
    form = torch_form(population.network, one)
    torch = require_torch("to_torch")
    from rnnensemble.networks.torch_network import Network

    module = Network(**form.settings)
    module.load_state_dict({name: torch.tensor(x[0]) for name, x in form.weights.items()})
    return module


def require_torch(what: str) -> Any:
    """PyTorch; ValueError that says how to install it."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ValueError(
            f"`{what}` needs PyTorch, which is not installed: pip install 'rnnensemble[torch]'."
        ) from None
    return torch


def from_torch(
    state_dicts: Iterable[Mapping[str, Any]],
    *,
    kind: str,
    task: Task,
    activation: str = "tanh",
    recurrent: str | None = None,
    readout: str | None = None,
    training: Training | None = None,
) -> Population:
    """Networks that PyTorch trained as a population, whose outputs are the same to 1e-5.

    Each is one layer `nn.RNN`, `nn.GRU` or `nn.LSTM` in one direction, from states of zeros, and an
    `nn.Linear`. It becomes a `VanillaRNN`, `GRU` or `LSTM`; with a bias of the readout, or one
    inside the GRU's reset gate (`bias_hh`), which these do not have, a `FlaxRNN` of the same
    equations. All are taken as converged: choose by `population[mask]`. The history's one entry is
    the loss of each network on 256 trials of the task, and none was trained here: `stop_epoch` is
    0, `initial_params` are NaN and `recipe.imported` names the weights by a digest.

    Args:
        state_dicts: One a network, from `module.state_dict()`; arrays do as well as tensors.
        kind: The layer: `rnn`, `gru` or `lstm`.
        task: What they learned; its inputs and outputs fit the weights.
        activation: Of `nn.RNN`, its `nonlinearity`: `tanh` or `relu`.
        recurrent: What the names of the layer's weights begin with, as `encoder.rnn`; found unless
            given.
        readout: The same of the `nn.Linear`.
        training: How they were trained, as far as it is known. By its `loss` behavior is measured.

    Raises:
        ValueError: If weights are missing, not finite, of unlike shapes, more than a layer and a
            readout, or do not fit the task.

    Example:
        >>> import numpy as np
        >>> import rnnensemble as rnne
        >>> rng = np.random.default_rng(0)
        >>> shapes = {"rnn.weight_ih_l0": (6, 1), "rnn.weight_hh_l0": (6, 6), "out.weight": (1, 6)}
        >>> states = [{name: rng.normal(size=x) for name, x in shapes.items()} for _ in range(3)]
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> rnne.from_torch(states, kind="rnn", task=task)
        <Population: 3 of 3 networks converged; vanilla, 6 units, on flipflop; 0 epochs>
    """
    require_known("kind", kind, GATES)
    require_known("activation", activation, ("tanh", "relu"))
    if kind != "rnn" and activation != "tanh":
        raise ValueError(f"`activation` {activation!r} is of kind 'rnn'; {kind!r} has its own.")
    training = training or Training()
    if training.records_accuracy or training.every_task:
        raise ValueError(
            "`training` of imported networks must not record accuracy, nor stop by it, nor ask "
            "for `every_task`."
        )
    weights = _stacked(state_dicts, kind, recurrent, readout)
    _require_fit(weights, task)
    network, params = of_torch(kind, activation, weights)
    size = len(weights["readout.weight"])
    recipe = Recipe(task, network, training, size, imported=_digest(weights))
    require_trainable(recipe)
    return _population(recipe, params)


def _population(recipe: Recipe, params: Params) -> Population:
    """The population of imported networks, with the loss of each on trials of the task."""
    mesh, loss = runtime.network_mesh(None), recipe.training.loss
    subject = evaluation.Subject(params, shared(recipe.network), mesh, None, loss)
    key = evaluation.evaluation_key(recipe.seed, DRAW)
    found = evaluation.losses(subject, recipe.task, trials=TRIALS, key=key)
    nothing = np.full((recipe.size, 1), np.nan, np.float32)
    return Population(
        recipe=recipe,
        params=params,
        initial_params=jax.tree.map(lambda x: np.full_like(x, np.nan), params),
        history=blank_history(nothing, recipe.training)._replace(loss=found[:, None]),
        converged=np.ones(recipe.size, bool),
        diverged=np.zeros(recipe.size, bool),
        stop_epoch=np.zeros(recipe.size, np.int32),
    )


def _digest(weights: Mapping[str, np.ndarray]) -> str:
    """Twelve hexadecimal digits that name these weights."""
    digest = hashlib.sha256()
    for name, x in sorted(weights.items()):
        digest.update(f"{name} {x.shape} ".encode() + np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()[:12]


def _require_fit(weights: Mapping[str, np.ndarray], task: Task) -> None:
    """Raises ValueError unless a task has the inputs and outputs of these weights."""
    inputs, outputs = weights["weight_ih_l0"].shape[2], weights["readout.weight"].shape[1]
    if (task.n_inputs, task.n_outputs) != (inputs, outputs):
        raise ValueError(
            f"`task` {task.name!r} must have the weights' {inputs} inputs and {outputs} outputs; "
            f"it has {task.n_inputs} and {task.n_outputs}."
        )


def _stacked(
    states: Any, kind: str, recurrent: str | None, readout: str | None
) -> dict[str, np.ndarray]:
    """The weights of all networks by PyTorch's names of a layer and a readout, leading axis K."""
    each = list(states) if isinstance(states, Iterable) else []
    if not each or not all(isinstance(state, Mapping) for state in each):
        raise ValueError(
            "`state_dicts` must be a list of state dicts, one a network, at least one; got "
            f"{type(states).__name__}."
        )
    found = []
    for number, state in enumerate(each):
        where = f"`state_dicts` number {number}"
        weights = _named(state, where, recurrent, readout)
        _require_layer(weights, kind, where)
        found.append(weights)
        shapes = [{name: x.shape for name, x in weights.items()} for weights in (found[0], weights)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{where} must be like number 0, {shapes[0]}; got {shapes[1]}.")
    return {name: np.stack([weights[name] for weights in found]) for name in found[0]}


def _named(
    state: Mapping[str, Any], where: str, recurrent: str | None, readout: str | None
) -> dict[str, np.ndarray]:
    """The weights of one network: those of the one layer, and of the one matrix that reads it."""
    rest = {str(name): _array(x, str(name)) for name, x in state.items()}
    layer = _only(rest, LAYER[0], recurrent, "recurrent", where)
    found = {name: rest.pop(layer + name) for name in LAYER if layer + name in rest}
    if LAYER[1] not in found:
        raise ValueError(f"{where} lacks {layer}{LAYER[1]}.")
    if more := [n for n in rest if n.startswith((layer + "weight_", layer + "bias_"))]:
        raise ValueError(
            f"{where} must be of one recurrent layer in one direction, without projections; it has "
            f"{more[0]} too."
        )
    linear = _only(rest, "weight", readout, "readout", where)
    for name in ("weight", "bias"):
        if linear + name in rest:
            found[f"readout.{name}"] = rest.pop(linear + name)
    if rest:
        raise ValueError(
            f"{where} must hold a recurrent layer and a readout alone; it has {next(iter(rest))} "
            "too, which would be lost."
        )
    return found


def _only(rest: Mapping[str, Any], name: str, prefix: str | None, argument: str, where: str) -> str:
    """What the one weight of this name begins with, or whether that which was given is there."""
    if prefix is not None:
        found = [f"{prefix.rstrip('.')}." if prefix else ""]
        found = [each for each in found if each + name in rest]
    else:
        found = [n.removesuffix(name) for n in rest if f".{n}".endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(each + name for each in found) or f"none of {', '.join(rest) or 'nothing'}"
    raise ValueError(
        f"{where} must have one {'' if prefix is None else prefix + '.'}{name}; got {shown}; say "
        f"by `{argument}` what it begins with."
    )


def _array(x: Any, name: str) -> np.ndarray:
    """A weight in the precision of our parameters; ValueError if it is none."""
    x = x.detach().cpu().double() if hasattr(x, "detach") else x  # bfloat16 too
    found = real_array(x, name).astype(jnp.zeros(()).dtype)
    if found.ndim not in (1, 2) or not np.isfinite(found).all():
        raise ValueError(
            f"`{name}` must be a vector or a matrix of finite numbers; its shape is {found.shape}, "
            f"and {int(np.isfinite(found).sum())} of {found.size} are finite."
        )
    return found


def _require_layer(weights: Mapping[str, np.ndarray], kind: str, where: str) -> None:
    """Raises ValueError unless the shapes are those of this layer and of a readout of it."""
    count = GATES[kind]
    width = weights[LAYER[1]].shape[-1]
    rows, outputs = (count * width,), weights["readout.weight"].shape[:1]
    expected = {LAYER[0]: (*rows, weights[LAYER[0]].shape[-1]), LAYER[1]: (*rows, width)}
    expected |= {LAYER[2]: rows, LAYER[3]: rows}
    expected |= {"readout.weight": (*outputs, width), "readout.bias": outputs}
    for name, x in weights.items():
        if x.shape != expected[name]:
            raise ValueError(
                f"{where} must have {name} of shape {expected[name]} for `kind` {kind!r} of "
                f"{width} units; got {x.shape}."
            )
