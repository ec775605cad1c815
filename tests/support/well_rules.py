"""The rules of The Well's own check of a file, its `scripts/check_thewell_formatting.py`, put in other words.

Those of its first version and of its last, which adds the flags of `time` and that nothing has an axis too many.
"""

import h5py
import numpy as np


def check_well(file):
    """Fail where an open file breaks a rule."""
    assert all(isinstance(file.attrs[name], str) for name in ("dataset_name", "grid_type"))
    assert all(isinstance(file.attrs[name], np.integer) for name in ("n_spatial_dims", "n_trajectories"))
    dims, scalars = file["dimensions"], file["scalars"]
    for name in texts(file.attrs["simulation_parameters"]):
        assert name in file.attrs and name in scalars
    axes = texts(dims.attrs["spatial_dims"])
    assert len(axes) == file.attrs["n_spatial_dims"] > 0
    fits(file, dims["time"])
    for axis in axes:
        fits(file, dims[axis], order=1)
    for order in range(3):
        group = file[f"t{order}_fields"]
        for name in texts(group.attrs["field_names"]):
            varies = group[name].attrs["dim_varying"]
            assert isinstance(varies, np.ndarray) and varies.dtype == bool and len(varies) == len(axes)
            fits(file, group[name], [axis for axis, one in zip(axes, varies, strict=True) if one], order=order)
    for name in texts(scalars.attrs["field_names"]):
        fits(file, scalars[name])
    for one in file["boundary_conditions"].values():
        assert isinstance(one, h5py.Group) and "bc_type" in one.attrs
        texts(one.attrs["associated_fields"])
        along = texts(one.attrs["associated_dims"])
        assert along and set(along) <= set(axes)
        fits(file, one["mask"], [axis for axis in axes if axis in along], flags=one.attrs)


def texts(names):
    assert isinstance(names, np.ndarray) and all(isinstance(name, str) for name in names)
    return list(names)


def fits(file, field, axes=(), *, order=0, flags=None):
    """Fail unless a field has rows, times and axes as its flags say, and `order` axes more."""
    flags, dims = field.attrs if flags is None else flags, file["dimensions"]
    sample, time = (flags[name] for name in ("sample_varying", "time_varying"))
    assert isinstance(sample, np.bool_) and isinstance(time, np.bool_), field.name
    wanted = [file.attrs["n_trajectories"]] * int(sample) + [dims["time"].shape[-1]] * int(time)
    wanted += [dims[axis].shape[-1] for axis in axes]
    assert list(field.shape[: field.ndim - order]) == wanted, (field.name, field.shape, wanted)
