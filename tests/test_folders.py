"""Writing: killed between two renames, by two processes at once, without locks, without figures."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time

import matplotlib
import numpy as np
import pytest

from rnnensemble import cli
from rnnensemble.cli.drawing import draw
from rnnensemble.figures import mds_figure
from rnnensemble.files import folders, locks, manifests, pictures, stages
from rnnensemble.stats.comparable import comparable
from rnnensemble.stats.intervals import mean_distance
from tests.test_cli import failure

pytestmark = pytest.mark.painted


def make(folder, text):
    """A whole folder of one file."""
    with folders.whole_folder(folder) as partial:
        partial.mkdir(parents=True)
        (partial / "x").write_text(text)
        manifests.write_manifest(partial, {"status": "trained", "digest": "0", "size": 1})


@pytest.fixture(params=["one step", "two renames"])
def system(request, monkeypatch):
    """A system that exchanges two folders in one step, and one that cannot."""
    if request.param == "two renames":
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    return request.param


def test_a_folder_is_replaced_whole(tmp_path, system):
    for text in ("first", "second"):
        make(tmp_path / "a", text)
        assert (tmp_path / "a" / "x").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no exchange in one step")
def test_one_step_where_the_system_has_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").touch()
    assert folders._exchanged(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").is_dir()


def test_a_link_stays_a_link(tmp_path, system):
    make(tmp_path / "far" / "a", "first")
    (tmp_path / "near").symlink_to(tmp_path / "far" / "a")
    make(tmp_path / "near", "second")
    assert (tmp_path / "near").is_symlink()
    assert (tmp_path / "far" / "a" / "x").read_text() == "second"


def test_figures_go_nowhere_else(tmp_path):
    """A link in their place, as a folder of somebody else may have it, is replaced."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path / "precious")
    pictures.replace_figures(tmp_path / "run", {})
    assert (tmp_path / "precious" / "x").exists()
    assert not (tmp_path / "run" / "figures").is_symlink()


def test_a_look_whether_one_can_write_leaves_nothing(tmp_path, monkeypatch):
    """Not even where a kill comes in its midst."""

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rmdir", killed)
    folders.require_writable(tmp_path / "runs")
    assert not list(tmp_path.iterdir())


def claim(folder):
    with pytest.raises(FileExistsError):
        stages.require_free(folder)


def reserve(folder):
    with folders.reserved(folder):
        pass


def reserve_free(folder):
    with folders.reserved_free(folder.parent, folder.name) as free:
        assert free.name == "a-2"


@pytest.mark.parametrize(
    "use",
    [
        stages.read_manifest,
        lambda folder: stages.list_runs(folder.parent)[folder],
        claim,
        reserve,
        reserve_free,
        lambda folder: cli.main(["show", "--runs", str(folder.parent)]),
    ],
)
def test_a_kill_between_two_renames_loses_nothing(tmp_path, use):
    """Whatever comes first, a read or a claim of the name, brings the folder back."""
    make(tmp_path / "a", "mine")
    (tmp_path / "a").rename(tmp_path / ".a.old")
    use(tmp_path / "a")
    assert (tmp_path / "a" / "x").read_text() == "mine"


def test_a_reader_between_two_renames_does_no_harm(tmp_path, monkeypatch):
    """What it brings back is replaced again."""
    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    make(tmp_path / "a", "first")
    remove = folders.shutil.rmtree

    def read(path, **options):
        remove(path, **options)
        if path.name == ".a.old" and not read.done:
            read.done = True
            rename = type(path).rename

            def once(self, target):
                found = rename(self, target)
                monkeypatch.setattr(type(path), "rename", rename)
                folders.recover(tmp_path / "a")
                return found

            monkeypatch.setattr(type(path), "rename", once)

    read.done = False
    monkeypatch.setattr(folders.shutil, "rmtree", read)
    make(tmp_path / "a", "second")
    assert read.done
    assert (tmp_path / "a" / "x").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def hold(folder, ready, done):
    """Another process that has reserved a folder."""
    with folders.reserved(folder):
        ready.set()
        done.wait(60)


@pytest.fixture
def busy(tmp_path):
    """A folder's name that another process has reserved."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "runs" / "a", ready, done))
    process.start()
    assert ready.wait(60)
    yield tmp_path / "runs" / "a", process
    if process.is_alive():
        done.set()
    process.join()


def test_a_name_in_use_is_refused(busy, tmp_path, capsys):
    """By each command that writes, and the message says by whom; another name is free."""
    folder, process = busy
    held = f"in use: process {process.pid} on "
    np.save(tmp_path / "w.npy", np.random.default_rng(0).normal(size=(3, 4, 4)))
    weights = "--weights", str(tmp_path / "w.npy"), "--pif.starts", "1"
    given = *weights, "--name", "a", "--runs", str(folder.parent)
    assert held in failure(capsys, "analyse", *given)
    assert held in failure(capsys, "quickstart", "--name", "a", "--runs", str(folder.parent))
    with pytest.raises(FileExistsError, match=held):
        make(folder, "theirs")
    with folders.reserved_free(folder.parent, "a") as free:
        assert free.name == "a-2"
    with folders.reserved(folder.with_name("b")), folders.reserved(folder.with_name("b")):
        pass
    process.kill()  # the kernel lets go of its lock
    process.join()
    make(folder, "mine")
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


def test_what_killed_processes_left_is_removed(tmp_path):
    """And nothing that belongs to a name which begins in the same way."""
    for name in (".a.0123456789ab.partial", ".a.b.0123456789ab.partial", ".a.b.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / ".a.lock").touch()
    make(tmp_path / "a", "")
    assert not (tmp_path / ".a.0123456789ab.partial").exists()
    assert (tmp_path / ".a.b.0123456789ab.partial").exists()


def test_folders_are_not_searched_where_nobody_was_killed(tmp_path, monkeypatch):
    """Among thousands of conditions each search would take as long as there are others."""
    searched = []
    monkeypatch.setattr(folders, "_unfinished", lambda path: searched.append(path.parent) or [])
    make(tmp_path / "a", "")
    make(tmp_path / "b", "")
    assert tmp_path not in searched
    (tmp_path / ".b.lock").touch()
    make(tmp_path / "b", "again")
    assert searched.count(tmp_path) == 1


def test_a_reservation_of_which_nothing_came_leaves_nothing(tmp_path):
    with folders.reserved(tmp_path / "runs" / "of" / "mine"):
        assert (tmp_path / "runs" / "of").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_locks(monkeypatch):
    """A filesystem without locks, as NFS without its lock daemon."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "LEASE", 0.5)
    monkeypatch.setattr(locks, "_SAID", set())


@pytest.fixture
def said(monkeypatch):
    """The lines said beside results."""
    lines = []
    monkeypatch.setattr(locks.LOG, "warning", lambda text, *given: lines.append(text % given))
    return lines


def test_a_lease_takes_the_place_of_a_lock(tmp_path, no_locks, said):
    """One line says so; it is kept while its holder lives, longer than it lasts by itself."""
    with locks.held(tmp_path / "a.lock") as ours:
        assert ours
        time.sleep(1.0)
        with locks.held(tmp_path / "a.lock") as second:
            assert not second
    with locks.held(tmp_path / "a.lock") as again:
        assert again
    assert sum("has no locks" in line for line in said) == 1
    assert any("waiting" in line for line in said)


def test_waiting_is_said(tmp_path, said, monkeypatch):
    monkeypatch.setattr(locks, "BRIEF", 0.1)
    code = (
        "import sys, time; from pathlib import Path; from rnnensemble.files import locks\n"
        "with locks.held(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        with locks.held(tmp_path / "a.lock", wait=True) as ours:
            assert ours
    assert f"held by process {process.pid} on" in said[0]


HARSH = {"text.usetex": True, "font.size": 30.0, "axes.grid": True, "savefig.dpi": 10}


def test_the_users_settings_change_no_figure(tmp_path):
    matrix = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    labels = {"name": "d", "unit": "d", "networks": range(4)}

    def figures():
        return {"map": mds_figure(matrix, mean_distance(matrix), **labels)}

    images = []
    for name, settings in (("a", {}), ("b", HARSH)):
        (tmp_path / name).mkdir()
        with matplotlib.rc_context(settings):
            assert draw(tmp_path / name, figures)
        images.append((tmp_path / name / "figures" / "map.png").read_bytes())
    assert images[0] == images[1]


def test_a_backend_that_is_not_there_stops_no_figure(tmp_path):
    code = (
        "from rnnensemble.figures import style; import matplotlib, os\n"
        "from matplotlib.figure import Figure; style.save(Figure(), 'f.png', dpi=50)\n"
        "print(os.environ['MPLBACKEND'])"
    )
    environment = os.environ | {"MPLBACKEND": "module://not_there.backend"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "module://not_there.backend"
    assert (tmp_path / "f.png").exists()


def test_a_figure_that_cannot_be_drawn_costs_a_line(tmp_path, monkeypatch, capsys):
    """The results are there before, and the command ends well."""
    from rnnensemble.figures import maps

    def broken(*_, **__):
        raise RuntimeError("no\nfonts")

    monkeypatch.setattr(maps, "mds_figure", broken)
    np.save(tmp_path / "w.npy", np.random.default_rng(0).normal(size=(3, 4, 4)))
    runs = tmp_path / "runs"
    weights = "--weights", str(tmp_path / "w.npy"), "--pif.starts", "1"
    cli.main(["analyse", *weights, "--runs", str(runs)])
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "no figures in" in captured.err
    assert "(no fonts)" in captured.err
    assert (runs / "w" / "matrices.npz").exists()
    cli.main(["show", str(runs / "w")])


DEAD = ("cka", "procrustes", "rsa", "svcca", "predictivity", "dsa", "autocovariance")


def test_a_dead_network_is_named_and_left_out(tmp_path, capsys):
    """Means and maps are those of the others alone, by any metric."""
    data = np.random.default_rng(0).normal(size=(5, 4, 10, 6))
    dead = data.copy()
    dead[3] = 0
    np.save(tmp_path / "dead.npy", dead)
    runs = tmp_path / "runs"
    given = ["--activity", str(tmp_path / "dead.npy"), "--metrics", *DEAD, "--runs", str(runs)]
    cli.main(["analyse", *given, "--dsa.rank", "2"])
    said = capsys.readouterr().out
    cli.main(["show", str(runs / "dead")])
    shown = capsys.readouterr().out
    kept = [0, 1, 2, 4]
    with np.load(runs / "dead" / "matrices.npz") as stored:
        for metric in DEAD:
            assert f"{metric} cannot compare network 3" in said
            assert f"{metric} cannot compare network 3" in shown
            matrix = stored[metric]
            assert comparable(matrix).tolist() == kept
            assert mean_distance(matrix) == mean_distance(matrix[np.ix_(kept, kept)])
            assert np.isfinite(mean_distance(matrix)).all()


def test_what_has_no_distance_at_all_has_no_mean():
    assert np.isnan(mean_distance(np.full((3, 3), np.nan))).all()
