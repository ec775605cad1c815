"""A run and the symmetries of its solver: found once, used, told, not charged; declared ones verified."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mlft
from finished import read
from mlft.diagnostics.symmetry import DRAWS, LAW_DRAWS
from mlft.errors import ConfigError
from mlft.experiment.asking import ask
from mlft.experiment.outcome import SymmetryFact, SymmetryFacts
from mlft.experiment.session import Session
from mlft.grids import Symmetry, group
from mlft.reports import report
from small import SMALL, draw, failing, problem, solve

FLIP, MINUS = Symmetry((True,)), Symmetry((False,), inputs=(-1,), outputs=(-1,))
ONE = {"budget": "12solves", "strategy": "finest-only", **SMALL}


def odd(inputs, grid):
    """A solver with the reflection and the sign."""
    return np.tanh(inputs) * (1.0 + 0.1 * grid.spacing[0])


def lopsided(inputs, grid):
    """A solver without the reflection."""
    return solve(inputs, grid) + 0.25 * np.arange(grid.cells[0]) / grid.cells[0] * inputs**2


def waves(draws, grid):
    """Sines and a cosine: in sines alone the reflection is the sign."""
    (x,), out = grid.points, np.zeros((len(draws), 1, *grid.shape))
    for column, (k, wave) in enumerate([(1, np.sin), (1, np.cos), (2, np.sin)]):
        out[:, 0] += draws[:, column, None] * (np.sinc(k / grid.cells[0]) * wave(2 * np.pi * k * x))
    return out


def own(solver, **options):
    return replace(problem, name="own", solve_function=solver, **{"evaluate_function": waves} | options)


def rows(folder, asked):
    """What the ledger has of the search, by stream."""
    with Session(asked, folder) as opened:
        return {row.stream: 1 for row in opened.store.ledger() if row.stream.startswith("symmetry")}


def test_a_run_finds_uses_and_tells_the_symmetries_of_its_solver(tmp_path: Path) -> None:
    record = mlft.run(own(odd), out=tmp_path, **ONE)
    told = record.outcome.symmetry
    assert told is not None and set(group(told.used)) == set(group([FLIP, MINUS])) == set(record.surrogate.symmetries)
    assert (told.elements, told.averaged, told.declared, told.draws) == (4, True, False, DRAWS)
    assert all(one.defect < 1e-12 and one.shift < 6 and one.used for one in told.found)
    assert told.solves == 4 * DRAWS + 1  # as they are, by two maps, shifted, and a multiple
    assert told.scaling is None and told.scaled == ()
    (shifts,) = told.shifts  # the law is of sines, with one cosine: it has a place
    assert shifts.axis == 0 and shifts.defect < 1e-12 and shifts.shift > 6 and not shifts.used
    assert told.shifted == record.surrogate.shifts == ()
    assert record.outcome.budget.spent.solves <= 12.0
    inputs = waves(draw(3, torch.Generator().manual_seed(1)), problem.finest)
    predicted = record.surrogate.predict(inputs)
    for element in record.surrogate.symmetries:
        taken = record.surrogate.predict(element.of_inputs(inputs))
        np.testing.assert_allclose(taken, element.of_outputs(predicted), rtol=0, atol=1e-6)
    again = mlft.load(tmp_path / "surrogate")
    assert again.symmetries == record.surrogate.symmetries and again.averaged
    page = read(report(tmp_path)).text
    assert "Symmetries of the solver" in page and "reflection of axis 0" in page and "average over 4 maps" in page
    assert "shifts along axis 0" in page and "What takes inputs off their law is not used" in page
    assert "shifts along axis 0 (defect 0, not used); used in training, at prediction" in str(told)
    assert f"Looked for on {DRAWS} draws of the coarsest grid: {told.solves} solves, not charged." in page


def even(draws, grid):
    """Waves of all phases alike."""
    (x,), out = grid.points, np.zeros((len(draws), 1, *grid.shape))
    for wave, column in zip((np.sin, np.cos), (0, 1), strict=True):
        out[:, 0] += draws[:, column, None] * wave(2 * np.pi * x)
    return out


def test_shifts_of_a_law_without_a_place_are_used_in_training(tmp_path: Path) -> None:
    asked = ask(own(odd, evaluate_function=even), **ONE)
    with Session(asked, tmp_path) as opened:
        told = opened.symmetry
        assert told is not None and told.shifted == (0,)
        assert opened.surrogate(opened.samples("symmetry", 0, 2)).shifts == (0,)
        assert set(opened.scheme.symmetries) == set(group(told.used)) == set(group([FLIP, MINUS]))
        assert opened.scheme.averaged
    with Session(ask(own(odd, evaluate_function=even), symmetry="augment", **ONE), tmp_path / "augment") as opened:
        assert opened.scheme.symmetries and not opened.scheme.averaged
    with Session(ask(own(odd, evaluate_function=even), symmetry="none", **ONE), tmp_path / "none") as opened:
        assert opened.scheme.symmetries == ()
    assert "average over 4 maps; shifts in training" in str(told)
    alone = SymmetryFacts((), False, 4, 8, 0, True, told.shifts)
    assert "shifts along axis 0 (defect 0); shifts are used in training" in str(alone)


def test_what_is_found_is_kept_and_not_solved_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(own(odd), **ONE)
    with Session(asked, tmp_path) as opened:
        told = opened.symmetry
        before = len(opened.store.ledger())
    monkeypatch.setattr("mlft.experiment.session.examined", None)
    with Session(asked, tmp_path) as opened:
        assert opened.symmetry == told and len(opened.store.ledger()) == before
        rows = [row for row in opened.store.ledger() if row.stream.startswith("symmetry")]
        assert told is not None and len(rows) == told.solves
        assert len(opened.store.ledger("inputs/symmetry", 0)) == LAW_DRAWS


def test_a_search_that_was_killed_solves_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, solved = ask(own(odd), **ONE), []

    def killed(self: Session, by: Symmetry | None, n: int) -> np.ndarray:
        if by is not None and not any(by.flips):
            raise KeyboardInterrupt
        return taken(self, by, n)

    taken = Session._taken
    monkeypatch.setattr(Session, "_taken", killed)
    with pytest.raises(KeyboardInterrupt), Session(asked, tmp_path) as opened:
        opened.symmetry  # noqa: B018 (asked for what it does)
    monkeypatch.undo()
    with Session(asked, tmp_path) as opened:
        solved = [(row.stream, row.index) for row in opened.store.ledger() if row.stream == "symmetry"]
        told = opened.symmetry
    with Session(asked, tmp_path / "whole") as whole:
        assert whole.symmetry == told
    assert len(solved) == DRAWS


@pytest.mark.parametrize(("how", "averaged"), [("find", True), ("augment", False)])
def test_symmetries_in_training_alone_cost_a_prediction_nothing(tmp_path: Path, how: str, averaged: bool) -> None:
    record = mlft.run(own(odd), out=tmp_path, symmetry=how, **ONE)
    assert record.surrogate.averaged is averaged and len(record.surrogate.symmetries) == 4
    assert record.outcome.symmetry is not None and record.outcome.symmetry.averaged is averaged
    assert ("not at prediction" in read(report(tmp_path)).text) is not averaged


def test_none_is_looked_for_where_none_is_asked(tmp_path: Path) -> None:
    record = mlft.run(own(odd), out=tmp_path, symmetry="none", **ONE)
    assert record.outcome.symmetry is None and record.surrogate.symmetries == ()
    assert "Symmetries of the solver" not in read(report(tmp_path)).text
    assert rows(tmp_path, ask(own(odd), symmetry="none", **ONE)) == {}
    with pytest.raises(ConfigError, match=r"symmetry is 'none' there and 'find' here"):
        mlft.run(own(odd), out=tmp_path, **ONE)


def test_a_solver_without_symmetries_is_told_as_one(tmp_path: Path) -> None:
    record = mlft.run(own(lopsided), out=tmp_path, **ONE)
    told = record.outcome.symmetry
    assert told is not None and told.found == () and told.elements == 0 and record.surrogate.symmetries == ()
    assert "None was found" in read(report(tmp_path)).text and str(told).startswith("symmetries: none found (")


def test_declared_symmetries_are_verified_and_used(tmp_path: Path) -> None:
    record = mlft.run(own(odd, symmetries=(MINUS,)), out=tmp_path, **ONE)
    told = record.outcome.symmetry
    assert told is not None and told.declared and told.used == (MINUS,) and told.solves == 2 * DRAWS
    assert set(record.surrogate.symmetries) == set(group([MINUS]))
    assert "Declared by the problem, and verified" in read(report(tmp_path)).text


def test_declaring_none_has_none_used(tmp_path: Path) -> None:
    record = mlft.run(own(odd, symmetries=()), out=tmp_path, **ONE)
    assert record.outcome.symmetry is not None and record.outcome.symmetry.found == ()
    assert record.surrogate.symmetries == ()


@pytest.mark.parametrize(
    ("solver", "declared", "words"),
    [
        (
            lopsided,
            FLIP,
            rf"'reflection of axis 0', which its solver does not have: on {DRAWS} draws .* up to 0\.\d+ \(rel",
        ),
        (
            odd,
            Symmetry((False,), inputs=(-1,)),
            r"'inputs × −1', which its solver does not have.* up to 2 \(relative L2",
        ),
        (odd, Symmetry((True, False)), r"which is none of fields of 1 to 1 channels on Grid\(cells=\(28,\)"),
        (odd, replace(FLIP, pinned=True), r"which is none of fields"),
        (lambda u, grid: np.where(u[:, :, 1:2] > u[:, :, -2:-1], np.nan, u), FLIP, "its solver fails on one of"),
    ],
)
def test_a_symmetry_that_the_solver_lacks_is_refused_before_anything_is_bought(
    solver, declared, words, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=words):
        mlft.run(own(solver, symmetries=(declared,)), out=tmp_path, **ONE)
    with Session(ask(own(solver), **ONE), tmp_path) as opened:
        assert not opened.store.ledger("train")


def test_a_solver_that_fails_on_some_draws_is_searched_with_the_others(tmp_path: Path) -> None:
    """Its draws are sines, which the reflection takes where the sign takes them: either is found, not both."""
    with Session(ask(failing, **ONE), tmp_path) as opened:
        told = opened.symmetry
    assert told is not None and told.solves > DRAWS and len(told.found) <= 1


def test_a_plan_tells_the_symmetries(tmp_path: Path) -> None:
    told = str(mlft.plan(own(odd), out=tmp_path, **ONE))
    assert "symmetries: " in told and "used in training, at prediction as the average over 4 maps" in told
    assert "symmetries" not in str(mlft.plan(own(odd), out=tmp_path / "none", symmetry="none", **ONE))


def test_a_map_that_leaves_the_law_is_told_and_not_used(tmp_path: Path) -> None:
    asked = ask("euler", budget="12solves", options={"cells": 32, "levels": 2}, workers=0)
    with Session(asked, tmp_path) as opened:
        told = opened.symmetry
    assert told is not None and told.used == () and told.elements == 0
    assert [str(one.symmetry) for one in told.found] == ["reflection of axis 0, inputs and solutions × (1, −1, 1)"]
    assert "not used); multiples of the input (power 1 in the solution)" in str(told)
    assert "multiples are used in training" in str(told)


def linear(inputs, grid):
    return inputs * 2.0


def test_multiples_are_used_in_training_where_inputs_differ_in_size(tmp_path: Path) -> None:
    record = mlft.run(own(linear), out=tmp_path, **ONE)
    told = record.outcome.symmetry
    assert told is not None and told.scaling is not None
    assert told.scaled == (1.0,) and told.scaling.spread > 0.1
    assert "; multiples in training" in str(told)
    page = read(report(tmp_path)).text
    assert "multiples of the input (power 1 in the solution)" in page and "Inputs differ in size by" in page
    with Session(ask(own(linear), **ONE), tmp_path) as opened:
        assert opened.surrogate(opened.samples("symmetry", 0, 2)).scaling == (1.0,)

    def alike(draws, grid):
        fields = waves(draws, grid)
        return fields / np.sqrt((fields**2).mean(axis=(1, 2), keepdims=True))

    with Session(ask(own(linear, evaluate_function=alike), **ONE), tmp_path / "alike") as opened:
        told = opened.symmetry
    assert told is not None and told.scaling is not None and told.scaled == () and told.scaling.spread < 1e-12
    assert "multiples of the input (power 1 in the solution) (defect 0, not used)" in str(told)


def test_a_run_that_is_killed_in_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = mlft.run(own(odd), out=tmp_path / "whole", **ONE)
    steps = iter(range(10**6))

    def stop(progress: mlft.Progress) -> None:
        if progress.phase == "train" and next(steps) == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mlft.run(own(odd), out=tmp_path / "cut", report=stop, **ONE)
    again = mlft.run(own(odd), out=tmp_path / "cut", **ONE)
    assert again.error == whole.error and again.outcome.symmetry == whole.outcome.symmetry


def test_facts_come_back_from_a_record_as_they_were(tmp_path: Path) -> None:
    record = mlft.run(own(odd), out=tmp_path, **ONE)
    plain = json.loads((tmp_path / "record.json").read_text())["symmetry"]
    assert plain["found"][0]["symmetry"]["flips"] == [False] and plain["elements"] == 4
    assert mlft.run(own(odd), out=tmp_path, **ONE).outcome.symmetry == record.outcome.symmetry
    fact = SymmetryFact(FLIP, 2e-9, 7.0, used=False)
    assert str(SymmetryFacts((fact,), False, 4, 9, 0, True)) == (
        "symmetries: reflection of axis 0 (defect 2e-09, not used); none is used (9 coarse solves, not charged)"
    )
