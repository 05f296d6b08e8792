"""How far apart two networks are: one file a metric, and a registry that knows them by name."""

from rnnensemble._core.registry import Registry
from rnnensemble.metrics.autocovariance import Autocovariance
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.cka import CKA
from rnnensemble.metrics.disagreement import Disagreement
from rnnensemble.metrics.dsa import DSA
from rnnensemble.metrics.input_dsa import InputDSA
from rnnensemble.metrics.pif import PIF
from rnnensemble.metrics.predictivity import LinearPredictivity
from rnnensemble.metrics.procrustes import Procrustes
from rnnensemble.metrics.rsa import RSA
from rnnensemble.metrics.svcca import SVCCA

__all__ = [
    "CKA",
    "DSA",
    "PIF",
    "RSA",
    "SVCCA",
    "Autocovariance",
    "Disagreement",
    "InputDSA",
    "LinearPredictivity",
    "Metric",
    "Procrustes",
    "find",
    "register",
    "registered",
]

REGISTRY: Registry[type[Metric]] = Registry(
    "metric",
    (
        DSA,
        InputDSA,
        Autocovariance,
        PIF,
        SVCCA,
        CKA,
        Procrustes,
        RSA,
        LinearPredictivity,
        Disagreement,
    ),
)
register = REGISTRY.register
"""Makes a metric of your own known by its `name`; a decorator."""
registered = REGISTRY.registered
"""All known metrics by name."""
find = REGISTRY.find
"""The metric called `name`; raises ValueError that suggests the nearest name."""
