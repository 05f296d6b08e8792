"""What docs/extending.md says of changes to the package, done to a copy of it."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.shown import ROOT, blocks

PAGE = "docs/extending.md"

CODE = """
import sys
import numpy as np
import rnnensemble as rnne

task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
training = rnne.Training(batch=8, epoch_steps=4, max_epochs=2, soft_threshold=[0.0, 50.0])
population = rnne.train_population(
    task, network=rnne.VanillaRNN(width=6), training=training, size=2
)
rnne.save(sys.argv[1], population)
population = rnne.load(sys.argv[1]).population
history = population.history
assert (history.largest_gradient_norm > history.gradient_norm).all()
sizes = np.linalg.norm(population.params.recurrent_weights, axis=(1, 2))
before = np.linalg.norm(population.initial_params.recurrent_weights, axis=(1, 2))
assert 0.9 < sizes[0] / before[0] < 1.1
assert sizes[1] / before[1] < 0.8
assert rnne.Training().soft_threshold == 0
"""


def changed(text, change):
    """A file's text after a change, whose lines of context it must have once."""
    lines = change.splitlines()
    old, new = ("".join(f"{x[1:]}\n" for x in lines if x[0] in f" {sign}") for sign in "-+")
    assert text.count(old) == 1, change
    return text.replace(old, new)


@pytest.mark.long
def test_changes_to_the_package_do_what_the_page_says(tmp_path):
    package = tmp_path / "rnnensemble"
    shutil.copytree(ROOT / "rnnensemble", package)
    text = (ROOT / PAGE).read_text()
    changes = re.findall(r"`rnnensemble/([\w/.]+)`|```diff\n(.*?)```", text, re.DOTALL)
    file, count = None, 0
    for named, change in changes:
        file = package / named if named else file
        if change:
            file.write_text(changed(file.read_text(), change))
            count += 1
    assert count == text.count("```diff") == 8
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_job_takes_at_most_three_files():
    rows = re.findall(r"^\| .*?\[.*?\]\(.*?\).*? \| (.*?) \|$", (ROOT / PAGE).read_text(), re.M)
    assert len(rows) == 6
    for files in rows:
        assert files == "your own" or len(files.split(", ")) <= 3
        for file in re.findall(r"`([\w/.]+)`", files):
            assert (ROOT / "rnnensemble" / file).is_file()


def test_the_page_shows_the_tested_measure():
    assert blocks(PAGE, "python") == [(ROOT / "tests" / "own_measure.py").read_text()]
