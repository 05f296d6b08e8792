"""Figures for papers: real text, embedded fonts, widths, ranges, labels apart, numbers beside."""

import base64
import csv
import dataclasses
import io
import re
import string
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from fontTools import ttLib
from matplotlib.figure import Figure as PlainFigure
from matplotlib.text import Text

from rnnensemble import figures
from rnnensemble.figures import fonts, study, style
from rnnensemble.files import pictures
from rnnensemble.stats.intervals import mean_distance
from tests.drawn import (
    COUNT,
    FACTORS,
    FIGURES,
    LABELS,
    MATRIX,
    degeneracy,
    population,
    some_trials,
)
from tests.texts import overlaps

pytestmark = pytest.mark.painted

SVG = "{http://www.w3.org/2000/svg}"


def panels(figure):
    """Its axes, without bars of colors."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_texts_that_overlap_are_found():
    figure = PlainFigure()
    for x, words, angle in ((0.2, "here", 0), (0.22, "there", 0), (0.6, "a", 45), (0.99, "out", 0)):
        figure.text(x, 0.5, words, rotation=angle)
    assert overlaps(figure) == [("here", "there"), ("out", "the edge")]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_ready_for_print(name):
    """Texts keep apart, panels are not empty, and caption and numbers are there."""
    count, make = FIGURES[name]
    figure = make()
    assert overlaps(figure) == []
    assert round(25.4 * figure.get_figwidth()) in (89, 183)
    assert len(panels(figure)) == count
    assert all(axes.has_data() for axes in panels(figure))
    assert figure.caption.count(". ") >= 1 or figure.caption.endswith(".")
    assert figure.data
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert sizes <= {6.0, 7.0, 8.0}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_takes_axes(name):
    count, make = FIGURES[name]
    kinds = ["3d" if name == "fixed_points" and k == 0 else None for k in range(count)]
    host = PlainFigure()
    axes = [host.add_subplot(2, 4, k + 1, projection=kind) for k, kind in enumerate(kinds)]
    assert make(axes=np.array(axes) if count > 1 else axes[0]) is host
    assert all(each.has_data() for each in axes)
    assert host.caption
    assert host.data
    wrong = [*axes, host.add_subplot(2, 4, 8)]
    with pytest.raises(ValueError, match=f"`axes` must hold {count} Axes, one for each panel; got"):
        make(axes=wrong)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a matrix and a map of the same networks."""
    drawn = {name: FIGURES[name][1]() for name in ("heatmap", "map")}
    folder = tmp_path_factory.mktemp("written")
    pictures.replace_figures(folder, drawn)
    return folder / "figures", drawn


def test_svg_holds_text_and_the_font_of_its_letters(folder):
    text = (folder[0] / "map.svg").read_text()
    root = ElementTree.fromstring(text)
    texts = ["".join(each.itertext()).strip() for each in root.iter(f"{SVG}text")]
    assert {"MDS 1 (DSA, angular)", "null 0.4", *map(str, range(COUNT))} <= set(texts)
    families = re.findall(r"font-family: '([^']*)'", text)
    assert len(families) >= len(texts)
    assert set(families) == {fonts.FONT}
    (data,) = re.findall(r"font/woff;base64,([^\"]*)", text)
    known = set(ttLib.TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())
    assert set(map(ord, "".join(texts))) - {ord(each) for each in string.whitespace} <= known
    assert len(text) < 60_000


def test_a_letter_that_is_not_usual_is_in_the_font_too():
    with style():
        figure = figures.Figure()
    figure.text(0.5, 0.5, "\u0416 & <")
    written = io.BytesIO()
    style.save(figure, written, dpi=72, kind="svg")
    (data,) = re.findall(rb"font/woff;base64,([^\"]*)", written.getvalue())
    known = ttLib.TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()
    assert {0x416, ord("&"), ord("<")} <= set(known)


def test_pdf_embeds_its_font_and_no_file_bears_a_date(folder, tmp_path):
    written, drawn = folder
    pdf = (written / "map.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # TrueType
    assert b"/Type3" not in pdf
    assert b"DejaVuSans" in pdf
    again = {name: FIGURES[name][1]() for name in drawn}
    pictures.replace_figures(tmp_path, again)
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / "figures" / path.name).read_bytes(), path.name
    kinds = ("png", "svg", "pdf", "csv", "txt")
    names = {f"{name}.{kind}" for name in drawn for kind in kinds}
    assert {path.name for path in written.iterdir()} == names


def test_numbers_and_words_lie_beside_a_figure(folder):
    written, drawn = folder
    with (written / "heatmap.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT * (COUNT - 1) // 2
    for row in rows:
        assert float(row["value"]) == MATRIX[int(row["first"]), int(row["second"])]
    with (written / "map.csv").open() as file:
        places = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    dots = np.concatenate([each.get_offsets() for each in drawn["map"].axes[0].collections])
    np.testing.assert_allclose(np.sort(places, axis=0), np.sort(dots, axis=0))
    caption = (written / "map.txt").read_text()
    assert caption == drawn["map"].caption + "\n"
    for part in ("12 networks", "95% interval", "mean null, 0.4", "Open markers"):
        assert part in caption


def test_colors_range_over_what_is_off_the_diagonal():
    figure = FIGURES["heatmap"][1]()
    (image,) = figure.axes[0].images
    others = MATRIX[~np.eye(COUNT, dtype=bool)]
    assert (image.norm.vmin, image.norm.vmax) == (others.min(), others.max())
    assert np.ma.getmaskarray(image.get_array())[np.eye(COUNT, dtype=bool)].all()
    assert f"{others.min():.3g} to {others.max():.3g}" in figure.axes[1].get_ylabel()
    assert tuple(image.cmap.get_bad()[:3]) == (0.75, 0.75, 0.75)
    rings = figure.axes[0].collections[0].get_offsets()
    assert len(rings) == (others < 1).sum() > 0  # the mean null is 1


def test_values_below_their_null_are_open():
    null = np.where(np.arange(COUNT) < 4, 100.0, 0.01)
    figure = figures.mds_figure(MATRIX, mean_distance(MATRIX), null=null, **LABELS)
    closed, opened = figure.axes[0].collections
    assert len(closed.get_offsets()) == COUNT - 4
    assert len(opened.get_offsets()) == 4
    assert opened.get_facecolor().size == 0
    bar = figure.axes[0].get_lines()[0]
    assert np.ptp(bar.get_xdata()) == pytest.approx(null.mean())
    factor = FIGURES["study_factor"][1]().axes[0]
    (marked,) = [each for each in factor.get_lines() if each.get_markerfacecolor() == "white"]
    assert list(marked.get_xdata()) == [2]  # its null is planted above the distance


def test_labels_in_a_crowd_are_left_out_rather_than_laid_over_one_another():
    places = np.random.default_rng(1).normal(size=(120, 2))
    crowd = np.linalg.norm(places[:, None] - places[None], axis=-1)
    names = {"name": "d", "unit": "d", "networks": range(1000, 1120)}
    figure = figures.mds_figure(crowd, mean_distance(crowd), **names)
    assert overlaps(figure) == []
    labels = [text for text in figure.axes[0].texts if text.get_visible()]
    assert 20 < len(labels) < 120


@pytest.mark.parametrize(("width", "size"), [("single", 89), ("double", 183), (120, 120)])
def test_a_style_holds_for_our_figures_and_for_those_of_others(width, size):
    before = dict(matplotlib.rcParams)
    with style(width, font_size=8, settings={"axes.grid": True}):
        ours = FIGURES["losses"][1]()
        theirs = PlainFigure()
        assert theirs.subplots().xaxis.label.get_fontsize() == 8
        theirs.axes[0].set_title("mine")
    assert dict(matplotlib.rcParams) == before
    for figure in (ours, theirs):
        assert 25.4 * figure.get_figwidth() == pytest.approx(size)
    assert ours.axes[0].xaxis.label.get_fontsize() == 8
    ours.draw_without_rendering()  # ticks are made only now, in the style of before
    assert ours.axes[0].get_yticklabels()[0].get_fontsize() == 7
    assert ours.axes[0].get_xgridlines()[0].get_visible()
    assert round(25.4 * FIGURES["losses"][1]().get_figwidth()) == 89


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": "wide"}, '`width` must be "single", "double" or a number of millimeters; got'),
        ({"width": 5}, "`width` must lie between 20 and 1000 millimeters; got 5"),
        ({"font_size": 0}, "`font_size` must lie between 3 and 40 points; got 0"),
        ({"settings": {"axes.gird": True}}, "`settings` must be named as matplotlib names them"),
    ],
)
def test_a_style_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        style(**given)


def test_axes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="`axes` must hold matplotlib's Axes; got str"):
        FIGURES["map"][1](axes="left")
    with pytest.raises(ValueError, match='`axes` must begin with one of projection="3d"; got'):
        FIGURES["fixed_points"][1](axes=PlainFigure().subplots(1, 2))


def test_what_is_not_measured_has_no_panel_and_is_said():
    known = degeneracy()
    less = dataclasses.replace(known, left_out={"weights": "no weights"})
    figure = figures.overview_figure(population(), less, *some_trials())
    assert len(figure.axes) == 5
    assert "Left out: weights." in figure.caption
    empty = study.factor_figure(FACTORS, {}, ["dynamics"])
    assert empty.axes == []
    assert "Left out: flipflop (DSA distance at 1, not measured yet" in empty.caption
    (words,) = empty.texts
    assert words.get_text() == "too little measured"


def lonely():
    """Distances of which network 3 has none."""
    matrix = MATRIX.copy()
    matrix[3] = matrix[:, 3] = np.nan
    return matrix


@pytest.mark.parametrize(
    ("matrix", "null"),
    [
        (np.array([[0.0, 1.0], [1.0, 0.0]]), [0.5, 0.5]),
        (lonely(), np.where(np.arange(COUNT) == 3, np.nan, 1.0)),
        (np.full((3, 3), np.nan), None),
        (np.zeros((4, 4)), np.zeros(4)),
        (MATRIX, np.full(COUNT, 50.0)),  # the bar is longer than the map
    ],
)
def test_odd_distances_are_drawn_as_well(matrix, null):
    labels = LABELS | {"networks": range(len(matrix)), "null": null}
    for figure in (
        figures.mds_figure(matrix, mean_distance(matrix), **labels),
        figures.heatmap_figure(matrix, **labels),
    ):
        assert overlaps(figure) == []
        assert len(figure.data) in (len(matrix), len(matrix) * (len(matrix) - 1) // 2)
    bars = figures.mds_figure(matrix, mean_distance(matrix), **labels).axes[0].get_lines()
    known = null is not None and np.nansum(null) > 0
    assert [np.ptp(bar.get_xdata()) for bar in bars] == pytest.approx(
        [np.nanmean(null)] if known else []
    )


def test_settings_without_nulls_have_one_panel():
    grid = degeneracy().grid
    figure = figures.settings_figure(grid._replace(nulls=np.full_like(grid.nulls, np.nan)))
    (axes,) = figure.axes
    assert axes.get_ylabel() == "mean DSA distance"
    assert "null" not in figure.caption
    assert overlaps(figure) == []
