"""The linear map u = W f fitted to pairs: in closed form and by gradient descent.

With F and Y the inputs and outputs as columns and P the projection onto the span of F, gradient descent on ½E‖Wf − u‖²
from W⁰ tends to

    W* = Y F⁺ + W⁰ (I − P):

on the span the data decide, off it the initial weights stay for ever. From W⁰ = 0 it is the least-squares solution of
smallest norm.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, theorem 3.2.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.laboratory.equations import Pairs

Array = np.ndarray


@final
@dataclass(frozen=True)
class LinearFit:
    """A fitted linear map of fields; call it.

    Attributes:
        matrix: W, values of the outputs by values of the inputs.
        initial: W⁰.
        span: orthonormal basis U of the span of the inputs, a column a direction.
        values: singular values of the inputs, divided by √n; their squares are what gradient descent sees.
        shape: (channels, *grid) of the outputs.
    """

    matrix: Float[Array, "p q"]
    initial: Float[Array, "p q"]
    span: Float[Array, "q r"]
    values: Float[Array, " r"]
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Dimension of the span of the inputs."""
        return self.span.shape[1]

    @property
    def condition(self) -> float:
        """Condition number of the problem that gradient descent sees, on the span."""
        return float((self.values[0] / self.values[-1]) ** 2)

    def __call__(self, inputs: Float[Array, "n c *grid"]) -> Float[Array, "n d *grid"]:
        """Return the outputs."""
        return (inputs.reshape(len(inputs), -1) @ self.matrix.T).reshape(len(inputs), *self.shape)


def fit_linear(
    pairs: Pairs, *, initial: Float[Array, "p q"] | None = None, tolerance: float | None = None
) -> LinearFit:
    """Return the limit of gradient descent, W* = Y F⁺ + W⁰(I − P), by a singular value decomposition.

    Args:
        pairs: inputs and outputs.
        initial: W⁰; zero by default.
        tolerance: directions of the inputs below this share of the strongest one do not count; by default the number
            of values times the round-off of one.

    Raises:
        ValueError: for inputs that are all zero or not finite, or initial weights of another shape.
    """
    inputs, outputs = _rows(pairs)
    start = _start(initial, outputs.shape[1], inputs.shape[1])
    left, values, right = np.linalg.svd(inputs, full_matrices=False)
    share = max(inputs.shape) * np.finfo(np.float64).eps if tolerance is None else tolerance
    rank = int(np.sum(values > share * values[0]))
    span = right[:rank].T
    learned = (outputs.T @ (left[:, :rank] / values[:rank])) @ span.T
    matrix = learned + start - (start @ span) @ span.T
    return LinearFit(matrix, start, span, values[:rank] / np.sqrt(len(pairs)), pairs.outputs.shape[1:])


def descend_linear(
    pairs: Pairs, *, steps: int, rate: float | None = None, initial: Float[Array, "p q"] | None = None
) -> LinearFit:
    """Return what so many steps of gradient descent on ½E‖Wf − u‖² reach.

    Each step multiplies the error along a direction of the inputs with eigenvalue λ by 1 − rate·λ.

    Args:
        pairs: inputs and outputs.
        steps: of full-batch gradient descent.
        rate: by default 1/λ_max; below 2/λ_max it converges.
        initial: W⁰; zero by default.

    Raises:
        ValueError: as `fit_linear`, or a rate that diverges.
    """
    fitted = fit_linear(pairs, initial=initial)
    inputs, outputs = _rows(pairs)
    largest = float(fitted.values[0]) ** 2
    rate = 1 / largest if rate is None else rate
    if not 0 < rate < 2 / largest:
        raise ValueError(f"gradient descent converges for rates between 0 and {2 / largest:.3g}, got {rate!r}")
    moments, cross = inputs.T @ inputs / len(pairs), outputs.T @ inputs / len(pairs)
    matrix = fitted.initial.copy()
    for _ in range(steps):
        matrix -= rate * (matrix @ moments - cross)
    return LinearFit(matrix, fitted.initial, fitted.span, fitted.values, fitted.shape)


def complement_drift(initial: Float[Array, "p q"], fitted: Float[Array, "p q"], span: Float[Array, "q r"]) -> float:
    """Return ‖(W − W⁰)(I − P)‖ / ‖W⁰(I − P)‖: how far training moved the weights where the inputs say nothing.

    Round-off for gradient descent, with momentum or L-BFGS, and for the first layer of any network that is dense in
    the inputs; not for Adam, whose scaling by coordinates leaves the span, nor for weight decay. Where W⁰(I − P)
    vanishes, the norm of the change itself.
    """
    moved, before = ((w - (w @ span) @ span.T) for w in (fitted - initial, initial))
    return float(np.linalg.norm(moved) / (np.linalg.norm(before) or 1.0))


def _rows(pairs: Pairs) -> tuple[Array, Array]:
    inputs, outputs = (field.reshape(len(pairs), -1) for field in (pairs.inputs, pairs.outputs))
    if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()) or not inputs.any():
        raise ValueError("a linear fit needs finite pairs with inputs that are not all zero")
    return inputs, outputs


def _start(initial: Array | None, outputs: int, inputs: int) -> Array:
    if initial is None:
        return np.zeros((outputs, inputs))
    if initial.shape != (outputs, inputs):
        raise ValueError(f"initial weights of these pairs have shape {(outputs, inputs)}, got {initial.shape}")
    return initial
