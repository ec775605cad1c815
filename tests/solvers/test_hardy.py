import numpy as np
import pytest
import torch

from mlft.solvers.hardy import least_gap, resistance


def form(u: np.ndarray, periodic: bool) -> np.ndarray:
    """H − E of second differences on the unit square whose ground state is u: an axis of one point is none."""
    h = np.zeros((u.size, u.size))
    for axis, n in enumerate(u.shape):
        spacing = 1 / (n if periodic else n + 1)
        places = np.arange(u.size).reshape(u.shape)
        for i, j in zip(places.ravel(), np.roll(places, -1, axis).ravel(), strict=True):
            if i != j and (periodic or j > i):
                h[[i, j], [j, i]] -= 1 / spacing**2
    h[np.diag_indices(u.size)] = -(h @ u.ravel()) / u.ravel()
    return h


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(1, 29), (7, 12)])
def test_no_bound_is_over_the_gap(shape: tuple[int, int], periodic: bool, generator: torch.Generator) -> None:
    for power in (1, 2, 4, 8, 16):
        u = (0.2 + torch.rand(*shape, generator=generator, dtype=torch.float64).numpy()) ** power
        energies = np.linalg.eigvalsh(form(u, periodic))
        scale = np.abs(energies).max()
        assert energies[0] == pytest.approx(0, abs=1e-12 * scale)
        assert 0 < least_gap(u, periodic, 1e-9) < energies[1] + 1e-12 * scale


@pytest.mark.parametrize("periodic", [True, False])
def test_of_two_wells_on_a_line_the_bound_is_the_gap_to_a_factor_of_five(periodic: bool) -> None:
    x = (np.arange(40) + 0.5) / 40
    for width in (0.12, 0.09, 0.07):
        u = sum(np.exp(-((np.sin(np.pi * (x - centre)) / (np.pi * width)) ** 2)) for centre in (0.2, 0.7))[None]
        gap = np.linalg.eigvalsh(form(u, periodic))[1]
        assert gap / 5 < least_gap(u, periodic, 1e-9) < gap


def test_the_bound_of_a_line_is_the_sum_worked_by_hand() -> None:
    u = np.array([1.0, 2.0, 5.0, 4.0])  # the root is the third; cut after the last, and after the first
    assert resistance(u, np.ones(4), 3, 2) == pytest.approx(1 / 2 + 5 / 10 + 16 / 20)
    assert resistance(u, np.ones(4), 0, 2) == pytest.approx(4 / 10 + 1 / 4 + 17 / 20)
    assert resistance(u, np.array([7.0, 3.0, 1.0, 1.0]), 3, 2) == pytest.approx(7 / 2 + 19 / 10 + 16 / 20)
    assert resistance(1e-200 * u, np.ones(4), 3, 2) == resistance(u, np.ones(4), 3, 2)


def test_a_state_that_is_next_to_nothing_in_a_well_has_a_bound_next_to_nothing() -> None:
    u = np.exp(-0.5 * ((np.arange(40) - 9.5) / 1.1) ** 2) + 1e-12
    assert least_gap(u[None], False, 1e-6) < 1e-6 * least_gap(u[None], False, 0.0)
    u[30] = -1e-12
    assert least_gap(u[None], False, 1e-6) == 0


@pytest.mark.parametrize("periodic", [True, False])
def test_a_row_has_the_bound_of_a_column(periodic: bool, generator: torch.Generator) -> None:
    u = 0.2 + torch.rand(1, 13, generator=generator, dtype=torch.float64).numpy()
    assert least_gap(u, periodic, 1e-6) == pytest.approx(
        least_gap(np.ascontiguousarray(u.T), periodic, 1e-6), rel=1e-12
    )
