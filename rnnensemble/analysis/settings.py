"""How degeneracy is measured."""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import numpy as np

from rnnensemble._core.config import Config, later, require_seed, require_whole
from rnnensemble.analysis import measures
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.analysis.measures import Measure
from rnnensemble.analysis.perturbations import Silence, cannot_silence
from rnnensemble.metrics import DSA, PIF, Autocovariance
from rnnensemble.metrics.masks import Masked
from rnnensemble.metrics.weights import AXES
from rnnensemble.networks import Network, lacks, require_weights, shapes_of
from rnnensemble.tasks import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class DSAGrid(Config):
    """The settings of DSA that a result on dynamics is repeated with: every rank, every delays.

    Attributes:
        ranks: Numbers of whitened coordinates.
        delays: Numbers of delays.
        shares: Shares of variance, besides: all networks that are compared get the rank that the
            median of them (over both draws of trials, without further delays) needs for this share
            of the sum of squares, the mean's included, at most the largest of `ranks`. (Networks of
            unlike rank would be far apart whatever they do; so are populations of unlike rank, and
            trends count a share only where it comes to one rank, that is none of `ranks`.)
    """

    ranks: tuple[int, ...] = (3, 5, 10, 20)
    delays: tuple[int, ...] = (1, 3, 10)
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ranks", "delays"):
            values = getattr(self, name)
            whole = isinstance(values, tuple) and all(isinstance(x, int) and x >= 1 for x in values)
            if not (whole and values) or len(set(values)) != len(values):
                raise ValueError(
                    f"`{name}` must be different whole numbers of at least 1; got {values}."
                )
        if len(set(self.shares)) != len(self.shares) or not all(0 < x < 1 for x in self.shares):
            raise ValueError(
                f"`shares` must be different numbers within (0, 1); got {self.shares}."
            )

    @property
    def rows(self) -> tuple[float, ...]:
        """What distances are stored by: the ranks, then the shares of variance, below 1."""
        return (*self.ranks, *self.shares)

    def within(self, dsa: DSA, shape: tuple[int, ...], mask: np.ndarray | None = None) -> "DSAGrid":
        """The part of the grid that rates of this shape, `(B, T, N)`, allow at the mask's steps.

        Raises:
            ValueError: If they allow none of it, or shares of variance meet a `dsa` that cuts each
                network's coordinates itself.
        """
        if self.shares and (dsa.explained_variance or dsa.threshold) is not None:
            raise ValueError(
                "`shares` give all networks one rank; `explained_variance` and `threshold`, which "
                "give each its own, must be None."
            )

        def allows(rank: int, delays: int) -> bool:
            try:
                _check(at(dsa, rank, delays), shape, mask)
            except ValueError:
                return False
            return True

        delays = [d for d in self.delays if allows(min(self.ranks), d)]
        ranks = [r for r in self.ranks if all(allows(r, d) for d in delays)]
        if not delays:
            least = {"rank": min(self.ranks), "n_delays": min(self.delays)}
            _check(dataclasses.replace(dsa, **least), shape, mask)
        return DSAGrid(ranks=tuple(ranks), delays=tuple(delays), shares=self.shares)

    def covering(self, dsa: DSA) -> "DSAGrid":
        """The grid with the rank and delays of `dsa` too."""
        ranks, delays = {*self.ranks, dsa.coordinates}, {*self.delays, dsa.n_delays}
        return dataclasses.replace(self, ranks=tuple(sorted(ranks)), delays=tuple(sorted(delays)))


def _check(dsa: DSA, shape: tuple[int, ...], mask: np.ndarray | None) -> None:
    """Raises ValueError unless rates of this shape have an operator at the valid steps."""
    if mask is None:
        return dsa.check(shape)
    places = {name: x.shape for name, x in dsa.places(mask).items()}
    return dsa.check(Masked((1, int(mask.sum()), shape[-1]), places))


def at(dsa: DSA, rank: int, delays: int) -> DSA:
    """The same settings at another rank and number of delays."""
    regression = None if dsa.regression_rank is None else min(dsa.regression_rank, rank)
    return dataclasses.replace(dsa, rank=rank, n_delays=delays, regression_rank=regression)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analysis(Config):
    """How degeneracy is measured; recorded with every number.

    Attributes:
        dsa: Settings of the dynamics level; its rank is 20, or as many as the networks have
            coordinates, unless given.
        grid: Ranks and delays that dynamics is measured with besides, those that the task allows.
        autocovariance: Settings of the distance of autocovariances, which needs no rank.
        pif: Settings of the weights level.
        dynamics_trials: In-distribution trials that drive every network for DSA, at first.
        behavior_trials: Trials of each out-of-distribution variant, at first.
        null_share: Trials are doubled until the null (what trials alone do) is at most this share
            of the mean distance (of DSA at its main setting, and of autocovariances), or of
            sigma_OOD.
        most_trials: And no more than this.
        fixed_trials: Takes the first numbers, whatever the nulls.
        output_trials: Trials of each variant on which outputs are compared.
        seed: Seed of the evaluation trials and of the searches' starts.
        fixed_points: Starts from which fixed points are searched in each network, for the level of
            topology; None leaves it out.
        measures: What is measured besides, by name (`analysis.measures`); None for nothing.
        silenced: Shares of units that are silenced at random (see `Silence`): beside the variants
            of the trials, the networks' own without 0.2 of the units are one, `silenced_0.2`.
    """

    dsa: DSA = DSA()
    grid: DSAGrid = DSAGrid()
    autocovariance: Autocovariance = Autocovariance()
    pif: PIF = PIF()
    dynamics_trials: int = 64
    behavior_trials: int = 512
    null_share: float = 0.1
    most_trials: int = 4096
    fixed_trials: bool = False
    output_trials: int = 64
    seed: int = 0
    fixed_points: int | None = None
    measures: tuple[str, ...] | None = None
    silenced: tuple[float, ...] | None = later(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require_whole(self, "dynamics_trials", "behavior_trials", "output_trials", "most_trials")
        if not 0 < self.null_share < 1:
            raise ValueError(f"`null_share` must lie within (0, 1); got {self.null_share}.")
        first = max(self.dynamics_trials, self.behavior_trials)
        if self.most_trials < first and not self.fixed_trials:
            raise ValueError(
                f"`most_trials` must be at least the first number of trials, {first}; got "
                f"{self.most_trials}. Numbers that stay as they are: `fixed_trials`."
            )
        if self.fixed_points is not None:
            FixedPointSearch(starts=self.fixed_points)
        if len(set(self.measures or ())) < len(self.measures or ()):
            raise ValueError(f"`measures` must be different; got {self.measures}.")
        shares = self.silenced or ()
        if len(self.lesions) < len(shares) or not all(0 < each <= 1 for each in shares):
            raise ValueError(
                f"`silenced` must be different shares above 0 and at most 1; got {shares}."
            )
        for name, each in self.further.items():
            if each.standard:
                raise ValueError(f"`measures` names {name!r}, which is always measured.")
            if type(each).measure is Measure.measure:
                raise ValueError(f"`measures` names {name!r}, which has no `measure`.")

    @property
    def pif_weights(self) -> list[str]:
        """The weights that PIF compares, by name."""
        return ["recurrent_weights"] if self.pif.parameters == "recurrent" else list(AXES)

    def left_out(self, task: Task, network: Network) -> dict[str, str]:
        """Measures that a network cannot be compared by, each with why.

        Raises:
            ValueError: If PIF is to compare all parameters and the network names only some, or
                units are to be silenced that cannot be.
        """
        if self.silenced and network.silent is None:
            raise ValueError(f"`silenced` must be left out: {cannot_silence(network)}")
        if "recurrent_weights" not in _named(task, network, ()):
            return {"weights": lacks(network, ["recurrent_weights"], "PIF")}
        _named(task, network, tuple(self.pif_weights))
        return {}

    @property
    def lesions(self) -> dict[str, Silence]:
        """What is done to networks in further variants, by the variant's name."""
        shares = [x for x in self.silenced or () if 0 < x <= 1]
        return {f"silenced_{x:g}": Silence(share=x, seed=self.seed) for x in shares}

    @property
    def further(self) -> dict[str, Measure]:
        """What is measured besides, by name."""
        return {name: measures.find(name)() for name in self.measures or ()}

    @property
    def search(self) -> FixedPointSearch | None:
        """How fixed points are searched, if they are."""
        if self.fixed_points is None:
            return None
        return FixedPointSearch(starts=self.fixed_points, seed=self.seed)

    def asks_for_more(self, trials: int, share: float) -> bool:
        """Whether trials are to be doubled where the null has this share."""
        return not self.fixed_trials and share > self.null_share and 2 * trials <= self.most_trials

    def enough_trials(self, first: int, share_at: Callable[[int], float]) -> int:
        """The number of trials at which the null is small enough, or the most that are allowed.

        Args:
            first: The number to begin with.
            share_at: The null's share with a number of trials; they only grow.
        """
        trials = first
        while 2 * trials <= self.most_trials and not self.fixed_trials:
            share = share_at(trials)
            if not self.asks_for_more(trials, share):
                break
            trials = self.more_trials(trials, share)
        return trials

    def more_trials(self, trials: int, share: float) -> int:
        """So many times doubled that the null, with so large a share now, is small enough then.

        A null falls about with the root of the number of trials. (A share is infinite where
        networks do not differ at all.)
        """
        missing = math.ceil(2 * math.log2(min(share, 1e9) / self.null_share))
        return trials * 2 ** min(max(missing, 1), int(math.log2(self.most_trials / trials)))

    def fitted(self, task: Task, network: Network) -> "Analysis":
        """The settings with what they leave open: DSA's rank, and the units that PIF leaves."""
        dsa, pif = self.dsa.fitted([self._shape(task, network.n_rates)]), self.pif
        if pif.fixed is None and network.in_place:
            pif = dataclasses.replace(pif, fixed=network.in_place)
        return dataclasses.replace(self, dsa=dsa, pif=pif)

    def check(self, task: Task, width: int) -> None:
        """Raises ValueError unless the settings fit a task and a number of units."""
        self.dsa.check(self._shape(task, width))
        self.autocovariance.check(self._shape(task, width))
        self.grid_for(task, width)
        self.pif.require_units(width)
        for measure in self.further.values():
            measure.check(task, width)

    def grid_for(self, task: Task, width: int) -> DSAGrid:
        """The part of the grid that a task and a number of units allow."""
        return self.grid.within(self.dsa, self._shape(task, width))

    def _shape(self, task: Task, width: int) -> tuple[int, int, int]:
        return self.dynamics_trials, task.n_steps, width


@functools.lru_cache(maxsize=64)
def _named(task: Task, network: Network, needed: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a network's weights; traced once, since many conditions share them.

    Raises:
        ValueError: If PIF needs others.
    """
    if needed:
        require_weights(network, task, needed, "PIF")
    return tuple(jax.eval_shape(network.weights, shapes_of(network, task)))
