"""Train populations of RNNs and measure how far their solutions lie apart."""

import importlib
from types import ModuleType

from rnnensemble import fixed_points, metrics, networks, stats, tasks
from rnnensemble._core import runtime
from rnnensemble._core.runtime import use_all_cores
from rnnensemble.analysis.battery import BatteryAnalysis, measure_battery
from rnnensemble.analysis.by_task import accuracy_by_task, by_task, loss_by_task
from rnnensemble.analysis.complexity import Complexity, measure_complexity
from rnnensemble.analysis.decoding import Decoder, measure_decodability
from rnnensemble.analysis.degeneracy import Degeneracy, measure_degeneracy
from rnnensemble.analysis.dsa_grid import dsa_grid
from rnnensemble.analysis.dsa_prediction import prediction_errors
from rnnensemble.analysis.feature_learning import (
    FeatureAnalysis,
    FeatureLearning,
    measure_feature_learning,
)
from rnnensemble.analysis.fixed_points import FixedPointSearch, find_fixed_points
from rnnensemble.analysis.fixed_points.topology import measure_topology
from rnnensemble.analysis.frames import to_pandas, to_xarray
from rnnensemble.analysis.generalization import (
    GeneralizationGap,
    explained_variance,
    generalization_gap,
)
from rnnensemble.analysis.importance import UnitImportance, unit_importance
from rnnensemble.analysis.intrinsic_dimension import IntrinsicDimension, measure_intrinsic_dimension
from rnnensemble.analysis.lesions import Lesions, measure_lesions
from rnnensemble.analysis.over_training import (
    ClassPrediction,
    OverTraining,
    measure_over_training,
    predict_classes,
)
from rnnensemble.analysis.perturb import perturb
from rnnensemble.analysis.perturbations import Cut, Kick, Silence
from rnnensemble.analysis.populations import Groups, compare_groups, compare_populations
from rnnensemble.analysis.psychometric import PsychometricCurve, psychometric_curve
from rnnensemble.analysis.retention import Retention, measure_retention
from rnnensemble.analysis.settings import Analysis, DSAGrid
from rnnensemble.analysis.solutions import SolutionAnalysis, Solutions, compare_solutions
from rnnensemble.cli.block_matrix import distance_matrix_in_blocks
from rnnensemble.cli.report import write_report
from rnnensemble.cli.sweep import run_sweep
from rnnensemble.files.export import export
from rnnensemble.files.storage import load_run as load
from rnnensemble.files.storage import save
from rnnensemble.files.sweep_folder import load_sweep
from rnnensemble.metrics import DSA, PIF, Autocovariance
from rnnensemble.metrics.pairwise import compare_networks, distance_matrix
from rnnensemble.networks import GRU, LSTM, FlaxRNN, LeakyRNN, MuPRNN, Network, Observed, VanillaRNN
from rnnensemble.study.benchmarking import Benchmark, benchmark
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import losses, optimizers, schedules
from rnnensemble.training.deflate import Chosen, ReferenceActivity, deflate
from rnnensemble.training.epoch import Training
from rnnensemble.training.joining import concatenate
from rnnensemble.training.population import Population
from rnnensemble.training.pytorch import from_torch, to_torch
from rnnensemble.training.recipe import Recipe
from rnnensemble.training.resume import resume
from rnnensemble.training.sequence import Stage, TrainedSequence, train_sequence
from rnnensemble.training.similarity import Deflation
from rnnensemble.training.snapshots import log_spaced
from rnnensemble.training.train import TrainingInterrupted, train_population, train_populations

__all__ = [
    "DSA",
    "GRU",
    "LSTM",
    "PIF",
    "Analysis",
    "Autocovariance",
    "BatteryAnalysis",
    "Benchmark",
    "Chosen",
    "ClassPrediction",
    "Complexity",
    "Cut",
    "DSAGrid",
    "Decoder",
    "Deflation",
    "Degeneracy",
    "FeatureAnalysis",
    "FeatureLearning",
    "FixedPointSearch",
    "FlaxRNN",
    "GeneralizationGap",
    "Groups",
    "IntrinsicDimension",
    "Kick",
    "LeakyRNN",
    "Lesions",
    "MuPRNN",
    "Network",
    "Observed",
    "OverTraining",
    "Population",
    "PsychometricCurve",
    "Recipe",
    "ReferenceActivity",
    "Retention",
    "Silence",
    "SolutionAnalysis",
    "Solutions",
    "Stage",
    "Task",
    "TrainedSequence",
    "Training",
    "TrainingInterrupted",
    "Trials",
    "UnitImportance",
    "VanillaRNN",
    "accuracy_by_task",
    "benchmark",
    "by_task",
    "compare_groups",
    "compare_networks",
    "compare_populations",
    "compare_solutions",
    "concatenate",
    "deflate",
    "distance_matrix",
    "distance_matrix_in_blocks",
    "dsa_grid",
    "explained_variance",
    "export",
    "find_fixed_points",
    "fixed_points",
    "from_torch",
    "generalization_gap",
    "load",
    "load_sweep",
    "log_spaced",
    "loss_by_task",
    "losses",
    "measure_battery",
    "measure_complexity",
    "measure_decodability",
    "measure_degeneracy",
    "measure_feature_learning",
    "measure_intrinsic_dimension",
    "measure_lesions",
    "measure_over_training",
    "measure_retention",
    "measure_topology",
    "metrics",
    "networks",
    "optimizers",
    "perturb",
    "predict_classes",
    "prediction_errors",
    "psychometric_curve",
    "resume",
    "run_sweep",
    "runtime",
    "save",
    "schedules",
    "stats",
    "tasks",
    "to_pandas",
    "to_torch",
    "to_xarray",
    "train_population",
    "train_populations",
    "train_sequence",
    "unit_importance",
    "use_all_cores",
    "write_report",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """`figures`, which loads matplotlib, is loaded when it is first used."""
    if name == "figures":
        return importlib.import_module("rnnensemble.figures")
    raise AttributeError(f"module 'rnnensemble' has no attribute {name!r}")
