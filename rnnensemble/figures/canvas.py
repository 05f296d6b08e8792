"""What a figure is drawn on: panels of its own, or axes that the caller gives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rnnensemble.figures.style import WIDTHS, Figure, page, plain

Given = Axes | Iterable[Any] | None
"""Axes for all panels of a figure, or one for a single panel; None for a figure of its own."""


class Canvas(NamedTuple):
    """A figure and its panels in reading order.

    If it is our own, it has room for legends and a title around the panels.
    """

    figure: Any
    axes: list[Axes]
    own: bool

    def legend(
        self,
        handles: Sequence[Any] | None = None,
        *,
        columns: int | None = None,
        title: str | None = None,
    ) -> None:
        """One legend of what has a name: below the panels; in the last of the caller's axes."""
        if handles is None:
            named = {}
            for axes in self.axes:
                for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                    named.setdefault(label, handle)
            handles = list(named.values())
            labels = list(named)
        else:
            labels = [str(each.get_label()) for each in handles]
        if not handles:
            return
        if self.own:
            count = columns or min(len(handles), 4)
            self.figure.legend(
                handles, labels, loc="outside lower center", ncols=count, title=title
            )
        else:
            self.axes[-1].legend(handles, labels, title=title)

    def title(self, text: str) -> None:
        """A title over all panels; the caller's figure keeps its own."""
        if self.own and text:
            self.figure.suptitle(plain(text))

    def told(self, caption: Sequence[str], data: Iterable[Mapping[str, Any]]) -> Figure:
        """The figure, with its caption of sentences and the drawn numbers.

        The caller's figure keeps what other functions have drawn into it: captions and numbers add
        up in their order.
        """
        words = " ".join(each for each in caption if each)
        rows = [{name: _number(value) for name, value in row.items()} for row in data]
        figure = self.figure
        figure.caption = " ".join(filter(None, [getattr(figure, "caption", ""), words]))
        figure.data = [*getattr(figure, "data", []), *rows]
        return figure


def canvas(
    axes: Given,
    count: int = 1,
    *,
    columns: int | None = None,
    cells: Sequence[tuple[int, int]] | None = None,
    width: str | None = None,
    aspect: float = 0.78,
    extra: float = 5.0,
    ratios: Sequence[float] | None = None,
    kinds: Sequence[str | None] = (),
) -> Canvas:
    """The panels of a figure: the caller's axes, or those of a figure of its own.

    Args:
        axes: The caller's axes, as many as there are panels; None for a figure of its own.
        count: Panels.
        columns: Panels side by side; all of them unless given.
        cells: Row and column of each panel; one after another unless given.
        width: "single" or "double"; by default what the columns need.
        aspect: Height of a panel over its width, with its ticks and names.
        extra: Millimeters for what stands around the panels.
        ratios: Relative widths of columns.
        kinds: Projections of the panels, where they are not flat.

    Raises:
        ValueError: If `axes` are none, or not as many as panels.
    """
    if axes is not None:
        return _given(axes, count, kinds)
    columns = columns or max(count, 1)
    cells = cells or [divmod(number, columns) for number in range(count)]
    rows = 1 + max((row for row, _ in cells), default=0)
    size = WIDTHS[width or ("single" if columns <= 2 else "double")]
    figure = page(size, rows * aspect * size / columns + extra)
    grid = figure.add_gridspec(rows, columns, width_ratios=ratios)
    kinds = [*kinds, *[None] * (count - len(kinds))]
    made = [
        figure.add_subplot(grid[row, column], projection=kind)
        for (row, column), kind in zip(cells, kinds, strict=True)
    ]
    return Canvas(figure, made, own=True)


def _given(axes: Axes | Iterable[Any], count: int, kinds: Sequence[str | None]) -> Canvas:
    """The caller's axes."""
    found = [axes] if isinstance(axes, Axes) else list(np.ravel(np.asarray(axes, dtype=object)))
    if not all(isinstance(each, Axes) for each in found):
        wrong = next(type(each).__name__ for each in found if not isinstance(each, Axes))
        raise ValueError(f"`axes` must hold matplotlib's Axes; got {wrong}.")
    if len(found) != count:
        raise ValueError(f"`axes` must hold {count} Axes, one for each panel; got {len(found)}.")
    for each, kind in zip(found, kinds, strict=False):
        if kind is not None and each.name != kind:
            raise ValueError(f'`axes` must begin with one of projection="{kind}"; got {each.name}.')
    return Canvas(found[0].get_figure(root=True) if found else None, found, own=False)


def nothing(words: str, caption: str) -> Figure:
    """A small figure that says why there is nothing to draw."""
    figure = page(WIDTHS["single"], 12.0)
    figure.text(0.5, 0.5, plain(words), ha="center", va="center", color="0.35")
    figure.caption = caption
    return figure


def line(label: str, **form: Any) -> Line2D:
    """A line for a legend."""
    look: Any = {"color": "0.35"} | form
    return Line2D([], [], label=label, **look)


def counted(count: int, name: str) -> str:
    """As "1 network" and "2 networks"."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _number(value: Any) -> Any:
    """A plain value; None for what is not finite, which CSV leaves empty."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
