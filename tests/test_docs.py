"""What the documents print is what runs."""

import contextlib
import importlib.util
import io
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rnnensemble import distance_matrix, metrics
from tests import own_metric
from tests.shown import (
    NEEDS,
    PAGES,
    ROOT,
    SHOWN,
    blocks,
    fresh,
    is_file,
    masked,
    page_blocks,
    run_page,
    runs,
)


def test_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80
    (code,) = blocks("README.md", "python")
    assert len(code.strip().splitlines()) <= 16


def test_pages_show_the_tested_files():
    for page in SHOWN:
        assert [is_file(page, block) for block in page_blocks(page)].count(True) == 1, page


def test_no_block_is_left_out():
    for page in PAGES:
        text = (ROOT / page).read_text()
        for language in ("python", "text", "console"):
            assert text.count(f"```{language}") == len(blocks(page, language)), page


def test_every_output_stands_behind_its_code():
    for page in PAGES:
        assert all(b.after_code for b in page_blocks(page) if b.language == "text"), page


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("mean 0.48 of 6", True),  # one more in the last digit
        ("mean   0.489 of 6\n", True),
        ("mean 0.52 of 6", False),
        ("mean 0.47 of 5", False),
        ("median 0.47 of 6", False),
        ("mean 0.47 of 6 and 7", False),
    ],
)
def test_outputs_are_compared(printed, same):
    assert fresh("mean 0.47 of 6", printed) == same


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)])
def test_page_runs_as_printed(page, tmp_path, monkeypatch):
    """What a page shows is what its code and its commands print, up to rounding."""
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    names = dict(SHOWN[page][1]) if page in SHOWN else {}
    printed = []
    for block, text in run_page(page, names):
        printed.append(text)
        assert block is None or fresh(block.text, text), f"{page} shows\n{block.text}not\n{text}"
    if page in CHECKS:
        CHECKS[page](names, "".join(printed))


NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
NEEDED = {"pytorch": "torch", "neurogym_task": "neurogym"}
"""What a notebook needs beside this package."""


def cells(path, kind):
    """The cells of a notebook."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    """What a notebook shows is what its cells print, run in order, up to rounding."""
    needed = NEEDED.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a notebook may add a folder of its own
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in cells(path, "code"):
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
    for each in names.values():  # which the end of a notebook's own process would remove
        if isinstance(each, tempfile.TemporaryDirectory):
            each.cleanup()
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    shown = ["".join(each["text"]) for each in outputs if each.get("name") == "stdout"]
    assert fresh(masked("".join(shown)), masked(printed.getvalue())), printed.getvalue()


def test_notebooks_were_executed():
    """In order and whole: what they show is what their code printed and drew."""
    for path in NOTEBOOKS:
        code = cells(path, "code")
        counts = [cell["execution_count"] for cell in code]
        assert counts == list(range(1, len(code) + 1)), path.name
        outputs = [output for cell in code for output in cell["outputs"]]
        assert not [each for each in outputs if each["output_type"] == "error"], path.name
        assert any("image/png" in each.get("data", {}) for each in outputs), path.name


def trains_the_task(names, _):
    population = names["population"]
    assert population.size == 4
    assert population.converged.all()
    assert population.task.out_of_distribution()["temporal"].n_steps == 40


def measures_speeds(names, _):
    assert len(blocks("docs/add-a-metric.md", "python")[0].splitlines()) <= 36
    first, second = (
        np.sqrt(np.mean((x[:, 2:] - x[:, :-2]) ** 2, axis=-1)) for x in names["activity"][:2]
    )
    expected = np.sqrt(np.mean((first - second) ** 2))
    assert names["matrix"][0, 1] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"`activity` must be .* with T > 30; got"):
        distance_matrix(own_metric.Speed(lag=30), names["activity"])


def prints_alignments(_, printed):
    """DSA: the second of three networks is the first, rotated; a null beside them."""
    pairs = re.findall(r"distance ([\d.]+), at least ([\d.]+), reached by (\d+) of 6", printed)
    (same, *_), *others = (tuple(map(float, pair)) for pair in pairs)
    assert same < 0.001
    for distance, least, reached in others:
        assert 0.1 < least <= distance
        assert reached >= 1
    null = re.search(r"null: ([\d. ]+)", printed).group(1).split()
    assert all(0 < float(value) < others[0][0] for value in null)


def prints_parts(_, printed):
    """InputDSA: a rotated copy, and a network that shares the input weights of the first."""
    parts = np.array(re.findall(r"(\d\.\d+)", printed), float).reshape(2, 3)
    assert (parts[0] < 0.002).all()
    distance, state, drive = parts[1]
    assert min(distance, state) > 0.1
    assert drive < state / 2


def prints_planes(names, _):
    """A turned and mirrored copy, and a plane that turns at another speed."""
    matrix = names["pairs"].matrix()
    assert matrix[0, 1] < 0.002
    np.testing.assert_allclose(matrix[:2, 2], 0.34, atol=0.02)


def tells_complexity(names, printed):
    assert "inputs 1.1" in printed  # at 0 one bit, later 1.18
    assert names["found"].total_memory == pytest.approx(0.7 * 19 / 20, abs=0.05)
    assert names["learned"].dimension == 128
    assert names["learned"].loss[0].min() > 3 * names["learned"].loss[2].max()


def finds_alternatives(names, _):
    found = names["found"]
    among = found.among(found.predictivity, "standard", "standard")
    away = found.among(found.predictivity, "alternative", "standard")
    assert names["alternative"].converged.all()
    assert names["further"].converged.all()
    assert away.max() < 0.6 < 0.9 < among.min()


def brings_networks_back(names, printed):
    assert float(re.search(r"^\d\S*e-0\d$|^0\.0$", printed, re.M).group()) < 1e-5
    assert names["theirs"].network.cell == "flax.linen:GRUCell"
    assert (names["folder"] / "network.py").is_file()


def writes_events(names, _):
    (written,) = Path("logs/flipflop").iterdir()
    assert b"loss/network 2" in written.read_bytes()


def reads_the_bit(names, _):
    assert names["found"].means["bit_0"].value > 0.95


CHECKS = {
    "docs/export.md": brings_networks_back,
    "docs/trackers.md": writes_events,
    "docs/deflation.md": finds_alternatives,
    "docs/decodability.md": reads_the_bit,
    "docs/complexity.md": tells_complexity,
    "docs/add-a-task.md": trains_the_task,
    "docs/add-a-metric.md": measures_speeds,
    "docs/metrics/dsa.md": prints_alignments,
    "docs/metrics/input-dsa.md": prints_parts,
    "docs/metrics/autocovariance.md": prints_planes,
}
"""What a page that ran must have found, beside the outputs that it shows."""


def test_table_of_metrics_is_the_registry():
    rows = re.findall(
        r"^\| `(\w+)` \|.*?\| (\w+) \| (yes|no) \|.*\]\((metrics/.*?\.md)\) \|$",
        (ROOT / "docs/measures.md").read_text(),
        re.M,
    )
    found = {name: (data, symmetric == "yes") for name, data, symmetric, _ in rows}
    expected = {name: (each.data, each.symmetric) for name, each in metrics.registered().items()}
    assert found == expected
    assert all(f": {page}" in (ROOT / "mkdocs.yml").read_text() for *_, page in rows)
