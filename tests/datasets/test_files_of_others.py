"""Files that others wrote, in the formats that are read; and files that are not what is expected."""

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray

from mlft import DataError, Dataset, Grid, MlftError
from mlft.datasets import Hints, read, write
from mlft.datasets.formats.named import as_xarray
from mlft.datasets.ground import like
from rows import BOXES, fields, most, part

# What others wrote


def pdebench(file: Path, **arrays: Any) -> None:
    with h5py.File(file, "w") as made:
        for name, values in arrays.items():
            made[name.replace("_coordinate", "-coordinate")] = values


def test_axes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((5, 1, 16, 9)), y=np.ones((5, 1, 16, 9)))
    with pytest.raises(DataError, match=r"fields have 2 axes of space, and periodic is said of 1, \(True,\)"):
        read(tmp_path / "a.npz", hints=Hints(periodic=(True,)))
    with pytest.raises(DataError, match="are on no grid of this box"):
        like(Grid((32,)), (16, 8), "rows")
    assert like(Grid((8, 6), centring="nodal", periodic=(True, False)), (4, 4), "rows").cells == (4, 3)


def test_fields_in_time_are_read_from_the_first_to_the_last(tmp_path: Path) -> None:
    tensor = fields(5, 4, Grid((16,)))  # (rows, time, x)
    centres = -1 + (np.arange(16) + 0.5) / 8
    pdebench(tmp_path / "a.hdf5", tensor=tensor.astype(np.float32), x_coordinate=centres.astype(np.float32))
    (level,) = read(tmp_path / "a.hdf5", hints=Hints(periodic=True)).levels
    np.testing.assert_array_equal(level.inputs[:, 0], tensor[:, 0].astype(np.float32))
    np.testing.assert_array_equal(level.solutions[:, 0], tensor[:, 3].astype(np.float32))
    assert level.grid == Grid((16,), (2.0,), "cell", periodic=True, origin=(-1.0,))
    pdebench(tmp_path / "b.hdf5", density=tensor, Vx=tensor + 1, x_coordinate=np.linspace(0, 3, 16))
    found = read(tmp_path / "b.hdf5")
    assert found.levels[0].grid == Grid((15,), (3.0,), "nodal", periodic=False)
    assert found.input_channels == ("Vx", "density")
    np.testing.assert_array_equal(found.levels[0].solutions, np.stack([tensor[:, 3] + 1, tensor[:, 3]], 1))
    with h5py.File(tmp_path / "c.hdf5", "w") as made:
        for i, row in enumerate(fields(3, 4, Grid((12, 20)))):  # (time, x, y), and channels
            made[f"{i:04}/data"] = np.stack([row, row + 1], axis=-1)
    (level,) = read(tmp_path / "c.hdf5").levels
    assert level.inputs.shape == (3, 2, 12, 20)
    np.testing.assert_allclose(level.inputs[:, 1] - level.inputs[:, 0], 1.0)


def test_of_many_times_the_first_and_the_last_are_read_alone(tmp_path: Path) -> None:
    tensor, times = fields(3, 9000, Grid((64,))).astype(np.float32), np.arange(9000.0)
    pdebench(tmp_path / "one.hdf5", tensor=tensor)
    pdebench(tmp_path / "two.hdf5", u=tensor, v=tensor, x_coordinate=np.arange(64.0))
    pdebench(tmp_path / "darcy.hdf5", nu=tensor[:, 5], tensor=tensor)
    with h5py.File(tmp_path / "groups.hdf5", "w") as made:
        for i, row in enumerate(tensor):
            made[f"{i:04}/data"] = row[..., None]
    (well,) = write([part(Grid((64,)), (1, 1))], tmp_path, to="well")
    with h5py.File(well, "r+") as made:
        made.attrs["n_trajectories"] = 3
        made["t0_fields"].attrs["field_names"] = ["u"]
        del made["dimensions/time"], made.attrs["mlft"]
        made["dimensions/time"], made["t0_fields/u"] = times, tensor
        for name, flag in (("sample_varying", True), ("time_varying", True), ("dim_varying", np.array([True]))):
            made["t0_fields/u"].attrs[name] = flag
    for file in (*sorted(tmp_path.glob("*.hdf5")), well):
        with most() as bytes_at_once:
            (level,) = read(file).levels
        assert bytes_at_once() < 0.5 * tensor.nbytes, file
        start = tensor[:, 5] if file.stem == "darcy" else tensor[:, 0]
        np.testing.assert_array_equal(level.inputs[:, 0], start)
        np.testing.assert_array_equal(level.solutions[:, 0], tensor[:, -1])


def test_a_file_is_read_in_the_memory_that_its_rows_take(tmp_path: Path) -> None:
    x = fields(300, 1, Grid((2000,)))
    pdebench(tmp_path / "a.hdf5", nu=x[:, 0].astype(np.float32), tensor=x.astype(np.float32))
    with most() as bytes_at_once:
        (level,) = read(tmp_path / "a.hdf5").levels
    assert bytes_at_once() < 1.2 * (level.inputs.nbytes + level.solutions.nbytes)


def test_files_of_the_well_with_times_vectors_and_scalars_are_read(tmp_path: Path) -> None:
    from the_well.utils.dummy_data import write_dummy_data

    file = tmp_path / "dummy.hdf5"
    write_dummy_data(str(file))
    with h5py.File(file, "a") as made:
        made["scalars/a"].attrs["sample_varying"] = True
        del made["scalars/a"]
        made["scalars/a"] = np.array([0.25, 0.5])
        made["scalars/a"].attrs["sample_varying"], made["scalars/a"].attrs["time_varying"] = True, False
        field = made["t1_fields/field"][()]
    found = read(file)
    assert found.input_channels == ("constant_field", "a", "field_0", "field_1")
    assert found.solution_channels == ("field_0", "field_1")
    (level,) = found.levels
    assert level.grid.periodic and level.grid.centring == "nodal"
    np.testing.assert_array_equal(level.inputs[:, 2:], np.moveaxis(field[:, 0], -1, 1))
    np.testing.assert_array_equal(level.solutions, np.moveaxis(field[:, -1], -1, 1))
    np.testing.assert_array_equal(level.inputs[:, 1, 3, 4], [0.25, 0.5])


def test_tensors_without_channels_are_read_where_that_is_plain(tmp_path: Path) -> None:
    def saved(x: Any, y: Any) -> Path:
        torch.save({"x": torch.as_tensor(x), "y": torch.as_tensor(y)}, tmp_path / "a.pt")
        return tmp_path / "a.pt"

    square, oblong = fields(5, 1, Grid((16, 16))), fields(5, 1, Grid((12, 20)))
    assert read(saved(square[:, 0], square[:, 0])).hierarchy[0].cells == (16, 16)
    assert read(saved(oblong, oblong)).hierarchy[0].cells == (12, 20)
    assert read(saved(oblong[:, 0, 0], oblong[:, 0, 0])).hierarchy[0].cells == (20,)
    file = saved(oblong[:, 0], oblong[:, 0])
    with pytest.raises(DataError, match="12 channels on one axis, or one channel on two axes"):
        read(file)
    assert read(file, hints=Hints(channel_axis=True)).hierarchy[0].cells == (20,)
    assert read(file, hints=Hints(channel_axis=False)).hierarchy[0].cells == (12, 20)


def test_zarr_and_unnamed_axes_are_read(tmp_path: Path) -> None:
    made = part(BOXES["plane"], (1, 1))
    given = xarray.Dataset(
        {"input": (("run", "x", "y"), made.inputs[:, 0]), "output": (("run", "x", "y"), made.solutions[:, 0])},
        {"x": BOXES["plane"].points[0], "y": BOXES["plane"].points[1]},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given.to_zarr(tmp_path / "a.zarr")
    found = read(tmp_path / "a.zarr")
    assert found.hierarchy == (BOXES["plane"],)
    np.testing.assert_array_equal(found.levels[0].solutions, made.solutions)


NETCDF = pytest.mark.parametrize("engine", ["scipy", "h5netcdf"])


@NETCDF
def test_netcdf_3_and_4_come_back_as_they_went_in(engine: str, tmp_path: Path) -> None:
    made = part(BOXES["plane"], (3, 2), about={"problem": "rod"})
    as_xarray(made).to_netcdf(tmp_path / "rod.hdf5", engine=engine)  # told by its content, not by its name
    found = read(tmp_path / "rod.hdf5")
    (level,) = found.levels
    np.testing.assert_array_equal(level.inputs, made.inputs)
    np.testing.assert_array_equal(level.solutions, made.solutions)
    assert level.grid == made.grid and dict(found.about)["problem"] == "rod" and found.assumed == ()
    assert (found.input_channels, found.solution_channels) == (made.input_channels, made.solution_channels)


@NETCDF
def test_netcdf_of_others_has_axes_of_its_own(engine: str, tmp_path: Path) -> None:
    x, y = fields(5, 2, Grid((16,))), fields(5, 2, Grid((16,)), seed=1)
    axes = ("run", "channel", "x-coordinate")  # an axis of a name that PDEBench has too
    told = xarray.Dataset({"inputs": (axes, x), "outputs": (axes, y)}, {axes[2]: (np.arange(16) + 0.5) / 8})
    told.to_netcdf(tmp_path / "a.nc4", engine=engine)
    found = read(tmp_path, hints=Hints(periodic=True))
    np.testing.assert_array_equal(found.levels[0].inputs, x)
    np.testing.assert_array_equal(found.levels[0].solutions, y)
    assert found.hierarchy == (Grid((16,), (2.0,)),)


def test_netcdf_4_without_what_reads_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_xarray(part(BOXES["line"])).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    with pytest.raises(MlftError, match=r"netCDF-4 needs the extra 'xarray': pip install 'mlft\[xarray\]'"):
        read(tmp_path / "a.nc")


# Files that are not what is expected


def netcdf4(file: Path, **variables: Any) -> Path:
    xarray.Dataset(variables).to_netcdf(file, engine="h5netcdf")
    return file


def half(file: Path) -> Path:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return file


def wrong(file: Path, content: Any) -> Path:
    if file.suffix == ".npz":
        np.savez(file, **content)
    elif file.suffix == ".pt":
        torch.save(content, file)
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        pdebench(file, **content)
    return file


NAN = np.where(np.arange(48).reshape(3, 1, 16) == 20, np.nan, 1.0)
X = np.ones((3, 16))
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not there": (lambda d: d / "no.npz", "cannot be read: No such file or directory"),
    "empty": (lambda d: wrong(d / "a.dat", b""), "is empty: copy or download it again"),
    "text": (lambda d: wrong(d / "a.dat", b"x,y\n1,2\n"), "is of no known format: known are NumPy archives"),
    "empty folder": (lambda d: d, "has no file of a known format in it"),
    "half npz": (lambda d: half(write([part(BOXES["line"])], d, to="npz")[0]), "is half an archive"),
    "half pt": (lambda d: half(write([part(BOXES["line"])], d, to="neuralop")[0]), "is half an archive"),
    "half hdf5": (lambda d: half(write([part(BOXES["line"])], d, to="well")[0]), "is no HDF5 file, or half written"),
    "half nc": (lambda d: half(write([part(BOXES["line"])], d, to="xarray")[0]), "cannot be read by xarray"),
    "npz names": (lambda d: wrong(d / "a.npz", {"u": NAN}), "has the arrays u, and no inputs and no solutions"),
    "npz objects": (
        lambda d: wrong(d / "a.npz", {"x": np.array([{}]), "y": NAN}),
        "is damaged, or holds objects",
    ),
    "pt names": (
        lambda d: wrong(d / "a.pt", {"u": torch.ones(3)}),
        "holds u; a dictionary with tensors x (inputs) and y",
    ),
    "pt code": (lambda d: wrong(d / "a.pt", {"x": Path("a")}), "cannot be read as tensors alone"),
    "pt complex": (
        lambda d: wrong(d / "a.pt", {"x": torch.ones(3, 1, 9), "y": 1j * torch.ones(3, 1, 9)}),
        "the solutions are complex",
    ),
    "hdf5 names": (lambda d: wrong(d / "a.hdf5", {"u": NAN}), "is HDF5 with u in it, of no layout that is known"),
    "one time": (lambda d: wrong(d / "a.hdf5", {"tensor": NAN}), "two times at least is expected"),
    "nan": (
        lambda d: wrong(d / "a.npz", {"x": NAN, "y": NAN}),
        "1 of 3 rows of inputs have values that are not finite, first row 1",
    ),
    "crooked": (
        lambda d: wrong(d / "a.hdf5", {"tensor": np.ones((3, 2, 9)), "x_coordinate": np.arange(9.0) ** 2}),
        "the points of an axis are no uniform grid",
    ),
    "three axes": (
        lambda d: wrong(d / "a.hdf5", {"tensor": np.ones((3, 2, 5, 6, 7))}),
        "fields have 3 axes of space, (5, 6, 7); one or two are learned on",
    ),
    "half nc4": (
        lambda d: half(netcdf4(d / "a.nc", input=(("i", "x"), X), solution=(("i", "x"), X))),
        "is no HDF5 file, or half written",
    ),
    "nc4 names": (
        lambda d: netcdf4(d / "a.nc", u=(("i", "x"), X)),
        "of no layout that is known: PDEBench has `tensor` or `x-coordinate`, The Well `dimensions` and `t0_fields`, "
        "netCDF-4 `input` and `solution` with named axes",
    ),
    "no axes": (
        lambda d: wrong(d / "a.nc", {"input": X, "solution": X}),
        "is HDF5 with input, solution in it, of no layout that is known",
    ),
    "nc4 axes": (
        lambda d: netcdf4(d / "a.nc", input=("i", X[0]), solution=("i", X[0])),
        "`input` has the axes ['i']; sample, a channel and one or two of space are expected",
    ),
    "nc names": (
        lambda d: wrong(d / "a.nc", bytes(xarray.Dataset({"u": ("x", np.ones(4))}).to_netcdf(engine="scipy"))),
        "has the variables u, and no `input`: rename them",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_what_is_expected_is_named_and_left_alone(name: str, tmp_path: Path) -> None:
    make, words = BAD[name]
    file = make(tmp_path)
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(DataError, match=re.escape(words)) as told:
        read(file)
    assert str(file) in str(told.value) and "\n" not in str(told.value)
    assert (file.read_bytes() if file.is_file() else b"") == before


def test_levels_in_files_that_do_not_say_are_coupled_by_row(tmp_path: Path) -> None:
    for n, cells in ((6, 9), (4, 18)):
        np.savez(
            tmp_path / f"{cells}.npz", x=np.ones((n, 1, cells)) * np.arange(n)[:, None, None], y=np.ones((n, 1, cells))
        )
    found = read(tmp_path)
    assert found.coupled and [level.draws.tolist() for level in found.levels] == [[*range(6)], [*range(4)]]
    assert not read(tmp_path, hints=Hints(coupled=False)).coupled
    assert isinstance(found, Dataset) and found.name == f"{tmp_path.name}-data"
