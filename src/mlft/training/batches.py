"""What a training sees, and what an optimizer step does: pure functions, so that a resumed training sees the same."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mlft.seeds import generator
from mlft.training.settings import Training


def learned(draws: Sequence[int], settings: Training) -> Bool[np.ndarray, " n"]:
    """Return which draws are trained on; the others are held out, the same ones on every level.

    >>> learned([0, 4, 5, 10], Training(guards=2)).tolist()
    [False, True, False, True]
    """
    known = np.asarray(draws)
    return (known % settings.held_out != 0) | (known >= settings.held_out * settings.guards)


def batch_indices(n: int, size: int, step: int, *, seed: int, stream: str) -> Int[Tensor, " b"]:
    """Return the rows of batch number `step`: every epoch is a fresh permutation cut into equal batches.

    The last rows of a permutation that do not fill a batch are left out of that epoch; with n <= size, all rows.

    >>> sorted(batch_indices(3, 8, 0, seed=0, stream="level-0").tolist())
    [0, 1, 2]
    """
    size = min(n, size)
    epoch, position = divmod(step, n // size)
    return _order(n, seed, stream, epoch)[position * size : (position + 1) * size].clone()


@lru_cache(maxsize=8)
def _order(n: int, seed: int, stream: str, epoch: int) -> Int[Tensor, " n"]:
    """Return the permutation of an epoch; the last ones are kept, as each serves all batches of its epoch."""
    return torch.randperm(n, generator=generator(seed, "batches", stream, epoch))


def batch_symmetries(n: int, elements: int, step: int, *, seed: int, stream: str) -> Int[Tensor, " n"]:
    """Return the element of a group that takes each sample of batch number `step`: independent, all as likely.

    Source: Brandstetter, Welling, Worrall 2022, Lie point symmetry data augmentation, arXiv 2202.07643.

    >>> batch_symmetries(16, 2, 0, seed=0, stream="level-0").unique().tolist()
    [0, 1]
    """
    return torch.randint(elements, (n,), generator=generator(seed, "symmetries", stream, step))


def batch_partners(n: int, step: int, *, seed: int, stream: str) -> Int[Tensor, " n"]:
    """Return for each sample of batch number `step` another one of it, whose size it is given: a permutation.

    >>> sorted(batch_partners(3, 0, seed=0, stream="level-0").tolist())
    [0, 1, 2]
    """
    return torch.randperm(n, generator=generator(seed, "sizes", stream, step))


def batch_shifts(n: int, points: int, step: int, *, seed: int, stream: str) -> Int[Tensor, " n"]:
    """Return by how many of the points of an axis each sample of batch number `step` is shifted: all as likely.

    >>> int(batch_shifts(64, 3, 0, seed=0, stream="level-0").max())
    2
    """
    return torch.randint(points, (n,), generator=generator(seed, "shifts", stream, step))
