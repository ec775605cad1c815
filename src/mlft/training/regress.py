"""A stage in closed form: a term fitted to what a regression leaves of the labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Symmetry
from mlft.kernels import left_out
from mlft.surrogates import Surrogate
from mlft.surrogates.regression import KERNELS, Regression, Size, Term, kernel_of
from mlft.training.losses import Scaled
from mlft.training.stage import Pairs, Stage, Trace, Weights, held_out_error, snapshot

RIDGES = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Tried, in units of the mean of the kernel's diagonal."""

ALIKE = 1e-3
"""Errors that differ by no more than this share are alike: those of small ridges may differ by round-off alone."""

TRIED, FEWEST, MOST = 512, 64, 2048
"""Rows that form, width and ridge are chosen on, at most; samples that they are of, at least, where there are as many;
samples of a term, at most: its cost grows with their cube."""

IMAGES = 1024
"""Samples that shifts make, at most: the cost of a term grows with their cube."""

_FRACTIONS = ((0.6180339887498949,), (0.7548776662466927, 0.5698402909980532))

ROUND_OFF = 1e-13
"""Components below this share of the strongest one are left out."""


@final
@dataclass(frozen=True)
class Choice:
    """A kernel, and what it leaves of samples that it has not seen.

    Attributes:
        error: mean relative error on samples that are left out, each with all its images.
        ridge: of `RIDGES`.
        kernel: its form; None for a linear map.
        width: of the kernel, in units of the median squared distance.
    """

    error: float
    ridge: float
    kernel: str | None = None
    width: float = 1.0


def regress(surrogate: Surrogate, stage: Stage) -> tuple[Trace, Weights]:
    """Add to a surrogate's regression the term that a stage teaches; return what it found, and the weights without it.

    The targets are what the regression so far leaves of the labels: f ← f + P (u − f), with P the regression on these
    pairs, as in `docs/method.md`, section 1. Of more than 2,048 pairs the first ones are used. Where the stage knows
    symmetries, kernel and ridge are chosen for all images of the pairs, and as many of their shifts as make 1,024, and
    the term is fitted to these. A pair that is left out is left out with all its images, which would tell of it.

    Raises:
        ValueError: if the network is no regression.
    """
    network = surrogate.network
    if not isinstance(network, Regression):
        raise ValueError(f"only a regression is fitted in closed form, got {type(network).__name__}")
    with torch.no_grad():
        taken = _images(Pairs(stage.train.inputs[:MOST], stage.train.labels[:MOST]), stage.symmetries)
        pairs = _shifted(taken, stage.shifts)
        copies = len(pairs) // len(taken) * max(1, len(stage.symmetries))
        inputs, targets = _targets(surrogate, pairs)
        sizes = Scaled.of(surrogate.output_normaliser)(pairs.labels).flatten(1).norm(dim=1)
        chosen = chosen_kernel(inputs, targets, torch.where(sizes > 0, sizes, 1.0), network.WIDTHS, images=copies)
        term = fit_term(inputs, targets, chosen)
    network.terms.append(term.to(pairs.inputs.device))
    after = snapshot(surrogate)
    name, _ = list(surrogate.named_parameters())[-1]
    before = after | {name: torch.zeros_like(after[name])}
    return Trace(after, ((1, held_out_error(surrogate, stage.held_out)),)), before


def _targets(surrogate: Surrogate, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return scaled inputs and what the network leaves of the scaled labels, a row a pair."""
    inputs, labels = surrogate.input_normaliser.encode(pairs.inputs), surrogate.output_normaliser.encode(pairs.labels)
    return inputs.flatten(1), (labels - surrogate.network(inputs)).flatten(1)


def most_pairs(symmetries: Sequence[Symmetry]) -> int:
    """Return how many pairs, the first ones, a term is fitted to at most: 2,048 with all their images.

    >>> most_pairs(())
    2048
    """
    return MOST // max(1, len(symmetries))


def _images(pairs: Pairs, symmetries: Sequence[Symmetry]) -> Pairs:
    """Return the first pairs taken by every element of a group, 2,048 in all at most."""
    if not symmetries:
        return pairs
    x, y = (field[: most_pairs(symmetries)] for field in (pairs.inputs, pairs.labels))
    return Pairs(
        torch.cat([element.of_inputs(x) for element in symmetries]),
        torch.cat([element.of_outputs(y) for element in symmetries]),
    )


def _shifted(pairs: Pairs, axes: Sequence[int]) -> Pairs:
    """Return pairs as they are and shifted, 1,024 in all at most, by shifts that fill the axes evenly.

    They are the fractions of k α, k = 0, 1, …, with α one over the golden ratio, in the plane one over the plastic
    number and its square.

    Source: for the sequence, Kronecker; its constants, Roberts 2018, "The unreasonable effectiveness of quasirandom
    sequences".
    """
    copies = IMAGES // len(pairs) if axes else 1
    if copies < 2:
        return pairs
    steps, moved = _FRACTIONS[len(axes) - 1], []
    for k in range(copies):
        x, y = pairs.inputs, pairs.labels
        for axis, step in zip(axes, steps, strict=True):
            by = int(k * step % 1 * x.shape[axis + 2])
            x, y = (torch.roll(field, by, axis + 2) for field in (x, y))
        moved.append((x, y))
    inputs, labels = zip(*moved, strict=True)
    return Pairs(torch.cat(inputs), torch.cat(labels))


def chosen_kernel(
    inputs: Float[Tensor, "n p"],
    targets: Float[Tensor, "n q"],
    sizes: Float[Tensor, " n"],
    widths: Sequence[float],
    *,
    images: int = 1,
) -> Choice:
    """Return the kernel and ridge of the least error on samples that are left out with all their images.

    Tried are the linear map, and for each width a Gaussian and a Matérn kernel with a linear part; each with all
    ridges, on 512 rows at most, of more the first images of the first samples: of 64 at least, where there are as many.
    Chosen is the least mean of ‖residual‖ / size over rows, and of ridges that err alike, to a thousandth, the largest.

    Args:
        inputs: a row an image: the first image of every sample, then the second of every one, and so on.
        targets: a row an image.
        sizes: what the error of an image is divided by.
        widths: of the kernel; none for a linear map.
        images: of each sample.
    """
    samples = min(len(inputs) // images, max(FEWEST, TRIED // images))
    kept = min(images, TRIED // samples)

    def few(rows: Tensor) -> Tensor:
        return rows.unflatten(0, (images, -1))[:kept, :samples].flatten(0, 1)

    tried = _choices(few(inputs), few(targets), few(sizes), widths, images=kept)
    return min(tried, key=lambda choice: choice.error)


def _choices(
    inputs: Tensor, targets: Tensor, sizes: Tensor, widths: Sequence[float], *, images: int = 1
) -> Iterator[Choice]:
    """Yield for each kernel the ridge of the least error."""
    _, rest = _principal(targets - targets.mean(dim=0))  # no more columns than rows
    linear, squares, median = _gram(inputs - inputs.mean(dim=0))
    for kernel, width in [(None, 1.0), *((name, width) for width in widths for name in KERNELS)]:
        matrix = linear if kernel is None else linear + kernel_of(squares / (width * median), kernel)
        errors = {
            ridge: float((residuals.norm(dim=1) / sizes).mean().nan_to_num(torch.inf))
            for ridge, residuals in left_out(matrix, rest, ridges=RIDGES, images=images)
        }
        ridge = max(ridge for ridge, error in errors.items() if error <= (1 + ALIKE) * min(errors.values()))
        yield Choice(errors[ridge], ridge, kernel, width)


def _gram(moved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the linear kernel with a mean diagonal of 1, the squared distances, and their median."""
    products = moved @ moved.T
    own = products.diagonal()
    squares = (own[:, None] + own - 2 * products).clamp(min=0)
    apart = squares[~torch.eye(len(own), dtype=torch.bool, device=own.device)]
    median = apart.median() if len(apart) else own.new_ones(())
    return products / _positive(own.mean()), squares, _positive(median)


def _positive(number: Tensor) -> Tensor:
    return torch.where(number > 0, number, 1.0)


def fit_term(inputs: Float[Tensor, "n p"], targets: Float[Tensor, "n q"], chosen: Choice) -> Term:
    """Return the term of a choice, fitted to all samples, a row each.

    With A = K + λI it is c + k(x, X) A⁻¹(y − c), where the constant c = 1ᵀA⁻¹y / 1ᵀA⁻¹1 is fitted too, without a ridge:
    what `left_out` says of it is exact. Of a linear map it is the mean.
    """
    mean, offset = inputs.mean(dim=0), targets.mean(dim=0)
    components, coordinates = _principal(inputs - mean)
    directions, values = _principal(targets - offset)
    linear, squares, median = _gram(inputs - mean)
    matrix = linear if chosen.kernel is None else linear + kernel_of(squares / (chosen.width * median), chosen.kernel)
    ridge = chosen.ridge * _positive(matrix.diagonal().mean())
    solved = _solved(matrix, ridge, torch.cat([values, values.new_ones(len(values), 1)], dim=1))
    dual, flat = solved[:, :-1], solved[:, -1:]
    constant = flat.T @ values / flat.sum()
    dual, offset = dual - flat @ constant, offset + (constant @ directions)[0]
    scale = _positive((inputs - mean).square().sum(dim=1).mean())
    primal = coordinates.T @ dual / scale
    centres = len(inputs) if chosen.kernel is not None else 0
    size = Size(len(components), len(directions), centres, chosen.kernel or KERNELS[0])
    term = Term((inputs.shape[1], targets.shape[1]), size)
    found = {
        "mean": mean,
        "components": components,
        "centres": coordinates[:centres],
        "squares": coordinates[:centres].square().sum(dim=1),
        "coefficients": torch.cat([dual[:centres], primal]),
        "directions": directions,
        "offset": offset,
        f"{size.kernel}_width": (chosen.width * median).view(1),
    }
    for name, tensor in found.items():
        term.get_buffer(name).copy_(tensor)
    return term


def _solved(matrix: Tensor, ridge: Tensor, targets: Tensor) -> Tensor:
    """Return (K + λI)⁻¹ y; where Cholesky's factorisation fails, by the spectrum of K without what is below 0."""
    factor, failed = torch.linalg.cholesky_ex(
        matrix + ridge * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    )
    if not failed:
        return torch.cholesky_solve(targets, factor)
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ ((vectors.T @ targets) / (values.clamp(min=0) + ridge)[:, None])


def _principal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return orthonormal directions that span the rows up to round-off, and the rows' coordinates in them."""
    left, values, right = torch.linalg.svd(rows, full_matrices=False)
    kept = int((values > ROUND_OFF * values[:1]).sum()) if len(values) and values[0] > 0 else 0
    return right[:kept], left[:, :kept] * values[:kept]
