"""Jacobian features of surrogates, the empirical neural tangent kernel, and regression with it."""

from mlft.kernels.features import KernelError, Linearised, point_probes, random_points, refuse_random
from mlft.kernels.movement import alignment, distance, movement
from mlft.kernels.ntk import MEMORY, block_kernel, kernel_product, spectrum, trace_kernel, trace_probes
from mlft.kernels.regression import RIDGES, Solution, choose_ridge, leave_out, left_out, regress, solve

__all__ = [
    "MEMORY",
    "RIDGES",
    "KernelError",
    "Linearised",
    "Solution",
    "alignment",
    "block_kernel",
    "choose_ridge",
    "distance",
    "kernel_product",
    "leave_out",
    "left_out",
    "movement",
    "point_probes",
    "random_points",
    "refuse_random",
    "regress",
    "solve",
    "spectrum",
    "trace_kernel",
    "trace_probes",
]
