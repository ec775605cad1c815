"""White box: the equation −w u″ = f is known up to the number w, which is fitted to pairs (f, u) of truth k.

u″ is a central difference of order q, or the second derivative of a network (a physics-informed network, for the
inverse problem). The difference sees k u″ = −f with its truncation error τ, so that the best w, with d = −FD_q(u), is

    w* = E⟨f, d⟩ / E⟨d, d⟩,    (w* − k)/k = E⟨f − kτ, kτ⟩ / E‖f − kτ‖²,    kτ = −C_q h^q f^(q) + O(h^(q+2)):

k itself, exactly, for polynomial forces of degree below q; else wrong by O(h^q), the more the rougher the forces are,
however many pairs there are.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, theorem 3.1; Raissi, Perdikaris, Karniadakis 2019 for the
physics-informed network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mlft.diagnostics.maps import Map
from mlft.grids import Grid
from mlft.laboratory.descent import minimise
from mlft.laboratory.equations import Pairs
from mlft.laboratory.learners import Learner
from mlft.laboratory.spaces import Space, check_grid
from mlft.seeds import generator

Array = np.ndarray

STENCILS: dict[int, tuple[float, ...]] = {
    2: (1, -2, 1),
    4: (-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12),
    6: (1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90),
}
"""Central second differences by order, times h²."""

TRUNCATION = {2: 1 / 12, 4: -1 / 90, 6: 1 / 560}
"""C_q: FD_q(u) = u″ + C_q h^q u^(q+2) + …"""


@final
@dataclass(frozen=True)
class DifferenceFit:
    """−w FD_q: a map from solutions to forces at the nodes where the stencil fits.

    Attributes:
        parameter: w.
        order: q.
        spacing: h.
    """

    parameter: float
    order: int
    spacing: float

    def __call__(self, solutions: Float[Array, "n 1 nodes"]) -> Float[Array, "n 1 inner"]:
        """Return −w FD_q(u)."""
        return -self.parameter * second_difference(solutions, self.spacing, self.order)


def second_difference(fields: Float[Array, "n 1 nodes"], spacing: float, order: int) -> Float[Array, "n 1 inner"]:
    """Return the central second difference at the nodes where its stencil fits.

    Raises:
        ValueError: for an order that is not offered, or fewer nodes than the stencil has.
    """
    if order not in STENCILS or fields.shape[-1] < len(STENCILS[order]):
        raise ValueError(
            f"second differences are offered with orders {list(STENCILS)} on at least order + 1 nodes, got order "
            f"{order!r} on {fields.shape[-1]} nodes"
        )
    windows = np.lib.stride_tricks.sliding_window_view(fields, len(STENCILS[order]), axis=-1)
    return np.asarray(windows @ np.array(STENCILS[order])) / spacing**2


def discover(pairs: Pairs, grid: Grid, *, order: int = 2) -> float:
    """Return w* = E⟨f, d⟩ / E⟨d, d⟩, the least-squares w of −w FD_q(u) = f over all pairs and inner nodes.

    Given the functions of a space with their solutions, it is the w of infinitely many draws.

    Raises:
        ValueError: for a grid, an order or pairs that do not fit, or solutions without any second difference.
    """
    force, difference = _sides(pairs, grid, order)
    return float(np.sum(force * difference) / np.sum(difference**2))


def discover_by_descent(
    pairs: Pairs, grid: Grid, *, order: int = 2, steps: int = 50, rate: float | None = None, start: float = 0.0
) -> float:
    """Return the w that gradient descent on E‖f − w d‖² reaches; each step multiplies w − w* by 1 − 2·rate·E‖d‖².

    Args:
        pairs: forces and solutions.
        grid: of both.
        order: of the difference.
        steps: of gradient descent.
        rate: by default 0.4/E‖d‖², for a factor of 0.2 a step.
        start: the initial w.

    Raises:
        ValueError: as `discover`, or a rate that diverges.
    """
    force, difference = _sides(pairs, grid, order)
    cross, square = float(np.sum(force * difference)) / len(pairs), float(np.sum(difference**2)) / len(pairs)
    rate = 0.4 / square if rate is None else rate
    if not 0 < rate < 1 / square:
        raise ValueError(f"gradient descent converges for rates between 0 and {1 / square:.3g}, got {rate!r}")
    w = start
    for _ in range(steps):
        w -= 2 * rate * (w * square - cross)
    return w


def leading_bias(space: Space, grid: Grid, *, order: int = 2) -> float:
    """Return the leading term of (w* − k)/k: −C_q h^q E⟨f, f^(q)⟩ / E⟨f, f⟩ in L2 of the interval.

    Raises:
        ValueError: for a space that is mixed, of more than one axis, or without that derivative, such as hats.
    """
    if space.mixing is not None or len(space.modes[0]) != 1:
        raise ValueError(f"the bias law is for spaces of one axis that are not orthogonalised, got {space.name}")
    t, weights = np.polynomial.legendre.leggauss(64)
    x, weights = (t + 1) / 2, weights / 2
    products, squares = 0.0, 0.0
    for (mode,), size in zip(space.modes, space.sizes, strict=True):
        force = mode.derivative(x)
        products += size**2 * float(np.sum(weights * force * mode.derivative(x, order)))
        squares += size**2 * float(np.sum(weights * force**2))
    return -TRUNCATION[order] * grid.spacing[0] ** order * products / squares


@final
@dataclass(frozen=True)
class DifferenceLearner(Learner):
    """The finite-difference fit; its matrix holds the mean square of the residual f + w FD_q(u) at inner nodes.

    Attributes:
        grid: of the pairs.
        order: q.
        name: of the matrix.
    """

    grid: Grid
    order: int = 2
    name: str = "difference"

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return a `DifferenceFit` for each set, in closed form."""
        h = self.grid.spacing[0]
        return [DifferenceFit(discover(pairs, self.grid, order=self.order), self.order, h) for pairs in sets]

    def errors(self, fitted: Map, test: Pairs) -> tuple[float, float]:
        """Return the mean square residual at inner nodes, and the mean square force there."""
        return residual(fitted, test)

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return the parameter found."""
        assert isinstance(fitted, DifferenceFit)
        return {"parameter": fitted.parameter}


@final
@dataclass(frozen=True)
class PinnLearner(Learner):
    """The physics-informed network for the inverse problem: w and a network for the solutions, together.

    For the first `functions` pairs of a set one network x → (u_1, …, u_n), tanh, two hidden layers of `width`, is
    trained with w on

        mean (u_i(x_j) − U_ij)² / mean U²  +  mean (w u_i″(x_j) + F_ij)² / mean F²

    over the nodes x_j, with exact derivatives of the network, by limited-memory BFGS. With F and U the root mean
    squares of the forces and the solutions, outputs of the network are scaled by U, and log w is trained, so that w
    stays positive, from w = F/(20 U). The matrix holds the residual of the difference of order 2 with that w, as the
    finite-difference fit's, so that they can be compared.

    Attributes:
        grid: of the pairs.
        functions: pairs that are used.
        width: of both hidden layers.
        steps: of the minimisation.
        name: of the matrix.
    """

    grid: Grid
    functions: int = 6
    width: int = 24
    steps: int = 1500
    name: str = "pinn"

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return a `DifferenceFit` of order 2 with the w found, for each set; all sets are trained as one batch."""
        forces, solutions = (
            torch.tensor(np.stack([getattr(pairs, which)[: self.functions, 0] for pairs in sets]))
            for which in ("inputs", "outputs")
        )
        nodes = torch.tensor(self.grid.points[0])
        start = torch.stack([self._start(seed, i, forces.shape[1]) for i in range(len(sets))])

        sizes = [field.square().mean((1, 2), keepdim=True).sqrt() for field in (forces, solutions)]
        force, solution = forces / sizes[0], solutions / sizes[1]

        def loss(numbers: Tensor) -> Tensor:
            u, second = self._network(numbers[:, 1:], nodes, forces.shape[1])
            return (u - solution).square().mean((1, 2)) + (numbers[:, :1, None].exp() * second + force).square().mean(
                (1, 2)
            )

        found, _ = minimise(loss, start, steps=self.steps)
        parameters = found[:, 0].exp() * (sizes[0] / sizes[1]).ravel()
        return [DifferenceFit(w, 2, self.grid.spacing[0]) for w in parameters.tolist()]

    def errors(self, fitted: Map, test: Pairs) -> tuple[float, float]:
        """Return the mean square residual at inner nodes, and the mean square force there."""
        return residual(fitted, test)

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return the parameter found."""
        assert isinstance(fitted, DifferenceFit)
        return {"parameter": fitted.parameter}

    def _start(self, seed: int, which: int, outputs: int) -> Tensor:
        """Return log w = log 1/20 and the weights of a network: slopes and biases of a few waves on the interval."""
        stream, m = generator(seed, "pinn", "weights", which), self.width
        sizes = (3.0, 3.0, m**-0.5, 0.1, m**-0.5, 0.0)
        shapes = (m, m, m * m, m, m * outputs, outputs)
        parts = [s * torch.randn(n, generator=stream, dtype=torch.float64) for n, s in zip(shapes, sizes, strict=True)]
        return torch.cat([torch.tensor([math.log(0.05)], dtype=torch.float64), *parts])

    def _network(self, numbers: Tensor, nodes: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
        """Return (sets, functions, nodes) of u and of u″, the derivatives carried forward through the layers."""
        m = self.width
        a, b, inner, c, last, d = numbers.split([m, m, m * m, m, m * outputs, outputs], dim=1)
        value, first, second = _tanh(a[:, :, None] * nodes + b[:, :, None], a[:, :, None].expand(-1, -1, len(nodes)))
        inner = inner.view(-1, m, m)
        value, first, second = (torch.bmm(inner, part) for part in (value, first, second))
        value, _, second = _tanh(value + c[:, :, None], first, second)
        last = last.view(-1, outputs, m)
        return torch.bmm(last, value) + d[:, :, None], torch.bmm(last, second)


def residual(fitted: Map, test: Pairs) -> tuple[float, float]:
    """Return the mean square of force − fitted(solution) where that is defined, and of the force there."""
    found = fitted(test.outputs)
    cut = (test.inputs.shape[-1] - found.shape[-1]) // 2
    force = test.inputs[..., cut : cut + found.shape[-1]]
    return float(np.mean((found - force) ** 2)), float(np.mean(force**2))


def _tanh(value: Tensor, first: Tensor, second: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return tanh of a function of x with its first and second derivative."""
    t = torch.tanh(value)
    slope = 1 - t**2
    bent = -2 * t * slope * first**2
    return t, slope * first, bent if second is None else bent + slope * second


def _sides(pairs: Pairs, grid: Grid, order: int) -> tuple[Array, Array]:
    check_grid(grid, 1)
    if pairs.inputs.shape[1:] != (1, *grid.shape):
        raise ValueError(f"pairs on {grid} cells have shape (n, 1, {grid.shape[0]}), got {pairs.inputs.shape}")
    difference = -second_difference(pairs.outputs, grid.spacing[0], order)
    cut = order // 2
    if not math.isfinite(float(np.sum(difference))) or not difference.any():
        raise ValueError("the parameter cannot be found: the second differences of the solutions are 0 or not finite")
    return pairs.inputs[..., cut:-cut], difference
