"""The one font of all figures, which SVG files carry with them."""

import base64
import functools
import io
import re
import string
from html import unescape
from typing import Any

from fontTools import subset, ttLib
from matplotlib import font_manager

FONT = "DejaVu Sans"
"""It comes with matplotlib, so that figures look the same everywhere."""

USUAL = frozenset(string.printable.strip() + " ²×≤≥−µσρπ°")  # noqa: RUF001
"""Characters that every SVG's font has: one font serves most figures of a process."""


def with_font(svg: bytes) -> bytes:
    """An SVG, written with `svg.fonttype` "none" so that its text is text, together with its font.

    A viewer that lacks the font would put another in its place, whose letters have other widths.
    """
    text = svg.decode()
    shown = "".join(re.findall(r"<(?:text|tspan)\b[^>]*>([^<]*)", text))
    more = frozenset(unescape(shown)) - USUAL - frozenset(string.whitespace)
    face = (
        f'@font-face {{font-family: "{FONT}"; '
        f'src: url("data:font/woff;base64,{_encoded(more)}") format("woff");}}'
    )
    return text.replace("<defs>", f'<defs>\n  <style type="text/css">{face}</style>', 1).encode()


@functools.lru_cache(maxsize=64)
def _encoded(more: frozenset[str]) -> str:
    """The usual characters of the font and some more, as base64 of a WOFF file."""
    options: Any = subset.Options()
    options.flavor = "woff"
    options.layout_features = []
    options.hinting = False
    options.drop_tables += ["FFTM"]  # a date of the editor, of which fontTools would complain
    font = ttLib.TTFont(font_manager.findfont(FONT), recalcTimestamp=False)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=sorted(map(ord, USUAL | more)))
    cut.subset(font)
    font.flavor = "woff"
    written = io.BytesIO()
    font.save(written)
    return base64.b64encode(written.getvalue()).decode()
