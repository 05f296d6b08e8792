"""Commands that write, killed at changes of the disk, or on one that is full from there on."""

import contextlib
import errno
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from rnnensemble import cli
from rnnensemble.cli import deflate, groups, train
from rnnensemble.files import folders, stages
from tests.test_damage import equal
from tests.test_platforms import ROOT
from tests.writers import HIDDEN, WRITERS, Disk, Killed, copied, names, quick_figures, write_inputs

pytestmark = [pytest.mark.long, pytest.mark.painted]  # figures are empty, and saved as all others

KILLS, FILLS = 8, 2
"""At most so many of the changes of each command, from the first to the last."""


def once(function):
    """A function that measures the same networks in the same way once."""
    known = {}

    def answer(networks, **settings):
        groups = networks if isinstance(networks, dict) else {"": networks}
        arrays = jax.tree.leaves([each.params for each in groups.values()])
        analysis = repr([settings.get(name) for name in ("analysis", "permutations")])
        key = analysis, *(np.asarray(x).tobytes() for x in arrays)
        if key not in known:
            known[key] = function(networks, **settings)
        return known[key]

    return answer


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Networks train anew each time; what is measured is computed once, and figures are empty."""
    with pytest.MonkeyPatch.context() as patch:
        for room in (train, groups):
            patch.setattr(room, "measure_degeneracy", once(train.measure_degeneracy))
        patch.setattr(groups, "measure_feature_learning", once(groups.measure_feature_learning))
        patch.setattr(deflate, "measure_battery", once(deflate.measure_battery))
        quick_figures(patch)
        yield


class Made(NamedTuple):
    """What a command finds, what comes out of it, and the changes of the disk to end it at."""

    start: Path
    before: object
    numbers: object
    names: set[str]
    points: list[int]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Of each command, as it is needed."""

    @functools.cache
    def make(name):
        writer, start = WRITERS[name], tmp_path_factory.mktemp(name)
        write_inputs(start)
        if writer.needs:
            cli.main(WRITERS[writer.needs].arguments(start))
        with copied(start, start.with_suffix(".end")) as end:
            with Disk(end, Killed()) as disk:
                cli.main(writer.arguments(end))
            before = WRITERS[writer.needs].found(start) if writer.needs else None
            return Made(start, before, writer.found(end), names(end), disk.points())

    return make


def status_of(writer, root):
    """How a command ends."""
    try:
        cli.main(writer.arguments(root))
    except SystemExit as stop:
        return stop.code
    return 0


def again(writer, root, capsys):
    """The same command once more; that its work was done already is the one thing it may say."""
    capsys.readouterr()
    if status_of(writer, root):
        assert f"`name` {writer.folder!r} is taken by" in capsys.readouterr().err


def before_or_after(found, known):
    """What a command goes on with is as it was; of `analyse` it may be the run that it makes."""
    try:
        equal(found, known.before)
    except AssertionError:
        equal(found, known.numbers)


def seen(runs, capsys):
    """Shows what is listed; a sweep that has not really begun says what to do."""
    for folder in stages.list_runs(runs):
        try:
            cli.main(["show", str(folder)])
        except SystemExit:
            assert "start the sweep again, which brings it back" in capsys.readouterr().err


def evenly(points, most):
    """All points, or so many of them from first to last."""
    places = np.linspace(0, len(points) - 1, min(most, len(points)))
    return [points[int(place)] for place in places]


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_changes_of_the_disk(name, made, tmp_path, capsys):
    """Readers find what was there or what was to come; the same command ends as if undisturbed."""
    writer, known = WRITERS[name], made(name)
    points, ended = evenly(known.points, KILLS), 0
    for point in points:
        with copied(known.start, tmp_path / "x") as root:
            with Disk(root, Killed(), last=point) as disk, contextlib.suppress(Killed):
                cli.main(writer.arguments(root))
            ended += disk.ended
            folders.recover_all(root / "runs")
            if writer.needs:
                before_or_after(WRITERS[writer.needs].found(root), known)
            else:
                seen(root / "runs", capsys)
            again(writer, root, capsys)
            equal(writer.found(root), known.numbers)
            left = {name for name in names(root) - known.names if not HIDDEN.search(name)}
            lost = {name for name in known.names - names(root) if "figures" not in name}
            assert not left | lost
    assert ended >= len(points) - 1 > 5  # the number of changes may differ by one


def full():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full_from_a_change_on(name, made, tmp_path, capsys):
    """One line and status 2, unless figures alone are lost; then there is room, and all is well."""
    writer, known = WRITERS[name], made(name)
    for point in evenly(known.points, FILLS):
        with copied(known.start, tmp_path / "x") as root:
            capsys.readouterr()
            with Disk(root, full(), last=point) as disk:
                status = status_of(writer, root)
            lines = capsys.readouterr().err.splitlines()
            figures = [line for line in lines if "no figures in" in line]
            others = [line for line in lines if line not in figures]
            assert status == 2 * len(others), lines
            assert all("no space left on the disk" in line for line in others)
            assert len(figures) <= 1
            assert bool(lines) == bool(disk.refused)
            if writer.needs:
                before_or_after(WRITERS[writer.needs].found(root), known)
            again(writer, root, capsys)
            equal(writer.found(root), known.numbers)
            assert not {name for name in names(root) - known.names if not HIDDEN.search(name)}


SIZES = {"train": 32768, "distances": 4096, "sweep": 65536, "deflate": 32768}
"""Bytes of a disk on which a command begins, and cannot end."""


@pytest.fixture
def small(tmp_path, request):
    """A disk of so many bytes."""
    place = tmp_path / "runs"
    place.mkdir()
    options = "-t", "tmpfs", "-o", f"size={SIZES[request.param]}", "none"
    try:
        subprocess.run(["mount", *options, str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk here")
    yield WRITERS[request.param]
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("small", SIZES, indirect=True)
def test_a_small_disk(small, tmp_path, capsys):
    """The same where the system refuses, and orbax's C++ code hears it."""
    write_inputs(tmp_path)
    command = [sys.executable, "-m", "rnnensemble", *small.arguments(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "no space left on the disk" in line
    seen(tmp_path / "runs", capsys)
    assert not [name for name in names(tmp_path / "runs") if name.endswith(".partial")]
