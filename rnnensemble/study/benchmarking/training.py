"""Net-steps a second: training steps summed over networks, on fresh flip-flop trials."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jax.sharding import Mesh

from rnnensemble.networks import GRU, Network, VanillaRNN
from rnnensemble.study.benchmarking.ceilings import Ceilings
from rnnensemble.study.benchmarking.programs import Program, compile_epoch
from rnnensemble.study.benchmarking.rows import Clock, Row, Step
from rnnensemble.tasks import FlipFlop
from rnnensemble.training.epoch import Training
from rnnensemble.training.recipe import Recipe
from rnnensemble.training.slots import default_tile
from rnnensemble.training.train import train_populations

BITS = 3
NAMES = {
    "auto": "train_population",
    True: "train_population, fused kernel",
    False: "train_population, scan",
}
"""What a row is called, by `fused`."""
EPOCHS = 4
"""Of a measurement; the first one does not count."""
STEPS_AN_EPOCH = (1, 128)
LAUNCH_SECONDS = {"cpu": 0.0}
"""Seconds that a step takes at least: on a GPU about 500 launches of 5 microseconds each."""
START_SECONDS = {"cpu": 3.0}
"""Seconds to compile and to start, about: 15 elsewhere."""
EXPECTED_SHARE = 0.25
"""Of the roofline, from which the length of a measurement is chosen."""


class Case(NamedTuple):
    """What is trained.

    Attributes:
        width: Units N.
        batch: Trials B.
        n_steps: Steps of a trial T.
        size: Networks K.
        tile: Networks that a device trains at once, None for the default.
        precision: Of matrix products.
        fused: Whether the recurrence is one GPU kernel; `auto` as for any training.
        epoch_steps: Training steps an epoch.
        kind: Of the network, `vanilla` or `gru`; the latter has one precision and no kernel.
    """

    width: int
    batch: int
    n_steps: int
    size: int
    tile: int | None = None
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    fused: bool | Literal["auto"] = "auto"
    epoch_steps: int = 16
    kind: Literal["vanilla", "gru"] = "vanilla"

    @property
    def task(self) -> FlipFlop:
        """What the networks learn."""
        return FlipFlop(n_bits=BITS, n_steps=self.n_steps)

    @property
    def settings(self) -> Recipe:
        """The recipe."""
        network: Network = GRU(width=self.width)
        if self.kind == "vanilla":
            network = VanillaRNN(width=self.width, precision=self.precision, fused=self.fused)
        training = Training(
            batch=self.batch,
            epoch_steps=self.epoch_steps,
            max_epochs=EPOCHS,
            threshold=1e-12,
            patience=1,
        )
        return Recipe(self.task, network, training, self.size, 0)


def flops(width: int, batch: int, n_steps: int, thin: int = BITS) -> int:
    """Operations of a net-step: three products N x N, two N x I and three N x O for each h_t."""
    return 2 * batch * n_steps * (3 * width**2 + 5 * width * thin)


def traffic(width: int, batch: int, n_steps: int) -> int:
    """Bytes of a net-step: states and drives' gradients written once and read twice, float32."""
    return 6 * 4 * n_steps * batch * width


def roofline(shape: tuple[int, int, int], ceilings: Ceilings) -> float:
    """Net-steps a second that products and memory allow, for N, B and T.

    A bound for arrays that do not stay in cache, which those of small networks do.
    """
    return min(ceilings.flops / flops(*shape), ceilings.traffic / traffic(*shape))


def shares(shape: tuple[int, int, int], speed: float, ceilings: Ceilings | None) -> dict[str, Any]:
    """The fields `of_peak` and `of_roofline` of a row."""
    if ceilings is None:
        return {}
    return {
        "of_peak": speed * flops(*shape) / ceilings.flops,
        "of_roofline": speed / roofline(shape, ceilings),
    }


def tile_of(case: Case, mesh: Mesh) -> int:
    """Networks that a device trains at once."""
    share = math.ceil(case.size / mesh.size)
    return min(case.tile or default_tile(case.settings, mesh), share)


def step_seconds(case: Case, mesh: Mesh, ceilings: Ceilings | None) -> float:
    """Seconds that one training step of all networks is expected to take."""
    launch = LAUNCH_SECONDS.get(mesh.devices.flat[0].platform, 0.003)
    tiles = math.ceil(case.size / (mesh.size * tile_of(case, mesh)))
    if ceilings is None:
        return launch * tiles + 1e-2
    spread = min(1.0, case.size / mesh.size)  # fewer networks than devices leave some idle
    rate = spread * EXPECTED_SHARE * roofline((case.width, case.batch, case.n_steps), ceilings)
    return max(launch * tiles, case.size / rate)


def fitted(case: Case, mesh: Mesh, ceilings: Ceilings | None, seconds: float) -> Case:
    """The case with as many steps an epoch as take about these seconds."""
    steps = seconds / step_seconds(case, mesh, ceilings)
    return case._replace(epoch_steps=int(np.clip(steps, *STEPS_AN_EPOCH)))


def expected_seconds(case: Case, mesh: Mesh, ceilings: Ceilings | None) -> float:
    """Seconds of a row, compilation included."""
    start = START_SECONDS.get(mesh.devices.flat[0].platform, 15.0)
    return start + EPOCHS * case.epoch_steps * step_seconds(case, mesh, ceilings)


def net_steps_per_second(
    case: Case,
    mesh: Mesh,
    clock: Clock | None = None,
    after: Callable[[int], None] = lambda epoch: None,
) -> float:
    """The median of the epochs after the first; `after` is called with the number of each."""
    speeds: list[float] = []

    def note(progress: Any) -> None:
        speeds.append(progress.net_steps_per_second)
        after(len(speeds))
        if clock is not None:
            clock.check()

    train_populations([case.settings], devices=mesh.size, tile=case.tile, progress=note)
    return float(np.median(speeds[1:]))


def training_step(
    case: Case,
    mesh: Mesh,
    clock: Clock,
    *,
    ceilings: Callable[[], Ceilings | None] = lambda: None,
    epoch_seconds: float | None = None,
    expected: float | None = None,
) -> Step:
    """A row of kind `training`.

    `ceilings` gives what was measured, once the row starts. An epoch should take `epoch_seconds`;
    None leaves its steps as they are. `expected` are the row's seconds, where a plan knows better.
    """
    compiled: list[tuple[Case, Program]] = []

    def now() -> Case:
        return fitted(case, mesh, ceilings(), epoch_seconds) if epoch_seconds else case

    def prepare() -> None:
        chosen = now()
        compiled.append((chosen, compile_epoch(chosen.settings, mesh, case.tile)))

    def measure() -> dict[str, Any]:
        if not compiled:
            prepare()
        chosen, program = compiled[0]
        speed = net_steps_per_second(chosen, mesh, clock)
        return {
            "speed": speed,
            "tile": program.tile,
            "compile_seconds": program.seconds,
            "memory_bytes": program.memory_bytes,
            **shares((case.width, case.batch, case.n_steps), speed, ceilings()),
        }

    row = Row(
        kind="training",
        name=NAMES[case.fused],
        width=case.width,
        batch=case.batch,
        steps=case.n_steps,
        size=case.size,
        tile=case.tile,
        precision=case.precision,
    )
    known = (lambda: expected) if expected else lambda: expected_seconds(now(), mesh, ceilings())
    return Step(row, known, measure, prepare)
