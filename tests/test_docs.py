"""What the documents print is what runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnensemble import Training, VanillaRNN, distance_matrix, train_population
from tests import own_metric, own_task

ROOT = Path(__file__).parent.parent


def blocks(path, language):
    """The fenced blocks of a document in a language, `""` for none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / path).read_text(), re.DOTALL | re.M)
    return [block for found, block in fenced if found == language]


def test_readme_example_runs_as_printed():
    (code,) = blocks("README.md", "python")
    assert len(code.strip().splitlines()) <= 16
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 of 4 networks converged" in done.stdout
    assert "(4, 4)" in done.stdout


def test_statistics_page_runs_as_printed():
    code = "\n".join(blocks("docs/statistics.md", "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_add_a_task_shows_the_tested_task():
    shown = blocks("docs/add-a-task.md", "python")[0]
    assert shown.strip() == Path(own_task.__file__).read_text().strip()
    task = own_task.Evidence()
    training = Training(learning_rate=3e-3, batch=64, max_epochs=30)
    population = train_population(task, network=VanillaRNN(width=16), training=training, size=4)
    assert population.converged.all()
    assert task.out_of_distribution()["temporal"].n_steps == 40


def test_add_a_metric_shows_the_tested_metric():
    shown, use = blocks("docs/add-a-metric.md", "python")
    assert shown.strip() == Path(own_metric.__file__).read_text().strip()
    assert len(shown.splitlines()) <= 36
    names = {"Speed": own_metric.Speed}
    exec(use, names)
    first, second = (
        np.sqrt(np.mean((x[:, 2:] - x[:, :-2]) ** 2, axis=-1)) for x in names["activity"][:2]
    )
    expected = np.sqrt(np.mean((first - second) ** 2))
    assert names["matrix"][0, 1] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"`activity` must be .* with T > 30; got"):
        distance_matrix(own_metric.Speed(lag=30), names["activity"])


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("svcca", [0, None, None]),
        ("cka", [0, None, None]),
        ("procrustes", [0, None, None]),
        ("rsa", [0, None, None]),
        ("predictivity", [0, None, None]),
        ("disagreement", [0.5, 0.5, 1]),
    ],
)
def test_metric_pages_run_as_printed(page, expected, capsys):
    """Each prints a matrix of three networks, of which the second is like the first."""
    exec("\n".join(blocks(f"docs/metrics/{page}.md", "python")), {})
    numbers = re.findall(r"[\d.]+", capsys.readouterr().out)
    matrix = np.array(numbers, float).reshape(3, 3)
    for found, value in zip(matrix[np.triu_indices(3, 1)], expected, strict=True):
        assert found == value if value is not None else found > 0.3


def documented_commands():
    """Every whole command in the documents, in order, once."""
    names = ("index", "tasks", "concepts", "foreign-data")
    for path in ("README.md", *(f"docs/{name}.md" for name in names)):
        text = (ROOT / path).read_text()
        inline = re.findall(r"(?<!`)`((?:rnnensemble|python) [^`]+)`", text)
        for block in blocks(path, ""):
            inline += [line for line in block.splitlines() if line.startswith("rnnensemble ")]
        yield from (" ".join(command.split()) for command in inline)


def test_documented_commands_run_as_printed(tmp_path):
    commands = list(dict.fromkeys(documented_commands()))
    by_hand = {
        "python docs/make_figures.py",  # trains for minutes and rewrites docs/figures
        "python docs/pytorch_ensemble.py",  # needs torch; tests/test_foreign.py runs it
    }
    assert {command.split()[1] for command in commands if command.startswith("rnnensemble")} == {
        "quickstart",
        "train",
        "analyse",
        "show",
        "tasks",
    }
    # what is shown must have been trained: quickstart and train go first
    commands.sort(key=lambda command: command.split()[1] not in ("quickstart", "train"))
    for folder in ("experiments", "benchmarks", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    make_arrays, call, _ = blocks("docs/foreign-data.md", "python")
    code = [sys.executable, "-W", "error", "-c", make_arrays + call]
    subprocess.run(code, check=True, cwd=tmp_path, env=environment, timeout=300)
    for command in commands:
        if command in by_hand:
            continue
        program, *arguments = command.split()
        module = ["-m", "rnnensemble"] if program == "rnnensemble" else []
        done = subprocess.run(
            [sys.executable, *module, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        if arguments[0] in ("quickstart", "train"):
            assert re.search(r"(\d+) of \1 networks converged", done.stdout), done.stdout
