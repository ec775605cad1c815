"""Predicted error per level as a function of the samples, with an interval: by kernels, and by the network itself."""

from mlft.estimators.curve import fit_curve
from mlft.estimators.kernel import kernel_curve
from mlft.estimators.network import network_curve
from mlft.estimators.study import ESTIMATORS, Estimator, Study, estimate, evidence, learned
from mlft.estimators.task import PilotError, Task, Train, subset_sizes

__all__ = [
    "ESTIMATORS",
    "Estimator",
    "PilotError",
    "Study",
    "Task",
    "Train",
    "estimate",
    "evidence",
    "fit_curve",
    "kernel_curve",
    "learned",
    "network_curve",
    "subset_sizes",
]
