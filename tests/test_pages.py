"""What pages name exists: links, figures, names of the API."""

import ast
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

import rnnensemble as rnne
from tests.shown import PAGES, ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEXTS = [*(ROOT / page for page in PAGES), ROOT / "CONTRIBUTING.md", *NOTEBOOKS]


def prose(path):
    """A page, or the words of a notebook, without code."""
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.DOTALL | re.M)


def anchors(path):
    """What can stand behind the # of a link: a page's headings, as Markdown names them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"[`*]", "", path.read_text()), re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", x).strip().lower()) for x in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_work(path):
    for link in LINK.findall(prose(path)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    docs = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    docs += [f"notebooks/{path.name}" for path in NOTEBOOKS]
    assert [page for page in docs if f": {page}\n" not in navigation] == []


def test_the_api_has_every_public_name():
    listed = set(re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(), re.M))
    known = {name.rpartition(".")[2] for name in listed}
    rooms = (
        rnne,
        rnne.figures,
        rnne.fixed_points,
        rnne.metrics,
        rnne.networks,
        rnne.stats,
        rnne.tasks,
    )
    for room in rooms:
        names = {name for name in room.__all__ if not isinstance(getattr(room, name), ModuleType)}
        assert names - known == set(), room.__name__


def figure_functions():
    """Every public function of the package that makes figures, with its file."""
    for path in sorted(Path(rnne.figures.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and re.match(r"[a-z]\w*_figures?$", node.name):
                yield path.stem, node.name


def test_the_gallery_has_every_figure():
    text = (ROOT / "docs" / "gallery.md").read_text()
    for room, name in figure_functions():
        called = f"study.{name}(" if room == "study" else f"{name}("
        assert called in text, (room, name)
    pictures = set(re.findall(r"\(figures/gallery/(\w+\.png)\)", text))
    made = list((ROOT / "docs" / "figures" / "gallery").iterdir())
    assert {path.name for path in made} == pictures
    assert sum(path.stat().st_size for path in made) < 1.5e6
