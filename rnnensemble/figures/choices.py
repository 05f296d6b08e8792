"""Choices by evidence."""

from typing import Any

import numpy as np

from rnnensemble.analysis.psychometric import PsychometricCurve
from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours


@ours()
def psychometric_figure(curve: PsychometricCurve, *, axes: Given = None) -> Figure:
    """Every network's share of choices for the positive side, with 95% intervals, by evidence.

    Args:
        curve: What was measured.
        axes: Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes)
    (panel,) = made.axes
    for k, share in enumerate(curve.positive):
        errors = np.maximum([share - curve.low[k], curve.high[k] - share], 0.0)
        form: Any = {"color": COLORS[k % len(COLORS)], "lw": 0.8, "marker": "o", "ms": 2.5}
        panel.errorbar(curve.evidence, share, errors, **form)
    panel.axhline(0.5, color="k", lw=0.6, ls=":")
    panel.axvline(0.0, color="k", lw=0.6, ls=":")
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel("evidence for the positive side")
    panel.set_ylabel("share of choices for it")
    accuracy = f"{curve.accuracy.min():.0%} to {curve.accuracy.max():.0%}"
    panel.set_title(f"accuracy {accuracy}")
    caption = [
        f"Share of choices for the positive side by evidence, of "
        f"{counted(len(curve.positive), 'network')}, a line each; bars are 95% intervals over "
        f"trials. {accuracy} of all trials are done right.",
        "Dotted lines: no evidence, and chance.",
    ]
    rows = [
        {"network": k, "evidence": evidence, "trials": curve.trials[e]}
        | {name: getattr(curve, name)[k, e] for name in ("positive", "low", "high")}
        for k in range(len(curve.positive))
        for e, evidence in enumerate(curve.evidence)
    ]
    return made.told(caption, rows)
