"""Figures of what depends on width."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.ticker import NullLocator

from rnnensemble.figures.canvas import Given, canvas
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORMAP
from rnnensemble.figures.style import Figure, ours, plain


@ours()
def coordinate_figure(
    sizes: Mapping[str, Mapping[str, Mapping[int, np.ndarray]]], *, axes: Given = None
) -> Figure:
    """The coordinate check: how far rates and outputs moved, by width, one line a step.

    Args:
        sizes: For each form of network and quantity (a row), by width N: root mean squared
            changes `[seeds, steps]`.
        axes: Axes to draw into, a row of forms for each quantity; a figure of its own unless given.
    """
    forms, quantities = list(sizes), list(next(iter(sizes.values())))
    count = len(forms) * len(quantities)
    made = canvas(axes, count, columns=len(forms), aspect=0.85, extra=12.0)
    rows = []
    for number, panel in enumerate(made.axes):
        quantity, form = quantities[number // len(forms)], forms[number % len(forms)]
        widths = list(sizes[form][quantity])
        middle = np.median(np.stack(list(sizes[form][quantity].values())), axis=1)
        for step, values in enumerate(middle.T):
            color = matplotlib.colormaps[COLORMAP](step / middle.shape[1])
            panel.loglog(widths, values, "o-", ms=2.5, color=color, label=f"step {step + 1}")
            rows += [
                {"form": form, "quantity": quantity, "width": width, "step": step + 1}
                | {"change": value}
                for width, value in zip(widths, values, strict=True)
            ]
        panel.set_xticks(widths, [str(width) for width in widths])
        panel.xaxis.set_minor_locator(NullLocator())
        thin(panel)
        if number < len(forms):
            panel.set_title(plain(form))
        if number >= count - len(forms):
            panel.set_xlabel("width N")
        if number % len(forms) == 0:
            panel.set_ylabel(f"change of {quantity}")
    _share_ends(made.axes, len(forms))
    made.legend(title="Adam steps", columns=6)
    caption = [
        "The coordinate check: how far rates and outputs moved (root mean square, median over "
        "seeds) after each step of Adam, by width, a line a step.",
        "Level lines: the size of updates does not depend on width.",
    ]
    return made.told(caption, rows)


def _share_ends(panels: list, columns: int) -> None:
    """One vertical scale for each row."""
    for first in range(0, len(panels), columns):
        row = panels[first : first + columns]
        ends = np.array([each.get_ylim() for each in row])
        for each in row:
            each.set_ylim(ends.min(), ends.max())
