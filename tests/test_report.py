"""The report is one whole page; advice quotes what was measured."""

import dataclasses
import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from rnnensemble import cli
from rnnensemble.analysis.measures.standard import STANDARD
from rnnensemble.cli import sweep_report as command
from rnnensemble.files import folders
from rnnensemble.stats.digits import with_interval
from rnnensemble.study import advice, rows
from rnnensemble.study.factors import Factor, Level, Sweep
from rnnensemble.study.findings import Findings, find
from rnnensemble.study.pages.document import Picture
from rnnensemble.study.pages.html import page
from rnnensemble.study.pages.sweep import sweep_document
from rnnensemble.study.tables import Table
from tests.outcomes import Truth, factor, study

ROOT = Path(__file__).parent.parent
VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Checks that elements close in order, and keeps what they hold."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.images, self.text = [], [], [], ""
        self.addresses, self.anchors, self.unnamed = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes)
        assert not {"onload", "onclick"} & attributes.keys()
        self.addresses += [attributes[name] for name in ("href", "src") if name in attributes]
        self.anchors |= {attributes["id"]} if "id" in attributes else set()
        self.unnamed += [tag] if tag == "th" and "scope" not in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data + " "


def parsed(text):
    found = Page()
    found.feed(text)
    assert not found.open
    found.text = " ".join(found.text.split())
    return found


def toy():
    """Channels in two tasks, one value missing; gamma with a level of few networks; two levels."""
    known = [Truth(dynamics=1 / x, weights=x, moved=x, networks=8) for x in (1.0, 2.0, 4.0)]
    few = Truth(networks=2)
    up = [Truth(dynamics=x, behavior=9 * x, networks=8) for x in (1.0, 2.0, 4.0)]
    return study(
        [
            (factor("channels", [1, 2, 3]), known),
            (factor("channels", [1, 2, 3, 4], "sine"), [*known, None]),
            (factor("gamma", [0.5, 1, 2, 4]), [*up, few]),
            (factor("auxiliary", [0, 1], "delayed_discrimination"), [Truth(), Truth()]),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep")
    command.write_sweep_report(path, *toy(), permutations=499)
    return path


def test_the_page_is_whole_and_shows_every_factor(folder):
    found = parsed((folder / "report.html").read_text())
    for words in ("Findings of toy, preset small", "channels", "gamma", "auxiliary"):
        assert words in found.text
    assert "12 of 13 conditions are measured: " in found.text
    assert "channels, sine: 4 (1 of 4 values)" in found.text
    assert "without 4 (2 converged, 3 needed)" in found.text
    assert re.search(r"down \(2 of 2 tasks\), agrees \(paper: down\)", found.text)
    assert "up (1 of 1 task), disagrees (paper: down)" in found.text
    assert 'jax "0"' in found.text.replace("&quot;", '"')
    assert found.text.count("n_steps = ") == 13  # all settings of all conditions
    assert {"details", "figure", "table", "caption", "nav", "main"} <= set(found.seen)


def test_the_page_says_in_words_what_was_found(folder):
    """Three paragraphs: what was trained, what was found, what to be careful about."""
    text = (folder / "report.html").read_text()
    (summary,) = re.findall(r'<div class="summary">(.*?)</div>', text, re.S)
    trained, seen, careful = re.findall(r"<p>(.*?)</p>", summary, re.S)
    assert "12 of 13 conditions are measured: 288 networks, of which 114 converged" in trained
    assert "Raising channels lowers dynamics (DSA) in 2 of 2 tasks" in seen
    assert "Raising gamma raises dynamics (DSA) in 1 of 1 task" in seen
    assert careful.startswith("Be careful: as few as 2 networks stand behind a number")


def test_every_condition_has_a_part_and_links_lead_somewhere(folder):
    sweep, _ = toy()
    found = parsed((folder / "report.html").read_text())
    assert {f"condition-{digest}" for digest in sweep.conditions} <= found.anchors
    inside = [each[1:] for each in found.addresses if each.startswith("#")]
    assert inside
    assert set(inside) <= found.anchors
    beside = [x for x in found.addresses if not x.startswith(("#", "data:"))]
    assert beside
    assert all((folder / each).is_file() for each in beside)
    assert not found.unnamed  # every head says what it heads


def test_a_page_elsewhere_leaves_the_folder_alone(folder, tmp_path):
    sweep, outcomes = toy()
    found = command.write_sweep_report(
        folder, sweep, outcomes, permutations=9, target=tmp_path / "page.html"
    )
    assert found.cells
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert "figures/" not in re.findall(r'href="(.*?)"', (tmp_path / "page.html").read_text())
    assert len(command.read_findings(folder / "findings.csv")) == len(found.cells)


def test_verdicts_are_marked_and_intervals_stay_on_one_line(folder):
    text = (folder / "report.html").read_text()
    assert '<td class="agrees">down (2 of 2 tasks), agrees (paper: down)</td>' in text
    assert '<td class="disagrees">disagrees</td>' in text
    assert '<td class="undecided">' in text
    assert re.search(r"<td>[\d.e+-]+ \[[\d.e+-]+,\xa0[\d.e+-]+\]</td>", text)
    assert '<td class="number">' in text


def test_the_page_needs_nothing_else(folder):
    text = (folder / "report.html").read_text()
    found = parsed(text)
    assert not {"link", "iframe"} & set(found.seen)
    assert found.seen.count("script") == 3
    assert len(found.images) == 3 * 4 + 1
    assert all(each["src"].startswith("data:image/png;base64,iVBOR") for each in found.images)
    assert all(each["alt"] for each in found.images)
    assert not [each for each in found.addresses if "//" in each.partition(",")[0]]
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.startswith("default-src 'none'; script-src ")
    assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]
    assert "prefers-color-scheme: dark" in text


def test_figures_and_findings_lie_beside_it(folder):
    names = {path.stem for path in (folder / "figures").glob("*.png")}
    assert names == {path.stem for path in (folder / "figures").glob("*.svg")}
    kinds = ("levels", "dynamics", "weights", "beside")
    factors = ("channels", "gamma", "auxiliary")
    assert names == {f"{name}_{kind}" for name in factors for kind in kinds} | {"dsa_settings"}
    read = command.read_findings(folder / "findings.csv")
    assert len(read) == 4 * 8
    assert read[0].factor == "channels"
    assert read[0].direction == "down"


def test_it_is_written_again_over_what_was_there(folder, tmp_path):
    sweep, outcomes = toy()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").write_text("")
    first = dict(list(outcomes.items())[:1])
    found = command.write_sweep_report(tmp_path, sweep, first, permutations=9)
    assert not (tmp_path / "figures" / "old.png").exists()
    assert {cell.verdict for cell in found.cells} == {"undecided", "no claim"}
    text = parsed((tmp_path / "report.html").read_text()).text
    assert "1 of 13 conditions are measured" in text
    assert "too little measured, undecided (paper: down)" in text
    assert not (tmp_path / "figures" / "dsa_settings.png").exists()


def test_topology_has_its_place_where_it_was_asked_for(tmp_path, folder):
    known = [Truth(topology=x, networks=8) for x in (0.1, 0.2, 0.4)]
    sweep, outcomes = study([(factor("channels", [1, 2, 3], starts=16), known)])
    command.write_sweep_report(tmp_path, sweep, outcomes, permutations=99)
    found = parsed((tmp_path / "report.html").read_text())
    assert "fixed points (OSPA)" in found.text
    assert "1: 2 + 1 (7 of 8); 2: 2 + 1 (7 of 8); 3: 2 + 1 (7 of 8)" in found.text
    cells = command.read_findings(tmp_path / "findings.csv")
    lines = advice.advise(cells, level="topology", want="diverse")
    assert lines[0] == "For more diverse fixed points (OSPA):"
    assert any("raise channels: x" in line for line in lines)
    assert "OSPA" not in (folder / "report.html").read_text()
    with pytest.raises(ValueError, match="`level` must be one of dynamics, weights, behavior, "):
        advised(folder, level="topology", want="diverse")


def test_a_sweep_without_results_has_no_report(tmp_path):
    sweep, _ = toy()
    with pytest.raises(ValueError, match=r"`folder` .* has no measured condition yet"):
        command.write_sweep_report(tmp_path, sweep, {})
    odd = dataclasses.replace(sweep.factors[0], name="../x")
    with pytest.raises(ValueError, match=r"`factors.name` must be letters.*got '\.\./x'"):
        command.write_sweep_report(tmp_path, dataclasses.replace(sweep, factors=(odd,)), {})
    assert not list(tmp_path.iterdir())


def test_names_are_escaped():
    sweep, _ = toy()
    level = sweep.factors[0].levels[0]
    odd = Factor(
        name="<b>&amp;",
        task='"task"',
        title="a<b",
        unit="",
        levels=(Level(value=1.0, label="<script>", condition=level.condition),),
    )
    both = Sweep(name="<i>", preset="", factors=(odd, *sweep.factors))
    picture = Picture("<u>", "<s>", b"")
    text = page(
        sweep_document(
            both,
            {},
            Findings([], {}, []),
            [],
            details={},
            pictures={"<b>&amp;_dynamics": picture},
            files={"<em>": "<q>"},
        )
    )
    found = parsed(text)
    assert not {"b", "i", "u", "s", "em", "q"} & set(found.seen)
    assert found.seen.count("script") == 3
    for words in ("<b>&amp;", '"task"', "<script>", "<i>", "<em>"):
        assert words in found.text


def advised(folder, **wish):
    cells = command.read_findings(folder / "findings.csv")
    return cells, advice.advise(cells, **wish)


def test_advice_quotes_the_measured_effects_in_their_order(folder):
    cells, lines = advised(folder, level="dynamics", want="consistent")
    assert lines[0] == "For more consistent dynamics (DSA):"
    turns = [line for line in lines if re.match(r"\d\.", line)]
    turned = {re.match(r"\d\. (\w+ \w+): x", line).group(1) for line in turns}
    assert turned == {"lower gamma", "raise channels"}
    effects = [float(re.search(r"x([\d.]+)", line).group(1)) for line in turns]
    assert effects == sorted(effects)
    assert all(effect < 1 for effect in effects)
    by_cell = {(c.factor, c.task): c for c in cells if c.level == "dynamics"}
    found = by_cell["channels", "flipflop"]
    quoted = f"flipflop: x{with_interval(found.ratio, ratio=True)} from 1 to 3"
    assert any(quoted in line for line in lines)
    gamma = by_cell["gamma", "flipflop"]
    value, low, high = gamma.ratio
    inverse = f"x{with_interval((1 / value, 1 / high, 1 / low), ratio=True)}"
    assert any(inverse in line and "from 2 to 0.5" in line for line in lines)
    assert any("down in 100% of 4 DSA settings" in line for line in lines)
    assert any("the paper finds the opposite" in line for line in lines)
    assert any("weights x" in line and "more diverse in 2 of 2 tasks" in line for line in lines)
    assert lines[-1] == "No effect shown: auxiliary (0 of 1 task)."
    means = [by_cell["channels", task].ratio.value for task in ("flipflop", "sine")]
    assert any(f"raise channels: x{np.sqrt(np.prod(means)):.3g}," in line for line in turns)


def test_advice_goes_the_other_way_for_the_other_wish(folder):
    _, lines = advised(folder, level="dynamics", want="diverse", task="flipflop")
    text = "\n".join(lines)
    assert "raise gamma" in text
    assert "lower channels" in text
    assert "from 3 to 1" in text
    assert "sine" not in text


def test_advice_says_where_nothing_supports_one(folder):
    wish = {"level": "weights", "want": "diverse", "task": "delayed_discrimination"}
    _, lines = advised(folder, **wish)
    assert lines == [
        "Nothing measured supports an advice for more diverse weights (PIF) on delayed "
        "discrimination.",
        "No effect shown: auxiliary (0 of 1 task).",
    ]


def test_advice_says_what_depends_on_the_task_and_what_was_not_measured():
    rising = [Truth(dynamics=x) for x in (1.0, 2.0, 4.0)]
    falling = [Truth(dynamics=1 / x) for x in (1.0, 2.0, 4.0)]
    sweep, outcomes = study(
        [
            (factor("channels", [1, 2, 3]), rising),
            (factor("channels", [1, 2, 3], "sine"), falling),
            (factor("gamma", [1, 2]), [None, Truth()]),
            (factor("delay", [1, 2, 3]), [Truth(weights=x) for x in (1.0, 3.0, 9.0)]),
        ]
    )
    cells = find(sweep, outcomes, permutations=499).cells
    lines = advice.advise(cells, level="dynamics", want="consistent")
    assert "Depends on the task: channels (up in 1, down in 1)." in lines
    assert lines[-1] == "No effect shown: gamma (not measured); delay (0 of 1 task)."
    lines = advice.advise(cells, level="weights", want="diverse")
    assert lines[-2].startswith(
        "     meanwhile: dynamics no trend in 1 of 1 task; behavior no trend"
    )


def test_what_an_option_does_to_another_level_may_depend_on_the_task():
    rising = [Truth(dynamics=x, weights=x) for x in (1.0, 2.0, 4.0)]
    falling = [Truth(dynamics=1 / x, weights=x) for x in (1.0, 2.0, 4.0)]
    known = zip(("flipflop", "sine"), (rising, falling), strict=True)
    sweep, outcomes = study([(factor("width", [1, 2, 3], task), x) for task, x in known])
    cells = find(sweep, outcomes, permutations=499).cells
    assert {c.direction for c in cells if c.level == "weights"} == {"down"}  # over N^2
    lines = advice.advise(cells, level="weights", want="consistent")
    assert "(of PIF / N²) from 1 to 3" in lines[2]
    assert re.search(r"meanwhile: dynamics x[\d.]+, depending on the task; behavior", lines[-1])


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"level": "dynamic", "want": "diverse"}, "`level` must be one of .* did you mean 'dyn"),
        ({"level": "zzz", "want": "diverse"}, "`level` must be one of .* got 'zzz'"),
        ({"level": "weights", "want": "consistant"}, "`want` .* did you mean 'consistent'?"),
        (
            {"level": "weights", "want": "diverse", "task": "flip"},
            "`task` must be one of flipflop, sine, .* did you mean 'flipflop'?",
        ),
    ],
)
def test_unknown_wishes_are_answered_with_the_nearest(folder, wish, message):
    with pytest.raises(ValueError, match=message):
        advised(folder, **wish)


def test_advise_prints_and_refuses_in_one_line(folder, tmp_path, monkeypatch, capsys):
    cli.main(["advise", "--want", "consistent", "--summary", f"{folder}/findings.csv"])
    printed = capsys.readouterr().out
    assert printed.startswith("For more consistent dynamics (DSA):")
    assert f"Effects are those measured in {folder}/findings.csv." in printed
    monkeypatch.chdir(tmp_path)
    cli.main(["advise"])
    assert "the study that comes with this package" in capsys.readouterr().out
    good = (folder / "findings.csv").read_text()
    (tmp_path / "other.csv").write_text("factor,task\nchannels,flipflop\n")
    (tmp_path / "empty.csv").write_text(good.splitlines()[0] + "\n")
    (tmp_path / "bad.csv").write_text(good.replace("0.", "zero", 1))
    for arguments, message in (
        (["--summary", f"{tmp_path}/none.csv"], "`summary` .*none.csv does not exist"),
        (["--summary", f"{tmp_path}/other.csv"], "no table of findings .column 'level' is missing"),
        (["--summary", f"{tmp_path}/empty.csv"], "`summary` .* holds no findings"),
        (["--summary", f"{tmp_path}/bad.csv"], "no table of findings .could not convert"),
        (["--wants", "diverse"], "`--wants` is not a setting; did you mean `--want`?"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["advise", *arguments])
        error = capsys.readouterr().err
        assert stop.value.code == 2
        assert re.search(message, error)
        assert error.count("\n") == 1


def test_report_refuses_in_one_line(tmp_path, capsys):
    for arguments, message in (
        ([], "`folder` is missing: rnnensemble report FOLDER"),
        ([str(tmp_path), "--permutations", "0"], "`permutations` must lie between 1 and 1,000,000"),
        ([str(tmp_path / "none")], "`run` must be a run folder"),
        ([str(tmp_path)], "is no whole run folder: manifest.json is missing"),
        ([str(tmp_path), str(tmp_path)], "`folder` names the same folder twice"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["report", *arguments])
        error = capsys.readouterr().err
        assert stop.value.code == 2
        assert message in error
        assert error.count("\n") == 1


def test_rows_say_which_column_is_wrong(folder):
    (good, *_) = folders.read_rows(folder / "findings.csv")
    assert rows.finding_of(good).factor == "channels"
    with pytest.raises(ValueError, match="column 'ratio_low' is missing"):
        rows.finding_of({name: x for name, x in good.items() if name != "ratio_low"})


def test_the_study_page_has_a_part_for_every_table():
    text = (ROOT / "docs" / "study" / "index.md").read_text()
    spec = importlib.util.spec_from_file_location("make_study", ROOT / "docs" / "make_study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cells = command.read_findings()
    names = {each.name for each in STANDARD}
    assert {cell.level for cell in cells} <= names
    parts = ["overall", "beside", "convergence", "run", *names - {"topology"}]
    for name in parts:
        assert f"<!-- {name}: begin -->" in text
        assert f"<!-- {name}: end -->" in text
    assert module.markdown(Table(("a", "b"), [("1|2", "3")])).splitlines()[-1] == "| 1\\|2 | 3 |"


def test_the_study_has_its_findings_beside_it():
    """The package's own findings, which `advise` quotes, are those of docs/study."""
    assert (ROOT / "docs" / "study" / "findings.csv").read_bytes() == command.FINDINGS.read_bytes()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "words", "charts"),
    [
        ("study", "816 networks, of which 816 converged", 7),
        ("alternatives", "flipflop: 40 standard, 4 alternative 1, 4 alternative 2", 6),
    ],
)
def test_tables_alone_are_reported_on(tmp_path, name, words, charts):
    """What docs/ holds of studies whose networks are not at hand; the folder stays as it is."""
    folder = ROOT / "docs" / name
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    cli.main(["report", str(folder), "--to", str(tmp_path / "page.html"), "--quiet"])
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    text = (tmp_path / "page.html").read_text()
    assert len(text.encode()) < 4e6
    found = parsed(text)
    assert words in found.text
    assert text.count('<figure class="chart"') == charts
    assert not [x for x in found.addresses if not x.startswith(("#", "data:"))]
