"""What the documents print is what runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnnensemble import Training, VanillaRNN, train_population
from tests import own_task

ROOT = Path(__file__).parent.parent


def blocks(path, language):
    text = (ROOT / path).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


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


def test_add_a_task_shows_the_tested_task():
    shown = blocks("docs/add-a-task.md", "python")[0]
    assert shown.strip() == Path(own_task.__file__).read_text().strip()
    task = own_task.Evidence()
    training = Training(learning_rate=3e-3, batch=64, max_epochs=30)
    population = train_population(task, network=VanillaRNN(width=16), training=training, size=4)
    assert population.converged.all()
    assert task.out_of_distribution()["temporal"].n_steps == 40


@pytest.mark.parametrize("path", ["README.md", "docs/index.md"])
def test_documented_commands_exist(path):
    """Every documented command names a command and, for presets, a file that exist."""
    text = (ROOT / path).read_text()
    commands = re.findall(r"rnnensemble (\w+)((?: [\w./-]+)*)", text)
    known = {"quickstart", "train", "analyse", "show", "tasks"}
    found = [(name, rest) for name, rest in commands if name in known]
    assert len(found) >= 4
    for name, rest in found:
        if name == "train":
            assert (ROOT / rest.split()[0]).is_file()
