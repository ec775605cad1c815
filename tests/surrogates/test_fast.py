"""Predictions by ONNX Runtime are those of the surrogate, in its own units and precision, and refused as by it."""

import importlib.util

import numpy as np
import pytest
import torch

from mlft.grids import Grid, Symmetry, group
from mlft.surrogates import Fast, Surrogate, build
from small_networks import normal

LINE, PLANE = Grid((18,)), Grid((10, 12))


def trained(name: str, grid: Grid, generator: torch.Generator, **options: object) -> Surrogate:
    """A surrogate of fields that stand on a constant far larger than they are."""
    surrogate = build(name, (2, 3), grid, generator=generator, options=options)
    inputs = 1e6 + normal(9, 2, *grid.shape, generator=generator)
    surrogate.fit_normalisers(inputs, 5e6 + 3 * normal(9, 3, *grid.shape, generator=generator))
    return surrogate


@pytest.mark.parametrize(
    ("name", "grid", "options"),
    [("fno", LINE, {"modes": [4], "width": 5, "depth": 2}), ("unet", PLANE, {"width": 4, "depth": 1})],
)
def test_it_predicts_what_the_surrogate_does_though_fields_stand_on_a_large_constant(
    name: str, grid: Grid, options: dict[str, object], generator: torch.Generator
) -> None:
    surrogate = trained(name, grid, generator, **options)
    fast = Fast(surrogate)
    for n in (1, 7, 0):
        inputs = 1e6 + normal(n, 2, *grid.shape, generator=generator)
        found, expected = fast.predict(inputs), surrogate.predict(inputs)
        assert found.shape == expected.shape and found.dtype == np.float64
        np.testing.assert_allclose(found - 5e6, expected - 5e6, rtol=0, atol=2e-4)
    assert np.abs(expected - 5e6).max() > 0.1 if len(expected) else surrogate.training


def test_it_averages_over_symmetries(generator: torch.Generator) -> None:
    surrogate = trained("fno", LINE, generator, modes=[4], width=5, depth=2)
    plain = surrogate.predict(inputs := 1e6 + normal(5, 2, 18, generator=generator))
    surrogate.tell(group([Symmetry((True,), inputs=(1, 1), outputs=(1, 1, 1))]))
    found = Fast(surrogate).predict(inputs)
    np.testing.assert_allclose(found, surrogate.predict(inputs), rtol=0, atol=2e-4)
    assert np.abs(found - plain).max() > 0.01


def test_it_refuses_what_the_surrogate_refuses_and_names_what_is_not_installed(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrogate = trained("linear", LINE, generator)
    fast = Fast(surrogate)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(samples, 2, 18\), got \(3, 1, 18\)"):
        fast.predict(np.zeros((3, 1, 18)))
    with pytest.raises(ValueError, match="1 of 3 are not, first sample 1"):
        fast.predict(np.where(np.arange(3)[:, None, None] == 1, np.nan, np.zeros((3, 2, 18))))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(ImportError, match=r"fast predictions need onnxruntime: pip install 'mlft\[onnx\]'"):
        Fast(surrogate)
