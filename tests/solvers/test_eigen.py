import numpy as np
import pytest
import torch
from scipy.special import mathieu_a, mathieu_cem
from threadpoolctl import threadpool_limits

from ground import by_lapack, matrix, spectral
from mlft.seeds import generator as stream
from mlft.solvers import eigen
from mlft.solvers.eigen import ground_states
from mlft.solvers.series import trigonometric
from orders import observed_order


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threadpool_limits(1):  # on a busy machine many small dense solves wait for each other's threads
        yield


def rough(n: int, points: int, name: str) -> np.ndarray:
    """Potentials without any smoothness, of strengths from 1 to 1e7: weak ones to ones that localise at a point."""
    normal = torch.randn(n, points, generator=stream(0, "potential", name), dtype=torch.float64).numpy()
    return normal * 10.0 ** np.linspace(0, 7, n)[:, None]


def wells(points: int, depth: float, tilt: float) -> np.ndarray:
    """Two wells of nearly the same depth; the second, at 0.72, is the deeper one."""
    x = np.arange(points) / points
    first, second = (np.exp(-((np.sin(np.pi * (x - centre)) / 0.3) ** 2)) for centre in (0.2, 0.72))
    return -depth * (first + (1 + tilt) * second)


# The solver


@pytest.mark.parametrize("q", [0.7, 25.0])
def test_states_and_energies_are_of_order_two_beside_mathieu_functions(q: float) -> None:
    points, states, energies = [60, 120, 240, 480], [], []
    for n in points:
        x = np.arange(n) / n  # u_zz + (a − 2q cos 2z) u = 0 with z = πx
        ground = ground_states(2 * q * np.pi**2 * np.cos(2 * np.pi * x)[None])
        exact = mathieu_cem(0, q, 180 * x)[0]
        exact /= np.sqrt(np.mean(exact**2))
        states.append(np.sqrt(np.mean((ground.states[0] - exact) ** 2)))
        energies.append(abs(ground.energies[0] / np.pi**2 - mathieu_a(0, q)))
    assert observed_order([1 / n for n in points], states) == pytest.approx(2.0, abs=0.1)
    assert observed_order([1 / n for n in points], energies) == pytest.approx(2.0, abs=0.1)
    assert states[-1] < 1e-4
    assert energies[-1] < 1e-3


def test_states_and_energies_are_of_order_two_on_a_potential_without_symmetry() -> None:
    waves, a, b = (1, 2, 5), np.array([[30.0, -50.0, 70.0]]), np.array([[-40.0, 20.0, 60.0]])
    points, states, energies = [60, 120, 240, 480], [], []
    for n in points:
        energy, exact = spectral(a[0], b[0], waves, n, 40)
        ground = ground_states(trigonometric(a, b, waves=waves, points=n))
        states.append(np.sqrt(np.mean((ground.states[0] - exact) ** 2)))
        energies.append(abs(ground.energies[0] - energy))
    assert observed_order([1 / n for n in points], states) == pytest.approx(2.0, abs=0.1)
    assert observed_order([1 / n for n in points], energies) == pytest.approx(2.0, abs=0.1)
    assert states[-1] < 3e-4
    assert energies[-1] < 3e-2


@pytest.mark.parametrize("points", [3, 16, 129, 1000])
def test_a_constant_potential_is_its_own_energy_and_its_state_is_one(points: int) -> None:
    level = np.array([-3.7, 0.0, 2.5e6, 1e-9, 7.3])
    ground = ground_states(np.repeat(level[:, None], points, axis=1))
    assert ground.converged.all()
    np.testing.assert_allclose(ground.energies, level, rtol=1e-15, atol=1e-12)
    np.testing.assert_allclose(ground.states, 1.0, atol=1e-12)


def test_a_vector_that_solves_the_scheme_exactly_is_found_again() -> None:
    n, length = 45, 1.7
    w = 1.0 + torch.rand(20, n, generator=stream(0, "exact"), dtype=torch.float64).numpy()
    w /= np.sqrt((w**2).sum(axis=1, keepdims=True) * length / n)
    energy = np.linspace(-300, 500, 20)
    second = (np.roll(w, 1, axis=1) - 2 * w + np.roll(w, -1, axis=1)) * (n / length) ** 2
    ground = ground_states(energy[:, None] + second / w, length)
    assert ground.converged.all()
    np.testing.assert_allclose(ground.states, w, rtol=1e-12)
    np.testing.assert_allclose(ground.energies, energy, atol=1e-12 * np.abs(second / w).max())


@pytest.mark.parametrize("points", [3, 4, 5, 9, 33, 65])
def test_rough_potentials_of_all_strengths_give_what_lapack_gives(points: int) -> None:
    potentials = rough(29, points, f"lapack {points}")
    ground = ground_states(potentials)
    assert ground.converged.all()
    assert ground.determined.all()
    for row, potential in enumerate(potentials):
        energies, exact = by_lapack(potential)
        size, gap = np.abs(energies).max(), energies[1] - energies[0]
        assert abs(ground.energies[row] - energies[0]) < 1e-13 * size
        assert np.abs(ground.states[row] - exact).max() < 1e-12 + 1e-13 * size / gap
        assert ground.brackets[row] < 1e-13 * size
    assert ground.iterations.max() <= 9


@pytest.mark.parametrize("depth", [30.0, 1e3, 1e5])
def test_a_symmetric_double_well_has_a_symmetric_ground_state(depth: float) -> None:
    potential = np.round(wells(25, depth, 0.0), 2)
    potential = np.maximum(potential, np.roll(potential[::-1], 24))  # mirrored at x = 0.46, exactly
    u = ground_states(potential[None]).states[0]
    np.testing.assert_allclose(u, np.roll(u[::-1], 24), rtol=1e-8, atol=1e-12)
    assert u[5] > 1


@pytest.mark.parametrize(("depth", "tilt"), [(3e4, 1e-6), (3e4, 1e-9), (1e6, 1e-9), (1e6, 1e-11)])
def test_of_two_wells_that_hardly_differ_the_deeper_one_holds_the_ground_state(depth: float, tilt: float) -> None:
    potentials = wells(25, depth, tilt) * np.array([[1.0], [1.1]])  # gaps far under the accuracy of a dense eigh
    ground = ground_states(potentials)
    assert ground.converged.all()
    assert (ground.states[:, 5] < 1e-2).all()
    assert (ground.states[:, 18] > 1).all()


def test_a_state_that_is_determined_is_right_and_one_that_round_off_mixes_is_not_determined() -> None:
    n, x = 26, np.arange(26) / 26
    bells = [np.exp(-((np.sin(np.pi * (x - centre)) / 0.3) ** 2)) for centre in (0.2, 0.7)]
    w = np.stack([(bells[0] + tilt * bells[1]) ** power for tilt in (1.0, 0.9) for power in np.linspace(0.5, 7, 14)])
    w /= np.sqrt((w**2).mean(axis=1, keepdims=True))  # of these, potentials are made: the gap is some (least w)²
    ground = ground_states(400 + (np.roll(w, 1, axis=1) - 2 * w + np.roll(w, -1, axis=1)) * n**2 / w)
    errors = np.sqrt(((ground.states - w) ** 2).mean(axis=1)).reshape(2, 14)
    determined = ground.determined.reshape(2, 14)
    assert ground.converged.all()
    assert errors[determined].max() < 1e-6
    assert errors.max() > 1e-2
    assert (determined[:, :4] & ~determined[:, [-4]]).all()  # gaps of 1e-6 and of 1e-13, beside the energies
    assert (np.diff(determined.astype(int)) <= 0).all()


def test_eigenvalues_are_counted_on_the_ring_without_an_edge(generator: torch.Generator) -> None:
    q, n = 3 * torch.rand(17, generator=generator, dtype=torch.float64).numpy(), 17
    for cut in (0, 5, 16):
        chain = np.roll(q, -(cut + 1))
        line = np.diag(chain + 2) - np.eye(n, k=1) - np.eye(n, k=-1)
        line[[0, -1], [0, -1]] -= 1
        second = np.linalg.eigvalsh(line)[1]
        assert eigen._is_alone(q, cut, second - 1e-9)
        assert not eigen._is_alone(q, cut, second + 1e-9)


def test_every_bracket_holds_the_smallest_eigenvalue() -> None:
    potentials = rough(29, 37, "bracket")
    exact = np.array([by_lapack(potential)[0][0] for potential in potentials])
    slack = 1e-14 * (4 * 37**2 + np.ptp(potentials, axis=1))
    for limit in (1, 2, 3, 4, 60):  # also of those that did not get there
        ground = ground_states(potentials, limit=limit)
        assert (ground.energies >= exact - slack).all()
        assert (ground.energies - ground.brackets <= exact + slack).all()


def from_the_shift(potential: np.ndarray, shift: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    """State and numbers of a solve in lane k whose proven bound was spoilt, to `shift` in the scheme's units."""
    n = len(potential)
    points, lanes = np.ones(n * eigen.RECORD), np.ones(eigen.SLOTS * eigen.LANES)
    state, numbers = np.empty(n), np.empty(6)
    eigen._load(points, lanes, k, potential, 1 / n)
    lanes[eigen.SHIFT + k] = lanes[eigen.LOW + k] = shift
    for _ in range(60):
        eigen._eliminate(points, lanes, n)
        eigen._substitute(points, lanes, n)
        if eigen._judge(points, lanes, k, n):
            break
    eigen._store(points, lanes, k, 1 / n, state, numbers)
    return state, numbers


def test_a_shift_above_the_smallest_eigenvalue_is_noticed_and_lowered() -> None:
    for k, potential in enumerate(rough(eigen.LANES, 37, "retreat")):
        energies, exact = by_lapack(potential)
        size = np.abs(energies).max()
        state, numbers = from_the_shift(potential, (energies[:2] @ [0.1, 0.9] - potential.min()) / 37**2, k)
        assert numbers[4] == 1
        assert numbers[0] == pytest.approx(energies[0], abs=1e-13 * size)
        assert np.abs(state - exact).max() < 1e-12 + 1e-13 * size / (energies[1] - energies[0])


def test_a_singular_solve_is_started_again_below_the_eigenvalue() -> None:
    state, numbers = from_the_shift(np.full(19, 7.0), 0.0, eigen.LANES - 1)  # a pivot of 0
    assert numbers[3] > 1
    assert numbers[4] == 1
    np.testing.assert_allclose(state, 1.0, atol=1e-12)


def test_too_few_iterations_are_not_converged_and_enough_are() -> None:
    potentials = rough(21, 37, "limit")
    needed = ground_states(potentials).iterations
    for limit in range(1, 9):
        ground = ground_states(potentials, limit=limit)
        assert (ground.converged == (needed <= limit)).all()
        assert (ground.iterations == np.minimum(needed, limit)).all()
    assert needed.min() > 1
    assert needed.max() <= 8


def test_residuals_are_those_of_the_dense_matrix_and_near_round_off() -> None:
    potentials = np.concatenate([rough(19, 37, "residual"), wells(37, 500.0, 1e-9)[None]])
    for limit in (2, 60):
        ground = ground_states(potentials, limit=limit)
        for row, u in enumerate(ground.states):
            left = matrix(potentials[row]) @ u - ground.energies[row] * u
            size = 4 * 37**2 + np.ptp(potentials[row])
            expected = np.linalg.norm(left) / np.linalg.norm(u) / size
            assert ground.residuals[row] == pytest.approx(expected, rel=1e-6, abs=1e-15)
    assert ground.residuals.max() < 2e-13


def test_states_are_positive_and_normalised_even_where_they_underflow() -> None:
    x = np.arange(2049) / 2049
    potentials = np.array([[1e2], [1e5], [1e8], [1e12], [1e200]]) * (1 - np.cos(2 * np.pi * x))
    ground = ground_states(potentials, 3.0)
    assert ground.converged.all()
    assert (ground.states > 0).all()
    assert ground.states[2].min() < 1e-30
    np.testing.assert_allclose((ground.states**2).mean(axis=1) * 3.0, 1.0, rtol=1e-13)


def test_energies_lie_between_the_smallest_and_the_mean_potential() -> None:
    potentials = rough(43, 31, "between")
    ground, slack = ground_states(potentials), 1e-14 * np.abs(potentials).max(axis=1)
    assert (ground.energies >= potentials.min(axis=1) - slack).all()
    assert (ground.energies <= potentials.mean(axis=1) + slack).all()


def test_a_constant_added_to_the_potential_is_added_to_the_energy_alone() -> None:
    potentials = np.round(rough(11, 31, "constant"))
    ground, shifted = ground_states(potentials), ground_states(potentials + 4096.0)
    assert (ground.states == shifted.states).all()
    np.testing.assert_allclose(shifted.energies - 4096.0, ground.energies, rtol=1e-15, atol=1e-11)


def test_a_shifted_or_mirrored_potential_has_the_shifted_or_mirrored_state() -> None:
    potentials = rough(11, 53, "translate")[:7]  # up to 1e4: past that neighbouring states mix at round-off
    ground = ground_states(potentials)
    for image in (lambda f: np.roll(f, 17, axis=1), lambda f: f[:, ::-1]):
        moved = ground_states(image(potentials))
        np.testing.assert_allclose(moved.states, image(ground.states), atol=1e-10)
        np.testing.assert_allclose(moved.energies, ground.energies, rtol=1e-12, atol=1e-12)


def test_a_longer_interval_is_a_change_of_units() -> None:
    potentials = rough(11, 31, "units")
    ground, longer = ground_states(potentials), ground_states(potentials / 4, 2.0)
    np.testing.assert_allclose(longer.energies, ground.energies / 4, rtol=1e-13)
    np.testing.assert_allclose(longer.brackets, ground.brackets / 4, atol=1e-15 * np.abs(potentials).max())
    np.testing.assert_allclose(longer.states, ground.states / np.sqrt(2), rtol=1e-12)


def test_a_solve_does_not_depend_on_its_batch_bit_for_bit() -> None:
    potentials = rough(41, 37, "batch")
    potentials[13, 5] = np.nan
    whole, order = ground_states(potentials), torch.randperm(41, generator=stream(0, "order")).numpy()
    for part in (order[:1], order[1:17], order[17:34], order[34:], order):
        ground = ground_states(potentials[part])
        for name in ("states", "energies", "brackets", "residuals", "iterations", "converged", "determined"):
            np.testing.assert_array_equal(getattr(ground, name), getattr(whole, name)[part], strict=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_spoils_its_own_sample_alone(value: float) -> None:
    potentials = rough(5, 17, "nan")
    clean = ground_states(potentials)
    potentials[[0, 3], [4, 16]] = value
    ground, others = ground_states(potentials), [1, 2, 4]
    assert np.isnan(ground.states[[0, 3]]).all()
    assert np.isnan(ground.energies[[0, 3]]).all()
    assert ground.converged.tolist() == [False, True, True, False, True]
    assert (ground.states[others] == clean.states[others]).all()
    assert not ground_states(potentials[[0, 3]]).converged.any()
    assert ground_states(potentials[:0]).states.shape == (0, 17)


def test_a_potential_that_overflows_is_not_converged() -> None:
    potentials = np.array([[1.5e308, -1.5e308, 0.0, 1.0, 2.0], [3.0, 1.0, 2.0, 0.0, 1.0]])
    assert ground_states(potentials, 1e3).converged.tolist() == [False, True]


def test_the_solver_refuses_what_it_cannot_do() -> None:
    cases = [(2, 1.0, 60, "at least 3 points, got 2"), (5, 0.0, 60, "length=0.0"), (5, np.inf, 60, "length=inf")]
    for points, length, limit, message in [*cases, (5, 1.0, 0, "limit=0")]:
        with pytest.raises(ValueError, match=message):
            ground_states(np.ones((1, points)), length, limit=limit)
