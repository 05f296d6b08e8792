"""What fits into 80 columns: progress with a curve, tables whose long columns fold."""

import functools
import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

from rnnensemble.cli.console import Reporter
from rnnensemble.cli.notes import BLOCKS, PLAIN, age, amount, curve, rate
from rnnensemble.training.progress import Progress

WIDTH = 80


@pytest.fixture
def terminal(monkeypatch):
    """A reporter on a terminal of 80 columns, and what was written to it."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    how = {"file": written, "width": WIDTH, "force_terminal": True, "legacy_windows": False}
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rich.console.Console", functools.partial(Console, **how))

    def lines():
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.buffer.getvalue().decode())
        return [line for line in re.split(r"[\r\n]+", text) if line.strip()]

    return Reporter(quiet=False), lines


def progress(epoch, **changes):
    values = {"size": 12, "active": 9, "converged": 3, "diverged": 0, "loss": 1 / epoch}
    values |= {"net_steps_per_second": 840.0, "seconds_left": 83.0, "losses": np.ones(12)}
    return Progress(epoch=epoch, **(values | changes))


def test_progress_fits_and_draws_the_median_loss(terminal):
    reporter, lines = terminal
    assert reporter.live
    with reporter:
        for epoch in (1, 2, 4, 8, 16):
            reporter.training(progress(epoch))
        reporter.bars.refresh()
    (shown,) = [line for line in lines() if "epoch 16" in line][-1:]
    assert "3/12 epoch 16, loss 0.062 █▆▅▃▁, 1:23 left, 840 steps/s" in shown
    assert all(len(line.rstrip()) <= WIDTH for line in lines())


def test_large_numbers_leave_out_what_matters_least(terminal):
    reporter, lines = terminal
    large = {"size": 16384, "active": 16000, "converged": 384, "net_steps_per_second": 1.42e8}
    with reporter:
        for epoch in range(99_990, 100_001):
            reporter.training(progress(epoch, seconds_left=3.6e5, **large))
        reporter.bars.refresh()
        reporter.analysis("epoch 100000, dynamics, other settings", 1, 134_209_536)
        reporter.bars.refresh()
    shown = "384/16384 epoch 100000, loss 1e-05"
    assert any(line.rstrip().endswith(f"{shown}, 100:00:00 left") for line in lines())
    assert any("1/134209536" in line for line in lines())
    assert all(len(line.rstrip()) <= WIDTH for line in lines())
    assert "…" not in "".join(lines())


def test_a_part_of_its_own_begins_a_curve_of_its_own(terminal):
    reporter, lines = terminal
    reporter.training(progress(1, loss=1.0))
    reporter.section("second part")
    reporter.training(progress(1, loss=3.0, seconds_left=math.inf))
    assert reporter.losses == [3.0]
    assert "second part" in lines()[-1]


def test_tables_fold_their_widest_columns_at_words(terminal):
    reporter, lines = terminal
    measure = "  reliability: agreement of pairs that were measured twice on other trials"
    rows = [("dynamics", measure, "0.271", "0.259 to 0.283"), ("x" * 20, "short", "1", "")]
    reporter.table("numbers", ("level", "measure", "value", "95% interval"), rows)
    shown = lines()
    assert all(len(line) <= WIDTH for line in shown)
    assert "0.271  0.259 to 0.283" in "\n".join(shown)
    assert "x" * 20 in "\n".join(shown)
    words = re.findall(r"\w+", "\n".join(shown))
    assert set(re.findall(r"\w+", measure)) <= set(words)
    first, folded = (next(x for x in shown if word in x) for word in ("reliab", "measured"))
    assert first != folded
    assert len(folded) - len(folded.lstrip()) == first.index("reliab")


def test_elsewhere_lines_are_whole(capsys):
    cell = "word " * 40 + "end"
    Reporter(quiet=False).table("title", ("a", "b"), [(cell, "1")])
    assert f"{cell}  1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("losses", "encoding", "marks"),
    [
        ([1e0, 1e-1, 1e-2, 1e-3], "utf-8", "█▆▃▁"),
        ([1e0, 1e-1, 1e-2, 1e-3, 1e-4], "ascii", PLAIN[::-1]),
        ([1.0, 2.0], "no-such-encoding", PLAIN[0] + PLAIN[-1]),
        ([0.5, 0.5], "utf-8", BLOCKS[0] * 2),
        ([math.nan, 0.0, math.inf, 1.0], "utf-8", ""),
        (np.logspace(0, -3, 800), "utf-8", BLOCKS[::-1]),
    ],
)
def test_curves_are_logarithmic(losses, encoding, marks):
    assert curve(losses, encoding) == marks


def test_short_texts():
    assert [rate(x) for x in (840, 1000, 14_230, 1.42e8)] == ["840", "1.0k", "14.2k", "142.0M"]
    assert [age(x) for x in (0.2, 59, 3599, 7200, 2e5)] == ["0 s", "59 s", "59 min", "2 h", "2 d"]
    assert [amount(x) for x in (12, 1234, 5.6e6, 7.89e9)] == [
        "12 B",
        "1.23 kB",
        "5.6 MB",
        "7.89 GB",
    ]
