"""How our figures look, whatever the user's own settings of matplotlib say.

Only this file loads matplotlib first: a backend named by MPLBACKEND that this environment lacks, as
a notebook's own, must not stop figures that are written to files alone.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

if "matplotlib" not in sys.modules:
    _backend = os.environ.pop("MPLBACKEND", None)
    import matplotlib

    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
        with contextlib.suppress(ValueError):  # matplotlib does not know it
            matplotlib.rcParams["backend"] = _backend
else:
    import matplotlib

from matplotlib import figure as drawn

SCREEN = 90
"""Dots an inch in notebooks."""

WIDEST = 1100
"""Pixels that an image in a page is wide at most."""


class Figure(drawn.Figure):
    """A figure that notebooks show below the cell that makes it, with or without pyplot."""

    caption: str = ""

    def _repr_png_(self) -> bytes:
        shown = io.BytesIO()
        save(self, shown, dpi=SCREEN, kind="png")
        return shown.getvalue()


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Draws with matplotlib's own defaults inside the block, or in the function so decorated."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def plain(text: str) -> str:
    """A user's text as matplotlib shows it as it is: what stands between two $ is no formula."""
    return text.replace("$", r"\$")


@ours()
def save(
    figure: drawn.Figure, target: Path | IO[bytes], *, dpi: int, kind: str | None = None
) -> None:
    """Writes a figure to a file, of the kind its name says unless given."""
    figure.savefig(target, dpi=dpi, format=kind)


def small(png: bytes) -> bytes:
    """An image for a page: at most 1,100 pixels wide, in 64 colors, a third of the bytes."""
    from matplotlib.image import imread
    from PIL import Image  # matplotlib brings it

    pixels = (255 * imread(io.BytesIO(png))[..., :3]).round().astype("uint8")
    image, written = Image.fromarray(pixels), io.BytesIO()
    if image.width > WIDEST:
        height = round(image.height * WIDEST / image.width)
        image = image.resize((WIDEST, height), Image.Resampling.LANCZOS)
    image.quantize(64, dither=Image.Dither.NONE).save(written, "png", optimize=True)
    return written.getvalue()
