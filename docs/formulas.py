"""A hook of mkdocs: formulas become MathML, which browsers draw without any script."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
"""Formulas as pymdownx.arithmatex marks them: `\\(...\\)` in a line, `\\[...\\]` on their own."""


def on_page_content(content: str, **_: Any) -> str:
    """Called by mkdocs with each page."""
    return FORMULA.sub(drawn, content)


def drawn(found: re.Match[str]) -> str:
    """A formula as MathML, in the element in which it stood."""
    kind, formula = found.groups()
    display = "block" if kind == "div" else "inline"
    return f"<{kind}>{convert(html.unescape(formula), display=display)}</{kind}>"
