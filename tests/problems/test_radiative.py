import numpy as np
import pytest
import torch
from scipy.integrate import dblquad, quad
from scipy.special import exp1, expn

from mlft.grids import Grid, relative_error, restrict
from mlft.problems import RadiativeTransfer
from mlft.seeds import generator as stream
from mlft.solvers import transfer
from mlft.solvers.transfer import mean_intensity, transport_matrix
from orders import observed_order
from refusals import refuses


def by_ordinates(scattering: np.ndarray, absorption: float, width: float, angles: int) -> np.ndarray:
    """Mean intensities by discrete ordinates: rays in Gauss's directions, exact in a cell of constant source."""
    nodes, weights = np.polynomial.legendre.leggauss(angles)
    cosines, weights = (nodes + 1) / 2, weights / 2
    total, phi = scattering + absorption, np.zeros(len(scattering))
    for _ in range(200):
        source, new = (scattering * phi + 1) / total, np.zeros(len(scattering))
        for cells in (range(len(phi)), range(len(phi) - 1, -1, -1)):
            ray = np.zeros(angles)
            for i in cells:
                decay = np.exp(-total[i] * width / cosines)
                mean = source[i] + (ray - source[i]) * (1 - decay) * cosines / (total[i] * width)
                new[i] += 0.5 * weights @ mean
                ray = source[i] + (ray - source[i]) * decay
        change, phi = np.abs(new - phi).max(), new
        if change < 1e-13:
            break
    return phi


def test_a_pure_absorber_has_the_exact_averages(generator: torch.Generator) -> None:
    for absorption in (0.2, 30.0):
        found = mean_intensity(np.zeros((2, 17)), absorption=absorption, width=1 / 17)
        for i in (0, 8, 16):
            value = quad(
                lambda x: (1 - (expn(2, absorption * x) + expn(2, absorption * (1 - x))) / 2) / absorption,  # noqa: B023
                i / 17, (i + 1) / 17, epsabs=1e-14,
            )[0] * 17  # fmt: skip
            np.testing.assert_allclose(found[:, i], value, rtol=1e-11)


@pytest.mark.parametrize("absorption", [1e-5, 1e-8, 1e-30])
def test_a_thin_absorber_has_the_averages_of_its_series(absorption: float) -> None:
    """½ ∫ E₁(μ|x − y|) dy, with E₁(z) = −log z − γ + z + O(z²)."""

    def one_side(x: float) -> float:
        return 0.5 * x * (1 - np.euler_gamma - np.log(absorption * x)) + 0.25 * absorption * x**2 if x > 0 else 0.0

    found = mean_intensity(np.zeros((2, 17)), absorption=absorption, width=1 / 17)
    for i in (0, 8, 16):
        value = quad(lambda x: one_side(x) + one_side(1 - x), i / 17, (i + 1) / 17, epsabs=1e-14)[0] * 17
        np.testing.assert_allclose(found[:, i], value, rtol=1e-10)


def mean_of_kernel(gap: float, a: float, b: float) -> float:
    """The mean of E₁(gap + s + t) over 0 < s < a, 0 < t < b: Gauss's rule over s + t, on panels halved towards 0."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    total, edges = 0.0, [0.0, min(a, b), max(a, b), a + b]
    for low, high in zip(edges, edges[1:], strict=False):
        faces = (high - low) * np.append(0.0, 2.0 ** -np.arange(60.0, -1, -1))
        above = faces[:-1, None] + 0.5 * (nodes + 1) * np.diff(faces)[:, None]
        share = np.minimum(np.minimum(low + above, min(a, b)), np.maximum(edges[3] - low - above, 0)) / (a * b)
        total += float((0.5 * np.diff(faces)[:, None] * weights * share * exp1(gap + low + above)).sum())
    return total


@pytest.mark.parametrize("gap", [0.0, 1e-13, 3e-7, 1e-3, 0.4, 5.0])
@pytest.mark.parametrize(
    ("a", "b"), [(1e-13, 1e-13), (2e-9, 7e-5), (9e-5, 9e-5), (1e-11, 4e-3), (1e-10, 0.7), (1e-12, 30.0)]
)
def test_the_kernel_between_thin_cells_is_that_of_quadrature(gap: float, a: float, b: float) -> None:
    assert transfer._thin(gap, a, b) == pytest.approx(mean_of_kernel(gap, a, b), rel=3e-12)


def test_entries_of_thin_cells_are_means_of_the_kernel_beside_thick_ones_too() -> None:
    thicknesses, h = np.array([1e-9, 3e-7, 0.02, 900.0, 2e-8, 1e-9, 5e-5, 0.3]), 0.125
    matrix = transport_matrix(thicknesses / h - 1e-9, absorption=1e-9, width=h)
    for i in range(8):
        for j in range(i + 1, 8):
            value = 0.5 * h * mean_of_kernel(thicknesses[i + 1 : j].sum(), thicknesses[i], thicknesses[j])
            assert matrix[i, j] == matrix[j, i] == pytest.approx(value, rel=3e-8, abs=1e-250)
        a = thicknesses[i]
        value = quad(lambda z, a=a: 2 * (a - z) / a**2 * exp1(z), 0, a, epsabs=0, epsrel=1e-10)[0]
        assert matrix[i, i] == pytest.approx(0.5 * h * value, rel=1e-7)


def test_entries_of_the_matrix_are_double_integrals_of_the_kernel() -> None:
    scattering, h = np.array([0.3, 1.7, 0.0, 4.0]), 0.25
    matrix, total = transport_matrix(scattering, absorption=0.5, width=h), scattering + 0.5
    for i, j in ((3, 0), (1, 3)):
        low, high = min(i, j), max(i, j)
        between = (total[low + 1 : high] * h).sum()
        value = dblquad(lambda s, t: 0.5 * exp1(total[low] * s + between + total[high] * t), 0, h, 0, h)[0] / h  # noqa: B023
        assert matrix[i, j] == pytest.approx(value, rel=1e-8)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-16)
    assert (matrix > 0).all()


def test_integrals_between_faces_are_scipys() -> None:
    depths = np.concatenate(
        [[0.0], np.geomspace(1e-9, 1.9, 40), np.linspace(1.95, 2.05, 7), np.geomspace(2.1, 700, 60)]
    )
    values = np.empty(len(depths) * (len(depths) - 1) // 2)
    transfer._integrals(np.diff(depths), values)
    first, second = np.triu_indices(len(depths), 1)
    expected = expn(3, depths[second] - depths[first])
    np.testing.assert_allclose(values, expected, rtol=1e-13, atol=1e-220)


def test_the_solution_solves_the_equations_and_keeps_light(generator: torch.Generator) -> None:
    scattering = 8 * torch.rand(3, 23, generator=generator, dtype=torch.float64).numpy()
    scattering[0, :5], h = 0.0, 1 / 23
    found = mean_intensity(scattering, absorption=0.7, width=h)
    for row, phi in zip(scattering, found, strict=True):
        matrix = transport_matrix(row, absorption=0.7, width=h)
        np.testing.assert_allclose(phi, matrix @ (row * phi + 1), rtol=1e-12)
        depths = np.append(0.0, np.cumsum((row + 0.7) * h))
        emitted = (row * phi + 1) / (2 * (row + 0.7))
        left = emitted @ (expn(3, depths[:-1]) - expn(3, depths[1:]))
        right = emitted @ (expn(3, depths[-1] - depths[1:]) - expn(3, depths[-1] - depths[:-1]))
        assert 0.7 * h * phi.sum() + left + right == pytest.approx(1.0, abs=1e-12)


def test_the_solution_is_that_of_discrete_ordinates() -> None:
    problem = RadiativeTransfer(cells=40, levels=1, strength=5.0)
    inputs = problem.evaluate(problem.draw(1, stream(0, "ordinates")), problem.finest)
    found = problem.solve(inputs, problem.finest).solutions[0, 0]
    np.testing.assert_allclose(found, by_ordinates(inputs[0, 0], 0.2, 1 / 40, 200), rtol=2e-5)


def test_a_thick_medium_tends_to_its_local_balance_and_a_mirrored_one_to_the_mirror_image() -> None:
    scattering = np.linspace(0.1, 40, 30)[None]
    found = mean_intensity(scattering, absorption=200.0, width=1 / 30)
    np.testing.assert_allclose(found[0, 8:-8], 1 / 200, rtol=1e-3)
    mirrored = mean_intensity(scattering[:, ::-1], absorption=200.0, width=1 / 30)
    np.testing.assert_allclose(mirrored[:, ::-1], found, rtol=1e-11)


@pytest.mark.parametrize(("absorption", "ceiling"), [(1e-8, 3e-4), (0.2, 1e-4)])
def test_the_scheme_is_of_order_two(absorption: float, ceiling: float) -> None:
    problem = RadiativeTransfer(cells=640, levels=6, strength=4.0, absorption=absorption)
    draws = problem.draw(1, stream(0, "order"))
    fields = [problem.solve(problem.evaluate(draws, g), g).solutions for g in problem.hierarchy[-2:]]
    exact = (4 * restrict(fields[1], to=problem.hierarchy[-2]) - fields[0]) / 3  # extrapolated: of a higher order
    errors, grids = [], problem.hierarchy[1:5]
    for grid in grids:
        solved = problem.solve(problem.evaluate(draws, grid), grid).solutions
        errors.append(float(relative_error(solved, restrict(exact, to=grid), grid)[0]))
    assert observed_order([grid.spacing[0] for grid in grids], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < ceiling


def test_scatterers_are_the_stated_gaussians(generator: torch.Generator) -> None:
    problem = RadiativeTransfer(cells=20, levels=1, scatterers=3, strength=2.0)
    draws = problem.draw(200, generator)
    assert 0.1 < draws[:, :3].min() < 0.105 < 0.295 < draws[:, :3].max() < 0.3
    assert 0.2 < draws[:, 3:6].min() < 0.22 < 0.78 < draws[:, 3:6].max() < 0.8
    assert 0.05 <= np.diff(draws[:, 3:6], axis=1).min() < 0.053
    assert 0.002 < draws[:, 6].min() < draws[:, 6].max() < 0.004
    c, t = draws[0, 3:6], draws[0, 6]
    value = 20 * quad(lambda x: 2 * draws[0, :3] @ np.exp(-((x - c) ** 2) / (2 * t)) / np.sqrt(2 * np.pi * t),
                      0.4, 0.45)[0]  # fmt: skip
    assert problem.evaluate(draws[:1], problem.finest)[0, 0, 8] == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scatterers": 12}, "at most 11 scatterers .* got 12"),
        ({"strength": 0.0}, "strength .* got 0.0"),
        ({"absorption": -0.1}, "absorption .* got -0.1"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(RadiativeTransfer, options, message)


def test_negative_scattering_is_refused() -> None:
    problem, inputs = RadiativeTransfer(cells=20, levels=1), np.ones((2, 1, 20))
    inputs[1, 0, 4] = -0.5
    with pytest.raises(ValueError, match="scattering must be 0 or more .* minimum of -0.5"):
        problem.solve(inputs, problem.finest)
    with pytest.raises(ValueError, match="absorption positive, got a minimum of 1 and 0"):
        mean_intensity(np.ones((1, 5)), absorption=0.0, width=0.2)
    with pytest.raises(ValueError, match="radiative-transfer lives on bounded cell grids"):
        problem.solve(np.ones((1, 1, 20)), Grid((20,)))
