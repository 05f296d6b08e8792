"""What each command is told: one class a command, whose fields are its flags."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from rnnensemble.analysis.settings import Analysis
from rnnensemble.study.benchmarking.measure import BATCHES, SECONDS, STEPS, WIDTHS
from rnnensemble.study.conditions import Condition


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quiet:
    """What is shown.

    Attributes:
        quiet: Print nothing but errors.
    """

    quiet: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured(Quiet):
    """Where something is measured.

    Attributes:
        devices: How many devices to use, None for all.
    """

    devices: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
    """Where runs are stored.

    Attributes:
        runs: Folder that holds the folders of all runs.
    """

    runs: Path = Path("runs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stored(Measured, Runs):
    """Where something is measured and stored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quickstart(Stored):
    """Train, analyse and draw 16 flip-flop networks.

    Attributes:
        condition: All settings of the run.
        name: Name of the run folder; None for the preset's name.
        resume: Go on with the run of this name, interrupted or, with more epochs, unconverged.
        checkpoint_seconds: Seconds between checkpoints while networks train.
    """

    condition: Condition
    name: str | None = None
    resume: bool = False
    checkpoint_seconds: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Quickstart):
    """Train a population from a preset, then analyse it.

    Attributes:
        preset: TOML file of settings, see experiments/; each of them is a flag.
        shard: I/N to train the I-th, from 1, of N nearly equal shards of the networks alone, into
            the run folder `NAME-I-of-N`, without analysis; `rnnensemble join` joins them. None for
            all networks.
        shards: N to train all networks in N such shards, each a task of the engine, and to join and
            measure them here; the same command goes on after an interruption. None for one piece.
        engine: What trains the shards: `local` for this process, one after another, `slurm` or
            `ray` for tasks that this process submits and watches.
        engine_setting: Settings of the engine, each `KEY=VALUE`, as `partition=gpu`.
        start_from: Run folder whose networks these start from, as many as `size`; None for drawn
            weights.
    """

    preset: Positional[Path]
    shard: str | None = None
    shards: int | None = None
    engine: str = "local"
    engine_setting: tuple[str, ...] = ()
    start_from: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Join(Stored):
    """Join the shards of a population, then analyse it.

    Attributes:
        shards: Run folders of `rnnensemble train PRESET --shard I/N`, all N of them.
        name: Name of the run folder to write; None for that of the shards without `-I-of-N`.
        analyse: Measure the networks, which are saved first.
    """

    shards: Positional[tuple[Path, ...]] = ()
    name: str | None = None
    analyse: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnalyseRun(Measured):
    """Measure a trained run again, with other settings.

    Attributes:
        run: Run folder.
        analysis: How degeneracy is measured.
        over_training: Measure at each snapshot of training too (`--training.snapshots`).
    """

    run: Positional[Path]
    analysis: Analysis
    over_training: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analyse(Stored):
    """Measure a trained RUN again, or arrays made elsewhere.

    Attributes:
        activity: Rates, [K, B, T, N], in a .npy, .npz or .safetensors file, as the next two.
        weights: Recurrent weights, [K, N, N], or [K, G, N, N] of gates; row i holds what unit i
            receives.
        outputs: Outputs, [K, B, T, O].
        mask: Where a step of activity and outputs is valid, [B, T], bools or zeros and ones, in
            such a file; None if all are. Trials of unequal length are padded with anything and
            masked: distances are those of the valid steps, none of which is joined to another
            over a gap.
        metrics: What to compare by; by default dsa for activity, pif for weights, disagreement
            for outputs.
        seed: Seed of the searches' starts.
        name: Name of the folder to write; None for the first file's.
        memory_gb: GB that each device may use, None for half of what it has.
        block: Networks on each side of a block of pairs. Blocks are compared and written one by
            one, and joined; None for 1,000 where there are more networks, or an engine, else for
            the whole matrix at once.
        dry_run: Print pairs, blocks, memory, files and time; start nothing.
        engine: What compares the blocks: `local` for this process, `slurm` or `ray` for tasks.
        engine_setting: Settings of the engine, each `KEY=VALUE`, as `partition=gpu`.
    """

    activity: Path | None = None
    weights: Path | None = None
    outputs: Path | None = None
    mask: Path | None = None
    metrics: tuple[str, ...] = ()
    seed: int = 0
    name: str | None = None
    memory_gb: float | None = None
    block: int | None = None
    dry_run: bool = False
    engine: str = "local"
    engine_setting: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep(Stored):
    """Run many conditions, or go on with them.

    Attributes:
        sweep: Sweep file, see experiments/study.
        preset: One of the file's presets; None for its first.
        only: Factors to run, each `FACTOR`, `FACTOR:TASK`, or either with `=VALUE,VALUE`
            (of a grid `=VALUExVALUE`); all unless given.
        group: The one group to run, by its name or number in --dry-run's list.
        dry_run: Print what would run and what it costs; start nothing.
        update: Go on in the folder of an earlier version of the file.
        tile: Networks that a device trains at once, None for what fits.
        shards: In how many shards the networks of each group train, each a task of its own; None
            for as few as leave none more than 4,096 networks, or more than half of a device's
            memory, or for as many as the group was begun with.
        checkpoint_seconds: Seconds between checkpoints of a group that trains.
        engine: What works on the groups: `local` for this process, `slurm` or `ray` for tasks that
            this process submits and watches.
        engine_setting: Settings of the engine, each `KEY=VALUE`, as `partition=gpu`; they change
            those of the file's table `engine.NAME`.
    """

    sweep: Positional[Path]
    preset: str | None = None
    only: tuple[str, ...] = ()
    group: str | None = None
    dry_run: bool = False
    update: bool = False
    tile: int | None = None
    shards: int | None = None
    checkpoint_seconds: float = 60.0
    engine: str = "local"
    engine_setting: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deflate(Stored):
    """Train alternatives that keep away from standard networks.

    Attributes:
        plan: Plan of rounds, see experiments/deflation.
        checkpoint_seconds: Seconds between checkpoints.
    """

    plan: Positional[Path]
    checkpoint_seconds: float = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Battery(Measured):
    """Compare what `deflate` found: a page and tables.

    Attributes:
        folder: What `rnnensemble deflate` wrote.
    """

    folder: Positional[Path]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(Quiet):
    """Write a page on what a folder holds, or on several runs.

    Attributes:
        folder: A folder of any kind, finished or not.
        beside: Further runs, which the page then shows side by side with the first.
        to: Where the page goes; None for report.html in the folder, comparison.html here for
            several.
        permutations: Permutations of networks for each p-value of a sweep.
    """

    folder: Positional[Path]
    beside: Positional[tuple[Path, ...]] = ()
    to: Path | None = None
    permutations: int = 9999


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advise:
    """Say what makes solutions more consistent or more diverse.

    Attributes:
        want: consistent or diverse.
        level: dynamics, weights, behavior or, where it was measured, topology.
        task: One task alone; all unless given.
        summary: Measured effects: the findings.csv that `rnnensemble report` writes; None for those
            of the study that comes with the package.
    """

    want: str = "consistent"
    level: str = "dynamics"
    task: str | None = None
    summary: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark(Stored):
    """Measure how fast this machine trains and compares.

    Attributes:
        width: Units N of each shape.
        batch: Trials B of each shape.
        steps: Steps of a trial T.
        sizes: Numbers of networks K; None for 1 to 256 on a CPU, 1 to 4,096 elsewhere.
        tile: Networks that a device trains at once, None for the default.
        platform: `cpu`, `gpu` or `tpu` to insist on it, None for what JAX finds.
        seconds: Most that it may take; rows that would not end in time are left out.
        check: Compare scan and GPU kernel with float64 first.
        pairs: Compare networks by DSA and PIF.
        torch: Time PyTorch beside it, where it is installed.
        name: Name of the folder of results; the first free number is added to it.
    """

    width: tuple[int, ...] = WIDTHS
    batch: tuple[int, ...] = BATCHES
    steps: int = STEPS
    sizes: tuple[int, ...] | None = None
    tile: int | None = None
    platform: str | None = None
    seconds: float = SECONDS
    check: bool = False
    pairs: bool = True
    torch: bool = True
    name: str = "benchmark"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tasks:
    """List the tasks: knobs, thresholds, OOD variants."""
