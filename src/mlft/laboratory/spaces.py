"""Function spaces as laws of inputs: a basis, and independent normal coefficients of stated sizes.

The space that the training inputs span decides where a learned map can be right: a map fitted to inputs of a space is
determined on that space and nowhere else. Fields are point values on nodal, bounded grids, `(functions, 1, *grid)`.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, for the families and the law of the coefficients.
"""

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid
from mlft.laboratory.modes import Mode

Array = np.ndarray


@final
@dataclass(frozen=True)
class Space:
    """The law Σ_i c_i φ_i with c_i ~ N(0, size_i²), independent; without further word a size is 1.

    Attributes:
        name: such as "poly3".
        family: such as "poly".
        modes: the functions, each a product of one mode an axis.
        sizes: standard deviations of the coefficients.
        mixing: a matrix T that replaces the functions φ by Σ_j T_ji φ_j: other functions of the same span.
    """

    name: str
    family: str
    modes: tuple[tuple[Mode, ...], ...]
    sizes: tuple[float, ...]
    mixing: Float[Array, "r r"] | None = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> int:
        """Number of functions."""
        return len(self.modes)

    def basis(self, grid: Grid) -> Float[Array, "r 1 *grid"]:
        """Return the functions at the points of a grid.

        Raises:
            ValueError: for another number of axes, or a grid too coarse to tell the functions apart, with the rank of
                the sampled functions and their reciprocal condition number.
        """
        functions = self.mixed(np.stack([_product(modes, grid) for modes in self.modes])[:, None])
        values = np.linalg.svd(functions.reshape(self.rank, -1), compute_uv=False)
        rank = int(np.sum(values > values[0] * max(functions.shape) * np.finfo(np.float64).eps))
        if rank < self.rank:
            spread = values[self.rank - 1] / values[0] if len(values) == self.rank else 0.0
            raise ValueError(
                f"{self.name} has {self.rank} functions, but on {grid} cells they have rank {rank} (reciprocal "
                f"condition number {spread:.1e}): take a finer grid or a lower degree"
            )
        return functions

    def mixed(self, functions: Float[Array, "r 1 *grid"]) -> Float[Array, "r 1 *grid"]:
        """Return the mixing applied to fields that belong to the modes."""
        return functions if self.mixing is None else np.tensordot(self.mixing.T, functions, axes=1)

    def coefficients(self, n: int, generator: torch.Generator) -> Float[Array, "n r"]:
        """Return n draws of the coefficients."""
        normal = torch.randn(n, self.rank, generator=generator, dtype=torch.float64)
        return normal.numpy() * np.array(self.sizes)


def polynomials(degree: int, *, constant: bool = True) -> Space:
    """Return x^0 … x^degree; from x^1 without the constant. Ill-conditioned from degree 6 on: see `orthogonalised`."""
    return _line("poly", degree, [Mode("power", j) for j in range(0 if constant else 1, degree + 1)])


def sines(degree: int, *, constant: bool = False) -> Space:
    """Return sin πx … sin degree·πx, with a constant where asked."""
    return _line("sin", degree, [Mode("power", 0)] * constant + [Mode("sin", j) for j in range(1, degree + 1)])


def cosines(degree: int, *, constant: bool = True) -> Space:
    """Return cos πx … cos degree·πx, and the constant unless it is left out."""
    return _line("cos", degree, [Mode("power", 0)] * constant + [Mode("cos", j) for j in range(1, degree + 1)])


def piecewise_linear(nodes: int) -> Space:
    """Return the hats of equally spaced nodes, those of both ends included: independent nodal values."""
    return _line("fem", nodes, [Mode("hat", j, nodes) for j in range(nodes)], name="fem")


def gaussian_field(modes: int, smoothness: float) -> Space:
    """Return a Gaussian field, Σ_j λ_j (a_j cos jπx + b_j sin jπx) with λ_j ∝ j^(−smoothness) and variance about 1.

    Its draws have almost `smoothness` − ½ derivatives as long as `modes` is not felt.
    """
    if modes < 1:
        raise ValueError(f"a Gaussian field needs at least 1 mode, got {modes}")
    sizes = np.arange(1.0, modes + 1) ** -smoothness
    sizes /= np.sqrt(np.sum(sizes**2))
    waves = [Mode("cos", j) for j in range(1, modes + 1)] + [Mode("sin", j) for j in range(1, modes + 1)]
    space = _line("field", modes, waves, name=f"field{smoothness:g}")
    return dataclasses.replace(space, sizes=tuple(np.tile(sizes, 2).tolist()))


def tensor(first: Space, last: Space) -> Space:
    """Return the products φ(x) ψ(y), the last axis fastest.

    Raises:
        ValueError: for a space that is mixed, or has more than one axis.
    """
    if any(space.mixing is not None or len(space.modes[0]) > 1 for space in (first, last)):
        raise ValueError("products are made of spaces of one axis, before these are orthogonalised")
    modes = tuple((*left, *right) for left, right in itertools.product(first.modes, last.modes))
    sizes = tuple(a * b for a, b in itertools.product(first.sizes, last.sizes))
    return Space(f"{first.name}x{last.name}", f"{first.family}x{last.family}", modes, sizes)


def orthogonalised(space: Space, grid: Grid) -> Space:
    """Return a space of the same span whose sampled functions are orthogonal, with mean square 1 over the points.

    The law becomes white on the span: every direction of it is drawn with the same size, and gradient descent sees the
    condition number 1. Full polynomials pass through Legendre's, so that nothing is lost to monomials.
    """
    modes = space.modes
    if all(len(m) == 1 and m[0] == Mode("power", i) for i, m in enumerate(modes)):
        modes = tuple((Mode("legendre", i),) for i in range(len(modes)))
    well = dataclasses.replace(space, modes=modes, mixing=None)
    columns = well.basis(grid).reshape(space.rank, -1).T
    upper = np.linalg.qr(columns, mode="r")
    mixing = np.linalg.inv(upper) * np.sqrt(len(columns))
    return Space(f"{space.name}-orthogonal", space.family, modes, (1.0,) * space.rank, mixing)


def paper_spaces(nodes: int = 25, *, degrees: int = 8) -> tuple[Space, ...]:
    """Return polynomials, sines and cosines of degrees 1 … 8 and the hats of `nodes`: 25 spaces."""
    series = [make(p) for make in (polynomials, sines, cosines) for p in range(1, degrees + 1)]
    return (*series, piecewise_linear(nodes))


def _line(family: str, degree: int, modes: list[Mode], *, name: str = "") -> Space:
    if degree < 1 or not modes:
        raise ValueError(f"the degree of {family} must be at least 1, got {degree}")
    return Space(name or f"{family}{degree}", family, tuple((mode,) for mode in modes), (1.0,) * len(modes))


def _product(modes: tuple[Mode, ...], grid: Grid) -> Array:
    check_grid(grid, len(modes))
    values = [mode.derivative(x) for mode, x in zip(modes, grid.points, strict=True)]
    return values[0] if len(values) == 1 else np.multiply.outer(values[0], values[1])


def check_grid(grid: Grid, dimension: int) -> None:
    """Refuse a grid on which the exact pairs do not live."""
    if grid.dimension != dimension or grid.centring != "nodal" or any(grid.wraps) or set(grid.bounds) != {(0.0, 1.0)}:
        axes = "unit interval" if dimension == 1 else "unit square"
        raise ValueError(f"these functions live on nodal, bounded grids of the {axes}, got {grid!r}")
