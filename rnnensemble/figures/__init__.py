"""All that is drawn, and the only room that knows matplotlib: values in, a `Figure` out."""

from rnnensemble.figures import backend  # noqa: F401 (loads matplotlib, before the others do)
from rnnensemble.figures.battery import battery_figure
from rnnensemble.figures.choices import psychometric_figure
from rnnensemble.figures.dsa import predictions_figure, settings_figure
from rnnensemble.figures.fixed_points import fixed_points_figure
from rnnensemble.figures.groups import groups_figure
from rnnensemble.figures.learning import learning_figure, losses_figure
from rnnensemble.figures.lesions import importance_figure, lesions_figure
from rnnensemble.figures.maps import mds_figure
from rnnensemble.figures.matrices import heatmap_figure
from rnnensemble.figures.over_training import over_training_figure
from rnnensemble.figures.run import overview_figure, run_figures
from rnnensemble.figures.style import Figure, style
from rnnensemble.figures.trials import trials_figure

__all__ = [
    "Figure",
    "battery_figure",
    "fixed_points_figure",
    "groups_figure",
    "heatmap_figure",
    "importance_figure",
    "learning_figure",
    "lesions_figure",
    "losses_figure",
    "mds_figure",
    "over_training_figure",
    "overview_figure",
    "predictions_figure",
    "psychometric_figure",
    "run_figures",
    "settings_figure",
    "style",
    "trials_figure",
]
