"""Solvers from outside of Python, each a `solve_function` of a `FunctionProblem`: a command, an UM-Bridge server."""

from mlft.outside.command import CommandSolver
from mlft.outside.umbridge import UMBridgeSolver

__all__ = ["CommandSolver", "UMBridgeSolver"]
