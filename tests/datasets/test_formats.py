"""Formats: rows come back from each as they went in, and the readers of others take what is written."""

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from neuralop.data.datasets.pt_dataset import PTDataset
from the_well.data import WellDataset
from the_well.utils.export import hdf5_to_xarray

from mlft import ConfigError, DataError, Grid
from mlft.datasets import FORMATS, Hints, Part, read, write
from mlft.grids import restrict
from rows import BOXES, part
from well_rules import check_well

PRECISION = {"npz": 0.0, "xarray": 0.0, "pdebench": 0.0, "neuralop": 2.0**-24, "well": 2.0**-24}


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("shape", BOXES)
@pytest.mark.parametrize("channels", [(1, 1), (3, 3)], ids=str)
def test_rows_come_back_as_they_went_in(to: str, shape: str, channels: tuple[int, int], tmp_path: Path) -> None:
    made = part(BOXES[shape], channels, about={"problem": "rod", "seed": 3})
    files = write([made], tmp_path / "out", to=to, name="rod")
    found = read(*files)
    (level,) = found.levels
    for field in ("inputs", "solutions"):
        known, got = getattr(made, field), getattr(level, field)
        assert got.dtype == np.float64
        assert np.abs(got - known).max() <= PRECISION[to] * np.abs(known).max(), field
    assert level.grid == made.grid and found.assumed == () and dict(found.about)["problem"] == "rod"
    assert found.input_channels == made.input_channels and found.solution_channels == made.solution_channels


@pytest.mark.parametrize("to", FORMATS)
def test_levels_come_back_coupled(to: str, tmp_path: Path) -> None:
    fine = part(BOXES["line"], (1, 1))
    grid = Grid((9,), (2.5,), "cell", periodic=True)
    coarse = Part(
        grid, fine.inputs, restrict(fine.solutions, to=grid), fine.draws, "test", fine.input_channels, ("heat",)
    )
    other = Part(grid, fine.inputs[:3] + 1, coarse.solutions[:3], (4, 6, 7), "train", fine.input_channels, ("heat",))
    write([coarse, fine, other], tmp_path, to=to, name="rod")
    found = read(tmp_path)
    assert [len(level) for level in found.levels] == [10, 7]  # draw 4 of another stream is another draw
    assert np.isin(found.levels[1].draws, found.levels[0].draws).all()
    on_finest = found.levels[0].inputs.shape[-1] == 18
    assert on_finest == (to in ("npz", "xarray"))  # the others have one grid a file


def test_the_well_takes_what_is_written_for_it(tmp_path: Path) -> None:
    made = part(BOXES["plane"], (2, 3))
    (file,) = write([made], tmp_path, to="well", name="rod")
    with h5py.File(file) as found:
        check_well(found)
        named = hdf5_to_xarray(found)
    assert named["solution_flow"].dims == ("sample", "time", "x", "y") and len(named["x"]) == 13
    data = WellDataset(path=str(tmp_path / "rod_level0"), well_split_name="test", n_steps_input=0, n_steps_output=1)
    assert (len(data), data.metadata.spatial_resolution, data.metadata.n_constant_fields) == (7, (13, 21), 2)
    row = data[5]
    np.testing.assert_array_equal(row["constant_fields"].movedim(-1, 0), made.inputs[5].astype(np.float32))
    np.testing.assert_array_equal(row["output_fields"][0].movedim(-1, 0), made.solutions[5].astype(np.float32))
    assert row["boundary_conditions"].tolist() == [[1.0, 1.0], [1.0, 1.0]]  # open: a grid does not say more


def test_periodic_ends_are_told_to_the_well(tmp_path: Path) -> None:
    (file,) = write([part(BOXES["line"])], tmp_path, to="well")
    row = WellDataset(path=str(file.parent), n_steps_input=0)[2]
    assert row["boundary_conditions"].tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize("to", ["pdebench", "well"])
def test_coordinates_tell_the_origin_and_the_well_which_axes_are_periodic(to: str, tmp_path: Path) -> None:
    made = part(BOXES["channel"], (1, 1))
    (file,) = write([made], tmp_path, to=to)
    with h5py.File(file, "a") as opened_file:
        del opened_file.attrs["mlft"]
    told = {} if to == "well" else {"periodic": (True, False)}
    found = read(file, hints=Hints(**told, centring="nodal"))
    assert found.levels[0].grid == made.grid


def test_neuraloperator_takes_what_is_written_for_it(tmp_path: Path) -> None:
    made = part(BOXES["plane"], (2, 3))
    train = Part(made.grid, made.inputs + 1, made.solutions + 1, stream="train")
    files = write([made, train], tmp_path, to="neuralop", name="rod")
    assert sorted(file.name for file in files) == ["rod_test_13.pt", "rod_train_13.pt"]
    sizes: dict[str, Any] = {"n_train": 5, "n_tests": [6], "batch_size": 2, "test_batch_sizes": [3]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = PTDataset(tmp_path, "rod", **sizes, train_resolution=13, test_resolutions=[13], channels_squeezed=False)
    row = data.test_dbs[13][4]
    assert row["x"].dtype == row["y"].dtype == torch.float32
    np.testing.assert_array_equal(row["x"], made.inputs[4].astype(np.float32))
    np.testing.assert_array_equal(data.train_db[2]["y"], (made.solutions[2] + 1).astype(np.float32))


def test_pdebench_files_have_their_names_and_axes(tmp_path: Path) -> None:
    one, three = part(BOXES["plane"], (1, 1)), part(BOXES["line"], (3, 3))
    files = [*write([one], tmp_path / "one", to="pdebench"), *write([three], tmp_path / "three", to="pdebench")]
    with h5py.File(files[0]) as found, h5py.File(files[1]) as other:
        assert found["nu"].shape == (7, 13, 21) and found["tensor"].shape == (7, 1, 13, 21)
        np.testing.assert_array_equal(found["y-coordinate"], BOXES["plane"].points[1])
        np.testing.assert_array_equal(other["flow"][:, 0], three.inputs[:, 1])
        np.testing.assert_array_equal(other["flow"][:, 1], three.solutions[:, 1])
    with pytest.raises(DataError, match="2 channels of inputs and 3 of solutions: write npz, neuralop, well or xarray"):
        write([part(BOXES["plane"], (2, 3))], tmp_path / "no", to="pdebench")
    assert not (tmp_path / "no").exists()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (file,) = write([part(BOXES["line"])], tmp_path, to="npz")
    kept = file.read_bytes()
    with pytest.raises(DataError, match=r"is there already: give another folder, or force=True \(--force\)"):
        write([part(BOXES["plane"])], tmp_path, to="npz")
    assert file.read_bytes() == kept
    assert write([part(BOXES["plane"])], tmp_path, to="npz", force=True) == (file,)
    assert read(file).hierarchy == (BOXES["plane"],)
    with pytest.raises(ConfigError, match="unknown format 'neuralops': did you mean 'neuralop'"):
        write([part(BOXES["line"])], tmp_path, to="neuralops")


def test_numbers_beyond_single_precision_are_not_written_in_it(tmp_path: Path) -> None:
    for scale in (1e-60, 1e60):
        made = part(BOXES["line"], (1, 1))
        small = Part(made.grid, made.inputs, scale * made.solutions)
        for to in ("neuralop", "well"):
            with pytest.raises(
                DataError, match="solutions reach .* single precision, 1e-38 to 3e38: write npz or xarray"
            ):
                write([small], tmp_path / to, to=to)
        found = read(*write([small], tmp_path / f"{scale}", to="npz")).levels[0]
        np.testing.assert_array_equal(found.solutions, small.solutions)


def test_a_draw_that_is_given_twice_is_found_out(tmp_path: Path) -> None:
    (file,) = write([part(BOXES["line"])], tmp_path, to="npz")
    with pytest.raises(DataError, match="7 draws are on the level of 18 cells more than once, .* given twice"):
        read(file, file)


def test_complex_numbers_of_a_file_are_refused_by_their_place(tmp_path: Path) -> None:
    made = part(BOXES["line"], (1, 1))
    (file,) = write([made], tmp_path, to="pdebench", name="rod")
    with h5py.File(file, "r+") as found:
        name = next(key for key, entry in found.items() if entry.ndim > 1)
        waves = found[name][:] * (1 + 1j)
        del found[name]
        found[name] = waves
    with pytest.raises(DataError, match=f"'{name}'.*complex"):
        read(file)
