"""What a user would write without mlft: the obvious libraries, on the samples and the grids of mlft's problems.

A rival takes the problem, its inputs and the grid, and returns the solutions. Most solve the same discrete equations,
and are to agree with mlft to round-off or to their tolerance; py-pde, scikit-fem and `solve_ivp` bring a scheme of
their own, of the same order. Each is given its best: one factorization for all samples where the matrix is the same.
"""

from typing import Any

import numpy as np
import pde
import pyamg
import skfem
from scipy import fft
from scipy.integrate import solve_ivp
from scipy.linalg import eigh, solve_banded, solveh_banded
from scipy.sparse import csc_array, diags_array, eye_array, kron
from scipy.sparse.linalg import eigsh, splu, spsolve
from scipy.special import expn
from skfem.helpers import dot, grad

from burgers_solver import in_batches
from darcy_solver import matrix as darcy_matrix
from mlft.grids import Grid

Array = np.ndarray
Problem = Any


def burgers_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells, in the best of a few batch sizes."""
    return in_batches(inputs[:, 0], problem.time, 16)[:, None]


def advection_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells."""
    u, shift = inputs[:, 0].copy(), problem.time / grid.spacing[0]
    steps = max(1, int(np.ceil(abs(shift) / 0.8 - 1e-12)))
    courant = shift / steps
    for _ in range(steps):
        flux = u + (1 - courant) * _half_slopes(u)
        u -= courant * (flux - np.roll(flux, 1, axis=-1))
    return u[:, None]


def viscous_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells; finished samples wait."""
    h, nu = grid.spacing[0], problem.viscosity
    u, remaining = inputs[:, 0].copy(), np.full((len(inputs), 1), float(problem.time))

    def slope(u: Array) -> Array:
        half = _half_slopes(u)
        before = np.roll(u, 1, axis=1)
        m = np.maximum(np.maximum(before + np.roll(half, 1, axis=1), half - u), 0)
        flux = 0.5 * m * m - nu / h * (u - before)
        return (flux - np.roll(flux, -1, axis=1)) / h

    while (remaining > 0).any():
        step = np.minimum(remaining, 1 / (2 * np.abs(u).max(axis=1, keepdims=True) / h + 4 * nu / h**2))
        middle = u + step * slope(u)
        u = 0.5 * (u + middle + step * slope(middle))
        remaining = remaining - step
    return u[:, None]


def viscous_ivp(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The method of lines with central differences and SciPy's RK45 at its default tolerances."""
    h, nu, out = grid.spacing[0], problem.viscosity, np.empty_like(inputs)

    def slope(_: float, u: Array) -> Array:
        right, left = np.roll(u, -1), np.roll(u, 1)
        return (left * left - right * right) / (4 * h) + nu * (right - 2 * u + left) / h**2

    for i, (u,) in enumerate(inputs):
        out[i, 0] = solve_ivp(slope, (0, problem.time), u, method="RK45").y[:, -1]
    return out


def viscous_pde(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """py-pde: the equation as text, compiled once for all samples, Runge–Kutta with adaptive steps."""
    line = pde.CartesianGrid([(0, 1)], grid.cells[0], periodic=True)
    equation = pde.PDE({"u": f"-d_dx(u**2) / 2 + {problem.viscosity} * laplace(u)"})
    solver = pde.RungeKuttaSolver(equation, adaptive=True)
    out, states = np.empty_like(inputs), [pde.ScalarField(line, row) for (row,) in inputs]
    step = solver.make_stepper(states[0], dt=1e-4)
    for i, state in enumerate(states):
        step(state, 0.0, float(problem.time))
        out[i, 0] = state.data
    return out


def _half_slopes(u: Array) -> Array:
    before = u - np.roll(u, 1, axis=-1)
    after = np.roll(before, -1, axis=-1)
    size = np.minimum(np.minimum(np.abs(before), np.abs(after)), np.abs(before + after) / 4)
    return np.where(before * after > 0, np.copysign(size, before), 0.0)


def euler_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme (MUSCL–Hancock, HLLC), vectorised over samples and cells; finished samples wait."""
    g, h = problem.gamma, grid.spacing[0]
    u, remaining = np.moveaxis(inputs, 1, 0).copy(), np.full((len(inputs), 1), float(problem.time))
    while (remaining > 0).any():
        rho, velocity = u[0], u[1] / u[0]
        w = np.stack([rho, velocity, (g - 1) * (u[2] - 0.5 * u[1] * velocity)])
        speed = (np.abs(w[1]) + np.sqrt(g * w[2] / w[0])).max(axis=1, keepdims=True)
        step = np.minimum(remaining, 0.8 * h / speed)
        w = np.concatenate([w[..., :1], w[..., :1], w, w[..., -1:], w[..., -1:]], axis=-1)
        half = _half_slopes(w)[..., 1:-1]
        w = w[..., 1:-1]
        (rho, velocity, p), (d, v, q) = w, 2 * half
        change = np.stack([velocity * d + rho * v, velocity * v + q / rho, g * p * v + velocity * q])
        change *= 0.5 * step / h
        flux = _hllc((w + half - change)[..., :-1], (w - half - change)[..., 1:], g)
        u = u - step / h * np.diff(flux, axis=-1)
        remaining = remaining - step
    return np.moveaxis(u, 0, 1)


def _hllc(left: Array, right: Array, g: float) -> Array:
    roots = np.sqrt(left[0]), np.sqrt(right[0])
    share = roots[0] / (roots[0] + roots[1])
    energies = [s[2] / (g - 1) + 0.5 * s[0] * s[1] ** 2 for s in (left, right)]
    enthalpy = share * (energies[0] + left[2]) / left[0] + (1 - share) * (energies[1] + right[2]) / right[0]
    mean = share * left[1] + (1 - share) * right[1]
    sound = np.sqrt((g - 1) * (enthalpy - 0.5 * mean**2))
    first = np.minimum(left[1] - np.sqrt(g * left[2] / left[0]), mean - sound)
    last = np.maximum(right[1] + np.sqrt(g * right[2] / right[0]), mean + sound)
    behind, ahead = left[0] * (first - left[1]), right[0] * (last - right[1])
    contact = (right[2] - left[2] + left[1] * behind - right[1] * ahead) / (behind - ahead)
    sides = []
    for (rho, u, p), energy, speed in ((left, energies[0], first), (right, energies[1], last)):
        flux = np.stack([rho * u, rho * u * u + p, u * (energy + p)])
        factor = rho * (speed - u) / (speed - contact)
        inner = energy / rho + (contact - u) * (contact + p / (rho * (speed - u)))
        star = flux + speed * np.stack([factor - rho, factor * contact - rho * u, factor * inner - energy])
        sides.append(np.where(speed * contact <= 0, star, flux))
    return np.where(contact >= 0, *sides)


def poisson_one_by_one(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded elimination, a sample at a time."""
    n = grid.cells[0]
    bands = np.array([[-1.0], [2.0], [-1.0]]).repeat(n - 1, axis=1) * n**2
    solutions = [solve_banded((1, 1), bands, field[0, 1:-1], check_finite=False) for field in inputs]
    return np.pad(np.array(solutions), ((0, 0), (1, 1)))[:, None]


def poisson_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """One banded Cholesky factorization for all samples."""
    n = grid.cells[0]
    bands = np.array([[-1.0], [2.0]]).repeat(n - 1, axis=1) * n**2
    return np.pad(solveh_banded(bands, inputs[:, 0, 1:-1].T).T, ((0, 0), (1, 1)))[:, None]


def biharmonic_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """One banded Cholesky factorization for all samples."""
    n = grid.cells[0]
    bands = np.array([[1.0], [-4.0], [6.0]]).repeat(n - 1, axis=1) * float(n) ** 4
    bands[2, [0, -1]] = 7.0 * float(n) ** 4
    return np.pad(solveh_banded(bands, inputs[:, 0, 1:-1].T).T, ((0, 0), (1, 1)))[:, None]


def _five_point(n: int) -> csc_array:
    line = diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(n - 1, n - 1)) * n**2
    return csc_array(kron(line, eye_array(n - 1)) + kron(eye_array(n - 1), line))


def _embedded(solutions: list[Array], n: int) -> Array:
    return np.pad(np.reshape(solutions, (-1, 1, n - 1, n - 1)), ((0, 0), (0, 0), (1, 1), (1, 1)))


def poisson_splu(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU, one factorization for all samples."""
    n = grid.cells[0]
    factor = splu(_five_point(n), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return _embedded([factor.solve(field[0, 1:-1, 1:-1].ravel()) for field in inputs], n)


def poisson_pyamg(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Conjugate gradients with Ruge–Stüben, one set-up for all samples, to 1e-10."""
    n = grid.cells[0]
    solver = pyamg.ruge_stuben_solver(_five_point(n).tocsr())
    return _embedded([solver.solve(field[0, 1:-1, 1:-1].ravel(), tol=1e-10, accel="cg") for field in inputs], n)


def poisson_skfem(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Bilinear elements: assembled and factorized once."""
    basis, places = _elements(grid)
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    mass = skfem.BilinearForm(lambda u, v, w: u * v).assemble(basis)
    inside = basis.complement_dofs(basis.get_dofs())
    factor = splu(csc_array(stiffness[inside][:, inside]), permc_spec="MMD_AT_PLUS_A")
    out = np.zeros((len(inputs), basis.N))
    for i, field in enumerate(inputs):
        load = np.empty(basis.N)
        load[places] = field.ravel()
        out[i, inside] = factor.solve((mass @ load)[inside])
    return out[:, places].reshape(inputs.shape)


def _elements(grid: Grid) -> tuple[Any, Array]:
    """Return the basis, and the number of the node at each grid point."""
    x, y = (np.linspace(0, 1, n + 1) for n in grid.cells)
    basis = skfem.Basis(skfem.MeshQuad.init_tensor(x, y), skfem.ElementQuad1())
    key = np.rint(basis.doflocs * np.array(grid.cells)[:, None]).astype(int)
    places = np.empty(len(x) * len(y), dtype=int)
    places[key[0] * len(y) + key[1]] = np.arange(basis.N)
    return basis, places


def poisson_pde(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """py-pde, on as many cells (it has no nodes on the boundary); the solutions are averaged to the inner nodes."""
    square, centres = pde.CartesianGrid([(0, 1), (0, 1)], grid.cells), 0.25
    fields = centres * (inputs[:, 0, 1:, 1:] + inputs[:, 0, :-1, 1:] + inputs[:, 0, 1:, :-1] + inputs[:, 0, :-1, :-1])
    out = np.zeros_like(inputs)
    for i, field in enumerate(fields):
        found = pde.solve_poisson_equation(pde.ScalarField(square, -field), bc={"value": 0}).data
        out[i, 0, 1:-1, 1:-1] = centres * (found[1:, 1:] + found[:-1, 1:] + found[1:, :-1] + found[:-1, :-1])
    return out


def elliptic_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded Cholesky of the finite-volume matrix, a sample at a time."""
    n, out = grid.cells[0], np.empty_like(inputs)
    for i, (a,) in enumerate(inputs):
        faces = n * np.concatenate([[2 * a[0]], 2 * a[1:] * a[:-1] / (a[1:] + a[:-1]), [2 * a[-1]]])
        bands = np.array([-faces[:-1], faces[1:] + faces[:-1]])
        out[i, 0] = solveh_banded(bands, np.full(n, problem.source / n), overwrite_ab=True, check_finite=False)
    return out


def darcy_spsolve(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with its defaults."""
    return np.array([spsolve(darcy_matrix(a), np.full(a.size, 1 / a.size)).reshape(a.shape) for (a,) in inputs])[
        :, None
    ]


def darcy_pyamg(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Conjugate gradients with Ruge–Stüben, set up for each sample, to 1e-10."""
    out = np.empty_like(inputs)
    for i, (a,) in enumerate(inputs):
        solver = pyamg.ruge_stuben_solver(darcy_matrix(a).tocsr())
        out[i, 0] = solver.solve(np.full(a.size, 1 / a.size), tol=1e-10, accel="cg").reshape(a.shape)
    return out


def helmholtz_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded elimination with pivots, a sample at a time."""
    kh, right, out = problem.wave_number * grid.spacing[0], problem.incident(grid), []
    weights = np.ones(len(right))
    weights[[0, -1]] = 0.5
    for (index,) in inputs:
        bands = np.full((3, len(index)), -1.0 + 0j)
        bands[1] = 2 * weights - kh**2 * weights * index
        bands[1, [0, -1]] -= 1j * kh
        wave = solve_banded((1, 1), bands, right, overwrite_ab=True, check_finite=False)
        out.append([wave.real, wave.imag])
    return np.array(out)


def helmholtz_spsolve(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with its defaults."""
    return _helmholtz(problem, inputs, grid, lambda matrix, right: spsolve(matrix, right))


def helmholtz_symmetric(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with the order of elimination for symmetric matrices."""
    options: dict[str, Any] = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
    return _helmholtz(problem, inputs, grid, lambda m, right: splu(m, diag_pivot_thresh=0.01, **options).solve(right))


def _helmholtz(problem: Problem, inputs: Array, grid: Grid, solver: Any) -> Array:
    """The same five-point equations, assembled with SciPy."""
    kh, n, out = problem.wave_number * grid.spacing[0], grid.shape[0], []
    weights, ends = np.ones(n), np.zeros(n)
    weights[[0, -1]], ends[[0, -1]] = 0.5, 1.0
    line = diags_array([-np.ones(n - 1), 2 * weights, -np.ones(n - 1)], offsets=(-1, 0, 1))
    laplacian = kron(line, diags_array(weights)) + kron(diags_array(weights), line)
    boundary = np.outer(ends, weights) + np.outer(weights, ends)
    right = problem.incident(grid).ravel()
    for (index,) in inputs:
        diagonal = -(kh**2) * np.outer(weights, weights) * index - 1j * kh * boundary
        wave = solver(csc_array(laplacian + diags_array(diagonal.ravel())), right).reshape(grid.shape)
        out.append([wave.real, wave.imag])
    return np.array(out)


def helmholtz_skfem(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Bilinear elements, the medium assembled for each sample, SuperLU with the symmetric order."""
    k = problem.wave_number
    basis, places = _elements(grid)
    edge = skfem.FacetBasis(basis.mesh, basis.elem)
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    border = skfem.BilinearForm(lambda u, v, w: u * v).assemble(edge)

    def light(v: Any, w: Any) -> Array:
        wave = np.exp(1j * k * w.x[0])
        return (1j * k * w.n[0] * wave - 1j * k * wave) * v

    right = skfem.LinearForm(light, dtype=np.complex128).assemble(edge)
    medium, out = skfem.BilinearForm(lambda u, v, w: w["index"] * u * v), []
    for (index,) in inputs:
        values = np.empty(basis.N)
        values[places] = index.ravel()
        mass = medium.assemble(basis, index=basis.interpolate(values))
        matrix = csc_array(stiffness - k**2 * mass - 1j * k * border)
        wave = splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(right)[places].reshape(grid.shape)
        out.append([wave.real, wave.imag])
    return np.array(out)


def wkb_ivp(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SciPy's DOP853 to 1e-8 through a cubic spline of a; the phase by its own quadrature on the grid."""
    from scipy.interpolate import CubicSpline

    from mlft.solvers.wkb import integral

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


def vorticity_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples."""
    n = grid.cells[0]
    kept, squares, slope = _flow(problem, grid)
    modes, remaining = kept * np.fft.rfft2(inputs[:, 0]), np.full((len(inputs), 1, 1), float(problem.time))
    while (remaining > 0).any():
        a, speed = slope(modes)
        step = np.minimum(remaining, 1 / (n * np.maximum(speed, 0.1)))
        half = np.exp(-0.5 * step * problem.viscosity * squares)
        b = slope(half * (modes + 0.5 * step * a))[0]
        c = slope(half * modes + 0.5 * step * b)[0]
        d = slope(half * half * modes + step * half * c)[0]
        modes = half * half * modes + step / 6 * (half * half * a + 2 * half * (b + c) + d)
        remaining = remaining - step
    return np.fft.irfft2(modes, s=(n, n))[:, None]


def vorticity_crank_nicolson(problem: Problem, inputs: Array, grid: Grid, step: float = 1e-3) -> Array:
    """The loop that made the data sets of operator learners: viscosity by Crank and Nicolson, the rest by Euler."""
    n = grid.cells[0]
    kept, squares, slope = _flow(problem, grid)
    modes = kept * np.fft.rfft2(inputs[:, 0])
    decay = 0.5 * step * problem.viscosity * squares
    for _ in range(round(problem.time / step)):
        modes = ((1 - decay) * modes + step * slope(modes)[0]) / (1 + decay)
    return np.fft.irfft2(modes, s=(n, n))[:, None]


def _flow(problem: Problem, grid: Grid) -> tuple[Array, Array, Any]:
    """Return the waves that are kept, |2πk|², and the function from modes to −u·∇ω + f and max(|u| + |v|)."""
    n = grid.cells[0]
    rows, columns = fft.fftfreq(n, 1 / n)[:, None], fft.rfftfreq(n, 1 / n)
    kept = (np.abs(rows) < n / 3) & (columns < n / 3)
    x, y = 2j * np.pi * rows, 2j * np.pi * columns
    squares = -(x**2 + y**2).real
    inverse = np.where(squares > 0, 1 / np.where(squares > 0, squares, 1), 0)
    turns = 2 * np.pi * (grid.points[0][:, None] + grid.points[1])
    source = kept * np.fft.rfft2(problem.forcing * (np.sin(turns) + np.cos(turns)))

    def slope(modes: Array) -> tuple[Array, Array]:
        stream = modes * inverse
        u, v, a, b = (np.fft.irfft2(w, s=(n, n)) for w in (y * stream, -x * stream, x * modes, y * modes))
        return source - kept * np.fft.rfft2(u * a + v * b), (np.abs(u) + np.abs(v)).max(axis=(1, 2), keepdims=True)

    return kept, squares, slope
