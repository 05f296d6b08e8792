"""Disagreement of outputs on the same trials."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.units import norm
from rnnensemble.metrics.base import Metric


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disagreement(Metric):
    """Root mean squared difference of outputs on the same trials.

        d(y1, y2) = sqrt( sum m |y1 - y2|^2 / (O sum m) )

    over trials and steps, in output units; m is 1, or the mask of the steps that count. It
    satisfies the triangle inequality and is invariant to nothing. On out-of-distribution trials it
    tells networks apart that have the same loss and err differently.

    The data of a network are outputs `[B, T, O]`, or `{"outputs": [B, T, O], "mask": [B, T]}` with
    the same mask for all networks. Networks of any N can be compared.
    """

    name: ClassVar[str] = "disagreement"
    data: ClassVar[str] = "outputs"
    by_sample: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[str, ...]:
        return ("outputs", "mask")

    def check(self, shape: Any) -> None:
        masked = isinstance(shape, dict)
        if masked and set(shape) != {"outputs", "mask"}:
            raise ValueError(
                f"`data` must be outputs, or hold 'outputs' and 'mask'; got {sorted(shape)}."
            )
        outputs = shape["outputs"] if masked else shape
        if len(outputs) != 3:
            raise ValueError(f"`outputs` must be [K, B, T, O]; got {outputs} for one network.")
        if masked and shape["mask"] != outputs[:2]:
            raise ValueError(
                f"`mask` must be [K, B, T] = {outputs[:2]} for one network; got {shape['mask']}."
            )

    def prepare(self, data: Any) -> Array:
        """Outputs scaled so that their Euclidean distance is the metric, `[B, T, O]`."""
        if not isinstance(data, dict):
            outputs = jnp.asarray(data)
            return outputs / outputs.size**0.5
        outputs, mask = jnp.asarray(data["outputs"]), jnp.asarray(data["mask"])
        weights = mask / (jnp.sum(mask) * outputs.shape[-1])
        return outputs * jnp.sqrt(weights)[:, :, None]

    def compare(self, key: Key, first: Array, second: Array) -> Array:
        return norm(first - second)
