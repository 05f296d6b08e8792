"""What is shown and drawn of distances of networks made elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnensemble.cli.console import Reporter, left_out_line
from rnnensemble.files import arrays
from rnnensemble.files.arrays import Row
from rnnensemble.metrics import Metric
from rnnensemble.stats.digits import value_and_interval
from rnnensemble.stats.intervals import Estimate


def figures_of(
    chosen: Sequence[Metric], means: Sequence[Estimate], matrices: dict[str, np.ndarray]
) -> dict[str, Any]:
    """A map of the networks and their matrix for every symmetric metric."""
    from rnnensemble.figures.maps import mds_figure  # takes a second to load
    from rnnensemble.figures.matrices import heatmap_figure

    figures = {}
    for metric, mean in zip(chosen, means, strict=True):
        if metric.symmetric:
            matrix = matrices[metric.name]
            title = type(metric).__name__
            labels = {"name": title, "unit": title, "networks": range(len(matrix))}
            figures[f"{metric.name}_mds"] = mds_figure(matrix, mean, **labels)
            figures[f"{metric.name}_matrix"] = heatmap_figure(matrix, **labels)
    return figures


def show_rows(rows: Sequence[Row], reporter: Reporter) -> None:
    """Prints the results as a table."""
    cells = [
        (
            row.data,
            row.metric,
            str(row.networks),
            *value_and_interval((row.mean, row.low, row.high)),
        )
        for row in rows
    ]
    reporter.table("mean distances", ("data", "metric", "networks", "mean", "95% interval"), cells)
    for row in rows:
        if row.left_out:
            reporter.line(left_out_line(row.left_out.split(), row.metric))


def show_distances(folder: Path, manifest: dict[str, Any], reporter: Reporter) -> None:
    """Shows a folder of distances, or says how to go on with an unfinished one."""
    files = ", ".join(each["file"] for each in manifest["inputs"].values())
    reporter.line(f"{folder} ({manifest['status']}), {manifest['size']} networks of {files}")
    if manifest["status"] == arrays.COMPARED:
        show_rows(arrays.read_distances(folder), reporter)
    else:
        reporter.line(f"go on with: {manifest['command']}")
