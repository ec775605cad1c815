"""Networks of users as they come: with buffers, complex, unused and frozen numbers, and those of neuraloperator."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from neuralop.models import FNO, TFNO, UNO
from torch import nn

import mlft
from mlft.errors import ConfigError
from mlft.grids import Grid
from mlft.kernels.features import Linearised
from mlft.surrogates import Surrogate, load
from mlft.training.guard import guard
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage, snapshot, train
from small import SMALL, problem

ASKED: dict[str, Any] = {name: value for name, value in SMALL.items() if name != "surrogate_options"}
GRID = Grid((22,))


class Spectral(nn.Module):
    """Four Fourier modes, multiplied by complex weights, or by the same in two real parts."""

    def __init__(self, weights: torch.Tensor, *, split: bool) -> None:
        super().__init__()
        self.split = split
        self.weights = nn.Parameter(torch.view_as_real(weights).clone() if split else weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = torch.view_as_complex(self.weights) if self.split else self.weights
        waves = torch.fft.rfft(x)[..., :4].to(weights.dtype) * weights
        return torch.fft.irfft(waves, n=x.shape[-1]).to(x.dtype).tanh()


class Odd(nn.Module):
    """A network with all that a state can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(1, 6, 3, padding=1), nn.Conv1d(6, 1, 3, padding=1)
        self.norm = nn.BatchNorm1d(6)
        self.weights = nn.Parameter(0.3 * torch.randn(6, 4, dtype=torch.complex64))
        self.unused, self.frozen = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("least", torch.tensor([-torch.inf]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.first(x))
        waves = torch.fft.rfft(hidden)[..., :4].to(self.weights.dtype) * self.weights
        return self.last(torch.tanh(hidden + torch.fft.irfft(waves, n=x.shape[-1]).to(x.dtype))) * self.frozen

    def state_dict(self, *words: Any, **options: Any) -> Any:
        state = super().state_dict(*words, **options)
        if "prefix" not in options or not options["prefix"]:
            state["about"] = {"made": "by hand"}  # as neuraloperator's networks do
        return state


def odd() -> Odd:
    torch.manual_seed(5)
    return Odd()


def stage(steps: int = 12) -> Stage:
    torch.manual_seed(1)
    x = 3 + torch.randn(14, 1, 22)
    pairs = Pairs(x[:9], x[:9].roll(1, 2)), Pairs(x[:0], x[:0]), Pairs(x[9:], x[9:].roll(1, 2))
    return Stage(0, *pairs, steps, 1e-2)


def test_a_training_resumes_to_the_same_bits_with_its_buffers(tmp_path: Path) -> None:
    settings, file = Training(batch=4, checks=4), tmp_path / "stage.safetensors"

    def stop(_: int, __: float, done: int, ___: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    whole, again = odd(), odd()
    trace = train(whole, stage(), settings, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(odd(), stage(), settings, seed=0, file=file, progress=stop)
    assert train(again, stage(), settings, seed=0, file=file).checks == trace.checks
    known, found = snapshot(whole), snapshot(again)
    assert {"norm.running_mean", "norm.num_batches_tracked", "weights", "mask"} <= set(known) == set(found)
    assert all(torch.equal(known[name], found[name]) for name in known)
    assert whole.norm.running_mean.abs().max() > 0.01 and int(whole.norm.num_batches_tracked) > 0


def test_weights_of_a_check_come_with_the_buffers_of_that_check() -> None:
    network, made = odd(), stage()
    trace = train(network, made, Training(batch=4, checks=12), seed=0)
    (best, _) = min(trace.checks, key=lambda check: (check[1], -check[0]))
    assert int(trace.weights["norm.num_batches_tracked"]) == best


def test_a_stage_that_is_refused_leaves_the_buffers_of_before() -> None:
    network, worse = odd(), odd()
    with torch.no_grad():
        worse.last.weight.mul_(1e3)
        worse.norm.running_mean.fill_(9.0)
    before = snapshot(network)
    verdict = guard(network, before, snapshot(worse), stage().held_out)
    assert not verdict.kept and all(torch.equal(value, before[name]) for name, value in snapshot(network).items())


def test_all_of_its_state_is_saved_and_loaded(tmp_path: Path) -> None:
    network = odd()
    network.norm.running_mean.fill_(0.25)
    surrogate = Surrogate(network, (1, 1), GRID)
    surrogate.save(tmp_path)
    torch.manual_seed(9)
    found = load(tmp_path, Odd())
    x = np.random.default_rng(0).normal(size=(3, 1, 22))
    assert np.array_equal(found.predict(x), surrogate.predict(x))
    assert isinstance(found.network, Odd) and found.network.mask.tolist() == [True, False]
    assert found.network.least.item() == -torch.inf


def test_the_kernel_of_complex_weights_is_that_of_their_parts() -> None:
    torch.manual_seed(2)
    weights, x = torch.randn(4, dtype=torch.complex64), torch.randn(3, 1, 22)
    whole, parts = (Linearised(Spectral(weights.clone(), split=split), x) for split in (False, True))
    probes = torch.randn(3, 5, 22, dtype=torch.float64)
    assert whole.size == parts.size == 8
    assert torch.allclose(whole.features(x.double(), probes), parts.features(x.double(), probes), atol=1e-13)
    tangent = torch.randn(8, dtype=torch.float64)
    assert torch.allclose(whole.push(x.double(), tangent), parts.push(x.double(), tangent), atol=1e-13)
    assert torch.allclose(whole.pull(x.double(), probes[:, 0]), parts.pull(x.double(), probes[:, 0]), atol=1e-13)


def fno() -> nn.Module:
    return FNO(n_modes=(5,), in_channels=1, out_channels=1, hidden_channels=6, n_layers=2)


def tfno() -> nn.Module:
    return TFNO(n_modes=(5,), in_channels=1, out_channels=1, hidden_channels=6, n_layers=2)


def uno() -> nn.Module:
    shape: dict[str, Any] = {"uno_out_channels": [6, 5], "uno_n_modes": [[4], [3]], "uno_scalings": [[0.5], [2.0]]}
    return UNO(in_channels=1, out_channels=1, hidden_channels=6, n_layers=2, channel_mlp_skip="linear", **shape)


@pytest.mark.parametrize("network", [odd, fno, tfno, uno])
def test_it_runs_to_its_end_with_kernels_and_is_loaded_again(network: Any, tmp_path: Path) -> None:
    torch.manual_seed(3)
    asked = ASKED | {"budget": "12solves", "strategy": "finetune", "estimator": "kernel-trained"}
    record = mlft.run(problem, out=tmp_path, network=network(), **asked)
    assert 0 < record.error < 2 and record.outcome.plan.predicted_error is not None
    assert record.outcome.surrogate.name == type(network()).__name__
    x = record.samples(2, "test").inputs
    torch.manual_seed(4)
    assert np.array_equal(
        mlft.Record.load(tmp_path, network=network()).surrogate.predict(x), record.surrogate.predict(x)
    )


class Keeps(nn.Conv1d):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: Any) -> None: ...


class Detached(nn.Conv1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach().requires_grad_()


class InPlace(nn.Conv1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x).exp()
        squares = out**2
        out += 1
        return squares


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Keeps, "keeps '_extra_state', which is no tensor"),
        (Detached, "depend on none of its parameters"),
        (InPlace, "a step back through it raises RuntimeError"),
    ],
)
def test_what_cannot_be_trained_or_kept_is_refused_first(network: type[nn.Conv1d], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        mlft.run(problem, out=tmp_path / "run", network=network(1, 1, 3, padding=1), budget="12solves", **ASKED)
    assert not (tmp_path / "run").exists()
