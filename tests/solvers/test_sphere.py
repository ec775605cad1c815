import numpy as np
import pytest
import torch
from scipy import fft

from mlft.solvers.sphere import Energy, begin, descend, turn


def line(v: np.ndarray) -> tuple[Energy, np.ndarray, np.ndarray]:
    """The energy of a ring of differences, and the eigenvalues and eigenvectors of its matrix."""
    n = len(v)
    symbol = (2 * n * np.sin(np.pi * fft.rfftfreq(n))) ** 2
    energy = Energy(v, 0.0, symbol, lambda u, s: fft.irfft(fft.rfft(u) * s, n), 1 / n, float(v.min()))
    left = np.roll(np.eye(n), 1, axis=0)
    return energy, *np.linalg.eigh(np.diag(v) + n**2 * (2 * np.eye(n) - left - left.T))


def test_beside_the_ground_state_the_least_is_the_next_state(generator: torch.Generator) -> None:
    v = 300 * torch.randn(21, generator=generator, dtype=torch.float64).numpy()
    energy, energies, states = line(v)
    ground = begin(energy, states[:, 0].copy())
    start = torch.randn(21, generator=generator, dtype=torch.float64).numpy()
    other = begin(energy, start - states[:, 0] * (start @ states[:, 0]))
    steps = descend(energy, other, limit=99, enough=lambda _, size: size < 1e-9 * 300, beside=ground)
    assert steps < 40
    assert abs(other[0] @ states[:, 1]) == pytest.approx(np.sqrt(21), rel=1e-12)
    assert other[0] @ states[:, 0] == pytest.approx(0, abs=1e-12)
    assert energy.gradient(other, np.empty(21))[0] == pytest.approx(energies[1], rel=1e-12)


def test_a_mixture_of_two_states_is_parted_on_their_circle(generator: torch.Generator) -> None:
    v = 300 * torch.randn(21, generator=generator, dtype=torch.float64).numpy()
    energy, _, states = line(v)
    for angle in (0.3, 1.0, -1.4):
        turned = states[:, :2] @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        path, other = (begin(energy, column.copy()) for column in turned.T)
        turn(energy, path, other)
        assert abs(path[0] @ states[:, 0]) == pytest.approx(np.sqrt(21), rel=1e-12)
        assert abs(other[0] @ states[:, 1]) == pytest.approx(np.sqrt(21), rel=1e-12)
