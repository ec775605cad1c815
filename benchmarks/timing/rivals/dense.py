"""Rivals for full matrices and eigenproblems, and for the one ordinary differential equation."""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from scipy.linalg import eigh
from scipy.sparse import csc_array, diags_array, eye_array, kron
from scipy.sparse.linalg import eigsh
from scipy.special import expn

from mlft.grids import Grid
from mlft.solvers.wkb import integral

Array = np.ndarray
Problem = Any


def wkb_ivp(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SciPy's DOP853 to 1e-8 through a cubic spline of a; the phase by its own quadrature on the grid."""
    (x,), epsilon, out = grid.points, problem.epsilon, []
    for (a,) in inputs:
        spline = CubicSpline(x, a)
        start = np.array([a[0] ** -0.25, 1j * a[0] ** 0.25 / epsilon])
        wave = solve_ivp(
            lambda t, y, a=spline: np.array([y[1], -a(t) / epsilon**2 * y[0]]),
            (0, 1), start, method="DOP853", t_eval=x, rtol=1e-8, atol=1e-8,
        ).y[0]  # fmt: skip
        wave = wave * np.exp(-1j / epsilon * integral(np.sqrt(a)[None], spacing=grid.spacing[0])[0])
        out.append([wave.real, wave.imag])
    return np.array(out)


def radiative_scipy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """E₃ of all pairs of faces from SciPy, second differences, and NumPy's solver."""
    h, out = grid.spacing[0], np.empty_like(inputs)
    for i, (scattering,) in enumerate(inputs):
        total = scattering + problem.absorption
        depths = np.concatenate([[0.0], np.cumsum(total * h)])
        table = expn(3, np.abs(depths[:, None] - depths))
        sums = table[1:, :-1] + table[:-1, 1:] - table[:-1, :-1] - table[1:, 1:] + np.diag(2 * total * h)
        kernel = sums / (2 * h * np.outer(total, total))
        out[i, 0] = np.linalg.solve(np.eye(len(total)) - kernel * scattering, kernel.sum(axis=1))
    return out


def kohn_sham_eigh(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """All eigenpairs of the full matrix."""
    n, h = grid.cells[0], grid.spacing[0]
    if problem.scheme == "spectral":
        waves = 2 * np.pi * np.fft.fftfreq(n, h)
        kinetic = np.fft.ifft(0.5 * waves[:, None] ** 2 * np.fft.fft(np.eye(n), axis=0), axis=0).real
    else:
        kinetic = (np.eye(n) - (np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0)) / 2) / h**2
    vectors = [eigh(kinetic + np.diag(v[0]))[1][:, : problem.electrons] for v in inputs]
    return np.array([(v**2).sum(axis=1) / h for v in vectors])[:, None]


def kohn_sham_eigsh(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Lanczos in shift-and-invert mode on the sparse matrix of differences."""
    n, h = grid.cells[0], grid.spacing[0]
    side, corner = np.full(n - 1, -0.5 / h**2), np.full(1, -0.5 / h**2)
    kinetic = diags_array([corner, side, np.full(n, 1 / h**2), side, corner], offsets=(1 - n, -1, 0, 1, n - 1))
    out = np.empty_like(inputs)
    for i, (v,) in enumerate(inputs):
        pairs = eigsh(csc_array(kinetic + diags_array(v)), k=problem.electrons, sigma=v.min() - 0.1, which="LM")
        out[i, 0] = (pairs[1] ** 2).sum(axis=1) / h
    return out


def ground_eigsh(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Lanczos in shift-and-invert mode; with repulsion again and again in the mixed field of the last densities."""
    n, dimension, out = grid.cells[0], len(grid.cells), np.empty_like(inputs)
    side, corner = np.full(n - 1, -float(n * n)), np.full(1, -float(n * n))
    line = diags_array([corner, side, np.full(n, 2.0 * n * n), side, corner], offsets=(1 - n, -1, 0, 1, n - 1))
    laplacian = line if dimension == 1 else kron(line, eye_array(n)) + kron(eye_array(n), line)
    for i, (v,) in enumerate(inputs):
        density, change, mixing = np.ones(v.size), np.inf, 0.5
        while change > 1e-7:
            field = v.ravel() + problem.cubic * density
            _, vectors = eigsh(csc_array(laplacian + diags_array(field)), k=1, sigma=field.min() - 1)
            state, before = np.abs(vectors[:, 0]) * n ** (dimension / 2), change
            change = np.abs(state**2 - density).mean() if problem.cubic else 0.0
            mixing *= 0.5 if change > 0.9 * before else 1.0  # two wells: it would slosh from one to the other
            density += mixing * (state**2 - density)
        out[i, 0] = state.reshape(v.shape)
    return out
