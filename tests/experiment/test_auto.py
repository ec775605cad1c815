"""Runs whose network is chosen, or fitted in closed form: record, report, trust, refusals."""

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError
from mlft.learners.choice import choose
from mlft.surrogates import CANDIDATES, QUICK, SURROGATES
from small import SMALL, problem

RUN = SMALL | {"surrogate_options": {}, "estimator": "learning-curve"}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    return mlft.run("small:problem", budget="60solves", out=tmp_path_factory.mktemp("auto"), surrogate="auto", **RUN)


def test_the_record_says_what_was_tried_and_chosen_and_why(chosen):
    told = chosen.outcome.surrogate
    assert told.name == "auto"
    assert [row.name for row in told.candidates] == ["linear", "kernel", "fno-muon", "unet-muon"]
    assert sum(row.weight for row in told.candidates) == pytest.approx(1)
    taken = [row.name for row in told.candidates if row.weight]
    assert [member["name"] for member in told.options["members"]] == taken
    assert told.parameters > 0 and all(row.verdict for row in told.candidates)
    page = mlft.report(chosen.folder).read_text()
    assert "Networks tried on the same samples" in page


def test_the_folder_is_loaded_and_read_again(chosen):
    inputs = np.ones((2, chosen.surrogate.channels[0], *chosen.surrogate.grid.shape))
    again = mlft.load(chosen.folder / "surrogate")
    np.testing.assert_array_equal(again.predict(inputs), chosen.surrogate.predict(inputs))
    same = mlft.run("small:problem", budget="60solves", out=chosen.folder, surrogate="auto", **RUN)
    assert same.outcome == chosen.outcome


def test_a_pilot_trains_the_quick_candidates_and_rounds_and_the_last_training_ask_all(tmp_path, monkeypatch):
    asked = []

    def spied(surrogate, *rest):
        asked.append(tuple(surrogate.network.names))
        return choose(surrogate, *rest)

    monkeypatch.setattr("mlft.learners.finetune.choose", spied)
    options = RUN | {"surrogate": "auto", "strategy": "lift"}
    record = mlft.run("small:problem", budget="60solves", out=tmp_path, **options)
    curves = [one for one in record.outcome.foresight.rounds if one.curve is not None]
    last = [tuple(CANDIDATES)] * (len(curves) + 1)
    assert curves and asked == [QUICK] * (len(asked) - len(last)) + last and len(asked) > len(last)


@pytest.mark.parametrize(
    ("own", "words"),
    [({"rat": 0.1}, "unexpected keyword argument 'rat'"), ({"optimizer": "sgd"}, "training needs optimizer one of")],
)
def test_what_is_no_setting_of_a_training_is_refused_before_a_solve(own, words, tmp_path):
    member = {"network": "linear", "options": SURROGATES["linear"].defaults(problem.finest), "training": own}
    options = RUN | {"surrogate": "auto", "surrogate_options": {"members": [member]}}
    with pytest.raises(ConfigError, match=f"surrogate 'auto': .*{words}"):
        mlft.run("small:problem", budget="60solves", out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["linear", "kernel"])
def test_a_regression_goes_through_a_whole_run(name, tmp_path):
    record = mlft.run("small:problem", budget="60solves", out=tmp_path / "run", surrogate=name, **RUN)
    assert record.outcome.surrogate.name == name and 0 < record.error < 1
    assert record.outcome.surrogate.candidates == ()
    assert all(stage.movement is None for stage in record.outcome.stages)
    assert mlft.trust(tmp_path / "run", samples=4, problem="small:problem").families


@pytest.mark.parametrize("name", ["linear", "kernel", "auto"])
@pytest.mark.parametrize("estimator", ["kernel-trained", "kernel-initial"])
def test_an_estimate_by_a_tangent_kernel_that_is_not_there_is_refused_before_a_solve(name, estimator, tmp_path):
    options = RUN | {"estimator": estimator, "surrogate": name}
    with pytest.raises(ConfigError, match=f"the estimator '{estimator}' needs the tangent kernel .* '{name}' is not"):
        mlft.run("small:problem", budget="60solves", out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_what_a_network_fits_to_labels_is_there_before_its_first_stage(tmp_path):
    """The kernel of a trunk that is still 0 is 0, and no movement from it could be told."""
    record = mlft.run("small:problem", budget="60solves", out=tmp_path / "run", surrogate="pod-deeponet", **RUN)
    assert record.error < 1
    assert all(0 < stage.movement < 100 and 0 < stage.alignment <= 1 for stage in record.outcome.stages)
    inputs = np.ones((2, record.surrogate.channels[0], *record.surrogate.grid.shape))
    again = mlft.load(record.folder / "surrogate")
    np.testing.assert_array_equal(again.predict(inputs), record.surrogate.predict(inputs))
