"""Degeneracy along training, after the analysis of a run: tables, classes, figure."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rnnensemble.analysis.feature_learning import FeatureAnalysis, require_features
from rnnensemble.analysis.over_training import ClassPrediction, OverTraining, predict_classes
from rnnensemble.cli.console import Reporter
from rnnensemble.files import folders, manifests, stages
from rnnensemble.stats.digits import number
from rnnensemble.training.population import Population

ROWS, CLASSES = "over_training.csv", "over_training_classes.csv"
"""Tables in the run folder."""


def features_of(
    population: Population, features: FeatureAnalysis, reporter: Reporter
) -> FeatureAnalysis | None:
    """How feature learning is measured; None, and a line says why, where it cannot be."""
    try:
        require_features(population, features)
    except ValueError as error:
        reporter.line(f"feature learning is not measured: {error}")
        return None
    return features


def write(folder: Path, found: OverTraining, reporter: Reporter) -> Callable[[], dict[str, Any]]:
    """Writes tables into a run folder just saved, and shows them; returns what draws the figure."""
    folders.write_rows(folder / ROWS, found.table())
    names, prediction = [ROWS], None
    try:
        prediction = predict_classes(found)
    except ValueError as error:
        reporter.line(f"in which class of dynamics networks end is not predicted: {error}")
    else:
        folders.write_rows(folder / CLASSES, prediction.table())
        names.append(CLASSES)
    manifests.note_files(folder, stages.read_manifest(folder), names)
    _show(found, prediction, reporter)
    return partial(_figures, found, prediction)


def _show(found: OverTraining, prediction: ClassPrediction | None, reporter: Reporter) -> None:
    """A table of one line an epoch."""
    rows: dict[int, dict[str, str]] = {}
    for row in found.table():
        if not row["measure"].startswith("disagreement") and row["value"] is not None:
            rows.setdefault(row["epoch"], {})[row["measure"]] = number(row["value"])
    for row in prediction.table() if prediction else []:
        rows[row["epoch"]]["class told"] = f"{row['value']:.0%} (null {row['null']:.0%})"
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [(str(epoch), *(row.get(name, "") for name in columns)) for epoch, row in rows.items()]
    reporter.table("along training", ("epoch", *columns), cells)
    if prediction is not None:
        sizes = [int((prediction.classes == c).sum()) for c in sorted(set(prediction.classes))]
        since = prediction.told_from
        told = "at no epoch up to the end" if since is None else f"from epoch {since} on"
        reporter.line(f"classes of dynamics of {sizes} networks are told better than chance {told}")


def _figures(found: OverTraining, prediction: ClassPrediction | None) -> dict[str, Any]:
    from rnnensemble.figures.over_training import over_training_figure  # takes a second to load

    return {"over_training": over_training_figure(found, prediction)}
