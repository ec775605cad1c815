"""Lifts that are told of the solver's symmetries: they commute with them, learn from images, are saved and loaded."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coupled import LINE, PLANE, coupled, place
from mlft.files import digest
from mlft.grids import Grid, Symmetry, group, relative_error
from mlft.lifts import LIFTS, Coarse, Coupled, Lift, fit, load
from mlft.lifts.learned import Effort, Ensemble, Learned, _images
from mlft.lifts.local import Local
from mlft.lifts.spectral import Spectral
from mlft.surrogates import BundleError
from mlft.training import Course, Scheme, Training

ODD = group([Symmetry((True,), inputs=(1, -1), outputs=(-1,))])
FLIPS = group([Symmetry((True, False), inputs=(1, 1)), Symmetry((False, True), inputs=(1, -1), outputs=(-1,))])
SQUARE = Grid((12, 12))
TURNS = group([Symmetry((True, False), swap=True, inputs=(1, 1))])


def told(symmetries: tuple[Symmetry, ...] = (), *, averaged: bool = True) -> Course:
    scheme = Scheme("toy", (LINE, LINE), 2.0, symmetries=symmetries, averaged=averaged)
    return Course(Training(), seed=3, scheme=scheme)


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    few = {"line": Effort(24, passes=0, rate=1e-2), "plane": Effort(20, passes=0, rate=1e-2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LIFTS, "local", Local(**few))
        patch.setitem(LIFTS, "spectral", Spectral(**few))
        yield


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps still, where it does not matter how much is learned."""
    few = Effort(6, passes=0, rate=1e-2)
    monkeypatch.setitem(LIFTS, "local", Local(few, few))
    monkeypatch.setitem(LIFTS, "spectral", Spectral(few, few))


def symmetric(n: int, grid: Grid, *, seed: int = 0) -> Coupled:
    """Coupled draws of which the finer one is a function of the coarser that commutes with every map of its points."""
    draws = coupled(n, grid, seed=seed)
    coarse = draws.coarse.solutions
    return replace(draws, fine=coarse + 0.4 * np.tanh(2 * coarse) * np.abs(draws.coarse.inputs[:, 1:]))


@pytest.mark.parametrize(
    ("grid", "elements"), [(LINE, ODD), (PLANE, FLIPS), (SQUARE, TURNS)], ids=["line", "plane", "square"]
)
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", ["local", "spectral"])
def test_a_lift_commutes_with_the_symmetries_of_its_solver(
    name: str, grid: Grid, elements: tuple[Symmetry, ...]
) -> None:
    draws = coupled(9, grid)
    for averaged in (True, False):
        lift = fit(name, draws, place(grid), told(elements, averaged=averaged))
        lifted = lift.lift(draws.coarse)
        off = [
            np.abs(lift.lift(draws.coarse.by(one)) - one.of_outputs(lifted)).max() / np.abs(lifted).max()
            for one in elements
        ]
        assert bool(max(off) < 1e-6) is averaged


def test_images_follow_the_draws_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = replace(coupled(5, PLANE), true=np.array([True, False, True, True, False]))
    images = _images(draws, FLIPS)
    assert len(images) == 4 * 5
    for place_, one in enumerate(FLIPS):
        rows = slice(5 * place_, 5 * place_ + 5)
        assert np.array_equal(images.fine[rows], one.of_outputs(draws.fine))
        assert np.array_equal(images.coarse.solutions[rows], one.of_outputs(draws.coarse.solutions))
        assert np.array_equal(images.coarse.inputs[rows], one.of_inputs(draws.coarse.inputs))
        assert np.array_equal(images.true[rows], draws.true)
    assert _images(draws, ()) is draws
    monkeypatch.setattr("mlft.lifts.learned._VALUES", 2 * draws.fine.size)
    assert len(_images(draws, FLIPS)) == 2 * 5
    monkeypatch.setattr("mlft.lifts.learned._VALUES", 1)
    assert _images(draws, FLIPS) is draws


@pytest.mark.usefixtures("brief")
def test_no_corrector_knows_of_an_image_of_the_label_that_it_judges() -> None:
    before = symmetric(11, LINE)
    fine = before.fine.copy()
    fine[5] += 1.0
    method = LIFTS["local"]
    assert isinstance(method, Learned)
    _, judged = method.fit(before, place(), told(ODD))
    _, again = method.fit(replace(before, fine=fine), place(), told(ODD))
    assert np.array_equal(judged[[1, 5, 9]], again[[1, 5, 9]])
    assert not np.array_equal(judged[4], again[4])


@pytest.mark.usefixtures("brief")
def test_what_is_odd_under_the_group_is_scaled_about_zero() -> None:
    method = LIFTS["local"]
    assert isinstance(method, Learned)
    shifts, draws = {}, coupled(9)
    off = replace(draws.coarse, inputs=draws.coarse.inputs + 1.0, solutions=draws.coarse.solutions + 1.0)
    for elements in ((), ODD):
        correction, _ = method.fit(replace(draws, coarse=off), place(), told(elements))
        assert isinstance(correction, Ensemble)
        shifts[len(elements)] = (
            float(correction.solutions.shift.abs()),
            float(correction.inputs.shift.flatten()[1].abs()),
        )
    assert max(shifts[2]) < 1e-12 < 1e-3 < min(shifts[0])


def test_images_teach() -> None:
    """Eight draws and their mirror images leave less of fresh labels than eight draws."""
    left = {}
    for elements in ((), ODD):
        lift, fresh = fit("local", symmetric(8, LINE), place(), told(elements)), symmetric(60, LINE, seed=1)
        left[len(elements)] = relative_error(lift.lift(fresh.coarse), fresh.fine, LINE).mean()
    assert left[2] < 0.95 * left[0]


@pytest.mark.usefixtures("brief")
def test_without_symmetries_no_bit_is_another() -> None:
    draws = coupled(9)
    plain = fit("local", draws, place(), Course(Training(), seed=3)).lift(draws.coarse)
    assert np.array_equal(plain, fit("local", draws, place(), told()).lift(draws.coarse))
    assert np.array_equal(plain, fit("local", draws, place(), told(ODD[:1])).lift(draws.coarse))


@pytest.fixture(scope="module")
def odd(quick: None) -> tuple[Lift, Coarse]:
    """A lift that knows a symmetry, and what it was fitted on."""
    draws = coupled(9)
    return fit("local", draws, place(), told(ODD)), draws.coarse


def test_a_saved_lift_knows_its_symmetries(odd: tuple[Lift, Coarse], tmp_path: Path) -> None:
    lift, coarse = odd
    lift.save(tmp_path)
    assert np.array_equal(load(tmp_path).lift(coarse), lift.lift(coarse))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"averaged": False}, "its symmetries are not those of its weights"),
        ({"symmetries": []}, "first 'symmetry', saved with shape (2, 7), in the network none"),
        ({"symmetries": "twofold"}, "Input should be a valid tuple"),
        ({"symmetries": [{"flips": [True]}, {"flips": [False]}]}, "no symmetry of Grid(cells=(24,)"),
    ],
)
def test_symmetries_that_are_not_those_of_the_weights_are_refused(
    change: dict[str, object], why: str, odd: tuple[Lift, Coarse], tmp_path: Path
) -> None:
    odd[0].save(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    config["options"] |= change
    config.pop("digest")
    file.write_text(json.dumps(config | {"digest": digest(config)}))  # an edit that the digest does not tell
    with pytest.raises(BundleError, match=re.escape(why)):
        load(tmp_path)
