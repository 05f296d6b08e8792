"""Train populations of RNNs and measure how far their solutions lie apart."""

from rnnensemble import metrics, networks, tasks
from rnnensemble._core import runtime
from rnnensemble._core.runtime import use_all_cores
from rnnensemble.benchmarking import Benchmark, benchmark
from rnnensemble.complexity import Complexity, measure_complexity
from rnnensemble.deflation import Chosen, ReferenceActivity, deflate
from rnnensemble.degeneracy import Analysis, Degeneracy, measure_degeneracy
from rnnensemble.dynamics import DSAGrid, dsa_grid
from rnnensemble.feature_learning import (
    FeatureAnalysis,
    FeatureLearning,
    measure_feature_learning,
)
from rnnensemble.groups import TrainingInterrupted, train_population, train_populations
from rnnensemble.intrinsic_dimension import (
    IntrinsicDimension,
    measure_intrinsic_dimension,
)
from rnnensemble.learning.deflation import Deflation
from rnnensemble.learning.trainer import Training
from rnnensemble.metrics import DSA, PIF
from rnnensemble.networks import MuPRNN, VanillaRNN
from rnnensemble.pairwise import compare_networks, distance_matrix
from rnnensemble.population import Population
from rnnensemble.populations import compare_populations
from rnnensemble.prediction import prediction_errors
from rnnensemble.solutions import SolutionAnalysis, Solutions, compare_solutions
from rnnensemble.tasks import Task, Trials

__all__ = [
    "DSA",
    "PIF",
    "Analysis",
    "Benchmark",
    "Chosen",
    "Complexity",
    "DSAGrid",
    "Deflation",
    "Degeneracy",
    "FeatureAnalysis",
    "FeatureLearning",
    "IntrinsicDimension",
    "MuPRNN",
    "Population",
    "ReferenceActivity",
    "SolutionAnalysis",
    "Solutions",
    "Task",
    "Training",
    "TrainingInterrupted",
    "Trials",
    "VanillaRNN",
    "benchmark",
    "compare_networks",
    "compare_populations",
    "compare_solutions",
    "deflate",
    "distance_matrix",
    "dsa_grid",
    "measure_complexity",
    "measure_degeneracy",
    "measure_feature_learning",
    "measure_intrinsic_dimension",
    "metrics",
    "networks",
    "prediction_errors",
    "runtime",
    "tasks",
    "train_population",
    "train_populations",
    "use_all_cores",
]
__version__ = "0.1.0"
