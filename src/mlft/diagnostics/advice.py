"""What training inputs cover, what they leave out, and what to add."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.span import descent_steps, span

Array = np.ndarray

COVERED = 1e-8
ILL_CONDITIONED = 1e6


@final
@dataclass(frozen=True)
class Advice:
    """What training inputs cover; prints as a report.

    Attributes:
        rank: dimension of the span of the training inputs.
        points: values of an input, the largest rank there can be.
        outside: for each test space the share of its inputs that the span leaves out, ‖QB‖_F / ‖B‖_F.
        condition: condition number that gradient descent sees.
        steps: gradient-descent steps that shrink the training error by 1e-10 at the best constant rate.
        weakest: the input of norm 1 off the span that is mapped to the largest output; zero where nothing is left.
        missing: the size of that output, relative to ‖A‖₂; NaN where the operator is not known.
    """

    rank: int
    points: int
    outside: dict[str, float]
    condition: float
    steps: float
    weakest: Float[Array, "1 c *grid"]
    missing: float

    @property
    def covered(self) -> tuple[str, ...]:
        """The test spaces that the training span contains."""
        return tuple(name for name, share in self.outside.items() if share <= COVERED)

    def __str__(self) -> str:
        """Return the report."""
        lines = [f"The training inputs span {self.rank} of {self.points} dimensions."]
        lines += [f"Covered: {', '.join(self.covered) or 'none of the spaces asked for'}."]
        left = {name: share for name, share in self.outside.items() if share > COVERED}
        if left:
            worst = sorted(left, key=lambda name: -left[name])
            lines += ["Not covered (share outside): " + ", ".join(f"{n} {left[n]:.2g}" for n in worst) + "."]
            lines += [f"Add inputs of {worst[0]}: a linear map knows nothing of what its training inputs do not span."]
        if self.missing > COVERED:
            lines += [f"The weakest direction carries {self.missing:.2g} of the operator's norm; add it to the inputs."]
        if self.condition > ILL_CONDITIONED:
            lines += [
                f"Gradient descent sees the condition number {self.condition:.1e}, about {self.steps:.1e} steps: use "
                "the closed form, or an orthogonalised basis of the same span."
            ]
        return "\n".join(lines)


def advise(
    train: Float[Array, "n c *grid"],
    tests: Mapping[str, Float[Array, "_m _c *_grid"]],
    *,
    operator: Float[Array, "p q"] | None = None,
    tolerance: float = 1e-11,
) -> Advice:
    """Return what training inputs cover of test spaces, and their weakest direction.

    Args:
        train: training inputs, or the functions that span them.
        tests: for each name, test inputs or the functions that span them.
        operator: the true linear map, values of the output by values of the input, to weigh the directions with;
            without it all weigh the same and the weakest direction is the leading one of the test inputs off the span.
        tolerance: directions of the training inputs below this share of the strongest do not count.

    Raises:
        ValueError: for fields that are all zero, not finite, or of different shapes.
    """
    for name, fields in tests.items():
        if fields.shape[1:] != train.shape[1:]:
            raise ValueError(f"inputs of {name} have shape {fields.shape[1:]}, the training inputs {train.shape[1:]}")
    known = span(train, tolerance=tolerance)
    rows = train.reshape(len(train), -1)
    values = np.linalg.svd(rows, compute_uv=False)[: known.shape[1]]
    weakest, missing = _weakest(known, tests, operator)
    return Advice(
        known.shape[1],
        rows.shape[1],
        {name: _share(known, fields) for name, fields in tests.items()},
        float((values[0] / values[-1]) ** 2),
        descent_steps(values),
        weakest.reshape(1, *train.shape[1:]),
        missing,
    )


def _share(known: Array, fields: Array) -> float:
    rows = fields.reshape(len(fields), -1)
    return float(np.linalg.norm(rows - (rows @ known) @ known.T) / np.linalg.norm(rows))


def _weakest(known: Array, tests: Mapping[str, Array], operator: Array | None) -> tuple[Array, float]:
    """Return the leading right singular vector of AQ, or of the test inputs times Q where A is not known."""
    rows = operator if operator is not None else np.concatenate([f.reshape(len(f), -1) for f in tests.values()])
    outside = rows - (rows @ known) @ known.T
    _, values, right = np.linalg.svd(outside, full_matrices=False)
    scale = float(np.linalg.norm(rows, 2))
    if values[0] <= 1e-12 * scale:
        return np.zeros(rows.shape[1]), 0.0 if operator is not None else float("nan")
    direction = right[0] * np.sign(right[0][np.abs(right[0]).argmax()])
    return direction, float(values[0]) / scale if operator is not None else float("nan")
