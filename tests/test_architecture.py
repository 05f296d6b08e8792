"""The house's rooms: a file imports only from rooms below, nothing goes round in circles, and what
touches the world does so in one place."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rnnensemble"
ROOMS = (
    "_core",
    "stats",
    "tasks",
    "networks",
    "metrics",
    "training",
    "analysis",
    "study",
    "figures",
    "files",
    "cli",
)
"""From below."""
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
OUTSIDE = ("rnnensemble", "rnnensemble.__main__", "rnnensemble.fixed_points")
"""What stands above the rooms: names alone, and the command's entry."""
INSIDE = {name: path for name, path in FILES.items() if name not in OUTSIDE}


def room(name):
    """The room of a module."""
    return name.split(".")[1]


def imported(path, files=FILES):
    """The modules among the files that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (each if each in files else node.module for each in whole)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_eleven_rooms_each_say_what_belongs_there():
    assert {room(name) for name in INSIDE} == set(ROOMS)
    table = (ROOT / "docs" / "architecture.md").read_text()
    for each in ROOMS:
        assert ast.get_docstring(ast.parse((PACKAGE / each / "__init__.py").read_text()))
        assert f"| `{each}` |" in table


@pytest.mark.parametrize("name", INSIDE)
def test_imports_only_from_rooms_below(name):
    for other in imported(INSIDE[name]):
        if other.split(".")[0] == "rnnensemble":
            assert other in INSIDE, f"{name} imports {other}, which is no room"
            assert ROOMS.index(room(other)) <= ROOMS.index(room(name)), f"{name} imports {other}"


def test_nothing_goes_round_in_circles():
    below = ROOT / "benchmarks"
    scripts = {
        ".".join(path.relative_to(below).with_suffix("").parts).removesuffix(".__init__"): path
        for path in below.rglob("*.py")
    }
    for files in (FILES, scripts):
        edges = {
            name: set(imported(path, files)) & set(files) - {name} for name, path in files.items()
        }
        while free := [name for name, others in edges.items() if not others & set(edges)]:
            for name in free:
                del edges[name]
        assert not edges


@pytest.mark.parametrize(
    ("words", "door"),
    [
        (("matplotlib",), "figures."),
        (("orbax", "open(", ".write_text", ".read_text", ".mkdir", "shutil"), "files."),
        (("local_devices(", "jax.devices(", "make_mesh("), "_core.runtime"),
        (("shard_map(", "pmap("), "_core.mapping"),
        (("print(",), "cli."),
        (("pickle.",), "nowhere"),
    ],
)
def test_each_edge_has_one_door(words, door):
    for name, path in FILES.items():
        code = code_of(path)
        if not name.startswith(f"rnnensemble.{door}"):
            # a type-only import of Figure is no use of matplotlib
            lines = [line for line in code.splitlines() if "import Figure" not in line]
            for word in words:
                assert word not in "\n".join(lines), f"{name} uses {word}"


@functools.cache
def code_of(path):
    """The code of a file without comments and docstrings."""
    return ast.unparse(_without_docstrings(ast.parse(path.read_text())))


def _without_docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        if isinstance(body[0].value, ast.Constant):
            body[0].value.value = ""
    return tree


def test_import_sets_nothing_and_loads_little():
    code = (
        "import sys, rnnensemble, jax\n"
        "assert jax.config.jax_num_cpu_devices == -1\n"
        "assert not jax._src.xla_bridge._backends\n"
        "heavy = {'scipy', 'matplotlib', 'orbax', 'rich', 'tyro', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
