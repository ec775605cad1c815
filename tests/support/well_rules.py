"""The rules of The Well's own check of a file, its `scripts/check_thewell_formatting.py`, put in other words."""

import h5py
import numpy as np


def flags(thing, *names):
    assert all(isinstance(thing.attrs[name], np.bool_) for name in names), thing.name


def check_well(file):
    """Fail where an open file breaks a rule."""
    assert all(isinstance(file.attrs[name], str) for name in ("dataset_name", "grid_type"))
    assert isinstance(file.attrs["n_trajectories"], np.integer) and int(file.attrs["n_spatial_dims"]) > 0
    assert all(name in file.attrs for name in file.attrs["simulation_parameters"])
    dims, rows = file["dimensions"], file.attrs["n_trajectories"]
    axes = dims.attrs["spatial_dims"]
    assert isinstance(axes, np.ndarray) and isinstance(axes[0], str) and len(axes) == file.attrs["n_spatial_dims"]
    flags(dims["time"], "sample_varying")
    for axis in axes:
        flags(dims[axis], "sample_varying", "time_varying")
    for group in (file["t0_fields"], file["t1_fields"], file["t2_fields"], file["scalars"]):
        names = group.attrs["field_names"]
        assert isinstance(names, np.ndarray) and all(isinstance(name, str) and name in group for name in names)
        for name in names:
            check_field(group[name], rows, dims, axes)
    for one in file["boundary_conditions"].values():
        flags(one, "sample_varying", "time_varying")
        assert isinstance(one, h5py.Group) and {"bc_type", "associated_fields", "associated_dims"} <= set(one.attrs)
        (axis,) = one.attrs["associated_dims"]
        assert axis in axes and one["mask"].shape == dims[axis].shape


def check_field(field, rows, dims, axes):
    flags(field, "sample_varying", "time_varying")
    times = dims["time"].shape[-1:]
    lead = [rows] * int(field.attrs["sample_varying"]) + [*times] * int(field.attrs["time_varying"])
    varies = field.attrs["dim_varying"]
    assert varies.dtype == bool and len(varies) == len(axes)
    space = [dims[axis].shape[-1] for axis, varying in zip(axes, varies, strict=True) if varying]
    assert list(field.shape[: len(lead) + len(space)]) == lead + space
