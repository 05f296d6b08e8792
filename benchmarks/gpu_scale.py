"""How large everything in the GPU plan is: `FULL`, and `TINY` for a CPU."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        n_steps: Steps of a trial T.
        epoch_steps: Training steps of an epoch that is timed.
        kernel: Method of the fused kernel in checks.
        checked: Widths that are compared with float64.
        tiles: Widths, batches and the tiles to time, in order; then that of one row of the scan.
        shapes: Widths, batches and networks of precisions and rivals, the most telling first.
        trained: Networks that are trained to their threshold, at the first of the shapes.
        side: Of the matrices of the ceilings, None for the device's default.
        numbers: That the memory traffic is measured with.
        pairs: Networks that are compared at most, and the seconds of a timed comparison.
        sweep: File, preset and factors of the conditions, the most telling first.
        kernels: Products, trials and warps of the kernels that `profile` times, by width.
        overhead: Seconds of a row beside what it times.
        flops: Operations a second that training reaches at least.
    """

    n_steps: int
    epoch_steps: int
    kernel: str
    checked: tuple[int, ...]
    tiles: tuple[tuple[int, int, tuple[int, ...], int], ...]
    shapes: tuple[tuple[int, int, int], ...]
    trained: int
    side: int | None
    numbers: int
    pairs: tuple[int, float]
    sweep: tuple[str, str | None, tuple[str, ...]]
    kernels: dict[int, tuple[tuple[str, int, int], ...]]
    overhead: float
    flops: float


FULL = Scale(
    n_steps=100,
    epoch_steps=16,
    kernel="fused",
    checked=(32, 128),
    tiles=(
        (64, 64, (64, 512, 2048), 512),
        (128, 256, (64, 512), 512),
        (32, 32, (64, 512, 2048), 512),
    ),
    shapes=((64, 64, 1024), (128, 256, 256), (32, 32, 4096)),
    trained=1024,
    side=None,
    numbers=2**28,
    pairs=(512, 4.0),
    sweep=(
        "experiments/study/sweep.toml",
        "paper",
        (
            "channels:flipflop",
            "gamma:flipflop",
            "width:flipflop=32,64,256,512",
            "gamma:sine",
            "l1",
            "nuclear_norm",
            "channels",
            "gamma",
            "width",
        ),
    ),
    kernels={
        64: (
            ("two tf32 parts", 64, 4),
            ("two tf32 parts", 32, 4),
            ("two tf32 parts", 16, 4),
            ("three bfloat16 parts", 32, 4),
            ("tf32", 64, 4),
            ("bfloat16", 64, 4),
        ),
        128: (
            ("two tf32 parts", 64, 8),
            ("two tf32 parts", 32, 8),
            ("three bfloat16 parts", 32, 8),
            ("three bfloat16 parts", 16, 8),
            ("tf32", 64, 4),
            ("bfloat16", 64, 8),
            ("bfloat16", 64, 4),
        ),
        32: (
            ("two tf32 parts", 32, 2),
            ("two tf32 parts", 32, 1),
            ("three bfloat16 parts", 32, 2),
            ("tf32", 32, 2),
            ("bfloat16", 32, 2),
        ),
    },
    overhead=8.0,
    flops=12e12,
)
TINY = Scale(
    n_steps=10,
    epoch_steps=2,
    kernel="interpreted",
    checked=(16,),
    tiles=((16, 16, (1, 2), 2),),
    shapes=((16, 16, 4),),
    trained=4,
    side=64,
    numbers=2**16,
    pairs=(8, 0.2),
    sweep=("experiments/tiny/sweep.toml", None, ("rate",)),
    kernels={16: (("two tf32 parts", 16, 4), ("three bfloat16 parts", 16, 4))},
    overhead=2.0,
    flops=1e9,
)
