"""A document as one HTML page that needs nothing but itself."""

import base64
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnensemble.study.findings import AGREES, DISAGREES, NO_CLAIM, UNDECIDED
from rnnensemble.study.pages.document import Chart, Document, Section

CLASSES = {AGREES: AGREES, DISAGREES: DISAGREES, UNDECIDED: UNDECIDED, NO_CLAIM: UNDECIDED}
"""Classes of cells by their verdict."""

NUMBER = r"[-\d.,e+%]+|\[[-\d.,e+ ]+\]"
"""Cells that stay on one line: a number, or an interval."""

DIGITS = {"trials": 3, "curves": 3}
"""Significant digits of what these charts draw; 4 of all others."""

SCRIPTS = ("echarts.min.js", "page.js")


def page(document: Document) -> str:
    """The whole page.

    Names and texts are escaped, and a policy in the head forbids everything but the two scripts
    of this package: no request leaves the page, and no text in it runs.
    """
    import jinja2  # only where a page is written

    loader = jinja2.PackageLoader("rnnensemble.study.pages", ".")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "base64": lambda image: base64.b64encode(image).decode(),
        "unbroken": _unbroken,
        "class": _class,
    }
    environment.globals["id"] = id
    sources = (loader.get_source(environment, name)[0] for name in ("page.css", *SCRIPTS))
    style, *scripts = sources
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    document = _anchored(document)
    charts = list(_charts(document.sections))
    drawn = [plain(x.data, DIGITS.get(x.data["kind"], 4)) for x in charts]
    return environment.get_template("page.html.jinja").render(
        document=document,
        style=style,
        scripts=scripts,
        policy=" ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests),
        numbers={id(chart): number for number, chart in enumerate(charts)},
        data=json.dumps(drawn, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c"),
        version=importlib.metadata.version("rnnensemble"),
    )


def plain(value: Any, digits: int = 4) -> Any:
    """What JSON can hold: arrays as lists, numbers with few digits, None for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): plain(each, digits) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), digits)
    if isinstance(value, np.generic):
        return plain(value.item(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(each, digits) for each in value]
    return value


def _charts(parts: Sequence[Any]) -> Any:
    """All charts, in the order of the page."""
    for part in parts:
        if isinstance(part, Section):
            yield from _charts(part.parts)
        elif isinstance(part, Chart):
            yield part


def _anchored(document: Document) -> Document:
    """The document with an anchor for every section, each its own."""
    known: set[str] = set()

    def anchored(section: Section) -> Section:
        name = section.anchor or re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")[:60]
        found, number = name or "part", 1
        while found in known:
            number += 1
            found = f"{name or 'part'}-{number}"
        known.add(found)
        parts = [anchored(x) if isinstance(x, Section) else x for x in section.parts]
        return dataclasses.replace(section, anchor=found, parts=parts)

    return dataclasses.replace(document, sections=[anchored(x) for x in document.sections])


def _class(text: str) -> str | None:
    """The class of a cell: its verdict, before the paper's direction, or that it is a number."""
    if re.fullmatch(NUMBER, text):
        return "number"
    return CLASSES.get(text.partition(" (paper:")[0].rpartition(", ")[2])


def _unbroken(text: str) -> str:
    """A cell whose intervals stay on one line."""
    return re.sub(r"\[.*?\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
