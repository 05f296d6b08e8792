"""What a report consists of, as values."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rnnensemble.study.tables import Table


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph; a warning where `careful`."""

    text: str
    careful: bool = False
    kind = "text"


@dataclasses.dataclass(frozen=True)
class Points:
    """A list of sentences."""

    lines: Sequence[str]
    kind = "points"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings as they stand in a file."""

    text: str
    kind = "settings"


@dataclasses.dataclass(frozen=True)
class Files:
    """Files beside the page: what each is, and its place from the page's folder."""

    files: Mapping[str, str]
    kind = "files"


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of the page.

    Attributes:
        table: Head and rows; columns without any text are left out.
        caption: What it holds and how to read it.
        legend: What the words in its first column, or its head, mean.
        links: Anchors within the page, by the text of a cell in the first column.
        group: If its rows are networks, whose: selecting a row selects the network in every chart
            of the group. The first column is then its number.
    """

    table: Table
    caption: str = ""
    legend: Mapping[str, str] = dataclasses.field(default_factory=dict)
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)
    group: str = ""
    kind = "sheet"

    @property
    def shown(self) -> Table:
        """The table without columns that say nothing."""
        head, rows = self.table
        used = [i for i in range(len(head)) if any(row[i] for row in rows)] if rows else []
        if not rows:
            return self.table
        kept = [tuple(row[i] for i in used) for row in rows]
        return Table(tuple(head[i] for i in used), kept)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure as an image, with a title, and a caption that says how to read it."""

    title: str
    caption: str
    png: bytes
    kind = "picture"


@dataclasses.dataclass(frozen=True)
class Chart:
    """A plot that is drawn in the browser from `data`, plain values and arrays that `charts` makes.

    The pictures stand there without JavaScript, and on paper.
    """

    title: str
    caption: str
    data: Mapping[str, Any]
    pictures: Sequence[Picture] = ()
    kind = "chart"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with a heading, sections among its parts; a folded one opens by a click.

    Its place in links, the anchor, is made of the title unless given.
    """

    title: str
    parts: Sequence[Any]
    anchor: str = ""
    folded: bool = False
    kind = "section"


@dataclasses.dataclass(frozen=True)
class Document:
    """A whole report.

    Its summary says what was trained, what was found, what to be careful about, in a sentence or
    two each.
    """

    title: str
    summary: Sequence[str]
    sections: Sequence[Section]
