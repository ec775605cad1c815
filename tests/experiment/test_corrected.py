"""The corrected solver: its fields by the maps it is made of, what it refuses, and that it comes back from a folder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch import Generator

import mlft
from mlft.errors import ConfigError, GenerationError
from mlft.experiment.corrected import Corrected, corrections, load_corrected, scheme_of
from mlft.grids import Grid, relative_error
from mlft.lifts import LIFTS, Coarse, Coupled, Lift, LiftError, Place, fit
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.problems.burgers import Burgers
from mlft.surrogates import BundleError, Surrogate, build
from mlft.training import Course, Training
from small import GRIDS, draw, evaluate


def solve(inputs: np.ndarray, grid: Grid) -> np.ndarray:
    """Exact but for a term c h², which Richardson extrapolation removes; NaN where the mean of the input is above 9."""
    out = np.tanh(inputs) + 1.0 + 30 * grid.spacing[0] ** 2
    return np.asarray(np.where(inputs.mean(axis=(1, 2), keepdims=True) > 9, np.nan, out))


def coarsen(inputs: np.ndarray, grid: Grid) -> np.ndarray:
    """What no restriction of the package does: every other point, shifted by one."""
    step = inputs.shape[-1] // grid.cells[0]
    return np.asarray(inputs[..., 1::step])


def prolong(solutions: np.ndarray, grid: Grid) -> np.ndarray:
    return np.repeat(solutions, grid.cells[0] // solutions.shape[-1], axis=-1)


OWN = mlft.FunctionProblem(
    "own", GRIDS, draw, evaluate, solve, cost_exponent=1.0, prolong_function=prolong, coarsen_function=coarsen
)


def coarse_of(problem: mlft.Problem, inputs: np.ndarray, level: int) -> np.ndarray:
    grid = problem.hierarchy[level]
    solved = problem.solve(problem.coarsen(inputs, grid) if level < 2 else inputs, grid).solutions
    return solved if level == 2 else problem.prolong(solved, problem.finest)


def lift(problem: mlft.Problem, inputs: np.ndarray, name: str, *, level: int, coarser: int | None = None) -> Lift:
    """A lift of a level for the finest, fitted to the inputs."""
    below = None if coarser is None else coarse_of(problem, inputs, coarser)
    coarse = Coarse(inputs, coarse_of(problem, inputs, level), below, 0 if coarser is None else 2 ** (2 - coarser))
    coupled = Coupled(coarse, coarse_of(problem, inputs, 2), np.ones(len(inputs), bool))
    return fit(name, coupled, Place.of(scheme_of(problem), level, 2), Course(Training(), 0))


@pytest.fixture
def inputs(generator: Generator) -> np.ndarray:
    return np.asarray(evaluate(draw(11, generator), GRIDS[-1]))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(10, rate=1e-2)))


def test_it_coarsens_solves_prolongs_and_lifts_by_the_problems_own_maps(inputs: np.ndarray) -> None:
    found = Corrected(OWN, lift(OWN, inputs, "local", level=1))
    by_hand = found.lift.lift(Coarse(inputs, prolong(solve(coarsen(inputs, GRIDS[1]), GRIDS[1]), GRIDS[2])))
    assert found.levels == (1,)
    np.testing.assert_array_equal(found.predict(inputs), by_hand)
    assert not np.array_equal(by_hand, coarse_of(OWN, inputs, 1))


def test_richardson_extrapolation_solves_on_the_level_that_it_was_certified_with(
    inputs: np.ndarray, tmp_path: Path
) -> None:
    """A pure h² term, prolonged exactly where it is constant: what is left is the error of the transfers."""
    grids = mlft.hierarchy(Grid((28,)), 3)
    flat = mlft.FunctionProblem(
        "flat", grids, draw, lambda d, g: np.ones((len(d), 1, *g.shape)), solve, cost_exponent=1
    )
    ones = np.ones_like(inputs)
    lift(flat, ones, "richardson", level=1, coarser=0).save(tmp_path)
    back = load_corrected(tmp_path, flat)
    assert back.levels == (1, 0)
    np.testing.assert_allclose(back.predict(ones), coarse_of(flat, ones, 2), rtol=1e-12)
    assert relative_error(coarse_of(flat, ones, 1), coarse_of(flat, ones, 2), grids[-1]).min() > 0.01


def test_a_failed_solve_is_an_error_that_names_samples_level_and_statuses(inputs: np.ndarray) -> None:
    found = Corrected(OWN, lift(OWN, inputs, "local", level=0))
    inputs[[2, 7]] = 10.0
    with pytest.raises(
        GenerationError, match=r"2 of 11 solves of own on level 0 failed, by sample 2: not-finite, 7: "
    ) as e:
        found.predict(inputs)
    assert (e.value.failed, e.value.attempted) == (2, 11)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(samples, channels, 28\), got \(11, 1, 14\)"):
        found.predict(inputs[..., ::2])


@dataclass(frozen=True)
class Shifted(Burgers):
    """Burgers with a prolongation of its own."""

    def prolong(self, solutions: np.ndarray, grid: Grid) -> np.ndarray:
        return np.repeat(solutions, grid.cells[0] // solutions.shape[-1], axis=-1)

    @property
    def transfers(self) -> dict[str, str]:
        return {"prolong": "repeated"}


def test_a_shipped_problems_corrected_solver_comes_back_by_its_name_and_options(
    generator: Generator, tmp_path: Path
) -> None:
    options = {"cells": 64, "levels": 3}
    problem = Burgers(**options)
    fields = problem.evaluate(problem.draw(9, generator), problem.finest)
    made = Corrected(problem, lift(problem, fields, "local", level=1))
    made.lift.save(tmp_path, problem={"name": "burgers", "options": options})
    back = mlft.load(tmp_path)
    assert isinstance(back, Corrected) and back.problem == problem and back.level == 1
    np.testing.assert_array_equal(back.predict(fields), made.predict(fields))
    for other in (Burgers(cells=64, levels=3, time=0.123), Burgers(cells=64, levels=4), Shifted(**options)):
        with pytest.raises(LiftError, match="belongs to"):
            mlft.load(tmp_path, problem=other)
    with pytest.raises(LiftError, match="levels 1 and 2, which burgers does not have"):
        mlft.load(tmp_path, problem=Burgers(cells=64, levels=2))
    config = json.loads((tmp_path / "config.json").read_text())
    del config["digest"]  # as the first format was
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": "mlft-lift-1"}))
    np.testing.assert_array_equal(mlft.load(tmp_path).predict(fields), made.predict(fields))


def test_a_problem_of_your_own_must_be_given(inputs: np.ndarray, tmp_path: Path) -> None:
    made = lift(OWN, inputs, "local", level=1)
    made.save(tmp_path / "named", problem={"name": "own", "options": {}})
    made.save(tmp_path / "bare")
    with pytest.raises(ConfigError, match=r"own.*needs load\(folder, problem=...\)"):
        mlft.load(tmp_path / "named")
    with pytest.raises(ConfigError, match=r"give load\(folder, problem=...\)"):
        mlft.load(tmp_path / "bare")
    back = mlft.load(tmp_path / "bare", problem=OWN)
    np.testing.assert_array_equal(back.predict(inputs), Corrected(OWN, made).predict(inputs))


def test_a_surrogate_is_loaded_as_before(inputs: np.ndarray, tmp_path: Path, generator: Generator) -> None:
    made = build("fno", (1, 1), GRIDS[-1], generator=generator)
    made.save(tmp_path)
    back = mlft.load(tmp_path)
    assert isinstance(back, Surrogate)
    np.testing.assert_array_equal(back.predict(inputs), made.predict(inputs))
    with pytest.raises(BundleError, match="holds no surrogate"):
        mlft.load(tmp_path / "elsewhere")


def test_a_run_has_one_corrected_solver_for_each_level_that_is_lifted(inputs: np.ndarray, tmp_path: Path) -> None:
    for level, name in ((0, "none"), (1, "local")):
        lift(OWN, inputs, name, level=level).save(tmp_path / "lifts" / f"level-{level}")
    assert [one.level for one in corrections(OWN, tmp_path)] == [1]
    assert corrections(OWN, tmp_path / "elsewhere") == ()
