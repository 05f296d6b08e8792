"""Everything that a GPU decides, in one run of at most 8 minutes on a bare accelerator machine.

    python benchmarks/gpu.py FOLDER [--seconds 450] [--tiny]

Checks the recurrence against float64 first, then times it against what else there is, and last
trains 1,024 flip-flop networks to their threshold. Needs jax, flax, optax and numpy; PyTorch for
its rows. Writes FOLDER/gpu.json after every part, and ends with status 1 if a check failed.
`--tiny` is for testing this script: small shapes, the kernel in Pallas's interpreter on a CPU.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "workers")]

import ceilings
import jax
import machine
import numpy as np
import plain_vmap
import waste

import rnnensemble as rnne
from rnnensemble.networks import recurrence
from rnnensemble.networks.cell import PRODUCTS

ERRORS = {"float32": 2e-5, "tf32": 3e-3, "bfloat16": 3e-2}
"""Largest relative error of states, outputs and gradients against float64, by precision."""


class Plan(NamedTuple):
    """What is run: shapes by width, batch and networks; T steps; a product's side."""

    shapes: tuple[tuple[int, int, int], ...]
    n_steps: int
    epoch_steps: int
    sizes: tuple[int, ...]
    trained: int
    side: int
    kernel: str


FULL = Plan(
    ((128, 256, 512), (64, 64, 1024), (32, 32, 1024)),
    100,
    16,
    (1, 4, 16, 64, 256, 1024, 4096),
    1024,
    8192,
    "fused",
)
TINY = Plan(((16, 16, 4),), 10, 2, (1, 4), 4, 64, "interpreted")


def reference(params: recurrence.VanillaParams, inputs: np.ndarray, probe: np.ndarray) -> list:
    """States, outputs and the recurrent weights' gradient of sum(probe * y), float64, tanh."""
    into, recurrent, bias, readout, start = (np.asarray(x, np.float64) for x in params)
    states = [np.broadcast_to(start, (inputs.shape[1], len(bias)))]
    for now in inputs:
        states.append(np.tanh(states[-1] @ recurrent.T + now @ into.T + bias))
    gradient, state_bar = np.zeros_like(recurrent), 0.0
    for t in reversed(range(len(inputs))):
        drive_bar = (1 - states[t + 1] ** 2) * (state_bar + probe[t] @ readout)
        gradient += drive_bar.T @ states[t]
        state_bar = drive_bar @ recurrent
    rates = np.stack(states[1:])
    return [rates, rates @ readout.T, gradient]


def correctness(plan: Plan) -> Iterator[dict]:
    """Relative errors of scan and kernel against float64, for every width and precision."""
    widths = (16,) if plan is TINY else (16, 32, 64, 128)
    for width in widths:
        network = rnne.VanillaRNN(width=width)
        key = jax.random.key(width)
        params = network.init(key, n_inputs=3, n_outputs=3, gain=jax.numpy.float32(1.5))
        inputs = jax.random.normal(jax.random.fold_in(key, 1), (plan.n_steps, 64, 3))
        probe = jax.random.normal(jax.random.fold_in(key, 2), inputs.shape)
        exact = reference(params, np.asarray(inputs), np.asarray(probe))
        for method in ("scan", plan.kernel):
            for precision in PRODUCTS:
                scheme = recurrence.Scheme("tanh", precision, method)
                found = _with_gradient(scheme, params, inputs, probe)
                errors = [
                    float(np.linalg.norm(f - e) / np.linalg.norm(e))
                    for f, e in zip(found, exact, strict=True)
                ]
                yield {
                    "width": width,
                    "method": method,
                    "precision": precision,
                    "errors": errors,
                    "ok": bool(np.max(errors) < ERRORS[precision]),  # False for NaN
                }


@partial(jax.jit, static_argnames="scheme")
def _with_gradient(scheme, params, inputs, probe):  # noqa: ANN001, ANN202
    def loss(params: recurrence.VanillaParams) -> tuple:
        rates, outputs = recurrence.respond(scheme, params, inputs)
        return jax.numpy.sum(probe * outputs), (rates, outputs)

    gradient, (rates, outputs) = jax.grad(loss, has_aux=True)(params)
    return rates, outputs, gradient.recurrent_weights


def limits(plan: Plan) -> Iterator[dict]:
    """Matrix products in every precision, and memory traffic."""
    for precision in PRODUCTS:
        yield {"precision": precision, **ceilings.measure(precision, plan.side)}


def speed(plan: Plan, size: int, tile: int | None, batch: int, network: rnne.VanillaRNN) -> float:
    """Net-steps a second of `train_population`."""
    speeds: list[float] = []
    training = rnne.Training(
        batch=batch, epoch_steps=plan.epoch_steps, max_epochs=4, threshold=1e-12, patience=1
    )
    rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=3, n_steps=plan.n_steps),
        network=network,
        training=training,
        size=size,
        tile=tile,
        progress=lambda progress: speeds.append(progress.net_steps_per_second),
    )
    return float(np.median(speeds[1:]))


def methods(plan: Plan) -> Iterator[dict]:
    """Scan and kernel in every precision, all networks in one tile."""
    for width, batch, size in plan.shapes:
        for fused in (False, True):
            for precision in PRODUCTS:
                network = rnne.VanillaRNN(width=width, precision=precision, fused=fused)
                found = speed(plan, size, size, batch, network)
                row = {"N": width, "B": batch, "K": size, "fused": fused, "precision": precision}
                yield {**row, "speed": found}


def tiles(plan: Plan) -> Iterator[dict]:
    """Networks at a time."""
    for width, batch, size in plan.shapes:
        for tile in (size // 32, size // 8, size // 2):
            if tile:
                found = speed(plan, size, tile, batch, rnne.VanillaRNN(width=width))
                yield {"N": width, "B": batch, "K": size, "tile": tile, "speed": found}


def sizes(plan: Plan) -> Iterator[dict]:
    """Throughput against K, at the second shape, the default tile."""
    width, batch, _ = plan.shapes[min(1, len(plan.shapes) - 1)]
    for size in plan.sizes:
        found = speed(plan, size, None, batch, rnne.VanillaRNN(width=width))
        yield {"N": width, "B": batch, "K": size, "speed": found}


def rivals(plan: Plan) -> Iterator[dict]:
    """What a researcher would use instead, in float32 and in tf32 (the libraries' default)."""
    for width, batch, size in plan.shapes:
        for precision, name in (("highest", "float32"), ("high", "tf32")):
            shape = {"N": width, "B": batch, "precision": name}
            with jax.default_matmul_precision(precision):
                found = plain_vmap.measure(width, batch, plan.n_steps, size, plan.epoch_steps)
            yield {**shape, "rival": "plain_vmap", "K": size, "speed": found}
            yield from ({**shape, **row} for row in torch_rivals(plan, width, batch, size, name))


def torch_rivals(plan: Plan, width: int, batch: int, size: int, name: str) -> Iterator[dict]:
    """PyTorch's loop over networks (cuDNN) and its vectorized ensemble."""
    try:
        import pytorch_loop
        import pytorch_vmap
        import torch
    except ImportError:
        yield {"rival": "pytorch", "skipped": "PyTorch is not installed"}
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    shape, steps = (width, batch, plan.n_steps), plan.epoch_steps
    found = pytorch_loop.measure(*shape, 5, 4 * steps, device)
    yield {"rival": "pytorch_loop", "K": 5, "speed": found}
    some = min(size, 128)
    found = pytorch_vmap.measure(*shape, some, max(1, steps // 4), device)
    yield {"rival": "pytorch_vmap", "K": some, "speed": found}


def training(plan: Plan) -> Iterator[dict]:
    """A whole training to the threshold, in the default tile and layout."""
    yield waste.measure(plan.trained)


PARTS: tuple[Callable[[Plan], Iterator[dict]], ...] = (
    correctness,
    limits,
    methods,
    training,
    rivals,
    sizes,
    tiles,
)
"""In the order of what must not be missing when time runs out."""


def main() -> None:
    """Runs the parts, each as far as the time reaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=450.0)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    plan = TINY if options.tiny else FULL
    started = time.perf_counter()
    rnne.use_all_cores()
    results: dict = {"machine": machine.describe(), "plan": plan._asdict(), "failed": []}
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        rows = results[part.__name__] = []
        try:
            for row in part(plan):
                rows.append({**row, "at": round(time.perf_counter() - started, 1)})
                print(part.__name__, rows[-1], flush=True)
                if not row.get("ok", True):
                    results["failed"].append(f"{part.__name__}: {row}")
                if time.perf_counter() - started > options.seconds:
                    results["failed"].append(f"{part.__name__}: out of time")
                    break
        except Exception:  # one part's failure must not cost the others' numbers
            results["failed"].append(f"{part.__name__}: {traceback.format_exc(limit=-3)}")
        (options.folder / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
        if time.perf_counter() - started > options.seconds:
            break
    print("\n".join(results["failed"]) or "all parts ran, all checks passed")
    sys.exit(1 if results["failed"] else 0)


if __name__ == "__main__":
    main()
