"""How figures look, whatever the user's own settings of matplotlib say, and how they are saved."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import matplotlib
from matplotlib import figure as drawn

from rnnensemble.figures.fonts import FONT, with_font

WIDTHS = {"single": 89.0, "double": 183.0}
"""Widths of one and of two columns of a journal, mm."""

INCH = 25.4
"""Millimeters of an inch."""

DPI = 300
"""Dots an inch of files for print."""

SCREEN = 140
"""Dots an inch in notebooks."""

PAGE = 150
"""Dots an inch of images in pages."""

FONT_SIZE = 7.0
"""Points of labels and titles; small texts have one less, the title of a figure one more."""

LOOK = {
    "font.family": FONT,
    "mathtext.default": "regular",  # formulas take the one font that files hold
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # fonts are embedded as TrueType
    "svg.hashsalt": "rnnensemble",  # the same figure gives the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlepad": 4.0,
    "axes.labelpad": 2.5,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "figure.constrained_layout.w_pad": 0.05,
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.wspace": 0.03,
    "savefig.dpi": DPI,
    **{f"{axis}tick.{each}.width": 0.6 for axis in "xy" for each in ("major", "minor")},
    **{f"{axis}tick.major.size": 2.5 for axis in "xy"},
    **{f"{axis}tick.minor.size": 1.5 for axis in "xy"},
    **{f"{axis}tick.major.pad": 2.0 for axis in "xy"},
}
"""What all figures share, as matplotlib's settings."""


class style:  # noqa: N801
    """Figures made inside the block, ours and your own, have one width, font and look.

    Files of our figures hold text as text, with its font.

    Args:
        width: "single" (89 mm, one column of a journal), "double" (183 mm) or a number of
            millimeters; None leaves each of our figures the width that it needs of the two.
        font_size: Points of labels and titles.
        settings: Further settings of matplotlib by name.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> import numpy as np
        >>> from rnnensemble import figures, stats
        >>> matrix = 1.0 - np.eye(3)
        >>> with figures.style(width="single", font_size=8):
        ...     figure = figures.heatmap_figure(matrix, name="DSA", unit="rad", networks=range(3))
        >>> round(25.4 * figure.get_figwidth())
        89
    """

    def __init__(
        self,
        width: str | float | None = None,
        *,
        font_size: float = FONT_SIZE,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(width, str) and width not in WIDTHS:
            raise ValueError(
                f'`width` must be "single", "double" or a number of millimeters; got {width!r}.'
            )
        if isinstance(width, int | float) and not 20 <= width <= 1000:
            raise ValueError(f"`width` must lie between 20 and 1000 millimeters; got {width}.")
        if not 3 <= font_size <= 40:
            raise ValueError(f"`font_size` must lie between 3 and 40 points; got {font_size}.")
        unknown = sorted(set(settings or {}) - set(matplotlib.rcParams))
        if unknown:
            raise ValueError(
                f"`settings` must be named as matplotlib names them; got {unknown[0]!r}."
            )
        self.width = WIDTHS[width] if isinstance(width, str) else width
        self.settings = LOOK | _sizes(font_size) | dict(settings or {})
        self._entered: list[contextlib.ExitStack] = []

    def __enter__(self) -> "style":
        stack = contextlib.ExitStack()
        token = _CURRENT.set(self)
        stack.callback(_CURRENT.reset, token)
        width = self.width or WIDTHS["single"]
        size = {"figure.figsize": _inches(width, 0.75 * width)}
        stack.enter_context(_applied({**size, **self.settings}))
        self._entered.append(stack)
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.pop().close()

    @staticmethod
    def save(
        figure: drawn.Figure, target: Path | str | IO[bytes], *, dpi: int, kind: str | None = None
    ) -> None:
        """Writes a figure to a file, of the kind its name says unless given.

        The same figure gives the same bytes: files bear no dates. SVG holds the font of its text.
        """
        kind = kind or Path(str(target)).suffix[1:]
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        written = io.BytesIO()
        with _applied(getattr(figure, "settings", _CURRENT.get().settings)):
            drawn.Figure.savefig(figure, written, dpi=dpi, format=kind, metadata=undated)
        content = with_font(written.getvalue()) if kind == "svg" else written.getvalue()
        if isinstance(target, Path | str):
            Path(target).write_bytes(content)
        else:
            target.write(content)

    @staticmethod
    def small(png: bytes) -> bytes:
        """An image for a page: of 150 dots an inch at most, in 64 colors, a third of the bytes."""
        from PIL import Image, PngImagePlugin  # matplotlib brings it

        image, written = PngImagePlugin.PngImageFile(io.BytesIO(png)), io.BytesIO()
        scale = min(PAGE / image.info.get("dpi", (PAGE,))[0], 1.0)
        size = round(scale * image.width), round(scale * image.height)
        shown = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        shown.quantize(64, dither=Image.Dither.NONE).save(written, "png", optimize=True)
        return written.getvalue()


def _sizes(font_size: float) -> dict[str, float]:
    """Sizes of all kinds of text."""
    small = ("xtick.labelsize", "ytick.labelsize", "legend.fontsize", "legend.title_fontsize")
    same = ("font.size", "axes.titlesize", "axes.labelsize")
    sizes = dict.fromkeys(small, font_size - 1) | dict.fromkeys(same, font_size)
    return sizes | {"figure.titlesize": font_size + 1}


_CURRENT: ContextVar[style] = ContextVar("style", default=style())  # noqa: B039


@contextlib.contextmanager
def _applied(settings: Any) -> Iterator[None]:
    """These settings over matplotlib's own defaults."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Draws in the style in force inside the block, or in the function so decorated."""
    with _applied(_CURRENT.get().settings):
        yield


class Figure(drawn.Figure):
    """A figure that knows its style, what it shows and the numbers drawn.

    Notebooks show it below the cell that makes it, with or without pyplot.

    Attributes:
        caption: What is shown and how it is read, in sentences.
        data: The drawn numbers, a row each.
        settings: The style it was made in, as matplotlib's settings.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.caption: str = ""
        self.data: list[dict[str, Any]] = []
        self.settings: Mapping[str, Any] = _CURRENT.get().settings

    def draw(self, renderer: Any) -> None:
        """As matplotlib's, in the style that it was made in: ticks are made only now."""
        with _applied(self.settings):
            super().draw(renderer)

    def savefig(self, fname: Any, *, transparent: Any = None, **more: Any) -> None:
        """As matplotlib's, in the style that it was made in."""
        with _applied(self.settings):
            super().savefig(fname, transparent=transparent, **more)

    def _repr_png_(self) -> bytes:
        shown = io.BytesIO()
        style.save(self, shown, dpi=SCREEN, kind="png")
        return shown.getvalue()


def page(width: float, height: float) -> Figure:
    """An empty figure of a size in millimeters, whose parts are laid out when it is drawn.

    A width that the user's style names takes the place of this one, at the same proportions.
    """
    named = _CURRENT.get().width or width
    size = _inches(named, height * named / width)
    return Figure(figsize=size, layout="constrained")


def _inches(width: float, height: float) -> tuple[float, float]:
    return width / INCH, height / INCH


def small_size() -> float:
    """Points of small texts in the style in force."""
    return float(matplotlib.rcParams["legend.fontsize"])


def plain(text: str) -> str:
    """A text as it is, where what stands between two $ is no formula; sigma_OOD alone is one."""
    return text.replace("$", r"\$").replace("sigma_OOD", r"$\sigma_{OOD}$")
