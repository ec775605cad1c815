"""One stage: minimise the relative L2 error on one level's samples, keeping the best weights on the held-out ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.training import checkpoint
from mlft.training.batches import batch_indices
from mlft.training.settings import Training

Weights = dict[str, Tensor]


@final
@dataclass(frozen=True)
class Pairs:
    """Input and label fields on the finest grid, in the surrogate's dtype and on its device."""

    inputs: Float[Tensor, "n c *grid"]
    labels: Float[Tensor, "n k *grid"]

    def __len__(self) -> int:
        return len(self.inputs)


@final
@dataclass(frozen=True)
class Stage:
    """What one stage trains on, and how long.

    Attributes:
        level: the level of the labels.
        train: the pairs it learns from.
        replayed: pairs of the previous level that this level did not solve again; may be empty.
        held_out: the pairs that choose the weights.
        steps: optimizer steps.
        rate: peak learning rate.
        replay: share of each batch that is replayed.
    """

    level: int
    train: Pairs
    replayed: Pairs
    held_out: Pairs
    steps: int
    rate: float
    replay: float = 0.0


@final
@dataclass(frozen=True)
class Trace:
    """The weights a stage chose, and the held-out error along the way: (step, error) at each check."""

    weights: Weights
    checks: tuple[tuple[int, float], ...]


def relative_l2(surrogate: nn.Module, pairs: Pairs, *, batch: int = 256) -> float:
    """Return the mean over samples of ‖prediction − label‖ / ‖label‖ on a uniform grid, without gradients."""
    if not len(pairs):
        return math.nan
    surrogate.eval()
    with torch.no_grad():
        parts = [
            _errors(surrogate(x), y) for x, y in zip(pairs.inputs.split(batch), pairs.labels.split(batch), strict=True)
        ]
    return float(torch.cat(parts).double().mean())


def snapshot(surrogate: nn.Module) -> Weights:
    """Return a copy of the trained parameters, by name."""
    return {name: p.detach().clone() for name, p in surrogate.named_parameters()}


def restore(surrogate: nn.Module, weights: Weights) -> None:
    """Set the parameters to a snapshot."""
    with torch.no_grad():
        for name, p in surrogate.named_parameters():
            p.copy_(weights[name])


def train(
    surrogate: nn.Module,
    stage: Stage,
    settings: Training,
    *,
    seed: int,
    file: Path | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Trace:
    """Train in place and return the best weights seen at a check, the last ones where nothing is held out.

    Adam, with a learning rate that rises over the first twentieth of the steps and then falls as a half cosine to 0.
    Everything that a step needs follows from its number, the weights and Adam's moments: continuing from the
    checkpoint `file`, written at each check, gives the same bits as never stopping.

    Source: Kingma, Ba 2015 (Adam); Loshchilov, Hutter 2017 (cosine).
    """
    adam = torch.optim.Adam(surrogate.parameters(), lr=stage.rate)
    told = _told(stage, settings, seed)
    best, checks, done = _resume(surrogate, adam, file, told)
    marks = _marks(stage.steps, settings.checks)
    for step in range(done, stage.steps):
        _step(surrogate, adam, stage, settings, step, seed)
        if step + 1 in marks:
            error = relative_l2(surrogate, stage.held_out)
            if math.isnan(error) or error <= min((e for _, e in checks), default=math.inf):
                best = snapshot(surrogate)
            checks.append((step + 1, error))
            if file is not None:
                _save(surrogate, adam, file, best, checks, told)
        if progress is not None:
            progress(stage.level, checks[-1][1] if checks else math.nan)
    restore(surrogate, best)
    return Trace(best, tuple(checks))


def _told(stage: Stage, settings: Training, seed: int) -> list[float]:
    """Return what tells one stage from another: a checkpoint of another one is not continued."""
    counts = [len(pairs) for pairs in (stage.train, stage.replayed, stage.held_out)]
    return [stage.level, *counts, stage.steps, stage.rate, stage.replay, settings.batch, settings.checks, seed]


def _step(surrogate: nn.Module, adam: torch.optim.Adam, stage: Stage, settings: Training, step: int, seed: int) -> None:
    surrogate.train()
    x, y = _batch(stage, settings, step, seed)
    for group in adam.param_groups:
        group["lr"] = stage.rate * _schedule((step + 0.5) / stage.steps)
    adam.zero_grad(set_to_none=True)
    _errors(surrogate(x), y).mean().backward()
    adam.step()


def _batch(stage: Stage, settings: Training, step: int, seed: int) -> tuple[Tensor, Tensor]:
    old = min(round(settings.batch * stage.replay), len(stage.replayed))
    rows = batch_indices(len(stage.train), settings.batch - old, step, seed=seed, stream=f"level-{stage.level}")
    x, y = stage.train.inputs[rows], stage.train.labels[rows]
    if not old:
        return x, y
    rows = batch_indices(len(stage.replayed), old, step, seed=seed, stream=f"replay-{stage.level}")
    return torch.cat([x, stage.replayed.inputs[rows]]), torch.cat([y, stage.replayed.labels[rows]])


def _errors(prediction: Tensor, label: Tensor) -> Tensor:
    difference, scale = (prediction - label).flatten(1).norm(dim=1), label.flatten(1).norm(dim=1)
    return difference / torch.where(scale > 0, scale, torch.ones_like(scale))


def _schedule(t: float, *, warm: float = 0.05) -> float:
    return t / warm if t < warm else 0.5 * (1 + math.cos(math.pi * (t - warm) / (1 - warm)))


def _marks(steps: int, checks: int) -> set[int]:
    return {max(1, round(steps * (i + 1) / checks)) for i in range(checks)}


def _resume(
    surrogate: nn.Module, adam: torch.optim.Adam, file: Path | None, told: list[float]
) -> tuple[Weights, list[tuple[int, float]], int]:
    """Set weights and moments from this stage's checkpoint; return the best weights, the checks and the steps done."""
    found = checkpoint.read(file) if file is not None else None
    if found is None or found[1]["stage"] != told:
        return snapshot(surrogate), [], 0
    tensors, facts = found
    restore(surrogate, _part(tensors, "last."))
    for name, p in surrogate.named_parameters():
        adam.state[p] = {key: tensors[f"adam.{key}.{name}"].to(_home(key, p)) for key in _MOMENTS}
    best = {name: tensor.to(surrogate.get_parameter(name).device) for name, tensor in _part(tensors, "best.").items()}
    checks = [(int(step), math.nan if error is None else float(error)) for step, error in facts["checks"]]
    return best, checks, int(facts["done"])


_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def _home(key: str, p: Tensor) -> torch.device:
    return torch.device("cpu") if key == "step" else p.device


def _save(
    surrogate: nn.Module,
    adam: torch.optim.Adam,
    file: Path,
    best: Weights,
    checks: list[tuple[int, float]],
    told: list[float],
) -> None:
    tensors: Weights = {f"last.{name}": p for name, p in surrogate.named_parameters()}
    tensors |= {f"best.{name}": p for name, p in best.items()}
    for name, p in surrogate.named_parameters():
        tensors |= {f"adam.{key}.{name}": adam.state[p][key] for key in _MOMENTS}
    plain: list[Any] = [(step, None if math.isnan(error) else error) for step, error in checks]
    checkpoint.write(file, tensors, {"done": checks[-1][0], "checks": plain, "stage": told})


def _part(tensors: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
