"""Symmetries of fields on a grid: reflections, the swap of two axes, signs of channels, and the groups they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlft.grids.grid import Grid, axiswise, in_short

Field = TypeVar("Field", Float[np.ndarray, "_n _c *_grid"], Float[Tensor, "_n _c *_grid"])
"""A swap of axes of different lengths changes the grid: its sizes are not bound."""

MOST = 16
"""Elements of a group, at most: those of the square, with and without a sign."""


@final
@dataclass(frozen=True)
class Symmetry:
    """A map g of inputs and of solutions, (g u)_c = sign_c · (u_c reflected, after a swap of its axes).

    A solver S with S(g x) = g S(x) has it. Burgers: u(x) → −u(−x). Gas: density and energy even, momentum odd. A square
    of rock: u(x, y) → u(−x, y), u(y, x) and what they make together, quarter turns among them. Linear equations: −1.

    On periodic nodal axes a reflection keeps the first point, i → −i mod n (`pinned`); on the others it is i → n−1−i.
    Fields are arrays or tensors, and gradients pass. The signs of each element go by its channel: components of vectors
    along axes that are swapped are not exchanged.

    Attributes:
        flips: which axes are reflected.
        swap: whether the two axes are swapped first.
        inputs: the sign of each input channel, 1 or −1.
        outputs: the sign of each solution channel.
        pinned: whether reflected axes keep their first point; one truth value an axis where they differ.

    Raises:
        ValueError: no axis or more than two, a swap of one axis or of axes that are reflected otherwise, or signs that
            are not 1 or −1.

    Source: Cohen, Welling 2016, Group equivariant convolutional networks, arXiv 1602.07576.

    >>> odd = Symmetry((True,), inputs=(-1,), outputs=(-1,))
    >>> odd.of_inputs(np.array([[[1.0, 2.0, 3.0]]])).tolist()
    [[[-3.0, -2.0, -1.0]]]
    >>> print(odd)
    reflection of axis 0, inputs and solutions × −1
    """

    flips: tuple[bool, ...]
    swap: bool = False
    inputs: tuple[int, ...] = (1,)
    outputs: tuple[int, ...] = (1,)
    pinned: bool | tuple[bool, ...] = False

    def __post_init__(self) -> None:
        signs = (*self.inputs, *self.outputs)
        if len(self.flips) not in (1, 2) or (self.swap and len(self.flips) != 2):
            raise ValueError(f"a symmetry has one axis, or two that may be swapped; got {self.flips=}, {self.swap=}")
        pinned = axiswise(self.pinned, len(self.flips))
        if len(pinned) != len(self.flips) or (self.swap and len(set(pinned)) > 1):
            raise ValueError(
                f"a symmetry pins all its axes or none, or says it of each and swaps none; got {self.pinned}"
            )
        object.__setattr__(self, "pinned", in_short(pinned))
        if not self.inputs or not self.outputs or not set(signs) <= {1, -1}:
            raise ValueError(f"the signs of a symmetry are 1 or −1, one a channel; got {self.inputs}, {self.outputs}")

    def of_inputs(self, field: Field) -> Field:
        """Return g x for fields of the input channels.

        Raises:
            ValueError: for another number of channels or axes.
        """
        return _signed(self._moved(field), self.inputs)

    def of_outputs(self, field: Field) -> Field:
        """Return g y for fields of the solution channels.

        Raises:
            ValueError: for another number of channels or axes.
        """
        return _signed(self._moved(field), self.outputs)

    @property
    def inverse(self) -> "Symmetry":
        """The map that undoes this one."""
        flips = self.flips[::-1] if self.swap else self.flips
        return Symmetry(flips, self.swap, self.inputs, self.outputs, self.pinned)

    def after(self, first: "Symmetry") -> "Symmetry":
        """Return the map that takes `first`, then this one.

        Raises:
            ValueError: for maps of other grids or channels.
        """
        if _kind(self) != _kind(first):
            raise ValueError(
                f"two symmetries compose on one grid, with the same channels; got {self!r} after {first!r}"
            )
        earlier = first.flips[::-1] if self.swap else first.flips
        flips = tuple(a != b for a, b in zip(self.flips, earlier, strict=True))
        inputs, outputs = (
            tuple(a * b for a, b in zip(*pair, strict=True))
            for pair in ((self.inputs, first.inputs), (self.outputs, first.outputs))
        )
        return Symmetry(flips, self.swap != first.swap, inputs, outputs, self.pinned)

    @property
    def slug(self) -> str:
        """What it does to inputs, in lower-case letters and digits."""
        flips, signs = ("".join(str(int(bit)) for bit in bits) for bits in (self.flips, [s > 0 for s in self.inputs]))
        return f"flips-{flips}-swap-{int(self.swap)}-signs-{signs}"

    def fits(self, grid: Grid, channels: tuple[int, int]) -> bool:
        """Return whether it maps fields of a grid, with so many input and solution channels, to such fields."""
        kind = grid.dimension, *channels, pins(grid)
        return kind == _kind(self) and (square(grid) or not self.swap)

    def _moved(self, field: Field) -> Field:
        if field.ndim != len(self.flips) + 2:
            raise ValueError(f"this symmetry has {len(self.flips)} axes, got fields of shape {tuple(field.shape)}")
        moved = field.swapaxes(2, 3) if self.swap else field
        axes = tuple(axis + 2 for axis, flipped in enumerate(self.flips) if flipped)
        pinned = axiswise(self.pinned, len(self.flips))
        return _reflected(moved, axes, kept=tuple(axis for axis in axes if pinned[axis - 2])) if axes else moved

    def __str__(self) -> str:
        """Return the map in words."""
        axes = [str(axis) for axis, flipped in enumerate(self.flips) if flipped]
        words = ["the axes swapped"] if self.swap else []
        words += [f"reflection of ax{'e' if len(axes) > 1 else 'i'}s {' and '.join(axes)}"] if axes else []
        signs = {"inputs": self.inputs, "solutions": self.outputs}
        changed = {name: _words(each) for name, each in signs.items() if -1 in each}
        if len(set(changed.values())) == 1:
            changed = {" and ".join(changed): next(iter(changed.values()))}
        words += [f"{name} × {each}" for name, each in changed.items()]
        return ", ".join(words) or "identity"


def pins(grid: Grid) -> bool | tuple[bool, ...]:
    """Return whether a reflection of a grid keeps the first point of an axis, as `Symmetry.pinned` says it."""
    return grid.periodic if grid.centring == "nodal" else False


def square(grid: Grid) -> bool:
    """Return whether the two axes of a grid are alike, so that they can be swapped."""
    axes = set(zip(grid.cells, grid.lengths, grid.wraps, strict=True))
    return grid.dimension == 2 and len(axes) == 1


def group(generators: Iterable[Symmetry], *, most: int = MOST) -> tuple[Symmetry, ...]:
    """Return all that symmetries make together, the identity first; nothing of none.

    Raises:
        ValueError: for maps of other grids or channels, or more than `most` elements.

    >>> quarter = Symmetry((True, False), swap=True)
    >>> [str(element) for element in group([quarter])][2]
    'reflection of axes 0 and 1'
    """
    given = tuple(generators)
    if not given:
        return ()
    found = [given[0].after(given[0].inverse)]
    for element in found:  # grows while it is read
        for other in given:
            product = other.after(element)
            if product not in found:
                found.append(product)
        if len(found) > most:
            raise ValueError(f"{len(given)} symmetries make a group of over {most} elements: give fewer")
    return tuple(found)


def numbers_of(elements: Sequence[Symmetry], *, averaged: bool) -> Int[Tensor, "n _m"]:
    """Return maps as numbers, for weights to vouch for: a row an element, last whether predictions are averaged."""
    rows = [
        (*one.flips, one.swap, *one.inputs, *one.outputs, *axiswise(one.pinned, len(one.flips)), averaged)
        for one in elements
    ]
    return torch.tensor(rows, dtype=torch.int8)


def refuse_no_group(elements: Sequence[Symmetry], grid: Grid, channels: tuple[int, int]) -> None:
    """Refuse symmetries that do not live on a grid with such channels, or are not all that they make together.

    Raises:
        ValueError: naming the first that does not fit, or saying how many are missing.
    """
    for element in elements:
        if not element.fits(grid, channels):
            raise ValueError(f"no symmetry of {grid!r} with {channels} channels: {element!r}")
    closed = group(elements)
    if len(elements) != len(closed) or set(elements) != set(closed):
        raise ValueError(
            f"symmetries are used as a group, and these {len(elements)} are none: together they make {len(closed)} "
            "different maps; give `group(...)` of them"
        )


def _reflected(field: Field, axes: tuple[int, ...], *, kept: tuple[int, ...]) -> Field:
    """Return a field reflected along some axes, those among them that keep their first point moved by one."""
    by = (1,) * len(kept)
    if isinstance(field, Tensor):
        flipped = torch.flip(field, axes)
        return torch.roll(flipped, by, kept) if kept else flipped
    turned = np.flip(field, axes)
    return np.roll(turned, by, kept) if kept else turned.copy()  # tensors take no negative strides


def _signed(field: Field, signs: tuple[int, ...]) -> Field:
    """Return a field with the sign of each channel."""
    if field.shape[1] != len(signs):
        raise ValueError(f"this symmetry has a sign for each of {len(signs)} channels, got shape {tuple(field.shape)}")
    if len(set(signs)) == 1:
        return field if signs[0] == 1 else -field
    shape = (len(signs), *[1] * (field.ndim - 2))
    if isinstance(field, Tensor):
        return field * torch.tensor(signs, dtype=field.dtype, device=field.device).view(shape)
    return field * np.array(signs, dtype=field.dtype).reshape(shape)


def _kind(symmetry: Symmetry) -> tuple[int, int, int, bool | tuple[bool, ...]]:
    """Return what two symmetries must share to compose: axes, channels, and how they reflect."""
    return len(symmetry.flips), len(symmetry.inputs), len(symmetry.outputs), symmetry.pinned


def _words(signs: tuple[int, ...]) -> str:
    """Return the signs of channels in words, one for all where they are alike."""
    told = ["−1" if sign < 0 else "1" for sign in signs]
    return told[0] if len(set(told)) == 1 else f"({', '.join(told)})"
