"""One stage: minimise a loss on one level's samples, keeping the weights that are best on the held-out ones."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Symmetry, rescaled, shifted
from mlft.surrogates import Network, Normaliser
from mlft.surrogates.regression import Term
from mlft.training import checkpoint
from mlft.training.batches import batch_indices, batch_partners, batch_shifts, batch_symmetries
from mlft.training.losses import Loss, relative_l2
from mlft.training.optimizers import moments, optimizer, set_moments
from mlft.training.schedule import Leg, Rival, beaten, cosine, leg, plateau
from mlft.training.settings import Training

Weights = dict[str, Tensor]

Progress = Callable[[int, float, int, int], None]
"""Called with (level, last held-out error, steps done, steps of the stage as far as is known) after every step."""


@final
@dataclass(frozen=True)
class Pairs:
    """Input and label fields on the finest grid, on the surrogate's device.

    Of a surrogate they are float64, in physical units: it takes off the constant that they stand on before it brings
    them to the precision of its network, and the loss is that of what is left.
    """

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
        steps: optimizer steps; the most of them where it may stop early.
        rate: peak learning rate.
        replay: share of each batch that is replayed.
        loss: what is minimised, averaged over a batch; the held-out error is the relative L2 error whatever it is.
        weights: of the pairs in `train`, in a batch's average; all alike unless given. Replayed pairs have weight 1.
        early: whether it stops when its held-out error stops falling.
        rival: other networks on this stage; it ends when one of them has won (`schedule.beaten`).
        symmetries: the group of the map: each pair of a batch is taken by an element drawn for it. None: as it is.
        shifts: periodic axes along which each pair of a batch is then shifted, by a number of points drawn for it.
        scaling: powers of `mlft.grids.Scaling`, a solution channel each: each pair of a batch is then multiplied so
            that its input is as large as another one of the batch. None: as it is.
    """

    level: int
    train: Pairs
    replayed: Pairs
    held_out: Pairs
    steps: int
    rate: float
    replay: float = 0.0
    loss: Loss = relative_l2
    weights: Float[Tensor, " n"] | None = None
    early: bool = False
    rival: Rival = Rival()
    symmetries: tuple[Symmetry, ...] = ()
    shifts: tuple[int, ...] = ()
    scaling: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.weights is not None and (len(self.weights) != len(self.train) or not bool((self.weights > 0).all())):
            raise ValueError(f"a stage of {len(self.train)} pairs has as many positive weights, got {self.weights}")


@final
@dataclass(frozen=True)
class Trace:
    """What a stage did.

    Attributes:
        weights: those that it chose.
        checks: (step, held-out error) along the way.
        beaten: whether it ended because a rival had won.
    """

    weights: Weights
    checks: tuple[tuple[int, float], ...]
    beaten: bool = False

    @property
    def steps(self) -> int:
        """The optimizer steps that were made."""
        return self.checks[-1][0]


def held_out_error(surrogate: nn.Module, pairs: Pairs, *, batch: int = 256) -> float:
    """Return the mean over samples of ‖prediction − label‖ / ‖label‖ on a uniform grid, without gradients."""
    if not len(pairs):
        return math.nan
    surrogate.eval()
    with torch.no_grad():
        parts = [
            relative_l2(surrogate(x), y)
            for x, y in zip(pairs.inputs.split(batch), pairs.labels.split(batch), strict=True)
        ]
    return float(torch.cat(parts).double().mean())


def snapshot(surrogate: nn.Module) -> Weights:
    """Return a copy of what a training changes, by name: parameters, and the buffers of a network of the user's own.

    Those are such as the running means of a batch normalisation, without which its weights mean something else.
    """
    return {name: tensor.detach().clone() for name, tensor in _changing(surrogate)}


def restore(surrogate: nn.Module, weights: Weights) -> None:
    """Set parameters and buffers to a snapshot."""
    with torch.no_grad():
        for name, tensor in _changing(surrogate):
            tensor.copy_(weights[name])


def _changing(surrogate: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers by name, but no buffers of our own networks and normalisers, which stay as made."""
    yield from surrogate.named_parameters()
    for place, module in surrogate.named_modules():
        if not isinstance(module, Network | Normaliser | Term):
            yield from module.named_buffers(place, recurse=False)


def train(
    surrogate: nn.Module,
    stage: Stage,
    settings: Training,
    *,
    seed: int,
    file: Path | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Train in place and return the best weights seen at a check, the last ones where nothing is held out.

    By Adam, or as the settings say. In a stage of given length the learning rate rises over the first twentieth of the
    steps and then falls as a half cosine to 0. In one that may stop early it stays at its peak until the held-out error
    has stopped falling; then the weights of the best check, with their moments, are trained on while the rate falls to
    0 (`schedule.leg`).

    Everything that a step needs follows from its number, the weights, the optimizer's moments and the checks so far:
    continuing from the checkpoint `file`, written at each check, gives the same bits as never stopping.

    Source: Kingma, Ba 2015 (Adam); Loshchilov, Hutter 2017 (cosine); Hägele et al. 2024 (constant rate and decay),
    arXiv 2405.18392.
    """
    decay = settings.decay_over_rate(len(stage.train))
    by = optimizer(settings.optimizer, surrogate.parameters(), rate=stage.rate, decay=decay)
    told = _told(stage, settings, seed)
    best, checks, done = _resume(surrogate, by, file, told)
    marks = _marks(stage.steps, settings.checks)
    while done < (ahead := _ahead(stage, checks)).end and not beaten(checks, stage.steps, stage.rival):
        if done == ahead.start:
            _set(surrogate, by, best)
        for group in by.param_groups:
            group["lr"] = stage.rate * _pace(stage, done, ahead)
        _step(surrogate, by, stage, settings, done, seed)
        done += 1
        if done in marks or done in (ahead.start, ahead.end):
            error = held_out_error(surrogate, stage.held_out)
            if not len(stage.held_out) or error <= min((e for _, e in checks if not math.isnan(e)), default=math.inf):
                best = _state(surrogate, by)
            checks.append((done, error))
            if file is not None:
                _save(surrogate, by, file, best, checks, told)
        if progress is not None:
            progress(stage.level, checks[-1][1] if checks else math.nan, done, _ahead(stage, checks).end)
    restore(surrogate, _part(best, "weights."))
    return Trace(snapshot(surrogate), tuple(checks), beaten(checks, stage.steps, stage.rival))


def _ahead(stage: Stage, checks: list[tuple[int, float]]) -> Leg:
    """Return the decay leg that the checks so far leave ahead; none, at the end, for a stage of given length."""
    return leg(checks, stage.steps) if stage.early else Leg(stage.steps, stage.steps)


def _pace(stage: Stage, step: int, ahead: Leg) -> float:
    return plateau(step, stage.steps, ahead) if stage.early else cosine(step, stage.steps)


def _told(stage: Stage, settings: Training, seed: int) -> list[float | str]:
    """Return what tells one stage from another: a checkpoint of another one is not continued."""
    counts = [len(pairs) for pairs in (stage.train, stage.replayed, stage.held_out)]
    told: list[float | str] = [stage.level, *counts, stage.steps, stage.early, stage.rate, stage.replay]
    told += [settings.batch, settings.checks, seed, _digest(stage)]
    told.append(getattr(stage.loss, "__qualname__", repr(stage.loss)))
    if (settings.optimizer, settings.decay) != ("adam", 0.0):
        told += [settings.optimizer, settings.decay]
    told += [str(symmetry) for symmetry in stage.symmetries] + [f"shifts {axis}" for axis in stage.shifts]
    return told + [f"power {power}" for power in stage.scaling]


def _digest(stage: Stage) -> str:
    """Return the SHA-256 of all that a stage learns from: fields, labels and weights."""
    digest = hashlib.sha256()
    parts = [field for pairs in (stage.train, stage.replayed, stage.held_out) for field in (pairs.inputs, pairs.labels)]
    for part in parts if stage.weights is None else [*parts, stage.weights]:
        digest.update(f"{tuple(part.shape)}{part.dtype}".encode())
        digest.update(part.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _step(
    surrogate: nn.Module, by: torch.optim.Optimizer, stage: Stage, settings: Training, step: int, seed: int
) -> None:
    surrogate.train()
    x, y, weights = _batch(stage, settings, step, seed)
    x, y = _taken(stage, x, y, step, seed)
    by.zero_grad(set_to_none=True)
    losses = stage.loss(surrogate(x), y)
    loss = losses.mean() if weights is None else (weights * losses).sum() / weights.sum()
    loss.backward()
    by.step()


def _batch(stage: Stage, settings: Training, step: int, seed: int) -> tuple[Tensor, Tensor, Tensor | None]:
    old = min(round(settings.batch * stage.replay), len(stage.replayed))
    rows = batch_indices(len(stage.train), settings.batch - old, step, seed=seed, stream=f"level-{stage.level}")
    x, y = stage.train.inputs[rows], stage.train.labels[rows]
    weights = None if stage.weights is None else stage.weights[rows]
    if not old:
        return x, y, weights
    rows = batch_indices(len(stage.replayed), old, step, seed=seed, stream=f"replay-{stage.level}")
    if weights is not None:
        weights = torch.cat([weights, torch.ones_like(weights[:1]).expand(old)])
    return torch.cat([x, stage.replayed.inputs[rows]]), torch.cat([y, stage.replayed.labels[rows]]), weights


def _taken(stage: Stage, x: Tensor, y: Tensor, step: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the pairs of a batch, each taken by a random element of the group, shifted, and multiplied."""
    stream = f"level-{stage.level}"
    if stage.symmetries:
        drawn = batch_symmetries(len(x), len(stage.symmetries), step, seed=seed, stream=stream)
        x, y = x.clone(), y.clone()
        for number, element in enumerate(stage.symmetries):
            rows = drawn == number
            x[rows], y[rows] = element.of_inputs(x[rows]), element.of_outputs(y[rows])
    for axis in stage.shifts:
        by = batch_shifts(len(x), x.shape[axis + 2], step, seed=seed, stream=f"{stream}-axis-{axis}")
        x, y = shifted(x, axis, by), shifted(y, axis, by)
    if stage.scaling:
        x, y = rescaled(x, y, stage.scaling, batch_partners(len(x), step, seed=seed, stream=stream).to(x.device))
    return x, y


def _marks(steps: int, checks: int) -> set[int]:
    return {max(1, round(steps * (i + 1) / checks)) for i in range(checks)}


def _resume(
    surrogate: nn.Module, by: torch.optim.Optimizer, file: Path | None, told: list[float | str]
) -> tuple[Weights, list[tuple[int, float]], int]:
    """Set weights and moments from this stage's checkpoint; return those of the best check, the checks, the steps."""
    found = checkpoint.read(file) if file is not None else None
    if found is None or found[1]["stage"] != told:
        return _state(surrogate, by), [], 0
    tensors, facts = found
    _set(surrogate, by, _part(tensors, "last."))
    checks = [(int(step), math.nan if error is None else float(error)) for step, error in facts["checks"]]
    return _part(tensors, "best."), checks, int(facts["done"])


def _state(surrogate: nn.Module, by: torch.optim.Optimizer) -> Weights:
    """Return a copy of the weights and of what the optimizer remembers."""
    state: Weights = {f"weights.{name}": tensor for name, tensor in _changing(surrogate)}
    state |= {f"adam.{name}": value for name, value in moments(surrogate, by).items()}
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _set(surrogate: nn.Module, by: torch.optim.Optimizer, state: Weights) -> None:
    """Set the weights and what the optimizer remembers to a copy of such a state."""
    restore(surrogate, _part(state, "weights."))
    set_moments(surrogate, by, _part(state, "adam."))


def _save(
    surrogate: nn.Module,
    by: torch.optim.Optimizer,
    file: Path,
    best: Weights,
    checks: list[tuple[int, float]],
    told: list[float | str],
) -> None:
    states = {"last": _state(surrogate, by), "best": best}
    tensors = {f"{which}.{name}": tensor for which, state in states.items() for name, tensor in state.items()}
    plain: list[Any] = [(step, None if math.isnan(error) else error) for step, error in checks]
    checkpoint.write(file, tensors, {"done": checks[-1][0], "checks": plain, "stage": told})


def _part(tensors: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
