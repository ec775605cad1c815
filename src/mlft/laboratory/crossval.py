"""Function-space cross-validation: train on each space, test on each.

Rows are training spaces, columns test spaces. A random split of one law's samples says nothing about other inputs; this
matrix does: where a row is good beyond its own column, the learner generalizes to that space, and theory says for
linear maps which cells those can be.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, section on cross-validation across function spaces; the
scores are this package's.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float

from mlft.errors import MlftError
from mlft.files import write_whole
from mlft.grids import Grid
from mlft.laboratory.equations import Equation, Pairs, exact_pairs
from mlft.laboratory.learners import Learner
from mlft.laboratory.spaces import Space
from mlft.seeds import generator

Array = np.ndarray
Row = dict[str, Any]

INSIDE = 1e-8
"""Share of a space's size below which it counts as inside a span."""


@final
@dataclass(frozen=True)
class Setting:
    """What every learner of a cross-validation is asked.

    Attributes:
        spaces: trained and tested on, in the order of the rows.
        equation: gives the exact outputs.
        grid: nodal and bounded.
        samples: training pairs a space; a stand-in for infinitely many.
        test: test pairs a space, from streams of their own.
        noise: standard deviation of the noise on the training outputs; test pairs are clean.
    """

    spaces: tuple[Space, ...]
    equation: Equation
    grid: Grid
    samples: int = 10_000
    test: int = 1000
    noise: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the spaces."""
        return tuple(space.name for space in self.spaces)

    def train_pairs(self, space: Space, seed: int) -> Pairs:
        """Return the training pairs of a space."""
        stream = generator(seed, "crossval", "train", space.name)
        return exact_pairs(space, self.equation, self.grid, self.samples, generator=stream, noise=self.noise)

    def test_pairs(self, space: Space, seed: int) -> Pairs:
        """Return the test pairs of a space: fresh draws, without noise."""
        stream = generator(seed, "crossval", "test", space.name)
        return exact_pairs(space, self.equation, self.grid, self.test, generator=stream)

    @property
    def plain(self) -> dict[str, Any]:
        """The setting as plain values: what a stored matrix must agree on."""
        numbers = {"samples": self.samples, "test": self.test, "noise": self.noise}
        return {"spaces": list(self.names), "equation": self.equation.name, "grid": str(self.grid), **numbers}


@final
@dataclass(frozen=True)
class Matrix:
    """The errors of one learner, trained on each space (rows) and tested on each (columns).

    Attributes:
        learner: its name.
        seed: of the draws and the weights.
        names: of the spaces.
        families: of the spaces.
        mse: mean square errors.
        relative: mean square errors over the mean square of what is predicted.
        inside: the cells that a linear map gets exactly: the test space lies in the training span, and the exact
            solutions of both are those of one matrix.
        facts: further numbers a row.
    """

    learner: str
    seed: int
    names: tuple[str, ...]
    families: tuple[str, ...]
    mse: Float[Array, "n n"]
    relative: Float[Array, "n n"]
    inside: Bool[Array, "n n"]
    facts: tuple[dict[str, float], ...]

    def csv(self) -> str:
        """Return a line a cell: learner, seed, train, test, inside, mse, relative."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("learner", "seed", "train", "test", "inside", "mse", "relative"))
        for i, train in enumerate(self.names):
            for j, test in enumerate(self.names):
                cell = int(self.inside[i, j]), repr(float(self.mse[i, j])), repr(float(self.relative[i, j]))
                writer.writerow((self.learner, self.seed, train, test, *cell))
        return text.getvalue()


@final
@dataclass(frozen=True)
class Scores:
    """A matrix in a few numbers.

    Attributes:
        floor: largest error over the cells inside.
        leak: smallest error over the cells outside.
        separation: log10 of the median error outside over the median inside.
        threshold: the error that parts the cells inside from those outside best.
        triangularity: share of all cells on their predicted side of the threshold. A matrix without any structure has
            about the share of the cells outside (81% for the 25 spaces), not 0.
        block_triangularity: the same over the cells whose two spaces are of one family.
        block_leak: smallest error over the cells outside whose two spaces are of one family.
        fem_row: largest error of the row trained on piecewise linear inputs, if there is one.
        diagonal_advantage: log10 of the median error inside off the diagonal over that on it; 0 is no overfitting.
    """

    floor: float
    leak: float
    separation: float
    threshold: float
    triangularity: float
    block_triangularity: float
    block_leak: float
    fem_row: float
    diagonal_advantage: float


def cross_validate(
    learner: Learner,
    setting: Setting,
    *,
    seed: int,
    folder: Path | None = None,
    rows_at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Matrix:
    """Return the matrix of a learner.

    Args:
        learner: fitted to each space.
        setting: spaces, equation, grid, numbers of samples.
        seed: of the draws and the weights.
        folder: where finished rows are kept, in `<learner>-seed<seed>.json`, with the matrix as CSV in the end; what is
            there is not fitted again.
        rows_at_once: spaces handed to the learner together; all of them by default.
        progress: called with (rows done, rows).

    Raises:
        MlftError: if the folder holds rows of another setting, naming what differs.
    """
    file = None if folder is None else folder / f"{learner.name}-seed{seed}.json"
    asked = {**setting.plain, **learner.settings, "seed": seed}
    rows = _read_rows(file, asked)
    tests = [setting.test_pairs(space, seed) for space in setting.spaces]
    missing = [space for space in setting.spaces if space.name not in rows]
    size = rows_at_once or len(setting.spaces)
    for start in range(0, len(missing), size):
        chosen = missing[start : start + size]
        fitted = learner.fit([setting.train_pairs(space, seed) for space in chosen], seed=seed)
        for space, one in zip(chosen, fitted, strict=True):
            found = [learner.errors(one, test) for test in tests]
            rows[space.name] = {"mse": [e for e, _ in found], "scale": [s for _, s in found], **learner.facts(one)}
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps({"asked": asked, "rows": rows}, indent=1).encode())
        if progress is not None:
            progress(len(rows), len(setting.spaces))
    matrix = _matrix(learner, setting, seed, rows)
    if file is not None:
        write_whole(file.with_suffix(".csv"), matrix.csv().encode())
    return matrix


def prediction(setting: Setting) -> tuple[Float[Array, "n n"], Bool[Array, "n n"]]:
    """Return the expected mean square errors of the linear map from W⁰ = 0, and the cells that it gets exactly.

    With sampled functions B and exact solutions S of a training and B_t, S_t of a test space, both mean square over the
    draws of c: the map is S B⁺ and the error (S B⁺ B_t − S_t) c. A cell is exact if ‖(I − BB⁺) B_t‖ and the error are
    both nothing but round-off: a span that holds the test functions does not suffice where the exact solutions differ,
    as those of piecewise linear interpolants and of the functions themselves do, by O(h²).
    """
    sampled = [_sampled(setting, space) for space in setting.spaces]
    errors = np.zeros((len(sampled), len(sampled)))
    inside = np.zeros(errors.shape, dtype=bool)
    for i, (basis, solutions) in enumerate(sampled):
        inverse = np.linalg.pinv(basis, rcond=1e-13)
        for j, (tests, exact) in enumerate(sampled):
            weights = inverse @ tests
            wrong = solutions @ weights - exact
            errors[i, j] = np.sum(wrong**2) / len(exact)
            parts = (basis @ weights - tests, tests), (wrong, exact)
            inside[i, j] = all(np.linalg.norm(left) < INSIDE * np.linalg.norm(whole) for left, whole in parts)
    return errors, inside


def scores(matrix: Matrix) -> Scores:
    """Return the scores of a matrix.

    Raises:
        ValueError: if no cell is inside, or every one.
    """
    inside, errors = matrix.inside, np.maximum(matrix.mse, np.finfo(np.float64).tiny)
    if inside.all() or not inside.any():
        raise ValueError("scores need cells inside the training spans and cells outside them")
    within, without = np.median(errors[inside]), np.median(errors[~inside])
    threshold = _threshold(errors, inside)
    right = (errors < threshold) == inside
    family = np.array(matrix.families)
    block = family[:, None] == family
    off = inside & ~np.eye(len(errors), dtype=bool)
    fem = [i for i, name in enumerate(matrix.families) if name == "fem"]
    return Scores(
        float(errors[inside].max()),
        float(errors[~inside].min()),
        float(np.log10(without / within)),
        threshold,
        float(right.mean()),
        float(right[block].mean()),
        float(errors[block & ~inside].min()) if (block & ~inside).any() else float("nan"),
        float(errors[fem].max()) if fem else float("nan"),
        float(np.log10(np.median(errors[off]) / np.median(np.diag(errors)))) if off.any() else float("nan"),
    )


def _threshold(errors: Array, inside: Array) -> float:
    """Return the threshold between two neighbouring errors that puts most cells on their side."""
    order = np.argsort(errors, axis=None)
    ranked, within = errors.ravel()[order], inside.ravel()[order]
    below = np.concatenate([[0], np.cumsum(within)]) + np.concatenate([np.cumsum(~within[::-1])[::-1], [0]])
    cut = int(below.argmax())
    ends = np.concatenate([[ranked[0] / 2], ranked, [2 * ranked[-1]]])
    return float(np.sqrt(ends[cut] * ends[cut + 1]))


def _sampled(setting: Setting, space: Space) -> tuple[Array, Array]:
    """Return the functions and their solutions as columns, times the sizes of the coefficients."""
    fields = space.basis(setting.grid), setting.equation.solutions(space, setting.grid)
    functions, solutions = (field.reshape(space.rank, -1).T * np.array(space.sizes) for field in fields)
    return functions, solutions


def _read_rows(file: Path | None, asked: dict[str, Any]) -> dict[str, Row]:
    if file is None or not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text())
        there, rows = kept["asked"], dict(kept["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise MlftError(f"{file} is damaged: {error!r}; remove it, and its rows are fitted again") from None
    for name, value in json.loads(json.dumps(asked)).items():
        if there.get(name) != value:
            raise MlftError(
                f"{file} is of another cross-validation: {name} is {there.get(name)!r} there and {value!r} here; give "
                "another folder, or what it was made with"
            )
    return rows


def _matrix(learner: Learner, setting: Setting, seed: int, rows: dict[str, Row]) -> Matrix:
    mse, scale = (np.array([rows[name][key] for name in setting.names]) for key in ("mse", "scale"))
    facts = [{k: v for k, v in rows[name].items() if k not in ("mse", "scale")} for name in setting.names]
    families = tuple(space.family for space in setting.spaces)
    return Matrix(learner.name, seed, setting.names, families, mse, mse / scale, prediction(setting)[1], tuple(facts))
