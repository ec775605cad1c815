"""What theory says of a linear map learned on a span: where it is exact, its expected and its worst error.

A is the true operator (values of the solution by values of the force, N nodes), U an orthonormal basis of the span of
the training inputs, P = UUᵀ, Q = I − P, W⁰ the initial weights. Training tends to W* = AP + W⁰Q, so that

    (W* − A) f = (W⁰ − A) Q f:

exact on the span, and off it not learned at all, however many samples there are.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, theorem 3.2, for the limit; the consequences are linear
algebra, derived in `docs/generalization.md`.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import subspace_angles

Array = np.ndarray


def limit(
    operator: Float[Array, "p q"], known: Float[Array, "q r"], initial: Float[Array, "p q"] | None = None
) -> Float[Array, "p q"]:
    """Return AP + W⁰Q: what gradient descent tends to from initial weights W⁰ (zero by default)."""
    learned = (operator @ known) @ known.T
    return learned if initial is None else learned + unseen(initial, known)


def unseen(operator: Float[Array, "p q"], known: Float[Array, "q r"]) -> Float[Array, "p q"]:
    """Return AQ: the part of an operator that a span does not show."""
    return operator - (operator @ known) @ known.T


def is_recovered(operator: Float[Array, "p q"], known: Float[Array, "q r"], *, tolerance: float = 1e-10) -> bool:
    """Return whether AQ = 0, so that the whole operator is learned from W⁰ = 0: its row space lies in the span.

    A span of the dimension of A's rank is needed for that, and not enough.
    """
    return float(np.linalg.norm(unseen(operator, known))) <= tolerance * float(np.linalg.norm(operator))


def expected_mse(
    operator: Float[Array, "p q"],
    known: Float[Array, "q r"],
    test: Float[Array, "s c *grid"],
    *,
    sizes: Float[Array, " s"] | None = None,
    initial_variance: float = 0.0,
) -> float:
    """Return the expected mean square error on test inputs Σ c_i φ_i, c_i ~ N(0, size_i²).

    It is ‖A Q B‖²_F / N + σ₀² ‖Q B‖²_F with B the columns size_i φ_i, N values of the output and initial weights of
    variance σ₀², independent.
    """
    columns = test.reshape(len(test), -1).T * (1.0 if sizes is None else sizes)
    outside = columns - known @ (known.T @ columns)
    return float(np.sum((operator @ outside) ** 2) / len(operator) + initial_variance * np.sum(outside**2))


def worst_error(operator: Float[Array, "p q"], known: Float[Array, "q r"], test: Float[Array, "q s"]) -> float:
    """Return ‖A Q V‖₂: the largest error over test inputs of norm 1 in the span of V (orthonormal), from W⁰ = 0."""
    return float(np.linalg.norm(unseen(operator, known) @ test, 2))


def principal_angles(known: Float[Array, "q r"], test: Float[Array, "q s"]) -> Float[Array, " k"]:
    """Return the principal angles between two spans, largest first, in radians, as many as the smaller has dimensions.

    The sine of the first is ‖Q V‖₂ where the span of V is not the larger one; else ‖Q V‖₂ = 1.

    Source: Björck, Golub 1973, in the variant of Knyazev and Argentati 2002 that is accurate for small angles.
    """
    return np.asarray(subspace_angles(known, test))


def best_modes(operator: Float[Array, "p q"], modes: int) -> tuple[float, float]:
    """Return the smallest ‖AQ‖₂ and ‖AQ‖_F that any training span of so many dimensions can reach.

    They are σ_{r+1} and (Σ_{j>r} σ_j²)^½ of A, reached by its leading right singular vectors; for Poisson on a line
    these are nearly the sines.

    Raises:
        ValueError: for fewer than 0 modes or more than A has columns.

    Source: Eckart, Young 1936.
    """
    if not 0 <= modes <= operator.shape[1]:
        raise ValueError(f"a span of this operator has 0 to {operator.shape[1]} dimensions, got {modes}")
    rest = np.linalg.svd(operator, compute_uv=False)[modes:]
    return (float(rest[0]) if len(rest) else 0.0), float(np.linalg.norm(rest))


def noise_floor(noise: float, rank: int, samples: int) -> float:
    """Return σ²r/n: the mean square error on clean data of the training law that noise on the outputs leaves.

    Raises:
        ValueError: for fewer samples than dimensions, where the span is not even known.
    """
    if samples < rank:
        raise ValueError(f"{samples} samples do not determine a map on {rank} dimensions: give at least {rank}")
    return noise**2 * rank / samples
