"""Predicted error per level as a function of the samples, with an interval: by kernels, and by the network itself."""

from mlft.estimators.curve import ErrorCurve, LevelError, fit_curve
from mlft.estimators.kernel import kernel_curve
from mlft.estimators.network import network_curve
from mlft.estimators.task import Estimator, PilotError, Task, Train, relative, subset_sizes

ESTIMATORS = ("learning-curve", "kernel-trained", "kernel-initial")
"""The network on nested subsets; its kernel at coarse-trained weights; its kernel at initial weights."""

__all__ = [
    "ESTIMATORS",
    "ErrorCurve",
    "Estimator",
    "LevelError",
    "PilotError",
    "Task",
    "Train",
    "fit_curve",
    "kernel_curve",
    "network_curve",
    "relative",
    "subset_sizes",
]
