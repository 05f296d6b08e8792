"""How far hidden rates and outputs move in the first steps of Adam, by width: the coordinate check.

    python benchmarks/coordinate_check.py            measure, write results, figure and docs/mup.md
    python benchmarks/coordinate_check.py --table    rewrite figure and table from the results

In the muP form at fixed gamma the moves do not depend on width; in the vanilla form with one
learning rate they do (Yang et al., arXiv 2203.03466, section D.1, for feed-forward networks).
"""

import json
import math
import sys
from functools import partial
from pathlib import Path

import documents
import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble import MuPRNN, Task, Training, VanillaRNN, tasks
from rnnensemble._core import runtime
from rnnensemble.figures import widths
from rnnensemble.networks import Network
from rnnensemble.training.epoch import init_state, train_epoch
from rnnensemble.training.slots import Recipe, hyperparameters, shared

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "coordinate_check.json"
FIGURE = ROOT / "docs" / "figures" / "coordinate_check.png"
DOCS = ROOT / "docs" / "mup.md"
TASK = tasks.FlipFlop(n_bits=3, n_steps=50)
WIDTHS = (32, 64, 128, 256, 512)
STEPS, SEEDS = 5, 16
CASES = {
    "muP, gamma = 0.25": (MuPRNN(gamma=0.25), 0.01),
    "muP, gamma = 1": (MuPRNN(gamma=1.0), 0.01),
    "muP, gamma = 4": (MuPRNN(gamma=4.0), 0.01),
    "vanilla": (VanillaRNN(), 0.001),
}
"""Networks, and their learning rate at every width."""


def sizes(
    network: Network, rate: float, *, task: Task = TASK, steps: int = STEPS, seeds: int = SEEDS
) -> dict[str, np.ndarray]:
    """Root mean squared change of rates and outputs since the start, each `[seeds, steps]`.

    Args:
        network: Architecture, of one width and gamma.
        rate: Learning rate.
        task: What is learned, and gives the 32 trials on which the changes are seen.
        steps: Steps of Adam.
        seeds: Networks.
    """
    training = Training(learning_rate=rate, clip_norm=math.inf, batch=32, epoch_steps=1)
    hyper = hyperparameters(Recipe(task, network, training, 1, 0))
    found = _sizes(
        jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.arange(seeds)),
        jax.tree.map(lambda x: x[0], hyper),
        task=task,
        network=shared(network),
        training=shared(training),
        steps=steps,
    )
    return {name: np.asarray(x) for name, x in zip(("rates", "outputs"), found, strict=True)}


@partial(jax.jit, static_argnames=("task", "network", "training", "steps"))
def _sizes(keys, hyper, *, task, network, training, steps):  # noqa: ANN001, ANN202
    inputs = task.sample(jax.random.key(1), training.batch).inputs

    def of_one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(state: tuple, _: None) -> tuple:
            state, _ = train_epoch(key, state, hyper, task=task, network=network, training=training)
            moved = jax.tree.map(jnp.subtract, network.respond(state.params, inputs), before)
            return state, tuple(jnp.sqrt(jnp.mean(x**2)) for x in moved)

        state = init_state(key, hyper, task=task, network=network)
        before = network.respond(state.params, inputs)
        return jax.lax.scan(step, state, None, length=steps)[1]

    return jax.lax.map(of_one, keys)


def slopes(by_width: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Slope of log size against log width after each step, and its standard error over seeds.

    Args:
        by_width: Sizes `[seeds, steps]` of each width.
    """
    x = np.log(list(by_width))
    x = x - x.mean()
    y = np.log(np.stack(list(by_width.values())))  # [widths, seeds, steps]
    each = np.tensordot(x, y, 1) / (x**2).sum()  # seeds of two widths are unlike networks
    return each.mean(axis=0), each.std(axis=0, ddof=1) / len(each) ** 0.5


def measure() -> dict:
    """Sizes of all cases as JSON: case, quantity, width, then `[seeds][steps]`."""
    found: dict = {}
    for name, (network, rate) in CASES.items():
        by_quantity: dict = {"rates": {}, "outputs": {}}
        for width in WIDTHS:
            made = type(network)(**{**vars(network), "width": width})
            for quantity, values in sizes(made, rate).items():
                by_quantity[quantity][str(width)] = np.float64(values).round(9).tolist()
        found[name] = {"learning_rate": rate, **by_quantity}
    return {"task": "3-bit flip-flop, 50 steps", "machine": runtime.describe(), "cases": found}


def curves(result: dict) -> dict:
    """Sizes by case, quantity and width, each `[seeds, steps]`."""
    return {
        case: {
            quantity: {int(width): np.array(x) for width, x in found[quantity].items()}
            for quantity in ("rates", "outputs")
        }
        for case, found in result["cases"].items()
    }


def table(result: dict) -> str:
    """Slopes after the first and the last step as a Markdown table."""
    head = ["form", "learning rate", "rates, step 1", f"rates, step {STEPS}"]
    head += ["outputs, step 1", f"outputs, step {STEPS}"]
    rows = []
    for case, found in curves(result).items():
        row = [case, result["cases"][case]["learning_rate"]]
        for by_width in found.values():
            mean, error = slopes(by_width)
            row += [f"{mean[i]:+.2f} ± {error[i]:.2f}" for i in (0, -1)]
        rows.append(row)
    return documents.table(head, rows)


def main() -> None:
    """Measures, draws and writes the page's table."""
    if "--table" not in sys.argv:
        RESULTS.write_text(json.dumps(measure()) + "\n")
    result = json.loads(RESULTS.read_text())
    print(table(result))
    figure = widths.coordinate_figure(curves(result))
    figure.savefig(FIGURE, dpi=160)
    documents.replace_part(DOCS, "coordinates", table(result))


if __name__ == "__main__":
    main()
