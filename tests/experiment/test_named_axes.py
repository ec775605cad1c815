"""Samples with named axes: what xarray is told of a run is true, and survives a file."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

import mlft
from mlft.datasets import Part
from mlft.datasets.formats.named import as_xarray
from mlft.errors import MlftError
from mlft.grids import Grid
from small import GRIDS, SMALL, problem

NAMED = replace(problem, name="named", input_channels=("speed [m/s]",), solution_channels=("heat [K]",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> mlft.Record:
    """A finished run of a problem that names its channels."""
    asked = SMALL | {"plan": (9, 4, 3), "budget": "9solves", "strategy": "finetune"}
    return mlft.run(NAMED, out=tmp_path_factory.mktemp("named"), **asked)


def test_axes_coordinates_and_units_are_those_of_the_samples(made: mlft.Record) -> None:
    found, known = made.to_xarray(1), made.samples(1)
    assert found["solution"].dims == ("sample", "solution_channel", "x")
    assert found["input"].dims == ("sample", "input_channel", "x_finest")
    assert np.array_equal(found["solution"], known.solutions) and np.array_equal(found["input"], known.inputs)
    assert np.array_equal(found["x"], GRIDS[1].points[0]) and np.array_equal(found["x_finest"], GRIDS[2].points[0])
    assert tuple(found["sample"].values) == known.indices
    assert found["input_channel"].values.tolist() == ["speed"] and found["solution_channel"].values.tolist() == ["heat"]
    assert (found["input"].attrs["units"], found["solution"].attrs["units"]) == ("m/s", "K")
    assert found["x"].attrs["centring"] == "cell" and found["x"].attrs["ends"] == "periodic"


def test_the_finest_level_has_one_grid_and_predictions_stand_beside_solutions(made: mlft.Record) -> None:
    found = made.to_xarray(stream="test", predicted=True)
    assert found["input"].dims[2:] == found["solution"].dims[2:] == found["prediction"].dims[2:] == ("x",)
    assert np.array_equal(found["prediction"], made.predict(made.samples(2, "test").inputs))
    off, size = found["prediction"] - found["solution"], found["solution"]
    errors = np.sqrt((off**2).sum(["solution_channel", "x"]) / (size**2).sum(["solution_channel", "x"]))
    assert float(errors.mean()) == pytest.approx(made.error, rel=1e-6)
    coarse = made.to_xarray(0, predicted=True)
    assert coarse["prediction"].dims == ("sample", "solution_channel", "x_finest")


def test_a_file_keeps_what_it_is_of(made: mlft.Record, tmp_path: Path) -> None:
    found = made.to_xarray(1, predicted=True)
    found.to_netcdf(tmp_path / "samples.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "samples.nc", engine="scipy") as again:
        assert np.array_equal(again["solution"], found["solution"]) and again["solution"].attrs["units"] == "K"
        told = {name: again.attrs[name] for name in ("problem", "seed", "level", "stream", "grid", "mlft_version")}
        assert again["x"].attrs["spacing"] == pytest.approx(1 / 14)
    assert told == {"problem": "named", "seed": 0, "level": 1, "stream": "train", "grid": "14"} | {
        "mlft_version": mlft.__version__
    }
    assert json.loads(found.attrs["options"]) == made.outcome.config.get("options", {})


def test_the_plane_has_two_axes_and_channels_without_names_have_numbers() -> None:
    grid = Grid((6, 10), (1.0, 2.5), "nodal", periodic=False)
    fields = np.zeros((2, 3, 13, 21)), np.zeros((2, 1, 7, 11))
    found = as_xarray(Part(grid, *fields, (4, 7), "train"))
    assert found["input"].dims == ("sample", "input_channel", "x_finest", "y_finest")
    assert found["solution"].dims == ("sample", "solution_channel", "x", "y")
    assert (
        found["y"].values.tolist() == pytest.approx([0.25 * i for i in range(11)]) and found["y"].attrs["length"] == 2.5
    )
    assert found["x"].attrs["values"] == "value at the point" and found["x"].attrs["ends"] == "bounded"
    assert found["input_channel"].values.tolist() == ["0", "1", "2"] and "units" not in found["input"].attrs


def test_without_xarray_it_is_said_what_to_install(made: mlft.Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MlftError, match=r"named axes need the extra 'xarray': pip install 'mlft\[xarray\]'"):
        made.to_xarray()


def test_shipped_problems_name_their_channels() -> None:
    for name, kind in mlft.PROBLEMS.items():
        one = kind()
        assert one.input_channels and one.solution_channels, name


@pytest.mark.parametrize("names", [("a", "b"), ("",), ("a\nb",)])
def test_names_that_are_not_those_of_the_channels_are_found_out(names: tuple[str, ...]) -> None:
    found = mlft.check(replace(problem, input_channels=names), draws=2)
    assert [one.name for one in found.failed][:1] == ["inputs"] and "input_channels is" in str(found)
    found = mlft.check(replace(problem, solution_channels=names), draws=2)
    assert [one.name for one in found.failed][:1] == ["solutions"] and "solution_channels is" in str(found)
