"""Training goes on where it stopped: what comes out is what an uninterrupted run comes to."""

import dataclasses

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.cli.commands import main
from rnnensemble.files import stages
from rnnensemble.training.recipe import with_epochs
from tests.tiny import TINY

TASK = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
NETWORK = rnne.VanillaRNN(width=8)
RATES = (3e-3, 1e38, 1e-2, 1e-3, 3e-2)
THRESHOLDS = (0.25, 1.0, 1e9, 1e-9, 1e-9)
"""The second network diverges, the third converges at once, the last two never."""
SHORT = rnne.Training(
    learning_rate=RATES,
    threshold=THRESHOLDS,
    batch=8,
    epoch_steps=6,
    max_epochs=3,
    patience=2,
    plateau_patience=1,
    plateau_factor=0.5,
)
LONG = dataclasses.replace(SHORT, max_epochs=9)
WAYS = [{"devices": 1}, {"devices": 2}, {"devices": 1, "tile": 2}, {"devices": 2, "tile": 3}]


def train(training=SHORT, size=5, **options):
    return rnne.train_population(TASK, network=NETWORK, training=training, size=size, **options)


@pytest.fixture(scope="module")
def short():
    return train()


@pytest.fixture(scope="module")
def easy():
    """All converged."""
    training = dataclasses.replace(SHORT, learning_rate=1e-3, threshold=1e9)
    return train(training, size=2)


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_more_epochs_are_what_they_would_have_been_to_the_last_bit(options):
    before, whole = train(**options), train(LONG, **options)
    np.testing.assert_array_equal(before.going, [True, False, False, True, True])
    longer = rnne.resume(before, max_epochs=9, **options)
    assert longer == whole  # recipes, parameters, histories, what they would go on from
    assert longer.recipe.training == LONG
    assert longer.history.loss.shape == (5, 9)
    np.testing.assert_array_equal(longer.stop_epoch[[1, 2]], before.stop_epoch[[1, 2]])
    assert len(np.unique(longer.history.learning_rate[3, :9])) > 1  # plateaus went on too
    again = rnne.resume(rnne.resume(before, max_epochs=5, **options), max_epochs=9, **options)
    assert again == whole


def test_an_interrupted_run_goes_on_with_more_epochs_too():
    kept, options = [], {"devices": 1}
    train(checkpoint=kept.append, checkpoint_seconds=0.0, **options)
    assert kept[0].unfinished
    assert rnne.resume(kept[0], max_epochs=9, **options) == train(LONG, **options)


def test_a_deflated_population_goes_on_with_more_epochs(easy):
    training = rnne.Training(batch=16, epoch_steps=2, max_epochs=1, threshold=1e-9)
    how = {"network": NETWORK, "size": 2, "devices": 1}
    short = rnne.deflate(TASK, easy, training=training, **how)
    longer = dataclasses.replace(training, max_epochs=2)
    whole = rnne.deflate(TASK, easy, training=longer, **how)
    assert rnne.deflate(TASK, easy, training=longer, resume=short, **how) == whole
    with pytest.raises(ValueError, match=r"kept away from references.* deflate\(\.\.\., resume="):
        rnne.resume(short, max_epochs=2)


def test_what_cannot_go_on_is_refused(short, easy):
    with pytest.raises(ValueError, match="no network to go on with: 2 of 2 networks converged"):
        rnne.resume(easy, max_epochs=50)
    with pytest.raises(ValueError, match=r"no network to go on with: .* give a higher one"):
        rnne.resume(short)
    with pytest.raises(ValueError, match=r"no network to go on with: .* give a higher one"):
        rnne.resume(short, max_epochs=3)
    with pytest.raises(ValueError, match="`max_epochs` must be at least that of the population, 3"):
        rnne.resume(short, max_epochs=2)
    with pytest.raises(ValueError, match="`max_epochs` must be a whole number"):
        rnne.resume(short, max_epochs=4.5)
    with pytest.raises(ValueError, match="stored without what its networks go on from"):
        rnne.resume(dataclasses.replace(short, state=None), max_epochs=9)
    other = dataclasses.replace(short.recipe, seed=1)
    with pytest.raises(ValueError, match="`resume` must have the same seed: expected 1, got 0"):
        rnne.train_populations([other], resume=[short])


def test_a_run_folder_keeps_what_unconverged_networks_go_on_from(tmp_path, short, easy):
    folder = rnne.save(tmp_path / "short", short)
    assert stages.read_manifest(folder)["status"] == stages.TRAINED
    loaded = rnne.load(folder).population
    assert loaded == short
    assert rnne.resume(loaded, max_epochs=9) == rnne.resume(short, max_epochs=9)
    (folder / "state.msgpack").unlink()  # as earlier runs are
    with pytest.raises(ValueError, match="stored without what its networks go on from"):
        rnne.resume(rnne.load(folder).population, max_epochs=9)
    whole = rnne.save(tmp_path / "easy", easy)
    assert not (whole / "state.msgpack").exists()


CHANGES = {
    "max_epochs = 3": "max_epochs = 2",
    "patience = 2": "patience = 1",
    "threshold = 10.0": "threshold = [10.0, 10.0, 1e-9]",
}
"""From the command line's small preset to one whose last network does not converge."""


@pytest.mark.long
def test_the_command_line_trains_longer(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = TINY
    for old, new in CHANGES.items():
        assert old in preset
        preset = preset.replace(old, new)
    (tmp_path / "tiny.toml").write_text(preset)
    main(["train", "tiny.toml", "--name", "mine", "--quiet"])
    folder = tmp_path / "runs" / "mine"
    short = rnne.load(folder).population
    command = ["train", "runs/mine/config.toml", "--name", "mine", "--resume", "--quiet"]
    refused = [
        ([*command, "--training.max-epochs", "1"], "`max_epochs` must be at least that of"),
        ([*command, "--training.batch", "16"], "`resume` must go on with the same recipe"),
    ]
    for arguments, message in refused:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
        assert rnne.load(folder).population == short
    main([*command, "--training.max-epochs", "4"])
    longer = rnne.load(folder)
    assert longer.manifest["status"] == stages.ANALYSED
    assert longer.population.recipe == with_epochs(short.recipe, 4)
    np.testing.assert_array_equal(longer.population.stop_epoch, [1, 1, 4])
    main([*command, "--analysis.seed", "1"])  # nothing is left to train; it is measured again
    assert rnne.load(folder).population == longer.population
