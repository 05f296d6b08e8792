"""Figures of what depends on width."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps

from rnnensemble.figures.panels import COLORMAP
from rnnensemble.figures.style import Figure, ours


@ours()
def coordinate_figure(sizes: Mapping[str, Mapping[str, Mapping[int, np.ndarray]]]) -> Figure:
    """The coordinate check: how far rates and outputs moved, by width, one line a step.

    Args:
        sizes: For each form of network and quantity (a row), by width N: root mean squared
            changes `[seeds, steps]`.
    """
    quantities = list(next(iter(sizes.values())))
    shape = (len(quantities), len(sizes))
    figure = Figure(figsize=(2.0 * shape[1] + 1.2, 1.9 * shape[0] + 0.6), layout="constrained")
    panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey="row")
    for column, (form, found) in zip(panels.T, sizes.items(), strict=True):
        column[0].set_title(form, fontsize=9)
        column[-1].set_xlabel("width N")
        for axes, quantity in zip(column, quantities, strict=True):
            widths = list(found[quantity])
            middle = np.median(np.stack(list(found[quantity].values())), axis=1)
            for step, values in enumerate(middle.T):
                color = colormaps[COLORMAP](step / middle.shape[1])
                axes.loglog(widths, values, "o-", ms=3, lw=1.2, color=color, label=step + 1)
            axes.set_xticks(widths, [str(width) for width in widths], fontsize=7)
            axes.minorticks_off()
    for axes, quantity in zip(panels[:, 0], quantities, strict=True):
        axes.set_ylabel(f"change of {quantity}")
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        *handles, title="Adam steps", loc="outside right center", fontsize=8, frameon=False
    )
    return figure
