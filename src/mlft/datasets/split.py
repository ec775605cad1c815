"""Which draws of a data set are tested on and which are learned from, in which order: no draw is on two sides."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Int

from mlft.datasets.dataset import Dataset
from mlft.errors import DataError
from mlft.seeds import generator

Array = np.ndarray

SAME = 1e-9
"""Relative difference of values that are one input: coarser grids have its averages, to round-off."""


@final
@dataclass(frozen=True)
class Rule:
    """How draws are split.

    Attributes:
        test: draws of the finest level to test on.
        held_out: of the training: one draw in so many guards it.
        guards: draws that guard it at most, the first ones.
    """

    test: int
    held_out: int
    guards: int

    def guarding(self, n: int) -> Bool[Array, " n"]:
        """Return which of the first n places of the training order guard it."""
        places = np.arange(n)
        return (places % self.held_out == 0) & (places < self.held_out * self.guards)


@final
@dataclass(frozen=True)
class Split:
    """The draws of a data set, each once.

    Attributes:
        train: in the order of the samples of the stream "train".
        test: in the order of the stream "test".
        alike: draws whose input another draw has.
        left_out: draws on neither side: the test has their input on another level, or they guard for their like.
    """

    train: Int[Array, " n"]
    test: Int[Array, " m"]
    alike: int
    left_out: int


def split(data: Dataset, rule: Rule, seed: int) -> Split:
    """Return a split of the draws: the test without replacement from those on the finest level, the rest to train.

    Draws with the same input are on one side, and in training either all guard or none. Draws that are on more levels
    come first in training, else the order is random: every level's first samples are a random part of its rows.

    Raises:
        DataError: if fewer than two draws of the finest level would be left to train on.
    """
    kinds = same_inputs(data)
    finest = data.levels[-1].draws
    members = _members(kinds)
    stream = generator(seed, "split")
    test = _tested(finest, kinds, members, rule.test, stream)
    gone = {draw for one in test for draw in members[kinds[one]]}
    rest = [draw for draw in _shuffled(np.arange(len(kinds)), stream) if draw not in gone]
    if len(set(finest.tolist()) - gone) < 2:
        raise DataError(
            f"{len(finest)} rows on the finest level are too few: {len(test)} are tested on, and 2 at least are needed "
            "to train on; give more rows, or a smaller test"
        )
    levels = np.zeros(len(kinds), dtype=int)
    for level in data.levels:
        levels[level.draws] += 1
    order = sorted(rest, key=lambda draw: -levels[draw])
    train = _apart(order, levels, members, kinds, rule)
    alike = sum(len(group) for group in members.values() if len(group) > 1)
    return Split(np.array(train), np.array(test), alike, len(kinds) - len(train) - len(test))


def same_inputs(data: Dataset) -> Int[Array, " draws"]:
    """Return a number for each draw that it shares with the draws of the same input.

    Inputs are compared where all are known: on the finest grid, or, where levels share no draws, on the coarsest.
    """
    count = 1 + max(int(level.draws.max()) for level in data.levels)
    keys: list[bytes] = [b""] * count
    coarsest, apart = data.levels[0].grid, not all(_finest_has(data, i) for i in range(len(data.levels)))
    for level in reversed(data.levels):
        fields = level.inputs
        if apart:
            try:
                fields = data.coarsened(fields, coarsest)
            except DataError:
                raise
            except ValueError:
                continue
        unit = SAME * (max(float(fields.max()), -float(fields.min())) or 1.0)
        for draw, row in zip(level.draws, fields, strict=True):
            digits = np.round(row / unit) + 0.0 if apart else row + 0.0  # −0 is 0
            keys[draw] = keys[draw] or hashlib.sha256(digits.tobytes()).digest()
    known: dict[bytes, int] = {}
    return np.array([known.setdefault(key or f"draw {i}".encode(), len(known)) for i, key in enumerate(keys)])


def _finest_has(data: Dataset, level: int) -> bool:
    """Return whether the inputs of all rows of a level are known on the finest grid."""
    on_finest = data.levels[level].inputs.shape[2:] == data.levels[-1].grid.shape
    return on_finest or bool(np.isin(data.levels[level].draws, data.levels[-1].draws).all())


def _members(kinds: Array) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for draw, kind in enumerate(kinds):
        members.setdefault(int(kind), []).append(draw)
    return members


def _shuffled(draws: Array, stream: torch.Generator) -> list[int]:
    return [int(draws[i]) for i in torch.randperm(len(draws), generator=stream)]


def _tested(
    finest: Array, kinds: Array, members: dict[int, list[int]], count: int, stream: torch.Generator
) -> list[int]:
    """Return draws of the finest level to test on, whole groups of the same input."""
    there, chosen, seen = set(finest.tolist()), list[int](), set[int]()
    for draw in _shuffled(finest, stream):
        group = [other for other in members[int(kinds[draw])] if other in there]
        if kinds[draw] not in seen and len(chosen) + len(group) <= count:
            chosen += group
            seen.add(int(kinds[draw]))
    if len(set(kinds[finest].tolist())) == 1:
        raise DataError("every row has the same input: a map cannot be learned from one input, nor tested")
    if not chosen:
        raise DataError(
            f"a test of {count} rows cannot be made: rows of one input stay together, and all have more of them; "
            "give a larger test"
        )
    return chosen


def _apart(order: Sequence[int], levels: Array, members: dict[int, list[int]], kinds: Array, rule: Rule) -> list[int]:
    """Return an order in which draws of one input all guard or all train, by swaps among draws of as many levels.

    Where no draw is left to swap with, the one that guards stays, and its like are left out.
    """
    order = list(order)
    guarding, alone = rule.guarding(len(order)), [len(members[int(kinds[draw])]) == 1 for draw in order]
    free = [place for place in range(len(order)) if alone[place] and not guarding[place]]
    for place in np.flatnonzero(guarding):
        if alone[place]:
            continue
        other = next((one for one in free if levels[order[one]] == levels[order[place]]), None)
        if other is None:
            like = set(members[int(kinds[order[place]])]) - {order[place]}
            kept = [draw for draw in order if draw not in like]
            members = members | {int(kinds[order[place]]): [order[place]]}
            return _apart(kept, levels, members, kinds, rule)
        free.remove(other)
        order[place], order[other] = order[other], order[place]
    return order
