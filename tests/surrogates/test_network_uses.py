"""Every family of networks learns, is continued, saved and exported, and says what it does not take."""

from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mlft.grids import Grid
from mlft.learners import OneLevel
from mlft.store import Samples
from mlft.surrogates import (
    Network,
    Surrogate,
    build,
    load,
)
from mlft.training import Course, Training
from small_networks import FAMILIES, GRIDS, MIXED, normal, small

# Learning, saving, exporting


def samples_of(grid: Grid, n: int, generator: torch.Generator) -> Samples:
    """Smooth fields and a nonlinear map of them."""
    x = grid.points[0] if grid.dimension == 1 else grid.points[0][:, None] + 0 * grid.points[1]
    waves = np.stack([np.cos(2 * pi * k * x) for k in range(4)])
    inputs = np.einsum("nck,k...->nc...", normal(n, 2, 4, generator=generator), waves)
    outputs = np.stack([inputs[:, 0] ** 2, inputs[:, 1], inputs[:, 0] * inputs[:, 1]], axis=1)
    return Samples(0, tuple(range(1, n + 1)), inputs, outputs)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_learns_four_samples(name: str, generator: torch.Generator) -> None:
    grid = Grid((20,))
    samples = samples_of(grid, 4, generator)
    surrogate = small(grid, generator, name, width=12, rank=6)
    training = Training(steps=500 if name == "deeponet" else 150, batch=4, rate=8e-3, held_out=1000)
    fitted = OneLevel().fit(surrogate, [samples], Course(training, 3)).surrogate
    left = fitted.predict(samples.inputs) - samples.solutions
    assert np.linalg.norm(left) < 0.2 * np.linalg.norm(samples.solutions)


class Stopped(BaseException):
    """What a test raises in place of a killed process."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(
    name: str, tmp_path: Path, generator: torch.Generator
) -> None:
    grid = Grid((20,))
    samples, training = samples_of(grid, 10, generator), Training(steps=12, batch=4, checks=4)

    def fit(folder: Path, last: int = 99) -> Surrogate:
        def progress(level: int, error: float, done: int, steps: int) -> None:
            if done > last:
                raise Stopped

        surrogate = small(grid, torch.Generator().manual_seed(4), name)
        return OneLevel().fit(surrogate, [samples], Course(training, 3, folder, progress)).surrogate

    whole = fit(tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(tmp_path / "parts", last=7)
    parts = fit(tmp_path / "parts")
    for (key, one), two in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, two), key


@pytest.mark.parametrize("name", FAMILIES[1:])
@pytest.mark.parametrize("grid", [GRIDS[1], MIXED], ids=str)
def test_a_saved_surrogate_of_every_family_predicts_the_same_bits(
    name: str, grid: Grid, tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(grid, generator, name)
    surrogate.save(tmp_path)
    inputs = normal(3, 2, *grid.shape, generator=generator)
    predicted = surrogate.predict(inputs)
    np.testing.assert_array_equal(load(tmp_path).predict(inputs), predicted)
    assert np.ptp(predicted) > 0


STENCIL: tuple[str, dict[str, int]] = ("fno", {"stencil": 1})


@pytest.mark.parametrize(("name", "options"), [STENCIL, *((name, {}) for name in FAMILIES[1:])])
def test_every_family_is_exported_to_torch(
    name: str, options: dict[str, int], tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(MIXED, generator, name, depth=1, layers=1, modes=[3, 3], **options)
    inputs = torch.from_numpy(7 + normal(5, 2, *MIXED.shape, generator=generator)).float()
    surrogate.export(tmp_path / "surrogate.pt2")
    found: Tensor = torch.export.load(tmp_path / "surrogate.pt2").module()(inputs)
    torch.testing.assert_close(found, surrogate(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mnn-h2", {}),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in [STENCIL, ("unet", {}), ("deeponet", {}), ("pod-deeponet", {})]
        ),
    ],
)
def test_every_family_is_exported_to_onnx(
    name: str, options: dict[str, int], tmp_path: Path, generator: torch.Generator
) -> None:
    import onnxruntime

    surrogate = small(GRIDS[1], generator, name, depth=1, layers=1, **options)
    inputs = 7 + normal(5, 2, *GRIDS[1].shape, generator=generator).astype(np.float32)
    surrogate.export(tmp_path / "surrogate.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "surrogate.onnx", providers=["CPUExecutionProvider"])
    expected = surrogate(torch.from_numpy(inputs)).detach().numpy()
    np.testing.assert_allclose(session.run(["outputs"], {"inputs": inputs})[0], expected, rtol=1e-5, atol=1e-4)


# What is refused


@pytest.mark.parametrize("name", FAMILIES[1:])
def test_a_family_names_what_is_wrong_with_its_inputs(name: str, generator: torch.Generator) -> None:
    network = small(MIXED, generator, name).network
    assert isinstance(network, Network) and not network.any_grid
    for wrong in ((3, 3, 10, 7), (3, 2, 10), (3, 2)):
        with pytest.raises(ValueError, match=r"takes inputs of 2 channels on .*got shape"):
            network(torch.zeros(wrong))


@pytest.mark.parametrize("name", ["deeponet", "pod-deeponet"])
def test_another_grid_is_refused_where_numbers_belong_to_points(name: str, generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"2 channels on 10x7 points, got shape \(3, 2, 10, 8\)"):
        small(MIXED, generator, name).network(torch.zeros(3, 2, 10, 8))


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("unet", {"width": 0}, "a U-Net needs positive whole numbers"),
        ("unet", {"depth": 1001}, "1000 layers at most"),
        ("unet", {"axes": 3}, "one or two axes"),
        ("unet", {"periodic": [True, False]}, "one or two axes"),
        ("mnn-h2", {"patch": 0}, "an MNN-H² needs positive whole numbers"),
        ("mnn-h2", {"layers": 0}, "an MNN-H² needs positive whole numbers"),
        ("mnn-h2", {"levels": -1}, "an MNN-H² needs positive whole numbers"),
        ("mnn-h2", {"activation": "tanh"}, "an activation of gelu, relu, got 'tanh'"),
        ("mnn-h2", {"levels": 6}, "reaches 2 points beyond a periodic axis that has 1 in all"),
        ("deeponet", {"terms": 0}, "a DeepONet needs positive whole numbers"),
        ("deeponet", {"points": [4, 5, 6]}, "one or two axes"),
        ("pod-deeponet", {"width": -1}, "a POD-DeepONet needs positive whole numbers"),
        ("fno", {"stencil": -1}, "has 0 to 16 points, got -1"),
        ("fno", {"stencil": 17}, "has 0 to 16 points, got 17"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(
    name: str, wrong: dict[str, object], words: str, generator: torch.Generator
) -> None:
    with pytest.raises(ValueError, match=words):
        build(name, (1, 1), Grid((64,)), generator=generator, options=wrong)
