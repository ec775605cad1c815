"""A finished run is used from Python: read back, its samples looked at, shown in a line or in a notebook."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import mlft
from finished import NASTY, Page, a_comparison, a_run
from mlft.errors import ConfigError, MlftError, StoreError
from mlft.experiment.compare import row
from mlft.experiment.manifest import write_manifest
from mlft.experiment.record import read_comparison, read_outcome, write_outcome
from mlft.grids import relative_error
from mlft.lifts import LIFTS
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.store import SampleStore, StoreReader
from small import GRIDS, SMALL, failing, problem

NOBODY = 65534
ASKED = {"strategy": "finetune:equal-cost", "budget": "24solves", **SMALL}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> mlft.Record:
    """A finished run of a problem that is named by its module."""
    return mlft.run("small:failing", out=tmp_path_factory.mktemp("run"), **ASKED | {"max_failure_rate": 1.0})


@pytest.fixture
def copy(made: mlft.Record, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "run"))


@pytest.fixture
def locked(made: mlft.Record) -> Iterator[mlft.Record]:
    """A run, the folder of which cannot be written, for a user to whom that is refused: root is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as outer:  # not pytest's, which nobody but its owner may look into
        folder = Path(shutil.copytree(made.folder, Path(outer) / "run"))
        for place in (folder, *folder.rglob("*")):
            place.chmod(0o555 if place.is_dir() else 0o444)
        Path(outer).chmod(0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield mlft.Record.load(folder)
        finally:
            os.seteuid(user)
            for place in (folder, *folder.rglob("*")):
                place.chmod(0o755)


def test_a_finished_run_is_read_back_and_predicts_the_same_bits(made: mlft.Record) -> None:
    there = sorted(made.folder.rglob("*"))
    found = mlft.Record.load(str(made.folder))
    assert (found.outcome, found.folder, found.corrections) == (made.outcome, made.folder, ())
    inputs = made.samples(2, "test").inputs
    assert np.array_equal(found.surrogate.predict(inputs), made.surrogate.predict(inputs))
    assert sorted(made.folder.rglob("*")) == there


def test_no_code_of_the_user_no_solver_and_no_compiler_is_imported(copy: Path) -> None:
    code = (
        "import sys, mlft; record = mlft.Record.load(sys.argv[1]); record.surrogate.predict(record.samples(0).inputs)\n"
        "wrong = [name for name in sys.modules if name in ('small', 'torch._dynamo')"
        " or name.startswith('mlft.solvers.')]\n"
        "print(record.outcome.problem, wrong)"
    )
    path = os.pathsep.join(one for one in sys.path if "support" not in one)
    done = subprocess.run(
        [sys.executable, "-c", code, copy], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert (done.stdout, done.returncode) == ("failing []\n", 0), done.stderr


def test_a_folder_without_a_finished_run_or_with_a_damaged_one_is_refused_with_what_to_do(copy: Path) -> None:
    for folder in (copy / "nowhere", copy / "samples"):
        with pytest.raises(MlftError, match="holds no finished run: record.json is missing; run `mlft run`"):
            mlft.Record.load(folder)
    weights = copy / "surrogate" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(
        MlftError, match="model.safetensors in .* is damaged, or of another run: run the same `mlft run"
    ):
        mlft.Record.load(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(MlftError, match="model.safetensors is damaged"):
        mlft.Record.load(copy)


def test_corrected_solvers_are_loaded_for_a_problem_that_the_caller_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(10, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])
    plan = {"strategy": "lift", "plan": (40, 24, 9), "budget": "40solves"}
    record = mlft.run("small:problem", out=tmp_path / "run", **SMALL | plan)
    assert mlft.Record.load(record.folder).corrections == ()
    for given in ("small:problem", problem):
        found = mlft.Record.load(record.folder, problem=given)
        assert [one.level for one in found.corrections] == [one.level for one in record.corrections]
    odd = 50 * record.samples(2, "test").inputs[:2]
    assert found.corrected is not None and found.familiarity(odd).rings.all()
    assert np.array_equal(found.predict(odd, unfamiliar="solve"), found.corrected.predict(odd))
    with pytest.raises(ConfigError, match="names the problem 'small:problem', the problem given is 'burgers'"):
        mlft.Record.load(record.folder, problem="burgers")


def test_a_network_of_ones_own_is_given_again(tmp_path: Path) -> None:
    network = torch.nn.Conv1d(1, 1, 3, padding=1)
    asked = {name: value for name, value in ASKED.items() if name != "surrogate_options"}
    record = mlft.run(problem, out=tmp_path, network=network, **asked)
    with pytest.raises(ConfigError, match=r"needs load\(folder, network\)"):
        mlft.Record.load(tmp_path)
    found = mlft.Record.load(tmp_path, network=network)
    inputs = record.samples(1).inputs
    assert np.array_equal(found.surrogate.predict(inputs), record.surrogate.predict(inputs))


@pytest.mark.parametrize(("level", "stream"), [(0, "train"), (1, "train"), (2, "train"), (2, "test")])
def test_samples_are_what_the_solver_makes_of_their_inputs(made: mlft.Record, level: int, stream: str) -> None:
    found = made.samples(level, stream)
    assert len(found) == len(found.indices) == len(found.inputs) > 0
    assert found.inputs.shape[1:] == (1, *GRIDS[-1].shape) and found.solutions.shape[1:] == (1, *GRIDS[level].shape)
    told = made.outcome.error.samples if stream == "test" else made.outcome.levels[level].samples
    assert len(found) == told < max(found.indices) + 2
    inputs = found.inputs if level == 2 else failing.coarsen(found.inputs, GRIDS[level])
    assert np.abs(failing.solve(inputs, GRIDS[level]).solutions - found.solutions).max() < 1e-12
    assert repr(found) == f"LevelSamples(level {level}: inputs {found.inputs.shape}, solutions {found.solutions.shape})"


def test_the_error_in_the_record_is_that_of_the_test_samples(made: mlft.Record) -> None:
    test = made.samples(2, "test")
    errors = relative_error(made.surrogate.predict(test.inputs), test.solutions, GRIDS[-1])
    assert errors.mean() == pytest.approx(made.error, rel=1e-6)


def test_a_prediction_comes_with_its_bands_from_the_draws_that_calibrated_them(made: mlft.Record) -> None:
    test, told = made.samples(2, "test"), made.outcome.sure
    assert told is not None and (told.scaled, told.calibrated, told.measured) == (1, 2, 3)  # of 6 solved test draws
    found = made.predict(test.inputs, uncertainty=0.5)
    assert np.array_equal(found.value, made.surrogate.predict(test.inputs)) and found.level == 0.5
    assert np.array_equal(made.predict(test.inputs), found.value)
    assert found.half_width.shape == found.band.shape == found.value.shape[1:] and (found.half_width > 0).all()
    errors = relative_error(found.value, test.solutions, GRIDS[-1])
    assert found.error == told.at(0.5).error == pytest.approx(max(errors[1:3]), rel=1e-9)  # rank 2 of 2
    inside = (np.abs(test.solutions - found.value) <= found.band * (1 + 1e-12)).all(axis=(1, 2))
    assert inside[1:3].all() and told.at(0.5).fields_covered.value == pytest.approx(inside[3:].mean())
    assert told.at(0.5).errors_covered.value == pytest.approx((errors[3:] <= found.error).mean())
    with pytest.raises(ConfigError, match="known at the levels 0.5, got 0.9; 2 draws support 0.6667 at most"):
        made.predict(test.inputs, uncertainty=0.9)
    with pytest.raises(ValueError, match="takes inputs of shape"):
        made.predict(test.inputs[:, :, 1:], uncertainty=0.5)


def test_a_run_without_bands_refuses_uncertainty_and_predicts(made: mlft.Record, copy: Path) -> None:
    (copy / "manifest.json").unlink()
    (copy / "bands.safetensors").unlink()
    record, inputs = mlft.Record.load(copy), made.samples(2, "test").inputs
    assert np.array_equal(record.predict(inputs), made.predict(inputs))
    with pytest.raises(MlftError, match="keeps no bands: .*a run in a new folder has them"):
        record.predict(inputs, uncertainty=0.5)


def test_samples_are_read_while_a_driver_writes_and_leave_no_file(copy: Path) -> None:
    record = mlft.Record.load(copy)
    known, there = record.samples(0), sorted(copy.rglob("*"))
    assert sorted(copy.rglob("*")) == there
    with StoreReader(copy) as reader:
        identity = reader.identity
    with SampleStore.open(copy, identity) as store:
        assert (copy / "ledger.sqlite-wal").exists()
        assert np.array_equal(record.samples(0).solutions, known.solutions)
        store.freeze("something", 1)
        assert np.array_equal(record.samples(0).solutions, known.solutions)
    assert sorted(copy.rglob("*")) == there


def test_samples_are_read_from_a_folder_that_cannot_be_written(locked: mlft.Record) -> None:
    with pytest.raises(PermissionError):
        (locked.folder / "mine").touch()
    assert len(locked.samples(0)) > 0


def test_a_level_or_a_stream_that_is_not_there_is_refused_by_name(made: mlft.Record, copy: Path) -> None:
    for level in (3, -1):
        with pytest.raises(ConfigError, match=rf"levels 0 \(coarsest\) to 2 \(finest\), got level {level}"):
            made.samples(level)
    with pytest.raises(
        ConfigError, match="unknown stream of samples 'trian': did you mean 'train'. Known: .*test, train"
    ):
        made.samples(0, "trian")
    (copy / "ledger.sqlite").unlink()
    with pytest.raises(StoreError, match="ledger.sqlite cannot be read .*give that, with all its files"):
        mlft.Record.load(copy).samples(0)
    (copy / "ledger.sqlite").write_bytes(b"SQLite format 3" + bytes(300))
    with pytest.raises(StoreError, match="is corrupted"):
        mlft.Record.load(copy).samples(0)


def test_samples_of_another_run_are_not_taken_for_this_runs(copy: Path, tmp_path: Path) -> None:
    mlft.run(problem, out=tmp_path / "other", **ASKED | {"seed": 1})
    shutil.copy(tmp_path / "other" / "ledger.sqlite", copy)
    with pytest.raises(MlftError, match="are of another run: problem is 'small' there and 'failing' in the record"):
        mlft.Record.load(copy).samples(0)


def test_a_damaged_sample_is_not_returned(copy: Path) -> None:
    for file in copy.glob("samples/level-1/train-*"):
        content = bytearray(file.read_bytes())
        content[-5] ^= 1
        file.write_bytes(content)
    record = mlft.Record.load(copy)
    assert len(record.samples(0)) > 0
    with pytest.raises(StoreError, match="damaged"):
        record.samples(1)


def test_what_a_session_shows_of_a_run_is_short(made: mlft.Record) -> None:
    told = f"Outcome(failing, finetune:equal-cost, seed 0, 24solves: relative L2 error {made.error:.4g})"
    assert repr(made.outcome) == told and repr(made) == f"Record({told}, '{made.folder}')"
    lost = dataclasses.replace(made.outcome.error.relative_l2, mean=None)
    error = dataclasses.replace(made.outcome.error, relative_l2=lost)
    assert "no finite error" in repr(dataclasses.replace(made.outcome, error=error))


def test_what_a_session_shows_of_a_forecast_and_a_comparison_is_short(tmp_path: Path) -> None:
    asked = SMALL | {"surrogate_options": {"modes": [3], "width": 5, "depth": 2}}
    forecast = mlft.plan(problem, budget="60solves", out=tmp_path / "plan", **asked)
    assert repr(forecast).startswith("Forecast(") and "predicted error" in repr(forecast) and len(repr(forecast)) < 120
    page = Page(forecast._repr_html_())
    assert page.tags.count("tr") == 2 + len(forecast.plan.alternatives) and "this plan" in page.text
    found = read_comparison(
        a_comparison(tmp_path / "c", {"finetune": {0: 0.2, 1: 0.3}, "finest-only": {0: 0.4, 1: None}})
    )
    assert repr(found) == "Comparison(burgers, 64solves: finetune, finest-only; 2 seeds)"
    text = Page(found._repr_html_()).text
    assert "finetune 0.25 (-0.385 to 0.885) 0.2 0.3" in text and "finest-only 0.4 0.4 not known" in text


def test_a_notebook_shows_a_small_table(made: mlft.Record) -> None:
    page = Page(made._repr_html_())
    assert "table" in page.tags and f"{made.error:.3g}" in page.text and "6 fresh draws" in page.text
    assert f"{made.outcome.levels[0].samples} on 7" in page.text and str(made.folder) in page.text


def test_what_is_forged_into_a_record_is_shown_as_text(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", problem=NASTY, equation=NASTY, strategy=NASTY)
    told = dataclasses.replace(read_outcome(folder), problem=NASTY + "\x1b[2J" + 10**5 * "x")
    write_outcome(folder, told)
    write_manifest(folder)
    surrogate = mlft.Surrogate(torch.nn.Identity(), (1, 1), GRIDS[-1])
    record = mlft.Record(told, surrogate, tmp_path / "<b>folder</b>")
    html = record._repr_html_()
    assert "<script" not in html and "<b>" not in html and "&lt;script&gt;" in html
    assert "script" not in Page(html).tags and NASTY in Page(html).text
    assert len(repr(record)) < 400 and "\x1b" not in repr(record)
    found = dataclasses.replace(
        read_comparison(a_comparison(tmp_path / "c", {NASTY: {0: 0.2, 1: 0.3}})), problem=NASTY, budget=NASTY
    )
    assert "<script" not in found._repr_html_() and len(repr(found)) <= 200


def test_a_row_of_a_comparison_tells_the_interval_of_the_error_and_of_what_was_predicted(tmp_path):
    told = read_outcome(a_run(tmp_path / "run"))
    found, before = row(told, "64solves"), told.plan.predicted_error
    assert (found.lower, found.upper) == (told.error.relative_l2.mean_lower, told.error.relative_l2.mean_upper)
    assert (found.predicted, found.predicted_lower, found.predicted_upper) == (before.value, before.lower, before.upper)
    assert len({found.lower, found.relative_l2, found.upper, before.value, before.lower, before.upper}) == 6
