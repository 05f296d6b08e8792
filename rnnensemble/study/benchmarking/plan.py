"""The rows of a benchmark, in the order of what must not be missing."""

import math
from collections.abc import Callable

from rnnensemble.networks import fused
from rnnensemble.study.benchmarking import exactness
from rnnensemble.study.benchmarking.arguments import Asked
from rnnensemble.study.benchmarking.ceilings import Ceilings, product_step, traffic_step
from rnnensemble.study.benchmarking.exactness import check_step
from rnnensemble.study.benchmarking.pairs import pairs_step
from rnnensemble.study.benchmarking.rivals import MISSING, is_installed, torch_step
from rnnensemble.study.benchmarking.rows import Clock, Row, Step
from rnnensemble.study.benchmarking.training import Case, training_step

EPOCH_SECONDS = 0.6
"""What an epoch that is timed should take."""
CHECK_STEPS = {"cpu": 20}
"""Steps of a trial in checks, 100 elsewhere: a CPU needs Pallas's interpreter, which is slow."""
CHECK_SECONDS = {"cpu": 5.0}


def plan(asked: Asked, clock: Clock) -> list[Step]:
    """The rows, in the order of what must not be missing."""
    mesh, found = asked.mesh, {}
    first, *others = asked.sizes

    def known() -> Ceilings | None:
        return Ceilings(**found) if len(found) == 2 else None

    def train(shape: tuple[int, int, int], size: int) -> Step:
        tile = asked.tile and min(asked.tile, math.ceil(size / mesh.size))  # as far as it is full
        case = Case(*shape, size, tile=tile)
        return training_step(case, mesh, clock, ceilings=known, epoch_seconds=EPOCH_SECONDS)

    steps = _check_steps(asked) if asked.check else []
    steps += [product_step(mesh, found), traffic_step(mesh, found)]
    steps += [train(shape, first) for shape in asked.shapes]
    steps += [pairs_step(metric, mesh, clock) for metric in ("dsa", "pif") if asked.pairs]
    best, *rest = _torch_steps(asked, clock, known) if asked.torch else [[]]
    steps += best
    steps += [train(shape, size) for size in others for shape in asked.shapes[::-1]]
    return steps + [step for each in rest for step in each]


def _check_steps(asked: Asked) -> list[Step]:
    """Scan and kernel at all widths that the kernel takes, in float32."""
    platform = asked.mesh.devices.flat[0].platform
    kernel = "fused" if platform == "gpu" else "interpreted"
    n_steps = CHECK_STEPS.get(platform, 100)
    cases = []
    for width in dict.fromkeys(width for width, *_ in asked.shapes):
        methods = ("scan", kernel) if width in fused.WIDTHS else ("scan",)
        cases += [exactness.Case(width, method, "float32", n_steps) for method in methods]
    return [check_step(case, CHECK_SECONDS.get(platform, 15.0)) for case in cases]


def _torch_steps(
    asked: Asked, clock: Clock, known: Callable[[], Ceilings | None]
) -> list[list[Step]]:
    """PyTorch at all shapes, the fastest form first: on a CPU one process on each core."""
    gpu = asked.mesh.devices.flat[0].platform == "gpu"
    device = "cuda" if gpu else "cpu"
    if not is_installed():
        return [[Step(Row(kind="rival", name="PyTorch", problem=MISSING), lambda: 0.0, dict)]]
    return [
        [torch_step(form, shape, clock, device=device, ceilings=known) for shape in asked.shapes]
        for form in (("loop",) if gpu else ("processes", "loop"))
    ]
