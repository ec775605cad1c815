"""Surrogates that are fitted in closed form: linear regression, and regression with a kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Grid
from mlft.surrogates.network import Network

MOST_TERMS = 1000
"""Of a regression; each stage of a training adds one."""

KERNELS = ("gaussian", "matern")


@final
@dataclass(frozen=True)
class Size:
    """What makes the shapes of a term.

    Attributes:
        inputs: principal components of the inputs, r.
        outputs: of the outputs, q.
        centres: samples that the kernel is centred on, m; 0 for a linear term.
        kernel: its form, of `KERNELS`.
    """

    inputs: int
    outputs: int
    centres: int = 0
    kernel: str = "gaussian"


@final
class Term(nn.Module):
    """One fitted map of vectors: f(x) = share · (b + [k(z, z_1), …, k(z, z_m), zᵀ] C V).

    z = U(x − a) are the principal components of an input, the rows of V the directions of the outputs, and
    k a Gaussian exp(−d/2) or a Matérn kernel (1 + √(5d) + 5d/3) exp(−√(5d)) of d = ‖x − x_i‖² / width. With no centres
    it is a linear map of rank r at most.

    Attributes:
        share: what the guard left of it, in [0, 1]; the only trained number.
        mean, components: a and U.
        centres, squares: z_i, and ‖z_i‖².
        coefficients, directions, offset: C, V and b.
    """

    mean: Tensor
    components: Tensor
    centres: Tensor
    squares: Tensor
    coefficients: Tensor
    directions: Tensor
    offset: Tensor

    def __init__(self, points: tuple[int, int], size: Size) -> None:
        super().__init__()
        if size.kernel not in KERNELS or min(size.inputs, size.outputs, size.centres) < 0:
            raise ValueError(f"a term has counts of 0 or more and a kernel of {', '.join(KERNELS)}, got {size}")
        self.size = size
        shapes = {
            "mean": (points[0],),
            "components": (size.inputs, points[0]),
            "centres": (size.centres, size.inputs),
            "squares": (size.centres,),
            "coefficients": (size.centres + size.inputs, size.outputs),
            "directions": (size.outputs, points[1]),
            "offset": (points[1],),
            f"{size.kernel}_width": (1,),  # its name tells the form: a file of another one does not fit
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.share = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, rows: Float[Tensor, "n p"]) -> Float[Tensor, "n q"]:
        """Return the outputs."""
        moved = rows - self.mean
        features = moved @ self.components.T
        if self.size.centres:
            features = torch.cat([self._kernel(moved, features), features], dim=1)
        return self.share * (self.offset + features @ self.coefficients @ self.directions)

    def _kernel(self, moved: Tensor, features: Tensor) -> Tensor:
        """Return k(x, x_i); what of x is off the components lies at a right angle to every centre."""
        squares = moved.square().sum(dim=1, keepdim=True) + self.squares - 2 * features @ self.centres.T
        return kernel_of(squares / self.get_buffer(f"{self.size.kernel}_width"), self.size.kernel)


def kernel_of(distances: Float[Tensor, "n m"], name: str) -> Float[Tensor, "n m"]:
    """Return the kernel of squared distances d, exp(−d/2) or (1 + √(5d) + 5d/3) exp(−√(5d)).

    Source: Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", equations 4.9 and 4.17.
    """
    distances = distances.clamp(min=0)
    if name == "gaussian":
        return torch.exp(-distances / 2)
    root = torch.sqrt(5 * distances + 1e-24)  # differentiable at 0
    return (1 + root + root.square() / 3) * torch.exp(-root)


class Regression(Network):
    """A sum of terms on flattened fields of one grid, each fitted in closed form to what those before it left.

    Untrained it is 0. Everything is computed in float64; it takes no other grid than its own.

    Args:
        channels: of the inputs and of the outputs.
        points: points of the grid, an axis each.
        generator: not used; nothing is random.
        terms: the sizes of the terms, for one that is loaded.

    Raises:
        ValueError: for sizes that are no counts, or more than 1,000 terms.
    """

    WIDTHS: ClassVar[tuple[float, ...]]
    """Of the kernel, tried, in units of the median squared distance; none for a linear map."""

    def __init__(
        self,
        channels: tuple[int, int],
        points: Sequence[int],
        *,
        generator: torch.Generator,
        terms: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(channels, generator=generator)
        if len(terms) > MOST_TERMS or not all(isinstance(n, int) and n >= 1 for n in points):
            raise ValueError(f"a regression has {MOST_TERMS} terms at most on a grid with points, got {points=}")
        self.channels, self.points = channels, tuple(points)
        self.values = channels[0] * prod(points), channels[1] * prod(points)
        self.terms = nn.ModuleList(Term(self.values, Size(**term)) for term in terms)

    @property
    def options(self) -> dict[str, Any]:  # type: ignore[override] # they grow with the terms
        """Points and the sizes of the terms."""
        terms: list[Any] = list(self.terms)
        return {"points": list(self.points), "terms": [asdict(term.size) for term in terms]}

    @property
    def precision(self) -> torch.dtype:
        """float64: ridges near round-off are allowed."""
        return torch.float64

    @property
    def any_grid(self) -> bool:
        """False: its numbers belong to points."""
        return False

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return the grid's points, and no terms yet."""
        return {"points": list(grid.shape), "terms": []}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs.

        Raises:
            ValueError: for another grid or other channels than its own.
        """
        if inputs.shape[1:] != (self.channels[0], *self.points):
            wanted = ", ".join(map(str, (self.channels[0], *self.points)))
            raise ValueError(f"this regression takes inputs of shape (samples, {wanted}), got {tuple(inputs.shape)}")
        rows = inputs.flatten(1)
        found = sum((term(rows) for term in self.terms), rows.new_zeros(rows.shape[0], self.values[1]))
        return found.unflatten(1, (self.channels[1], *self.points))


@final
class Linear(Regression):
    """Ridge regression on fields, in closed form: exact on linear maps once the inputs span their law.

    The ridge has the least error on samples that are left out. Its matrix is a Green's function, on the span of the
    inputs.

    Source: Hoerl, Kennard 1970, Technometrics 12; for fields, Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199.
    """

    WIDTHS = ()


@final
class Kernel(Regression):
    """Regression with a Gaussian or Matérn kernel of the distance of fields, and a linear part, in closed form.

    The form, its width and the ridge have the least error on samples that are left out; the linear map alone is one of
    the choices.

    Source: Batlle, Darcy, Hosseini, Owhadi 2024, "Kernel methods are competitive for operator learning", J. Comput.
    Phys. 496, arXiv 2304.13202, with principal components and distances of their section 2.2.
    """

    WIDTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
