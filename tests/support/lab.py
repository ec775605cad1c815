"""Grids and spaces that the tests of the generalization laboratory share."""

from mlft.grids import Grid
from mlft.laboratory import paper_spaces


def line(cells):
    """The unit interval with both end points."""
    return Grid((cells,), centring="nodal", periodic=False)


def plane(rows, columns):
    """The unit square with its boundary."""
    return Grid((rows, columns), centring="nodal", periodic=False)


LINE = line(24)
"""25 nodes, as in the reference."""

SPACES = {space.name: space for space in paper_spaces(25)}


def columns(functions):
    """(r, 1, *grid) → (nodes, r)."""
    return functions.reshape(len(functions), -1).T
