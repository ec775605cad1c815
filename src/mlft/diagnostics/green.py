"""The matrix of a map, taken out of any callable by unit inputs or by its Jacobian, and how like another it is.

A linear map u = W f has the columns W e_j.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, for probing with unit inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.maps import Map

Array = np.ndarray


@final
@dataclass(frozen=True)
class Likeness:
    """A matrix beside the true operator A, in relative Frobenius norms; P projects onto the training span.

    Attributes:
        relative: ‖Ŵ − A‖ / ‖A‖.
        predicted: ‖A(I − P)‖ / ‖A‖, what theory gives for a linear map from W⁰ = 0; NaN without a span.
        inside: ‖(Ŵ − A)P‖ / ‖A‖; NaN without a span.
        asymmetry: ‖Ĝ − Ĝᵀ‖ / ‖Ĝ‖ of the kernel Ĝ.
        peak: mean distance, in points, between the largest entries of the columns of Ŵ and of A.
    """

    relative: float
    predicted: float
    inside: float
    asymmetry: float
    peak: float


def probe(
    model: Map,
    shape: Sequence[int],
    *,
    amplitude: float = 1.0,
    columns: Sequence[int] | None = None,
    base: Float[Array, "1 c *grid"] | None = None,
) -> Float[Array, "p k"]:
    """Return Ŵ with the columns [model(base + a e_j) − model(base)] / a.

    Unit inputs lie far outside most training spans: a harsh probe, and an honest one.

    Args:
        model: (n, channels, *grid) to (n, channels, *grid).
        shape: (channels, *grid) of an input.
        amplitude: a.
        columns: the j that are asked for, counted through the flattened input; all by default.
        base: zero by default.

    Raises:
        ValueError: for an amplitude that is 0 or not finite, or a model that does not return a finite field an input.
    """
    outputs = _call(model, unit_inputs(shape, amplitude=amplitude, columns=columns, base=base))
    return responses(outputs, amplitude)


def unit_inputs(
    shape: Sequence[int],
    *,
    amplitude: float = 1.0,
    columns: Sequence[int] | None = None,
    base: Float[Array, "1 c *grid"] | None = None,
) -> Float[Array, "n c *grid"]:
    """Return base, then base + a e_j for each j in `columns`: what `probe` asks a map for.

    Raises:
        ValueError: for an amplitude that is 0 or not finite.
    """
    if not np.isfinite(amplitude) or amplitude == 0:
        raise ValueError(f"the amplitude of a probe is finite and not 0, got {amplitude!r}")
    size = int(np.prod(shape))
    chosen = np.arange(size) if columns is None else np.asarray(columns)
    start = np.zeros((1, *shape)) if base is None else base
    units = np.zeros((len(chosen), size))
    units[np.arange(len(chosen)), chosen] = amplitude
    return np.concatenate([start, start + units.reshape(-1, *shape)])


def responses(outputs: Float[Array, "n ..."], amplitude: float) -> Float[Array, "p k"]:
    """Return Ŵ from the answers to `unit_inputs`, the first of them that to the base."""
    flat = outputs.reshape(len(outputs), -1)
    return (flat[1:] - flat[0]).T / amplitude


def jacobian(
    model: Map, at: Float[Array, "n c *grid"], *, step: float = 1e-4, columns: Sequence[int] | None = None
) -> Float[Array, "p k"]:
    """Return the Jacobian by central differences, averaged over the fields `at`.

    Exact for maps of degree 2; for a network in single precision take a step of about 1e-2 times its inputs.

    Raises:
        ValueError: as `probe`.
    """
    total: Array | float = 0.0
    for field in at:
        forward, backward = (
            probe(model, at.shape[1:], amplitude=a, columns=columns, base=field[None]) for a in (step, -step)
        )
        total = total + (forward + backward) / 2
    return np.asarray(total) / len(at)


def superposition_defect(model: Map, inputs: Float[Array, "n c *grid"]) -> float:
    """Return the root mean square of S(f + g) − S(f) − S(g) + S(0) over that of S(f + g) − S(0); 0 for an affine map.

    f and g are the first and second half of the inputs: the defect where the map is at home.

    Raises:
        ValueError: for fewer than 2 inputs, or a model that does not return a finite field an input.
    """
    f, g = halves(inputs)
    zero, left, right, both = (_call(model, fields) for fields in (0 * f[:1], f, g, f + g))
    return sum_defect(zero, left, right, both)


def halves(inputs: Float[Array, "n c *grid"]) -> tuple[Float[Array, "m c *grid"], Float[Array, "m c *grid"]]:
    """Return the first and the second half of inputs, of one length.

    Raises:
        ValueError: for fewer than 2 inputs.
    """
    half = len(inputs) // 2
    if not half:
        raise ValueError("the defect of superposition needs at least 2 inputs, got 1")
    return inputs[:half], inputs[half : 2 * half]


def sum_defect(
    zero: Float[Array, "1 ..."],
    left: Float[Array, "m ..."],
    right: Float[Array, "m ..."],
    both: Float[Array, "m ..."],
) -> float:
    """Return the defect of superposition from the answers to 0, f, g and f + g."""
    return float(np.linalg.norm(both - left - right + zero) / (np.linalg.norm(both - zero) or 1.0))


def likeness(
    matrix: Float[Array, "_p _q"],
    operator: Float[Array, "p q"],
    *,
    weights: Float[Array, " q"] | None = None,
    known: Float[Array, "q r"] | None = None,
) -> Likeness:
    """Return how like the true operator a matrix is.

    Args:
        matrix: Ŵ.
        operator: A.
        weights: of the quadrature, for the symmetry of the kernel Ŵ/weights; ones by default. NaN where p ≠ q.
        known: orthonormal basis of the training span, a column a direction.

    Raises:
        ValueError: for matrices of two shapes.
    """
    if matrix.shape != operator.shape:
        raise ValueError(
            f"a matrix of shape {matrix.shape} cannot be like an operator of shape {operator.shape}: probe the map on "
            "the grid of the operator, with as many columns"
        )
    size = float(np.linalg.norm(operator))
    green = matrix / (np.ones(matrix.shape[1]) if weights is None else weights)
    square = matrix.shape[0] == matrix.shape[1]
    asymmetry = float(np.linalg.norm(green - green.T) / np.linalg.norm(green)) if square else float("nan")
    columns = np.abs(operator).max(axis=0) > 1e-12 * np.abs(operator).max()  # those of boundary nodes may be zero
    peaks = [np.abs(w[:, columns]).argmax(axis=0) for w in (matrix, operator)]
    predicted, inside = float("nan"), float("nan")
    if known is not None:
        predicted = float(np.linalg.norm(operator - operator @ known @ known.T)) / size
        inside = float(np.linalg.norm((matrix - operator) @ known)) / size
    return Likeness(
        float(np.linalg.norm(matrix - operator)) / size,
        predicted,
        inside,
        asymmetry,
        float(np.mean(np.abs(peaks[0] - peaks[1]))),
    )


def _call(model: Map, fields: Array) -> Array:
    """Return the flattened outputs of a model, checked."""
    outputs = model(fields)
    if not isinstance(outputs, np.ndarray) or outputs.ndim < 2 or len(outputs) != len(fields):
        got = f"an array of shape {outputs.shape}" if isinstance(outputs, np.ndarray) else f"a {type(outputs).__name__}"
        raise ValueError(
            f"a map takes (n, channels, *grid) and returns an array with a row a field; for {len(fields)} fields of "
            f"shape {fields.shape[1:]} it returned {got}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError("the map returned values that are not finite: probe it with a smaller amplitude")
    return outputs.reshape(len(outputs), -1)
