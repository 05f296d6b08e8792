"""Whatever things are called, the page of a report runs nothing of it."""

import dataclasses
import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from rnnensemble.study import findings
from rnnensemble.study.pages.document import Chart, Document, Picture, Section, Sheet
from rnnensemble.study.pages.html import page, plain
from rnnensemble.study.pages.sweep import sweep_document
from rnnensemble.study.tables import Table
from tests.outcomes import Truth, factor, study

RUN = "document.documentElement.id='ran'"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f'"><img src=x onerror="{RUN}">',
    f'\'><svg onload="{RUN}">',
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"</title></style></pre></script><script>{RUN}</script>",
    f'<a href="javascript:{RUN}">javascript:{RUN}</a>',
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    '<meta http-equiv="refresh" content="0; url=data:text/html,x"><base href="//evil">',
    "{{7*7}}{% for x in () %}{# -->]]><!-- ",
    "\u202etxt.exe\u2066\u200f\x00\x1b[2J&lt;script&gt;",
)
POLICY = re.compile(r"<meta http-equiv=.Content-Security-Policy.*?>")


def written(texts):
    """A page in which every name and text of a user's is one of these, in turn."""
    turn = iter(texts * 20)
    known = [Truth(dynamics=1 / x, networks=4) for x in (1.0, 2.0)]
    sweep, outcomes = study([(factor(f"f{i}", [1, 2]), known) for i in range(len(texts))])
    factors = [
        dataclasses.replace(
            each,
            **{field: next(turn) for field in ("task", "title", "unit")},
            name=text,
            levels=tuple(dataclasses.replace(x, label=next(turn)) for x in each.levels),
        )
        for each, text in zip(sweep.factors, texts, strict=True)
    ]
    for each in outcomes.values():
        each.manifest["versions"] = {next(turn): next(turn)}
    sweep = dataclasses.replace(sweep, name=texts[0], preset=texts[1], factors=tuple(factors))
    found = findings.find(sweep, outcomes, permutations=9)
    rows = [
        {"factor": each.name, "task": each.task, "digest": level.condition.digest}
        | {"converged": 4, "size": 4, "dsa": 0.5, "dsa_low": 0.4, "dsa_high": 0.6}
        for each in sweep.factors
        for level in each.levels
    ]
    pictures = {f"{text}_dynamics": Picture(text, text, b"") for text in texts}
    files = {next(turn): next(turn) for _ in texts}
    return page(
        sweep_document(sweep, outcomes, found, rows, details={}, pictures=pictures, files=files)
    )


class Tags(HTMLParser):
    """Every element with the names of its attributes, and every address."""

    def __init__(self, text):
        super().__init__()
        self.found, self.addresses, self.ran = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.found.append((tag, *known))
        self.addresses += [known[name] for name in ("href", "src") if name in known]
        self.ran |= tag == "html" and known.get("id") == "ran"


@pytest.fixture(scope="module")
def hostile():
    return written(PAYLOADS)


def test_hostile_names_add_no_element(hostile):
    """Nor an attribute: the page has those of one with harmless names."""
    harmless = written(tuple(f"plain {'abcdefghij'[i]}" for i in range(len(PAYLOADS))))
    found = Tags(hostile)
    assert found.found == Tags(harmless).found
    kinds = ("#", "data:image/png;base64,")
    assert all(each.startswith(kinds) or ":" not in each for each in found.addresses)
    assert not {"iframe", "svg", "base"} & {tag for tag, *_ in found.found}
    assert not [name for _, *names in found.found for name in names if name.startswith("on")]
    assert "{{7*7}}" in hostile
    for text in PAYLOADS[:7]:  # they are there, as text
        assert html.escape(text, quote=False).split("=")[0] in hostile.replace(
            "&#34;", '"'
        ).replace("&#39;", "'")


def test_what_charts_draw_is_plain_and_ends_nothing(hostile):
    """Numbers have few digits, none that JSON lacks; no text closes the element it stands in."""
    values = {"x": np.array([1.23456789, np.nan]), "y": (np.float32(1e-9), np.inf, True, None, 3)}
    assert plain(values) == {"x": [1.235, None], "y": [1e-9, None, True, None, 3]}
    (text,) = re.findall(r'id="data">(.*?)</script>', hostile, re.S)
    assert "<" not in text
    drawn = json.dumps(json.loads(text), ensure_ascii=False)
    assert PAYLOADS[0] in drawn


def test_columns_and_legends():
    """A column without any text is left out; a table of nothing stays; words have meanings."""
    table = Table(("a", "b", "c"), [("1", "", "x"), ("2", "", "")])
    assert Sheet(table).shown == Table(("a", "c"), [("1", "x"), ("2", "")])
    assert Sheet(Table(("a", "b"), [])).shown.head == ("a", "b")
    sheet = Sheet(table, "Words. More.", legend={"a": "the first"}, links={"1": "there"})
    text = page(Document("t", ["s"], [Section("There", [sheet])]))
    assert '<th scope="col" title="the first">a</th>' in text
    assert '<th scope="row"><a href="#there">1</a></th>' in text
    assert "<dt>a</dt><dd>the first</dd>" in text
    assert "<caption>Words. More.</caption>" in text


def test_anchors_are_all_different_and_charts_have_their_pictures():
    picture = Picture("seen", "what is seen", b"png")
    chart = Chart("c", "how to read it", {"kind": "levels", "measures": []}, [picture])
    inner = Section("Same", [chart], folded=True)
    sections = [Section("Same", [inner]), Section("Same", []), Section("?", [])]
    text = page(Document("t", [], sections))
    anchors = re.findall(r'<(?:section|details class="section") id="(.*?)"', text)
    assert anchors == ["same", "same-2", "same-3", "part"]
    assert '<figure class="chart" data-chart="0">' in text
    assert 'alt="seen. what is seen"' in text
    assert text.count('<a href="#same">') == 1
    assert '<a href="#same-2">' not in text  # what is folded has no place in the contents


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def ran(browser, text, folder):
    """Whether a browser runs anything of a page."""
    (folder / "page.html").write_text(text)
    options = ["--headless", "--dump-dom", "--virtual-time-budget=2000", "--disable-gpu"]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    profile = f"--user-data-dir={folder}/profile"
    command = [browser, *options, profile, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Findings over tasks" in done.stdout
    return Tags(done.stdout).ran


@pytest.mark.long
def test_a_browser_runs_nothing_of_hostile_names(hostile, tmp_path):
    """Escaping and the page's policy each suffice; without both the test would see it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is here")
    raw = html.unescape(hostile)
    assert ran(browser, POLICY.sub("", raw), tmp_path)
    assert not ran(browser, raw, tmp_path)
    assert not ran(browser, POLICY.sub("", hostile), tmp_path)
    assert not ran(browser, hostile, tmp_path)
