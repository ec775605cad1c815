"""What a solve returns: solutions, and how each of them ended."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from mlft.errors import plain
from mlft.status import NOT_CONVERGED, NOT_FINITE, OK

Array = np.ndarray


@final
@dataclass(frozen=True)
class Solved:
    """Solutions of one batch on one grid, and how each solve ended.

    Attributes:
        solutions: the solutions, (n, channels, *grid); rows whose status is not "ok" hold anything.
        status: a name per sample, "ok" or a named failure such as "not-converged".
        scalars: further numbers per sample, such as the energy of a ground state or the iterations it took.
        notes: one line per sample that says why it failed, "" where there is nothing to say; none at all for none.
    """

    solutions: Float[Array, "n c *grid"]
    status: tuple[str, ...]
    scalars: dict[str, Float[Array, " n"]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the shape, and how many of the solves ended in which way."""
        ends = ", ".join(f"{count} {name}" for name, count in Counter(self.status).items())
        return plain(f"Solved({self.solutions.shape}: {ends})")


def judged(
    solutions: Float[Array, "n c *grid"],
    converged: Bool[Array, " n"] | None = None,
    *,
    named: Mapping[str, Bool[Array, " n"]] | None = None,
    **scalars: Float[Array, " n"] | Int[Array, " n"],
) -> Solved:
    """Return solutions with a status per sample, and with these scalars.

    Args:
        solutions: of the solver.
        converged: see `statuses`.
        named: samples, by the name of a failure of the problem's own, which are not "ok" although they are finite.
        scalars: numbers per sample, kept as float64.
    """
    status = list(statuses(solutions, converged))
    for name, where in (named or {}).items():
        status = [name if state == OK and failed else state for state, failed in zip(status, where, strict=True)]
    return Solved(solutions, tuple(status), {name: np.asarray(value, np.float64) for name, value in scalars.items()})


def real(values: object, what: str) -> Float[Array, "..."]:
    """Return numbers as a float64 array: nothing is dropped, and nothing made a number that was none.

    Raises:
        TypeError: for complex numbers, masked ones, texts, truth values and objects.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise TypeError(f"the {what} are masked in places: give NaN where there is no number")
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise TypeError(f"the {what} are complex: give the real and the imaginary part as two channels")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"the {what} are no numbers but {array.dtype}: give an array of float64")
    return array.astype(np.float64, copy=False)


def statuses(solutions: Float[Array, "n c *grid"], converged: Bool[Array, " n"] | None = None) -> tuple[str, ...]:
    """Return a status per sample: "not-finite", else "not-converged" where `converged` is false, else "ok"."""
    finite = np.isfinite(solutions.reshape(len(solutions), -1)).all(axis=1)
    done = np.ones(len(solutions), dtype=bool) if converged is None else converged
    return tuple(NOT_FINITE if not f else OK if c else NOT_CONVERGED for f, c in zip(finite, done, strict=True))


def blanked(inputs: Float[Array, "n c *grid"]) -> Float[Array, "n c *grid"]:
    """Return a copy in which a sample with a value that is not finite is NaN everywhere.

    So it fails by name, and alone, also where the solver would not have read that value.
    """
    out = inputs.copy()
    out[~np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1)] = np.nan
    return out
