"""Out of a run again: samples in the formats of others, and its surrogate with the limits of its numbers."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlft
from mlft import ConfigError, DataError
from mlft.datasets import FORMATS, read
from mlft.errors import MlftError
from mlft.experiment.record import read_evaluation
from mlft.grids import restrict
from small import GRIDS, SMALL, draw, evaluate, problem, solve


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> mlft.Record:
    """A finished run of three levels."""
    named = replace(problem, name="rod", input_channels=("speed [m/s]",), solution_channels=("heat [K]",))
    asked: dict[str, Any] = SMALL | {"plan": (9, 4, 3), "budget": "9solves", "strategy": "finetune"}
    return mlft.run(named, out=tmp_path_factory.mktemp("exported"), **asked)


@pytest.mark.parametrize("to", FORMATS)
def test_the_samples_of_a_run_come_out_a_data_set_a_level(to: str, made: mlft.Record, tmp_path: Path) -> None:
    told = made.export(to, tmp_path)
    assert len(told.files) == 6 and all(file.is_file() for file in told.files)  # train and test, of three levels
    assert ("single precision" in told.words) == (to in ("neuralop", "well"))
    assert "9 of train on 7, 4 of train on 14, 3 of train on 28, 3 of test on 7" in told.words
    found, exact = read(tmp_path), "float64" in told.words
    assert [len(level) for level in found.levels] == [12, 7, 10] and found.coupled
    assert (found.input_channels, found.solution_channels) == (("speed [m/s]",), ("heat [K]",))
    only = made.export(to, tmp_path / "train", streams=("train",))
    for level, rows in enumerate(read(*only.files).levels):
        known = made.samples(level)
        inputs = known.inputs if rows.inputs.shape == known.inputs.shape else restrict(known.inputs, to=GRIDS[level])
        tolerance = 0.0 if exact else 2.0**-23
        np.testing.assert_allclose(rows.inputs, inputs, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(rows.solutions, known.solutions, rtol=tolerance, atol=tolerance)


def test_what_comes_out_can_be_learned_from(made: mlft.Record, tmp_path: Path) -> None:
    made.export("pdebench", tmp_path / "out", streams=("train",))
    again = mlft.fit(tmp_path / "out", out=tmp_path / "fit", report=None, **{n: SMALL[n] for n in _TRAINED}, test=1)
    assert again.outcome.data is not None and again.outcome.data.rows == (9, 4, 3)
    assert again.outcome.channels["solutions"] == ("heat [K]",)
    assert again.outcome.command.startswith(f"mlft fit {tmp_path}/out/rod_train_level0.hdf5 ")


_TRAINED = ("training", "surrogate_options")


def test_coarse_inputs_are_those_that_the_solver_was_given(tmp_path: Path) -> None:
    def every_other(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        return inputs[..., :: inputs.shape[-1] // grid.shape[0]]

    own = mlft.FunctionProblem(
        "picks", GRIDS[1:], draw, evaluate, solve, cost_exponent=2.0, coarsen_function=every_other
    )
    asked: dict[str, Any] = SMALL | {"plan": (4, 3), "budget": "5solves", "strategy": "finetune"}
    record = mlft.run(own, out=tmp_path / "run", **asked)
    record.export("well", tmp_path / "out", streams=("train",))
    coarse = read(tmp_path / "out").levels[0]
    np.testing.assert_allclose(coarse.inputs, every_other(record.samples(0).inputs, GRIDS[1]), rtol=1e-6, atol=1e-6)
    alone = mlft.Record.load(tmp_path / "run")
    with pytest.raises(
        ConfigError, match=r"makes inputs of coarser grids by a rule of its own, .*: name it \(--problem"
    ):
        alone.export("well", tmp_path / "no")
    assert not (tmp_path / "no").exists()
    assert alone.export("npz", tmp_path / "yes").files


def test_a_surrogate_comes_out_with_its_normalisers_and_the_limits_of_its_numbers(
    made: mlft.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = made.samples(2, "test").inputs
    known = made.predict(inputs)
    told = made.export("pt2", tmp_path / "deep" / "one.pt2")
    found = torch.export.load(told.files[0]).module()(torch.as_tensor(inputs).float()).detach().numpy()
    np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-5 * np.abs(known).max())
    share = re.search(r"on 4 test samples its solutions are (.*) of how far they are from each other away", told.words)
    shown = read_evaluation(made.folder)["inputs"]
    exact = made.surrogate.predict(shown)
    given = torch.export.load(told.files[0]).module()(torch.as_tensor(shown).float()).detach().double().numpy()
    off = np.linalg.norm(given - exact) / np.linalg.norm(exact - exact.mean(axis=0))
    assert float(share[1]) == pytest.approx(off, rel=0.2) and 0 < off < 1e-3
    with pytest.raises(ConfigError, match=r"one.pt2 is there already: give another --out, or --force"):
        made.export("pt2", tmp_path / "deep" / "one.pt2")
    monkeypatch.setattr(mlft.Surrogate, "export", lambda self, file: file.write_text("slow: tests/surrogates have it"))
    told = made.export("onnx", tmp_path)
    assert told.files == (tmp_path / "surrogate.onnx",) and told.files[0].is_file()
    assert "(samples, 1, 28) to (samples, 1, 28)" in told.words and "normalisers inside" in told.words
    assert "numbers in and out are float32: 7 digits, magnitudes from 1e-38 to 3e38" in told.words


def test_what_cannot_come_out_is_said_and_nothing_is_written(made: mlft.Record, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format 'matlab'"):
        made.export("matlab", tmp_path)
    with pytest.raises(MlftError, match="has no samples of trust/rougher: nothing is written"):
        made.export("npz", tmp_path, streams=("trust/rougher",))
    made.export("npz", tmp_path)
    kept = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(DataError, match="is there already"):
        made.export("npz", tmp_path)
    assert kept == {file: file.read_bytes() for file in tmp_path.iterdir()}
