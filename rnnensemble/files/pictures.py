"""Figures of a folder, each with its numbers and its caption."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rnnensemble.files import folders

if TYPE_CHECKING:
    from rnnensemble.figures.style import Figure


def replace_figures(folder: Path, figures: "Mapping[str, Figure]") -> None:
    """Puts figures, with their numbers and captions, in the place of the folder's `figures`."""
    from rnnensemble.figures.style import DPI, style  # loads matplotlib

    if (folder / "figures").is_symlink():  # in somebody else's folder it may lead anywhere
        (folder / "figures").unlink()
    with folders.whole_folder(folder / "figures") as partial:
        partial.mkdir()
        for name, figure in figures.items():
            for suffix in ("png", "svg", "pdf"):
                style.save(figure, partial / f"{name}.{suffix}", dpi=DPI)
                with style():  # under a user's own settings None may mean an engine
                    figure.set_layout_engine(None)  # laid out once; it takes as long as to draw
            if figure.data:
                folders.put_rows(partial / f"{name}.csv", figure.data)
            (partial / f"{name}.txt").write_text(f"{figure.caption}\n", encoding="utf-8")
