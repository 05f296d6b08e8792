"""How fixed points are searched."""

import dataclasses
import math

from rnnensemble._core.config import Config, require_positive, require_seed, require_whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedPointSearch(Config):
    """How fixed points are searched; recorded with them.

    Attributes:
        starts: States to start from, drawn from those visited on `trials` fresh trials.
        trials: Trials of the task.
        between: Share of the starts that lie at random between two visited states, where saddles
            between attractors are.
        noise: Standard deviation of what is added to each start, in units of the state.
        tolerance: Largest speed q of a fixed point.
        slow: Largest speed q of a slow point.
        distance: Smallest distance between two points, in units of the state.
        steps: Largest number of steps of a search.
        settle: Steps after which an orbit counts as recurring.
        seed: Seed of trials, starts and noise.
    """

    starts: int = 256
    trials: int = 64
    between: float = 0.5
    noise: float = 0.1
    tolerance: float = 1e-12
    slow: float = 1e-6
    distance: float = 1e-3
    steps: int = 60
    settle: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require_whole(self, "starts", "trials", "steps", "settle")
        for name in ("tolerance", "slow", "distance"):
            require_positive(name, getattr(self, name))
        if not 0 <= self.between <= 1:
            raise ValueError(f"`between` must lie between 0 and 1; got {self.between!r}.")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"`noise` must be at least 0; got {self.noise!r}.")
        if self.slow < self.tolerance:
            raise ValueError(
                f"`slow` must be at least `tolerance`, {self.tolerance:g}; got {self.slow:g}."
            )
