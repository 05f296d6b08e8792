"""Figures beside results: drawn once these are written, and never at their cost."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rnnensemble.files import pictures
from rnnensemble.files.locks import LOG

if TYPE_CHECKING:
    from rnnensemble.figures.style import Figure


def draw(folder: Path, figures: "Callable[[], dict[str, Figure]]") -> "dict[str, Figure]":
    """Draws into a folder's `figures`, by name; what cannot be drawn costs a line on stderr.

    Returns the figures; none if one of them cannot be drawn.
    """
    try:
        drawn = figures()
        if drawn:
            pictures.replace_figures(folder, drawn)
    except Exception as error:  # matplotlib, fonts, disks: each has its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        LOG.warning("no figures in %s (%s); its numbers are written", folder, reason)
        if (folder / "figures").exists():  # they would show earlier results
            pictures.replace_figures(folder, {})
        return {}
    return drawn
