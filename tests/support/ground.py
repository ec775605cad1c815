"""Ground states on a periodic line, by LAPACK and without differences: what solvers are held against."""

import numpy as np


def matrix(potential: np.ndarray, length: float = 1.0) -> np.ndarray:
    n = len(potential)
    left = np.roll(np.eye(n), 1, axis=0)
    return np.diag(potential) + (n / length) ** 2 * (2 * np.eye(n) - left - left.T)


def by_lapack(potential: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues, and the ground state with mean square 1."""
    energies, vectors = np.linalg.eigh(matrix(potential))
    return energies, vectors[:, 0] * np.sign(vectors[:, 0].sum()) * np.sqrt(len(potential))


def spectral(a: np.ndarray, b: np.ndarray, waves: tuple[int, ...], points: int, modes: int) -> tuple[float, np.ndarray]:
    """Energy and ground state by a Fourier–Galerkin method: no differences in it."""
    fourier = np.zeros(4 * modes + 1, dtype=complex)
    for k, a_k, b_k in zip(waves, a, b, strict=True):
        fourier[2 * modes + k], fourier[2 * modes - k] = (a_k - 1j * b_k) / 2, (a_k + 1j * b_k) / 2
    m = np.arange(-modes, modes + 1)
    energies, vectors = np.linalg.eigh(fourier[m[:, None] - m + 2 * modes] + np.diag((2 * np.pi * m) ** 2.0))
    u = np.exp(2j * np.pi * np.outer(np.arange(points) / points, m)) @ vectors[:, 0]
    u = np.real(u / u[np.argmax(np.abs(u))])
    return energies[0], u / np.sqrt(np.mean(u**2))
