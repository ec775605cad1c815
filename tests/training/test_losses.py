"""Losses and optimizers that a training may be given: what they are, and that a training resumes to the same bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlft.errors import ConfigError
from mlft.experiment.asking import ask
from mlft.grids import Grid
from mlft.surrogates import Normaliser
from mlft.training.losses import RelativeH1, RelativeL2, Scaled, loss_of, relative_l2
from mlft.training.optimizers import optimizer
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage, snapshot, train

ONE, TWO = Scaled((1.0,)), Scaled((1.0, 1.0))


def test_the_h1_norm_of_a_sine_is_the_known_one() -> None:
    grid = Grid((256,), (2.0,))
    (x,) = grid.points
    u = torch.tensor(np.stack([np.sin(np.pi * k * x) for k in (1, 3)]))[:, None]
    squares = RelativeH1(grid, ONE)._square(u)
    known = [0.5 + 4.0 * 0.5 * (np.pi * k) ** 2 for k in (1, 3)]  # ‖u‖² + L² ‖u′‖², in means
    assert squares.tolist() == pytest.approx(known, rel=1e-3)


def test_h1_by_hand_on_a_bounded_plane_with_two_channels() -> None:
    grid = Grid((3, 2), (1.0, 5.0), centring="nodal", periodic=False)
    torch.manual_seed(0)
    e, u = torch.randn(2, 2, 4, 3, dtype=torch.float64), torch.randn(2, 2, 4, 3, dtype=torch.float64)

    def square(v: torch.Tensor) -> torch.Tensor:
        steps = [((v[:, :, 1:] - v[:, :, :-1]) * 3) ** 2, ((v[..., 1:] - v[..., :-1]) * 2) ** 2]
        return sum(((part.mean((2, 3)).sum(1)) for part in [v**2, *steps]), torch.zeros(2))

    found = RelativeH1(grid, TWO)(u + e, u)
    assert torch.allclose(found, (square(e) / square(u)).sqrt())
    periodic = RelativeH1(replace(grid, centring="cell", periodic=True), TWO)
    assert not torch.allclose(periodic(u[..., :3, :2] + e[..., :3, :2], u[..., :3, :2]), found)


def test_h1_has_a_slope_of_zero_where_nothing_is_wrong_and_of_a_label_that_is_zero() -> None:
    u = torch.ones(2, 1, 8, requires_grad=True)
    loss = RelativeH1(Grid((8,)), ONE)(u, torch.tensor([1.0, 0.0])[:, None, None].expand(2, 1, 8))
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0.0, 1.0], abs=1e-12) and torch.isfinite(u.grad).all()


def test_channels_are_measured_in_their_own_sizes() -> None:
    torch.manual_seed(3)
    e, u = torch.randn(3, 2, 7, dtype=torch.float64), torch.randn(3, 2, 7, dtype=torch.float64)
    units = torch.tensor([1e-9, 1e12], dtype=torch.float64)[:, None]
    for loss in (RelativeL2, lambda scaled: RelativeH1(Grid((7,)), scaled)):
        known, found = loss(TWO)(u + e, u), loss(Scaled((1e-9, 1e12)))(units * (u + e), units * u)
        assert torch.allclose(found, known, rtol=1e-12)
    one = u[:, :1]
    assert torch.allclose(RelativeL2(Scaled((7.0,)))(one + e[:, :1], one), relative_l2(one + e[:, :1], one), rtol=1e-14)


def test_a_loss_is_about_one_before_training_whatever_the_labels_stand_on() -> None:
    torch.manual_seed(4)
    normaliser, u = Normaliser(2), 1e6 + torch.randn(40, 2, 19, dtype=torch.float64)
    u[:, 1] *= 1e-3
    normaliser.fit(u.numpy())
    mean = u.mean(dim=(0, 2))[:, None].expand_as(u)
    assert float(loss_of("l2", Grid((19,)), normaliser)(mean, u).mean()) == pytest.approx(1.0, rel=0.1)
    assert float(relative_l2(mean, u).mean()) < 2e-6


def test_names() -> None:
    grid = Grid((8,))
    assert loss_of("l2", grid, Normaliser(1)) == RelativeL2(ONE)
    assert loss_of("h1", grid, Normaliser(2)) == RelativeH1(grid, TWO)
    for wrong in ({"loss": "h2"}, {"optimizer": "sgd"}, {"decay": 1.0}, {"decay": -0.1}):
        with pytest.raises(ConfigError, match="training.*got"):
            ask("burgers", budget="8solves", training=wrong)


def a_network() -> torch.nn.Module:
    torch.manual_seed(5)
    layers = [torch.nn.Conv1d(*channels, 3, padding=1) for channels in ((1, 9), (9, 8), (8, 1))]
    return torch.nn.Sequential(layers[0], torch.nn.GELU(), layers[1], torch.nn.GELU(), layers[2])


def trained(settings: Training, file: Path | None = None, stop: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    x = torch.randn(11, 1, 16)
    pairs = Pairs(x[:8], x[:8].roll(1, 2)), Pairs(x[:0], x[:0]), Pairs(x[8:], x[8:].roll(1, 2))
    stage = Stage(0, *pairs, 12, 1e-2, loss=loss_of(settings.loss, Grid((16,)), Normaliser(1)))

    def tell(_: int, __: float, done: int, ___: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    network = a_network()
    train(network, stage, settings, seed=0, file=file, progress=tell)
    return snapshot(network)


OPTIONS: list[dict[str, Any]] = [{}, {"loss": "h1"}, {"decay": 0.1}, {"optimizer": "muon"}]


@pytest.mark.parametrize("options", OPTIONS)
def test_each_choice_trains_otherwise_and_resumes_to_the_same_bits(options: dict[str, Any], tmp_path: Path) -> None:
    settings = Training(batch=3, checks=4, **options)
    whole, plain = trained(settings), trained(Training(batch=3, checks=4))
    assert all(torch.equal(whole[name], plain[name]) for name in whole) == (not options)
    with pytest.raises(KeyboardInterrupt):
        trained(settings, tmp_path / "stage.safetensors", stop=8)
    again = trained(settings, tmp_path / "stage.safetensors")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    if options:  # a checkpoint of another training is not continued
        other = trained(Training(batch=3, checks=4), tmp_path / "stage.safetensors")
        assert all(torch.equal(plain[name], other[name]) for name in plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_adam_in_one_pass_is_adam_and_complex_weights_have_it_too(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    one, two = torch.nn.Parameter(torch.randn(7, dtype=dtype)), torch.nn.Parameter(torch.randn(7, dtype=dtype))
    two.data.copy_(one.data)
    mine = optimizer("adam", [one], rate=0.1, decay=0.2)
    known = torch.optim.AdamW([two], lr=0.1, weight_decay=0.2, foreach=False)
    assert bool(mine.defaults["fused"]) is not dtype.is_complex
    for _ in range(5):
        for p, by in ((one, mine), (two, known)):
            by.zero_grad()
            (p.abs() ** 4).sum().backward()
            by.step()
    assert torch.allclose(one, two, rtol=1e-5)


def test_a_pass_over_the_samples_takes_the_same_share_of_the_weights_however_many_they_are() -> None:
    for n, batch, rate in ((6, 3, 0.01), (12, 3, 0.01), (12, 4, 0.02), (2, 3, 0.01)):
        settings = Training(decay=0.003, batch=batch, rate=0.01)
        weight = torch.nn.Parameter(torch.ones(3))
        weight.grad = torch.zeros(3)
        by = optimizer("muon", [weight], rate=rate, decay=settings.decay_over_rate(n))
        for _ in range(-(-n // batch)):
            by.step()
        assert float(weight.detach()[0]) == pytest.approx(1 - 0.003 * rate / 0.01, abs=4e-5)


def test_a_stage_decays_by_the_number_of_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def made(name: str, parameters: Any, *, rate: float, decay: float) -> torch.optim.Optimizer:
        asked.append(decay)
        return optimizer(name, parameters, rate=rate, decay=decay)

    monkeypatch.setattr("mlft.training.stage.optimizer", made)
    trained(Training(batch=3, checks=4, decay=0.01, rate=0.005))
    assert asked == [pytest.approx(0.01 * 3 / 8 / 0.005)]


def test_decay_is_by_the_rate_and_apart_from_the_moments() -> None:
    torch.manual_seed(0)
    one, two = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    for p, decay in ((one, 0.0), (two, 0.25)):
        by = optimizer("adam", [p], rate=0.1, decay=decay)
        p.grad = torch.tensor([1.0, -2.0, 0.0])
        by.step()
    assert torch.allclose(two, one - 0.1 * 0.25 * torch.ones(3))
