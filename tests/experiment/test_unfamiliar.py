"""Whether a finished run may be asked for an input, what it does about one that it may not, and other grids."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mlft
from mlft.diagnostics.trust import inputs_of_laws
from mlft.errors import ConfigError, MlftError, UnfamiliarError, UnfamiliarWarning
from mlft.experiment.manifest import write_manifest
from mlft.experiment.record import FAMILIARITY
from mlft.grids import Grid, relative_error, restrict
from mlft.sources import Drawn
from small import GRIDS, SMALL, evaluate, problem

ASKED = {"strategy": "finest-only", "budget": "12solves", **SMALL}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> mlft.Record:
    return mlft.run(problem, out=tmp_path_factory.mktemp("run") / "one", **ASKED | {"test": 60})


@pytest.fixture(scope="module")
def fresh(made: mlft.Record) -> np.ndarray:
    return np.asarray(made.samples(2, "test").inputs)


@pytest.fixture(scope="module")
def mixed(made: mlft.Record, fresh: np.ndarray) -> np.ndarray:
    """Two inputs that are like the law's, and between them one that is not."""
    like = fresh[~made.familiarity(fresh).rings][:2]
    return np.stack([like[0], 40 * like[0], like[1]])


@pytest.fixture
def copy(made: mlft.Record, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "run"))


def test_the_alarm_is_false_for_as_many_test_draws_as_the_record_says(made: mlft.Record, fresh: np.ndarray) -> None:
    found, told = made.familiarity(fresh), made.outcome.familiar
    assert told is not None and (told.fitted, told.calibrated, told.measured) == (200, 400, 60)
    assert told.trained == made.outcome.plan.samples[-1]
    assert found.threshold == told.threshold == pytest.approx(1 - 11 / 400)
    assert told.false_alarms.value == pytest.approx(found.rings.mean()) and found.rings.mean() < 0.2
    assert [bool(why) for why in found.reasons] == found.rings.tolist() == (found.score > found.threshold).tolist()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    again = mlft.Record.load(made.folder).familiarity(fresh)
    assert np.array_equal(again.score, found.score) and again.reasons == found.reasons


def test_it_rings_for_what_is_unlike_the_law_and_says_why(made: mlft.Record, fresh: np.ndarray) -> None:
    (x,) = GRIDS[-1].points
    odd = {
        "amplitude": 10 * fresh,
        "off the trained span": fresh + 0.3 * np.cos(2 * np.pi * x),
        "not finite": np.where(x > 0.5, np.inf, fresh),
    }
    for why, inputs in odd.items():
        found = made.familiarity(inputs)
        assert found.rings.mean() > 0.95 and any(why in one for one in found.reasons), (why, found)
        assert found.score[found.rings].min() > found.threshold
    assert (found.score == 1).all() and str(found).startswith("Familiarity(60 of 60 ring: values that are not finite")
    with pytest.raises(ConfigError, match=r"shape \(samples, 1, 28\), got \(60, 1, 27\)"):
        made.familiarity(fresh[..., 1:])


def test_a_prediction_warns_once_of_what_is_unlike_the_law(made: mlft.Record, mixed: np.ndarray) -> None:
    with pytest.warns(UnfamiliarWarning, match=r"1 of 3 inputs is unlike .*input 1 \(.*usual") as caught:
        found = made.predict(mixed)
    assert len(caught) == 1
    assert np.array_equal(found, made.surrogate.predict(mixed))
    assert np.array_equal(made.predict(mixed, unfamiliar="ignore"), found)
    np.testing.assert_allclose(made.predict(mixed[::2]), found[::2], rtol=1e-5)
    with pytest.raises(UnfamiliarError, match="input 1 is unlike those that were trained on, .*usual") as refused:
        made.predict(mixed, unfamiliar="raise")
    assert refused.value.samples == (1,)
    np.testing.assert_allclose(made.predict(mixed[::2], unfamiliar="raise"), found[::2], rtol=1e-5)
    with pytest.raises(ConfigError, match="one of ignore, warn, raise, solve, got 'sovle'"):
        made.predict(mixed, unfamiliar="sovle")
    with pytest.raises(ValueError, match="must be finite"):
        made.predict(np.where(mixed > 0, np.nan, mixed))


def test_what_is_unlike_the_law_is_solved_if_that_is_asked(made: mlft.Record, mixed: np.ndarray) -> None:
    found = made.predict(mixed, unfamiliar="solve")
    assert np.array_equal(found[::2], made.surrogate.predict(mixed)[::2])
    assert np.array_equal(found[1:2], problem.solve(mixed[1:2], problem.finest).solutions)
    banded = made.predict(mixed, uncertainty=0.8, unfamiliar="solve")
    assert banded.solved == (1,) and np.array_equal(banded.value, found)
    alone = mlft.Record.load(made.folder)
    with pytest.raises(ConfigError, match="'solve' needs the solver: name the problem, .*problem='small'"):
        alone.predict(mixed, unfamiliar="solve")
    named = mlft.Record.load(made.folder, problem=problem)
    assert np.array_equal(named.predict(mixed, unfamiliar="solve"), found)


def test_a_run_without_an_alarm_says_so_and_predicts(made: mlft.Record, mixed: np.ndarray, copy: Path) -> None:
    (copy / "manifest.json").unlink()
    (copy / FAMILIARITY).unlink()
    record = mlft.Record.load(copy, problem=problem)
    assert np.array_equal(record.predict(mixed), made.surrogate.predict(mixed))
    for how in ("raise", "solve"):
        with pytest.raises(MlftError, match="does not know which inputs are familiar: .*a run in a new folder knows"):
            record.predict(mixed, unfamiliar=how)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("mean", lambda a: a[:, 1:]),
        ("components", lambda a: a[:, 1:]),
        ("waves", lambda a: a[:, 1:]),
        ("usual", lambda a: a[1:]),
        ("strangeness", lambda a: a[::-1]),
        ("strangeness", lambda a: a[:3]),
        ("spread", lambda a: 0 * a),
        ("scale", lambda a: a[None]),
    ],
)
def test_an_alarm_of_another_run_is_refused(name: str, harm: object, copy: Path, mixed: np.ndarray) -> None:
    arrays = load_file(copy / FAMILIARITY)
    save_file(arrays | {name: np.ascontiguousarray(harm(arrays[name]))}, copy / FAMILIARITY)  # type: ignore[operator]
    with pytest.raises(MlftError, match="familiarity.safetensors in .* is damaged"):
        mlft.Record.load(copy)
    write_manifest(copy)
    with pytest.raises(MlftError, match="familiarity.safetensors is of another run: .* has another shape"):
        mlft.Record.load(copy).predict(mixed)


def test_the_error_on_a_coarser_grid_is_that_of_the_restricted_test_draws(made: mlft.Record, fresh: np.ndarray) -> None:
    test = made.samples(2, "test")
    for grid, told in zip(GRIDS[:-1], made.outcome.grids, strict=True):
        predicted = made.predict(restrict(fresh, to=grid))
        assert predicted.shape == (60, 1, *grid.shape)
        errors = relative_error(predicted, restrict(test.solutions, to=grid), grid)
        assert told.grid == str(grid) and told.mean == pytest.approx(errors.mean()) and told.samples == 60
        assert told.lower is not None and told.upper is not None and told.lower < errors.mean() < told.upper
        with pytest.raises(ConfigError, match=f"is known on the finest grid, 28 cells, got inputs on {grid}"):
            made.predict(restrict(fresh, to=grid), unfamiliar="raise")
        with pytest.raises(ConfigError, match="bands are calibrated on the finest grid, 28 cells, alone"):
            made.predict(restrict(fresh, to=grid), uncertainty=0.8)


def test_a_grid_without_a_measured_error_is_warned_of_and_a_finer_one_is_looked_at(made: mlft.Record) -> None:
    draws = np.random.default_rng(0).normal(size=(5, 3))
    finer, odd = Grid((56,)), Grid((35,))
    inputs = evaluate(np.clip(draws, -1, 1), finer)
    with pytest.warns(
        UnfamiliarWarning, match="error of this surrogate on 56 cells was not measured: it was on 7, 14, 28"
    ):
        found = made.predict(inputs)
    coarse = made.predict(restrict(inputs, to=GRIDS[-1]), unfamiliar="ignore")
    assert np.abs(restrict(found, to=GRIDS[-1]) - coarse).max() < 0.05
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.predict(20 * inputs)
    assert len(caught) == 1 and "5 of 5 inputs are unlike" in str(caught[0].message)
    with pytest.raises(UnfamiliarError, match="input 0"):
        made.predict(20 * inputs, unfamiliar="raise")
    assert made.predict(evaluate(draws, odd), grid=odd, unfamiliar="ignore").shape == (5, 1, 35)
    with pytest.raises(
        ConfigError, match=r"takes inputs of shape \(samples, 1, 28\), got \(5, 1, 35\); or on that grid"
    ):
        made.predict(evaluate(draws, odd))
    with pytest.raises(ConfigError, match="another grid differs in its cells alone"):
        made.predict(evaluate(draws, odd), grid=Grid((35,), lengths=(2.0,)))


def test_a_network_that_takes_one_grid_is_named(tmp_path: Path, fresh: np.ndarray) -> None:
    asked = {name: value for name, value in ASKED.items() if name != "surrogate_options"}
    record = mlft.run(problem, out=tmp_path, surrogate="linear", **asked)
    assert {row.mean for row in record.outcome.grids} == {None}
    assert "linear in this surrogate takes no other grid" in record.outcome.grids[0].refused
    with pytest.raises(
        ConfigError, match="linear in this surrogate takes no other grid .*28 cells, got 14 cells: bring"
    ):
        record.predict(fresh[..., ::2])


def test_trust_tells_for_what_share_of_each_law_the_alarm_rings(made: mlft.Record, copy: Path) -> None:
    told = mlft.trust(copy, samples=5, problem=problem)
    draws = Drawn(problem, 0, "trust").draws(range(5))
    inputs = inputs_of_laws(problem, draws)
    for law in (*told.families, *told.amplitudes):
        assert law.rings == made.familiarity(inputs[law.name]).rings.mean(), law.name
    assert told.amplitudes[-1].rings == 1 and told.families[0].rings == told.amplitudes[4].rings
    (copy / FAMILIARITY).unlink()
    (copy / "manifest.json").unlink()
    assert {law.rings for law in mlft.trust(copy, samples=5, problem=problem).families} == {None}
