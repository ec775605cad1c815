"""Stores whose samples tell their name, for the tests of the sample store."""

from pathlib import Path

import numpy as np
import pytest

from mlft.store import Batch, SampleStore

IDENTITY = {"problem": "toy", "options": {"viscosity": 0.01, "grids": [3, 6]}, "seed": 5}
GOLDEN = Path(__file__).parents[1] / "store" / "golden" / "store-v1"


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


def batch(indices=(0, 1, 2), level=1, stream="train", status=None, seconds=0.25):
    """Samples whose values tell their name: input 100·level + index, solution its negative."""
    status = status or ("ok",) * len(indices)
    ok = np.array([i for i, name in zip(indices, status, strict=True) if name == "ok"], dtype=float)
    inputs = np.broadcast_to((100 * level + ok)[:, None, None], (len(ok), 2, 5 + level)) + np.arange(5 + level) / 7
    notes = tuple("" if name == "ok" else f"why {i}" for i, name in zip(indices, status, strict=True))
    scalars = {"energy": 10 * ok}
    each = (seconds,) * len(indices)
    return Batch(stream, level, tuple(indices), status, inputs, -inputs[:, :1], each, scalars=scalars, notes=notes)


def reopen(path, verify=False):
    return SampleStore.open(path, IDENTITY, verify=verify)


def file_of(path, level=1):
    (found,) = (path / "samples" / f"level-{level}").glob("*.safetensors")
    return found


def names(path):
    return sorted(p.name for p in path.glob("samples/*/*"))


def assert_holds(store, made):
    read = store.read(made.stream, made.level, made.indices)
    assert np.array_equal(read.inputs, made.inputs)
    assert np.array_equal(read.solutions, made.solutions)
    assert np.array_equal(read.scalars["energy"], made.scalars["energy"])


@pytest.fixture
def filled(tmp_path):
    """A closed store with one file on each of two levels."""
    with reopen(tmp_path) as store:
        store.append(batch())
        store.append(batch((4, 7), level=0))
    return tmp_path


def flip(path, byte, bit=0):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)
