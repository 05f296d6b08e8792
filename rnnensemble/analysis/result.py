"""What `measure_degeneracy` finds: `Degeneracy`, its arrays and its numbers."""

import dataclasses
import math
from typing import Any

import numpy as np

from rnnensemble import stats
from rnnensemble._core.config import finite
from rnnensemble.analysis import measures
from rnnensemble.analysis.distances import Distances
from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.fixed_points.topology import Topology
from rnnensemble.analysis.settings import Analysis
from rnnensemble.stats import reliability
from rnnensemble.stats.digits import number
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training.losses import unit as loss_unit

COLUMNS = (
    *("measure", "level", "title", "value", "low", "high", "null"),
    *("null_ratio", "null_ratio_low", "null_ratio_high", "lower_bound", "corrected"),
    *("reliability", "rank", "trials", "agreement"),
    *("log_spread", "log_spread_low", "log_spread_high", "heavy_tailed"),
)
"""What a row of `Degeneracy.table` holds."""


@dataclasses.dataclass(frozen=True)
class Behavior:
    """The behavior level: spread of the out-of-distribution loss, and how far outputs differ.

    Attributes:
        sigmas: The paper's sigma_OOD for every variant of the trials, in the unit of the loss:
            squared output units for MSE. `temporal` generalization is the paper's own. None for a
            task without variants.
        nulls: What a finite number of trials alone contributes to each sigma: the standard
            deviation over networks of the difference of their losses on two draws of trials, over
            the root of 2.
        losses: Loss of each network on each variant, `[M]`, and on `in_distribution` trials; of a
            task with a fixed training set also on all its `training` and `held_out` trials.
        disagreements: For each variant the root mean squared differences of outputs on the same
            trials, `[M, M]`, in output units.
        trials: How many trials the losses on each variant took.
        loss: Which loss, as `Training.loss` names it.
        by_task: Of a mixture of tasks, the loss on as many in-distribution trials of each task
            alone, by its rule, `[M]` each; empty for other tasks.
    """

    sigmas: dict[str, Estimate]
    nulls: dict[str, float]
    losses: dict[str, np.ndarray]
    disagreements: dict[str, np.ndarray]
    trials: dict[str, int]
    loss: str = "mse"
    by_task: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def main(self) -> str | None:
        """The variant that stands for all: `temporal`, or else the first; None if there is none."""
        return "temporal" if "temporal" in self.sigmas else next(iter(self.sigmas), None)

    @property
    def sigma(self) -> Estimate:
        """The sigma_OOD of that variant; NaN without variants, where it is not defined."""
        return Estimate(*(math.nan,) * 3) if self.main is None else self.sigmas[self.main]

    @property
    def gap(self) -> Estimate | None:
        """The generalization gap (see `generalization_gap`); None without a training set."""
        if "training" not in self.losses:
            return None
        return stats.signed_mean(self.losses["held_out"] - self.losses["training"])


@dataclasses.dataclass(frozen=True, repr=False)
class Degeneracy:
    """How far M converged networks lie apart on three levels, or four.

    `table()` has its numbers as rows, `to_dict()` as what JSON can hold.

    Attributes:
        behavior: Spread of out-of-distribution loss.
        distances: By measure: `dynamics` (DSA), `autocovariance` (how states are spread and move,
            weighed by variance, on the same trials), `weights` (PIF), and what else was asked for
            (`Analysis.measures`).
        grid: DSA under other ranks and delays.
        networks: Indices of the M converged networks in their population, `[M]`.
        size: Networks in the population, converged or not.
        analysis: The settings, with the rank of DSA that was measured at.
        topology: How their fixed points differ, if that was asked for.
        left_out: Measures that the networks cannot be compared by, each with why: `weights` where
            they name no recurrent weights.
    """

    behavior: Behavior
    distances: dict[str, Distances]
    grid: GridDistances
    networks: np.ndarray
    size: int
    analysis: Analysis
    topology: Topology | None = None
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def dynamics(self) -> Distances:
        """The distances of dynamics, by DSA."""
        return self.distances["dynamics"]

    @property
    def autocovariance(self) -> Distances:
        """The distances of autocovariances."""
        return self.distances["autocovariance"]

    @property
    def weights(self) -> Distances:
        """The distances of weights, by PIF.

        Raises:
            ValueError: If they are left out.
        """
        if "weights" in self.left_out:
            raise ValueError(self.left_out["weights"])
        return self.distances["weights"]

    @property
    def unmeasured(self) -> set[str]:
        """The rows of `table` for what is left out, by their `measure`."""
        return {measures.find(name).column or name for name in self.left_out}

    def over_settings(self) -> dict[str, np.ndarray]:
        """DSA in all settings that were measured, those of the grid and the main one, `[S]` each.

        Returns:
            `means` of distances, `null_ratios` (these over the mean null), and `measurable`, as
            `grid` has them, of which a mean distance of dynamics is always one.
        """
        grid, found, dsa = self.grid, self.dynamics, self.analysis.dsa
        names = ("means", "null_ratios", "measurable")
        values = {name: getattr(grid, name).ravel() for name in names}
        if dsa.rank in grid.ranks and dsa.n_delays in grid.grid.delays:
            return values
        share, agreement = np.asarray(found.null_share), np.asarray(found.reliability)
        own = {
            "means": found.mean.value,
            "null_ratios": found.mean.value / max(float(found.null.mean()), 1e-12),
            "measurable": reliability.measurable(share, agreement),
        }
        return {name: np.append(values[name], own[name]) for name in names}

    def __repr__(self) -> str:
        numbers = ", ".join(
            f"{row['measure']} {number(row['value'])}"
            for row in self.table()
            if row["value"] is not None and not row["measure"].startswith("disagreement")
        )
        return f"<Degeneracy of {len(self.networks)} of {self.size} networks: {numbers}>"

    def table(self) -> list[dict[str, Any]]:
        """The numbers, one row a measure: plain values, None where there is no such number.

        A row holds `measure` (a short name), `level`, `title`, `value` with its 95% interval `low`
        to `high`, the mean `null` and the value relative to it (`null_ratio`, with an interval),
        `lower_bound` (what no alignment comes below), `corrected` (without what trials add),
        `reliability`, the mean `rank` in effect, `trials`, and the `agreement` of topologies.
        Beside sigma_OOD stand the robust spread of log losses (`stats.log_spread`, with an
        interval) and whether losses are so `heavy_tailed` that sigma's own interval is not to be
        trusted.
        `to_pandas(degeneracy)` is the same as a data frame.

        Example:
            >>> import rnnensemble as rnne
            >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
            >>> easy = rnne.Training(batch=8, epoch_steps=1, patience=1, threshold=1e9)
            >>> network = rnne.VanillaRNN(width=3)
            >>> population = rnne.train_population(task, network=network, training=easy, size=3)
            >>> quick = rnne.Analysis(dynamics_trials=4, behavior_trials=8, fixed_trials=True)
            >>> rows = rnne.measure_degeneracy(population, analysis=quick).table()
            >>> [row["measure"] for row in rows if row["level"] != "behavior"]
            ['dsa', 'autocovariance', 'pif']
            >>> rows[-3]["rank"]  # 20 unless the networks have fewer units
            3.0
        """
        rows = [row for name in self.behavior.sigmas for row in self._behavior_rows(name)]
        if self.behavior.gap is not None:
            title = "generalization gap (MSE, held-out less training)"
            counts = {"trials": self.behavior.trials["held_out"]}
            gap = self.behavior.gap
            rows.append(table_row("generalization_gap", "behavior", title, gap, **counts))
        for rule, losses in self.behavior.by_task.items():
            title = f"mean loss on {rule} ({loss_unit(self.behavior.loss)})"
            mean, count = stats.mean_value(losses), self.behavior.trials["in_distribution"]
            rows.append(table_row(f"loss_{rule}", "behavior", title, mean, trials=count))
        dsa = self.analysis.dsa
        settings = {
            "dynamics": f" ({dsa.score}, rank {dsa.rank}, delays {dsa.n_delays})",
            "autocovariance": " (no rank)",
            "weights": f" ({self.analysis.pif.fixed} units in place)"
            if self.analysis.pif.fixed
            else "",
        }
        for name, found in self.distances.items():
            each = measures.find(name)
            title = f"mean {each.symbol}{settings.get(name, '')}"
            rows.append(_distance_row(each.column or name, each.level or name, title, found))
        for name in self.left_out:
            each, nothing = measures.find(name), Estimate(math.nan, math.nan, math.nan)
            title = f"mean {each.symbol}: not measured"
            rows.append(table_row(each.column or name, each.level or name, title, nothing))
        if self.topology is not None:
            title, agreement = "mean distance of fixed points (OSPA)", self.topology.agreement
            row = table_row("topology", "topology", title, self.topology.mean, agreement=agreement)
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: the numbers by measure, DSA's other settings, the settings.

        `measures` has the rows of `table` by their `measure`; `dsa_settings` a row for each rank
        (or share of variance) and number of delays; `networks` the indices of those measured, of
        `size` in all; `left_out` what could not be measured, and why; `analysis` the settings.
        """
        measured = {row.pop("measure"): row for row in self.table()}
        return {
            "size": self.size,
            "networks": self.networks.tolist(),
            "measures": measured,
            "dsa_settings": self.grid.table(),
            "left_out": self.left_out,
            "analysis": dataclasses.asdict(self.analysis),
        }

    def _behavior_rows(self, name: str) -> list[dict[str, Any]]:
        """The spread of the losses on a variant, and how far outputs differ there."""
        behavior, pairs = self.behavior, np.triu_indices(len(self.networks), 1)
        counts = {"null": behavior.nulls[name], "trials": behavior.trials[name]}
        mean = Estimate(float(behavior.disagreements[name][pairs].mean()), math.nan, math.nan)
        title = f"outputs differ by (RMS, {name})"
        losses, unit = behavior.losses[name], loss_unit(behavior.loss)
        positive = np.isfinite(losses).all() and (losses > 0).all()
        apart = stats.log_spread(losses) if positive else Estimate(math.nan, math.nan, math.nan)
        heavy = stats.heavy_tailed(losses)
        doubt = "; heavy tails? then its interval is too narrow" if heavy else ""
        return [
            table_row(
                f"sigma_{name}",
                "behavior",
                f"sigma_OOD, {name} ({unit}{doubt})",
                behavior.sigmas[name],
                **counts,
                log_spread=apart.value,
                log_spread_low=apart.low,
                log_spread_high=apart.high,
                heavy_tailed=heavy,
            ),
            table_row(f"disagreement_{name}", "behavior", title, mean),
        ]


def table_row(measure: str, level: str, title: str, mean: Estimate, **rest: Any) -> dict[str, Any]:
    """A row of `Degeneracy.table`, in plain values."""
    names = {"measure": measure, "level": level, "title": title}
    given = {name: finite(value) for name, value in {**mean._asdict(), **rest}.items()}
    return dict.fromkeys(COLUMNS) | names | given


def _distance_row(measure: str, level: str, title: str, found: Distances) -> dict[str, Any]:
    """A mean distance, what bounds it from below, and its null."""
    pairs, null = np.triu_indices(len(found.matrix), 1), found.null.mean()
    ratio = Estimate(math.nan, math.nan, math.nan)
    if null > 0 and found.mean.value > 0:
        ratio = stats.against_null(found.matrix, found.null).ratio
    of_trials = {"corrected": found.corrected, "reliability": found.reliability}
    return table_row(
        measure,
        level,
        title,
        found.mean,
        null=null,
        null_ratio=ratio.value,
        null_ratio_low=ratio.low,
        null_ratio_high=ratio.high,
        lower_bound=found.lower_bound[pairs].mean(),
        rank=found.ranks.mean() if found.ranks.any() else math.nan,
        trials=found.trials,
        **(of_trials if found.trials else {}),
    )
