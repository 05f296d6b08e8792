"""Choices by evidence."""

import numpy as np

from rnnensemble.analysis.psychometric import PsychometricCurve
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours


@ours()
def psychometric_figure(curve: PsychometricCurve) -> Figure:
    """Every network's share of choices for the positive side, with 95% intervals, by evidence."""
    figure = Figure(figsize=(4.2, 3.0), layout="constrained")
    axes = figure.subplots()
    for k, share in enumerate(curve.positive):
        errors = np.maximum([share - curve.low[k], curve.high[k] - share], 0.0)
        color = COLORS[k % len(COLORS)]
        axes.errorbar(curve.evidence, share, errors, color=color, lw=0.9, marker="o", ms=3)
    axes.axhline(0.5, color="k", lw=0.6, ls=":")
    axes.axvline(0.0, color="k", lw=0.6, ls=":")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("evidence for the positive side")
    axes.set_ylabel("share of choices for it")
    axes.set_title(f"accuracy {curve.accuracy.min():.0%} to {curve.accuracy.max():.0%}", fontsize=9)
    return figure
