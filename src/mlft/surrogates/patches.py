"""Patches of a fine grid as channels of a coarse one: how a network on a large grid costs what a small one does."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from mlft.grids import Grid

_SIDE = 96
"""Cells on a side from which a plane is patched once more, where it can be: 32 to 95 are left."""


def patch_of(grid: Grid) -> int:
    """Return the patch by which a network suits a grid: 1 on a line and up to 95 cells, 2 up to 191, 4 up to 383.

    >>> [patch_of(Grid((n, 96))) for n in (64, 160, 256, 98)], patch_of(Grid((512,)))
    ([2, 2, 4, 2], 1)
    """
    patch = 1
    while grid.dimension == 2 and max(grid.cells) // patch >= _SIDE and not any(n % (2 * patch) for n in grid.cells):
        patch *= 2
    return patch


def to_patches(fields: Float[Tensor, "n c *grid"], patch: int) -> Float[Tensor, "n d *coarse"]:
    """Return fields with `patch` points of each axis as channels of one; a last patch that is not full ends in zeros.

    Source: Shi et al. 2016, arXiv 1609.05158; Dosovitskiy et al. 2021, arXiv 2010.11929.

    >>> import torch
    >>> to_patches(torch.arange(5.0).view(1, 1, 5), 2)[0].tolist()
    [[0.0, 2.0, 4.0], [1.0, 3.0, 0.0]]
    """
    if patch == 1:
        return fields
    missing = [-points % patch for points in reversed(fields.shape[2:])]
    fields = pad(fields, [side for end in missing for side in (0, end)])
    for axis in range(2, fields.ndim):
        fields = fields.unflatten(axis, (-1, patch)).movedim(axis + 1, 2).flatten(1, 2)
    return fields


def from_patches(
    fields: Float[Tensor, "n d *coarse"], patch: int, like: Float[Tensor, "n _c *grid"]
) -> Float[Tensor, "n c *grid"]:
    """Return what `to_patches` made patches of, on the grid of the fields `like`.

    >>> import torch
    >>> fields = torch.arange(5.0).view(1, 1, 5)
    >>> from_patches(to_patches(fields, 2), 2, fields).tolist()
    [[[0.0, 1.0, 2.0, 3.0, 4.0]]]
    """
    if patch == 1:
        return fields
    for axis in reversed(range(2, fields.ndim)):
        fields = fields.unflatten(1, (-1, patch)).movedim(2, axis + 1).flatten(axis, axis + 1)
    for axis in range(2, fields.ndim):
        fields = fields.narrow(axis, 0, like.shape[axis])
    return fields
