"""How far apart two networks are: one file a metric, and a registry that knows them by name."""

import difflib

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
    "registered",
]

_METRICS: dict[str, type[Metric]] = {
    metric.name: metric
    for metric in (
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
    )
}


def registered() -> dict[str, type[Metric]]:
    """All metrics by name."""
    return dict(_METRICS)


def find(name: str) -> Metric:
    """The metric called `name` with its default settings; ValueError suggests the nearest."""
    if name in _METRICS:
        return _METRICS[name]()
    near = difflib.get_close_matches(name, _METRICS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`metric` must be one of {sorted(_METRICS)}; got {name!r}.{hint}")
