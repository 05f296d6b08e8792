"""Tasks of the package neurogym, as fixed sets of trials."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from rnnensemble._core.config import require_at_least, require_seed
from rnnensemble.tasks.array_task import ArrayTask
from rnnensemble.tasks.trial_arrays import KNOWN, TrialArrays, checked


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeurogymTask(ArrayTask):
    """A task of neurogym: sequences sampled once, on which networks train as on any arrays.

    `neurogym.Dataset` gives `sequences` sequences of `steps` steps, in each of which trial follows
    trial. Observations are the inputs. Of a choice among A actions, the target is a row of A
    outputs, 1 for the right action and 0 for the others; other targets stay as they are. The loss
    counts at all steps. The sequences are sampled when the task is made and stored with each run,
    which therefore can be loaded where neurogym is not installed.

    Needs `pip install 'rnnensemble[neurogym]'`, PyTorch included, which neurogym imports. It fixes
    the versions of NumPy and others; give it an environment of its own where that is in the way.

    Source: Molano-Mazon et al. (2022), neurogym; tested with version 2.3.1.

    Attributes:
        env: Name of the task, such as "PerceptualDecisionMaking-v0".
        dt: Length of a step, in milliseconds.
        sequences: Number of sequences M.
        steps: Length of each in steps.
        sample_seed: Seed of the sampling.
    """

    name: ClassVar[str] = "neurogym"

    threshold: float = 0.005
    env: str = "PerceptualDecisionMaking-v0"
    dt: int = 100
    sequences: int = 512
    steps: int = 100
    sample_seed: int = 0

    def __post_init__(self) -> None:
        require_at_least("dt", self.dt, 1)
        require_at_least("sequences", self.sequences, 2)
        require_at_least("steps", self.steps, 2)
        require_seed(self.sample_seed)
        super().__post_init__()

    def _found(self) -> TrialArrays:
        """The arrays of the digest, or newly sampled ones."""
        if self.path is not None:
            raise ValueError(f"`path` must be left out of a task of neurogym; got {self.path!r}.")
        known = KNOWN.get(self.digest)
        if known is not None:
            return known
        arrays = checked(self._sampled())
        if self.digest not in ("", arrays.digest):
            raise ValueError(
                f"`digest` must be that of the sequences, {arrays.digest}; got {self.digest}. "
                "This version of neurogym samples others: leave it out for a new run."
            )
        return arrays

    def _sampled(self) -> dict[str, np.ndarray]:
        """Inputs and targets of all sequences."""
        try:
            import neurogym  # pyright: ignore[reportMissingImports]  # the extra `neurogym`
        except ImportError as error:
            missing = f"; {error.name} is missing" if error.name != "neurogym" else ""
            raise ValueError(
                f"`env` {self.env!r} needs the package neurogym{missing}: pip install "
                "'rnnensemble[neurogym]'."
            ) from None
        try:
            dataset = neurogym.Dataset(
                self.env,
                env_kwargs={"dt": self.dt},
                batch_size=self.sequences,
                seq_len=self.steps,
                cache_len=self.steps,
                batch_first=True,
            )
        except Exception as error:  # whatever a task of neurogym may raise
            text = str(error).splitlines()[0][:200] if str(error) else ""
            raise ValueError(
                f"`env` must be a task that neurogym can make; got {self.env!r} "
                f"({type(error).__name__}: {text})."
            ) from None
        dataset.seed(self.sample_seed * self.sequences)
        dataset._cache()  # again: the first sequences were sampled before there was a seed
        inputs, targets = dataset()
        return {"inputs": np.array(inputs), "targets": _as_outputs(targets, dataset.env)}


def _as_outputs(targets: Any, env: Any) -> np.ndarray:
    """Targets `[M, T, O]`: a row of zeros and a one for a choice, others as they are."""
    targets = np.asarray(targets)
    if targets.ndim == 2:
        return np.eye(int(env.action_space.n), dtype=np.float32)[targets.astype(int)]
    return targets
