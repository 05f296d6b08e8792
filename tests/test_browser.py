"""Reports in a browser: tables sort, charts answer, links lead on, and nothing leaves the page."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from rnnensemble import cli
from tests.test_signals import SWEEP, nested
from tests.tiny import TINY

pytestmark = pytest.mark.long

DOCS = Path(__file__).parent.parent / "docs"
WIDTHS = (1400, 400)
"""Pixels of a screen and of a phone."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Chromium without a window; skipped where it, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser, service = (
        next(filter(None, map(shutil.which, names)), None),
        shutil.which("chromedriver"),
    )
    if browser is None or service is None:
        pytest.skip(
            "no Chromium with its driver is here (apt-get install chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    profile = tmp_path_factory.mktemp("profile")
    for each in ("--headless=new", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(each)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=service)
    )
    yield started
    started.quit()


class Shown:
    """A page in the browser."""

    def __init__(self, driver, path, width=1400):
        self.driver = driver
        self.logs()  # those of earlier pages
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get("about:blank")
        driver.get(path.as_uri())

    def run(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def wait(self, code, *arguments):
        """Until some code gives something true."""
        for _ in range(100):
            if found := self.run(f"return {code}", *arguments):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never: {code}")

    def look_through(self):
        """Scrolls from top to bottom, so that every chart of an open part is drawn."""
        for y in range(0, self.run("return document.documentElement.scrollHeight"), 500):
            self.run("window.scrollTo(0, arguments[0])", y)
            time.sleep(0.03)

    def logs(self):
        """What the console said, and all addresses that were asked for."""
        said = [each["message"] for each in self.driver.get_log("browser")]
        events = [json.loads(x["message"])["message"] for x in self.driver.get_log("performance")]
        sent = [x["params"] for x in events if x["method"] == "Network.requestWillBeSent"]
        return said, {each["request"]["url"] for each in sent}

    def require_quiet(self, path):
        """No error in the console, no request but for the page itself."""
        said, asked = self.logs()
        assert not said
        other = {x for x in asked if not x.startswith(("data:", "blob:", "about:"))}
        assert other == {path.as_uri()}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A report on each kind of folder."""
    root = tmp_path_factory.mktemp("runs")
    (root / "few.toml").write_text(TINY.replace("size = 3", "size = 9"))
    sweep = SWEEP.replace('"tiny"', '"shown"')
    (root / "sweep.toml").write_text(
        sweep.replace("[tasks.flipflop]", nested(TINY, "tasks.flipflop"))
    )
    np.save(root / "weights.npy", np.random.default_rng(0).normal(size=(5, 6, 6)))
    runs = ("--runs", str(root), "--quiet")
    for name in ("one", "two"):
        cli.main(["train", str(root / "few.toml"), "--name", name, *runs])
    cli.main(["analyse", "--weights", str(root / "weights.npy"), "--name", "foreign", *runs])
    cli.main(["sweep", str(root / "sweep.toml"), *runs])
    for name in ("one", "foreign", "shown"):
        cli.main(["report", str(root / name), "--quiet", "--permutations", "9"])
    both = (str(root / "one"), str(root / "two"))
    cli.main(["report", *both, "--to", str(root / "both.html"), "--quiet"])
    for name in ("study", "alternatives"):
        given = (str(DOCS / name), "--to", str(root / f"{name}.html"))
        cli.main(["report", *given, "--quiet"])
    made = {name: root / name / "report.html" for name in ("one", "foreign", "shown")}
    return made | {name: root / f"{name}.html" for name in ("both", "study", "alternatives")}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["one", "foreign", "shown", "both", "study", "alternatives"])
def test_every_page_draws_its_charts_and_asks_for_nothing(driver, pages, name, width):
    shown = Shown(driver, pages[name], width)
    shown.look_through()
    visible = "[...document.querySelectorAll('figure.chart')].filter(x => x.checkVisibility())"
    drawn = f"{visible}.every(x => x.querySelector('.canvas svg, .canvas canvas'))"
    shown.wait(f"{visible}.length > 0 && {drawn}")
    wide, screen = shown.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen  # nothing is cut off at the side
    assert shown.run("return document.querySelectorAll('.summary p').length") == 3
    shown.require_quiet(pages[name])


def rows_of(shown, start):
    """The first cells of the rows that show, of the table whose caption begins with these words."""
    code = """
        const table = [...document.querySelectorAll("table")].find(
            (x) => x.caption && x.caption.textContent.startsWith(arguments[0]));
        return [...table.tBodies[0].rows].filter((x) => !x.hidden).map(
            (x) => [...x.cells].map((cell) => cell.textContent));
    """
    return shown.run(code, start)


NETWORKS = "The converged networks"
TABLE = """
    const table = [...document.querySelectorAll("table")].find(
        (x) => x.caption && x.caption.textContent.startsWith("The converged networks"));
"""


def test_tables_sort_and_filter(driver, pages):
    shown = Shown(driver, pages["one"])
    before = rows_of(shown, NETWORKS)
    assert [row[0] for row in before] == [str(k) for k in range(9)]
    column = 2  # the training loss at the end
    values = [float(row[column]) for row in before]
    assert values != sorted(values)
    click = TABLE + "table.tHead.rows[0].cells[arguments[0]].querySelector('button').click()"
    shown.run(click, column)
    assert [float(row[column]) for row in rows_of(shown, NETWORKS)] == sorted(values)
    sorted_by = TABLE + "return table.tHead.rows[0].cells[arguments[0]].getAttribute('aria-sort')"
    assert shown.run(sorted_by, column) == "ascending"
    shown.run(click, column)
    found = [float(row[column]) for row in rows_of(shown, NETWORKS)]
    assert found == sorted(values, reverse=True)
    text = before[4][column]
    shown.run(
        TABLE
        + """
        const input = table.parentElement.previousElementSibling.querySelector("input");
        input.value = arguments[0];
        input.dispatchEvent(new Event("input"));
        """,
        text,
    )
    assert before[4] in rows_of(shown, NETWORKS)
    assert len(rows_of(shown, NETWORKS)) < 9
    shown.require_quiet(pages["one"])


MAP = "echarts.getInstanceByDom(document.querySelectorAll('figure.chart .canvas')[arguments[0]])"


def opacities(shown, panel):
    """How strongly each network is drawn in a map, by its name."""
    code = f"return {MAP}.getOption().series[0].data.map(x => [x.name, x.itemStyle.opacity])"
    return dict(shown.run(code, panel))


def test_what_is_chosen_in_one_place_shows_in_all(driver, pages):
    """A row, a dot and a key choose networks; maps, curves and table follow."""
    shown = Shown(driver, pages["one"])
    shown.look_through()
    shown.wait(f"{MAP} && {MAP}.getOption()", 1)
    assert set(opacities(shown, 0).values()) == {0.95}
    shown.run(TABLE + "table.tBodies[0].rows[3].click()")
    for panel in (0, 1):
        assert [name for name, x in opacities(shown, panel).items() if x > 0.5] == ["3"]
    shown.run(
        TABLE
        + """
        const row = table.tBodies[0].rows[5];
        row.focus();
        row.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
        """
    )
    chosen = (
        TABLE
        + """return [...table.tBodies[0].rows].filter(
        (x) => x.getAttribute("aria-selected") === "true").map((x) => x.cells[0].textContent)"""
    )
    assert shown.run(chosen) == ["3", "5"]
    place = """
        const chart = echarts.getInstanceByDom(document.querySelector("figure.chart .canvas"));
        const dot = chart.getOption().series[0].data.find((x) => x.name === "3");
        chart.getDom().scrollIntoView({ block: "center" });
        const box = chart.getDom().getBoundingClientRect();
        const [x, y] = chart.convertToPixel("grid", dot.value);
        return [box.x + x, box.y + y];
    """
    x, y = shown.run(place)
    mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    tip = "[...document.querySelectorAll('body > div')]"
    shown.wait(
        f"{tip}.some(x => x.textContent.includes('training loss at the end: '))"
    )  # the hover
    for kind in ("mousePressed", "mouseReleased"):
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, **mouse})
    shown.wait(f"(() => {{ {chosen} }})().join() === '5'")
    assert [name for name, x in opacities(shown, 1).items() if x > 0.5] == ["5"]
    shown.require_quiet(pages["one"])


def test_menus_change_what_is_drawn_and_pictures_stand_behind(driver, pages):
    shown = Shown(driver, pages["shown"])
    figure = "document.querySelector('figure.chart')"
    shown.run(f"{figure}.scrollIntoView()")
    shown.wait(f"{figure}.querySelector('.canvas svg')")
    name = f"echarts.getInstanceByDom({figure}.querySelector('.canvas')).getOption().yAxis[0].name"
    assert shown.run(f"return {name}") == "DSA distance"
    shown.run(
        f"""
        const menu = {figure}.querySelector("select");
        menu.value = 1;
        menu.dispatchEvent(new Event("change"));
        """
    )
    assert shown.run(f"return {name}") == "PIF distance"
    assert shown.run(f"return {figure}.querySelector('.picture').hidden")
    press = f"[...{figure}.querySelectorAll('button')].find(x => x.textContent.includes('picture'))"
    shown.run(f"{press}.click()")
    assert not shown.run(f"return {figure}.querySelector('.picture').hidden")
    assert shown.run(f"return {figure}.querySelector('.picture img').naturalWidth") > 100
    shown.require_quiet(pages["shown"])


def test_links_open_what_they_lead_to(driver, pages):
    """From the table of conditions to one of them, which is folded; and by the address itself."""
    shown = Shown(driver, pages["shown"])
    link = "document.querySelector('a[href^=\"#condition-\"]')"
    anchor = shown.run(f"return {link}.getAttribute('href').slice(1)")
    assert not shown.run("return document.getElementById(arguments[0]).open", anchor)
    shown.run(f"{link}.click()")
    assert shown.run("return document.getElementById(arguments[0]).open", anchor)
    chart = "document.getElementById(arguments[0]).querySelector('figure.chart')"
    shown.run(f"{chart}.scrollIntoView()", anchor)
    shown.wait(f"{chart}.querySelector('.canvas svg')", anchor)
    top = "document.getElementById(arguments[0]).getBoundingClientRect().top < innerHeight"
    assert shown.run(f"return {top}", anchor)
    driver.get("about:blank")
    driver.get(f"{pages['shown'].as_uri()}#{anchor}")
    assert shown.run("return document.getElementById(arguments[0]).open", anchor)


def test_dark_mode_and_paper_are_readable(driver, pages):
    """Dark: light ink on dark ground, in charts as well. Paper: pictures in place of charts."""
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    shown = Shown(driver, pages["one"])
    shown.look_through()
    colors = "const style = getComputedStyle(document.body); return [style.color, "
    ink, ground = shown.run(colors + "style.backgroundColor]")
    assert ink == "rgb(230, 230, 230)"
    assert ground == "rgb(22, 24, 27)"
    text = shown.wait("document.querySelector('.canvas svg text')?.getAttribute('fill')")
    assert text.lower() in ("#e6e6e6", "rgb(230,230,230)")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    shown_picture = "getComputedStyle(document.querySelector('.chart .picture')).display"
    assert shown.run(f"return {shown_picture}") == "block"
    assert shown.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
