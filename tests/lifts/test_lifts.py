"""Lifts: they reach what coupled draws teach, certify themselves on unseen ones, resume, are saved, and refuse."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coupled import ENDS, LINE, PLANE, coupled, place
from mlft.errors import ConfigError
from mlft.grids import Grid, prolong, relative_error, restrict
from mlft.lifts import LIFTS, Coarse, Coupled, LiftError, choose, fit, label_error, load
from mlft.lifts.learned import Effort
from mlft.lifts.local import Local
from mlft.lifts.spectral import Spectral
from mlft.surrogates import BundleError
from mlft.training import Course, Training

COURSE = Course(Training(), seed=3)


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Learned lifts of few steps, under their own names."""
    few = {"line": Effort(24, passes=0, rate=1e-2), "plane": Effort(20, passes=0, rate=1e-2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LIFTS, "local", Local(**few))
        patch.setitem(LIFTS, "spectral", Spectral(**few))
        yield


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps still, where it does not matter how much is learned."""
    for name, method in (("local", Local), ("spectral", Spectral)):
        monkeypatch.setitem(LIFTS, name, method(Effort(6, passes=0, rate=1e-2)))


@pytest.fixture(scope="module")
def saved(quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lift that was fitted and saved; tests read it, or change a copy."""
    folder = tmp_path_factory.mktemp("saved")
    fit("local", coupled(8), place(), COURSE).save(folder)
    return folder


@pytest.mark.parametrize("grid", [LINE, ENDS, PLANE], ids=str)
@pytest.mark.parametrize("name", ["local", "spectral"])
def test_a_learned_lift_lowers_the_error_of_labels_it_never_saw(name: str, grid: Grid) -> None:
    """On fresh draws, and by about as much as its certificate says."""
    found, fresh = fit(name, coupled(14, grid), place(grid), COURSE), coupled(60, grid, seed=1)
    raw = relative_error(fresh.coarse.solutions, fresh.fine, grid).mean()
    lifted = relative_error(found.lift(fresh.coarse), fresh.fine, grid).mean()
    assert lifted < 0.6 * raw
    assert found.error.lifted.value < 0.75 * found.error.raw.value
    assert 0.6 < lifted / found.error.lifted.value < 1.4
    assert found.error.draws == 14


@pytest.mark.usefixtures("brief")
def test_no_corrector_knows_of_the_label_that_it_judges() -> None:
    """Another label of draw 5 moves its certificate's label by nothing, and those of draws in other quarters."""
    before = coupled(11)
    fine = before.fine.copy()
    fine[5] += 1.0
    _, judged = LIFTS["local"].fit(before, place(), COURSE)
    _, again = LIFTS["local"].fit(replace(before, fine=fine), place(), COURSE)
    assert np.array_equal(judged[5], again[5])
    assert np.array_equal(judged[[1, 9]], again[[1, 9]])  # of the same quarter
    assert not np.array_equal(judged[4], again[4])


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("grid", [LINE, ENDS], ids=str)
def test_correctors_see_the_solutions_as_given_and_as_the_grid_alone_prolongs_them(grid: Grid) -> None:
    """Unit fields at points that a coarse grid lacks or averages: the grid's own transfer does not give them back."""
    draws, here = coupled(9, grid), place(grid)
    solutions = draws.coarse.solutions + (np.arange(grid.shape[0]) % 2)
    coarse = replace(draws.coarse, solutions=solutions)
    correction, _ = LIFTS["local"].fit(replace(draws, coarse=coarse), here, COURSE)
    seen = correction.scaled(coarse).double().numpy()  # type: ignore[attr-defined]
    shift, scale = (getattr(correction.solutions, name).numpy() for name in ("shift", "scale"))  # type: ignore[attr-defined]
    plain = prolong(restrict(solutions, to=here.own), to=grid)
    np.testing.assert_allclose(seen[:, :1] * scale + shift, solutions, atol=1e-5)
    np.testing.assert_allclose(seen[:, 1:2] * scale + shift, plain, atol=1e-5)
    assert np.abs(plain - solutions).max() > 0.1 and seen.shape[1] == 2 + draws.coarse.inputs.shape[1]


@pytest.mark.usefixtures("brief")
def test_a_lift_is_the_mean_of_its_correctors_and_their_labels_judge_it() -> None:
    draws = coupled(9)
    correction, judged = LIFTS["local"].fit(draws, place(), COURSE)
    each = [correction.corrected(draws.coarse, only=k) for k in range(4)]  # type: ignore[attr-defined]
    assert np.allclose(correction.correct(draws.coarse), np.mean(each, axis=0), rtol=0, atol=1e-12)
    assert all(np.array_equal(judged[i], each[i % 4][i]) for i in range(9))


def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    draws, fresh = coupled(10), coupled(3, seed=2).coarse
    whole = fit("local", draws, place(), COURSE).lift(fresh)

    def stop(what: str, done: int, total: int) -> None:
        assert what == "level 1, local"
        assert total == 4 * 24
        if done == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit("local", draws, place(), replace(COURSE, folder=tmp_path, lifting=stop))
    seen: list[int] = []
    again = replace(COURSE, folder=tmp_path, lifting=lambda what, done, total: seen.append(done))
    assert np.array_equal(fit("local", draws, place(), again).lift(fresh), whole)
    assert 0 < len(seen) < 4 * 24 - 40  # what was done is not done again


@pytest.mark.usefixtures("brief")
def test_a_checkpoint_of_other_labels_is_not_continued(tmp_path: Path) -> None:
    draws, fresh, course = coupled(8), coupled(3, seed=2).coarse, replace(COURSE, folder=tmp_path)
    fit("local", draws, place(), course)
    other = replace(draws, fine=draws.fine + 0.1)
    assert np.array_equal(
        fit("local", other, place(), course).lift(fresh), fit("local", other, place(), COURSE).lift(fresh)
    )


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", ["none", "richardson", "local", "spectral"])
def test_a_saved_lift_lifts_to_the_same_bits(name: str, tmp_path: Path) -> None:
    draws = coupled(8)
    coarse = replace(draws.coarse, coarser=draws.coarse.solutions + 0.1, coarser_ratio=8)
    found = fit(name, replace(draws, coarse=coarse), place(), COURSE)
    found.save(tmp_path)
    back = load(tmp_path, place=place())
    assert np.array_equal(back.lift(coarse), found.lift(coarse))
    assert (back.name, back.error, back.channels) == (name, found.error, (2, 1))
    assert (tmp_path / "README.md").read_text().startswith("# A lift")


@pytest.mark.parametrize(
    "other",
    [
        replace(place(), source="another problem or transfer"),
        replace(place(), level=0),
        replace(place(), target=2),
        replace(place(), grid=Grid((24,), (2.0,))),
    ],
    ids=["problem", "level", "target", "grid"],
)
def test_a_lift_of_another_place_is_refused(other, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fit("none", coupled(2), place(), COURSE).save(tmp_path)
    with pytest.raises(LiftError, match="belongs to"):
        load(tmp_path, place=other)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"channels": [2, 10**6]}},  # gigabytes, if it were made before it is compared
        {"options": {"channels": ["2", 1]}},
        {"options": {}},
        {"channels": 3},
        {"place": {"level": 1}},
        {"place": None},
        {"place": {"level": "x", "target": 1, "source": "", "own": {}, "grid": {}, "ratio": 2, "order": 2.0}},
        {"error": {"raw": 1.0}},
        {"cpu_seconds": "x"},
        {"name": ["local"]},
    ],
)
def test_a_forged_lift_is_refused_in_words(changes: dict[str, Any], saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    load(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | changes
    del config["digest"]
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    (tmp_path / "config.json").write_text(json.dumps(config | {"digest": digest}))
    with pytest.raises(BundleError, match="describes no lift|do not fit the network"):
        load(tmp_path)


def test_a_folder_without_a_lift_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no lift"):
        load(tmp_path)


def test_the_best_certificate_is_chosen_and_none_where_no_lift_helps() -> None:
    draws = coupled(12)
    choice = choose(("richardson", "local"), draws, place(), COURSE)
    assert choice.lift.name == "local"
    assert "coarser level" in str(choice.tried["richardson"])
    assert choice.tried["local"] == choice.lift.error.lifted.value
    coarse, lifted, fine = choice.example
    assert relative_error(lifted, fine, LINE) < relative_error(coarse, fine, LINE)
    right = replace(draws, fine=draws.coarse.solutions * (1 + 1e-9))
    refused = choose(("local", "spectral"), right, place(), COURSE)
    assert refused.lift.name == "none"
    assert np.array_equal(refused.lift.lift(draws.coarse), draws.coarse.solutions)


def test_labels_of_an_aliased_level_are_known_to_be_useless() -> None:
    """Coarse solutions that have nothing to do with the fine ones: a lift learns the mean at best."""
    draws = coupled(16)
    strange = replace(draws, coarse=replace(draws.coarse, solutions=coupled(16, seed=9).coarse.solutions))
    assert not choose(("local",), strange, place(), COURSE).lift.error.useful
    assert choose(("local",), draws, place(), COURSE).lift.error.useful


def test_only_true_labels_certify() -> None:
    draws = coupled(12)
    true = np.arange(12) < 5
    fine = np.where(true[:, None, None], draws.fine, 100.0)
    found = fit("none", Coupled(draws.coarse, fine, true), place(), COURSE)
    assert found.error.draws == 5
    assert found.error.raw.value < 1


def _with_nan(draws: Coupled) -> Coupled:
    solutions = draws.coarse.solutions.copy()
    solutions[3, 0, 7] = np.nan
    return replace(draws, coarse=replace(draws.coarse, solutions=solutions))


BROKEN: dict[str, Callable[[Coupled], Coupled]] = {
    "few": lambda draws: coupled(7),
    "nan": _with_nan,
    "grid": lambda draws: coupled(9, Grid((12,))),
    "nan fine": lambda draws: replace(draws, fine=np.where(np.arange(24) == 2, np.nan, draws.fine)),
    "channels": lambda draws: replace(draws, fine=np.concatenate([draws.fine, draws.fine], axis=1)),
    "none true": lambda draws: replace(draws, true=np.zeros(9, bool)),
}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("few", "needs 8 coupled draws.*got 7"),
        ("nan", r"1 of 9 solutions of level 1 are not finite, first sample 3"),
        ("grid", r"takes inputs of shape \(9, 2, 24\).*got \(9, 2, 12\)"),
        ("channels", r"of shape \(9, 1, 24\).*got \(9, 2, 24\)"),
        ("nan fine", "must be finite"),
        ("none true", "one of them at least solved on the finest grid; got 9 and 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused_before_any_training(what: str, words: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError("trained")

    with pytest.raises(LiftError, match=words):
        fit("local", BROKEN[what](coupled(9)), place(), replace(COURSE, lifting=never))


def test_fields_that_are_not_of_the_lift_are_refused() -> None:
    found, draws = fit("none", coupled(3), place(), COURSE), coupled(3)
    with pytest.raises(LiftError, match=r"takes inputs of shape \(3, 2, 24\)"):
        found.lift(replace(draws.coarse, inputs=draws.coarse.inputs[:, :1]))
    with pytest.raises(LiftError, match="not finite"):
        found.lift(replace(draws.coarse, solutions=draws.coarse.solutions * np.inf))
    with pytest.raises(ConfigError, match="did you mean 'local'"):
        fit("locl", draws, place(), COURSE)


def test_an_offset_far_above_the_field_does_not_hide_what_is_learned() -> None:
    """Corrections are float32 numbers, the fields that they are added to are not: beside 1e8 they are still seen."""
    draws = coupled(12)
    far = Coupled(replace(draws.coarse, solutions=draws.coarse.solutions + 1e8), draws.fine + 1e8, draws.true)
    error = fit("local", far, place(), COURSE).error
    assert error.lifted.value < 0.75 * error.raw.value


def test_richardson_is_exact_for_a_leading_term() -> None:
    """u_l = u + C h_l^p with p = 3, levels of 4 and 16 times the cell of the target."""
    random = np.random.default_rng(0)
    exact, constant = random.normal(size=(2, 5, 1, 24))
    level, below, target = (exact + constant * h**3 for h in (4 / 24, 16 / 24, 1 / 24))
    coarse = Coarse(np.zeros((5, 2, 24)), level, below, 16)
    found = fit("richardson", Coupled(coarse, target, np.ones(5, bool)), place(ratio=4, order=3.0), COURSE)
    assert np.allclose(found.lift(coarse), target, rtol=0, atol=1e-12)
    assert found.error.lifted.value < 1e-11 < found.error.raw.value


def test_the_unit_of_the_solutions_does_not_matter() -> None:
    draws = coupled(12)
    large = Coupled(replace(draws.coarse, solutions=50 * draws.coarse.solutions), 50 * draws.fine, draws.true)
    error = fit("local", large, place(), COURSE).error
    assert error.lifted.value < 0.75 * error.raw.value


def test_labels_are_compared_with_the_mean_of_the_other_draws() -> None:
    """Fields 1 and 3: each is told by the other, with errors 2 and 2/3."""
    fine = np.ones((2, 1, 24)) * np.array([1.0, 3.0])[:, None, None]
    found = label_error(1.1 * fine, fine, fine, LINE)
    assert (found.raw.value, found.lifted.value, found.mean.value) == pytest.approx((0.1, 0.0, 4 / 3))
