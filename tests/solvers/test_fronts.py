import numpy as np
import pytest
from scipy.sparse.linalg import spsolve

from mlft.solvers import fronts, helmholtz
from mlft.solvers.fronts import apply_five_point, five_point_matrix, solve_five_point
from mlft.solvers.helmholtz import helmholtz_2d


def equations(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A complex diagonal that is not dominant, a right-hand side, and positive couplings, all at random."""
    rows, columns = shape
    random = np.random.default_rng(seed)
    diagonal = random.normal(size=shape) + 2 + 1j * random.uniform(0.1, 1, size=shape)
    right = random.normal(size=shape) + 1j * random.normal(size=shape)
    faces = {
        "down": random.uniform(0.5, 1.5, size=(rows - 1, columns)),
        "along": random.uniform(0.5, 1.5, size=(rows, columns - 1)),
    }
    return diagonal, right, faces


@pytest.mark.parametrize("shape", [(3, 5), (6, 6), (7, 40), (61, 4), (23, 37)])
def test_the_solution_is_that_of_a_sparse_solve(shape: tuple[int, int]) -> None:
    diagonal, right, faces = equations(shape)
    expected = spsolve(five_point_matrix(diagonal, **faces), right.ravel()).reshape(shape)
    found = solve_five_point(diagonal, right, **faces)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


def test_the_matrix_the_product_and_the_definition_are_one() -> None:
    diagonal, field, faces = equations((4, 6))
    expected = diagonal * field
    for i in range(4):
        for j in range(6):
            for row, column, face in (
                (i - 1, j, faces["down"][i - 1, j]),
                (i + 1, j, faces["down"][min(i, 2), j]),
                (i, j - 1, faces["along"][i, j - 1]),
                (i, j + 1, faces["along"][i, min(j, 4)]),
            ):
                if 0 <= row < 4 and 0 <= column < 6:
                    expected[i, j] -= face * field[row, column]
    np.testing.assert_allclose(apply_five_point(diagonal, field, **faces), expected, atol=1e-14)
    matrix = five_point_matrix(diagonal, **faces)
    np.testing.assert_allclose((matrix @ field.ravel()).reshape(4, 6), expected, atol=1e-14)
    assert abs(matrix - matrix.T).max() == 0


def test_every_point_is_eliminated_once_and_every_coupling_is_used_once() -> None:
    rows, columns = 31, 18
    plan = fronts._plan(rows, columns)
    assert sorted(plan.points) == list(range(rows * columns))
    assert sorted(plan.edges[:, 2]) == list(range((rows - 1) * columns + rows * (columns - 1)))
    assert len(plan.border) == len(plan.places)


def test_a_block_that_resonates_spoils_a_solution_without_pivots_and_is_seen_in_its_residual() -> None:
    shape = (13, 11)  # its first block has 6 x 5 points: the least eigenvalue of its own matrix is made 0
    faces = {"down": np.ones((12, 11)), "along": np.ones((13, 10))}
    diagonal = np.full(shape, 2 * np.cos(np.pi / 7) + 2 * np.cos(np.pi / 6) + 0j)
    right = equations(shape)[1]
    found = solve_five_point(diagonal, right, **faces)
    residual = np.linalg.norm(apply_five_point(diagonal, found, **faces) - right)
    assert not residual < 1e-10 * np.linalg.norm(right)


@pytest.mark.parametrize("spoilt", [0.0, np.nan])
def test_a_spoilt_solution_of_helmholtz_is_solved_again_with_pivots(
    spoilt: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    indices = np.random.default_rng(1).uniform(0.9, 1.1, size=(2, 9, 14))
    right = equations((9, 14))[1]
    expected = helmholtz_2d(indices, right, wave_number=9.0, spacing=0.1)
    monkeypatch.setattr(helmholtz, "solve_five_point", lambda d, r, **faces: np.full(d.shape, spoilt + 0j))
    found = helmholtz_2d(indices, right, wave_number=9.0, spacing=0.1)
    np.testing.assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())
