"""The house's floors: a file imports only from lower ones, and each edge has one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "rnnensemble"
FLOORS = [
    {"_core", "stats"},
    {"tasks", "networks", "metrics", "information", "attractors"},
    {"learning", "blocks", "refinement"},
    {"fleet", "pairwise"},
    {"population", "progress", "dynamics"},
    {"groups", "levels", "prediction"},
    {"populations", "feature_learning", "complexity", "intrinsic_dimension", "deflation"}
    | {"solutions", "fixed_points", "decoding"},
    {"topology", "battery"},
    {"degeneracy"},
    {"conditions", "plotting", "benchmarking"},
    {"factors", "folders", "deflation_plan", "plotting_fixed_points", "plotting_battery"}
    | {"plotting_benchmark"},
    {"records", "flags", "gallery", "console", "sweep_file", "costs", "readings"},
    {"storage", "forecast", "findings", "plotting_widths"},
    {"arrays", "sweep_folder", "plotting_study"},
    {"session", "foreign", "sweep", "report", "rounds", "benchmark_command", "task_list"},
    {"cli"},
]
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
)


def room(path):
    """The module or package directly below rnnensemble that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name):
    return next(level for level, rooms in enumerate(FLOORS) if name in rooms)


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "rnnensemble":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rnnensemble."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_from_lower_floors(path):
    own = room(path)
    for name in imported_rooms(path):
        assert name == own or floor(name) < floor(own), f"{own} imports {name}"


@pytest.mark.parametrize(
    ("words", "door"),
    [
        (
            ("matplotlib",),
            {room(path) for path in FILES if room(path).startswith("plotting")},
        ),
        (
            ("orbax", "open(", ".write_text", ".read_text", ".mkdir", "shutil"),
            {"storage", "arrays", "folders"},
        ),
        (("local_devices(", "jax.devices(", "make_mesh("), {"_core"}),
        (("shard_map(", "pmap("), {"_core"}),
        (("print(",), {"cli", "console"}),
        (("pickle.",), set()),
    ],
)
def test_each_edge_has_one_door(words, door):
    for path in FILES:
        code = ast.unparse(_without_docstrings(ast.parse(path.read_text())))
        if room(path) not in door:
            # a type-only import of Figure is no use of matplotlib
            lines = [line for line in code.splitlines() if "import Figure" not in line]
            for word in words:
                assert word not in "\n".join(lines), f"{path.name} uses {word}"


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
