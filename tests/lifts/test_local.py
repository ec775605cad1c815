"""Dilated convolutions: zero at first, of their stated reach, equivariant, and blind across a boundary."""

from dataclasses import replace

import pytest
import torch

from mlft.grids import Grid
from mlft.lifts.local import LINE, PLANE, DilatedConvolutions, from_patches, patch_of, to_patches


def _network(generator: torch.Generator, *, dimension: int, periodic: bool, patch: int = 1) -> DilatedConvolutions:
    layers = replace(LINE if dimension == 1 else PLANE, patch=patch, width=6)
    made = DilatedConvolutions((3, 2), layers, generator=generator, wraps=(periodic,) * dimension)
    with torch.no_grad():
        made.weights[-1].normal_(generator=generator)
    return made.double()


@pytest.mark.parametrize("periodic", [True, False])
def test_it_starts_at_zero(periodic: bool, generator: torch.Generator) -> None:
    layers = replace(PLANE, patch=2)
    made = DilatedConvolutions((3, 2), layers, generator=generator, wraps=(periodic,) * 2)
    assert torch.equal(made(torch.randn(2, 3, 40, 44, generator=generator)), torch.zeros(2, 2, 40, 44))


@pytest.mark.parametrize(("patch", "shift"), [(1, 5), (4, 8)])
def test_on_a_periodic_line_it_commutes_with_shifts_by_patches(
    patch: int, shift: int, generator: torch.Generator
) -> None:
    made = _network(generator, dimension=1, periodic=True, patch=patch)
    fields = torch.randn(2, 3, 176, generator=generator, dtype=torch.float64)
    assert torch.allclose(made(fields.roll(shift, -1)), made(fields).roll(shift, -1), atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_point_is_seen_within_the_reach_alone(periodic: bool, generator: torch.Generator) -> None:
    """22 dilations of kernel 5 reach 44 points; on a bounded line nothing goes round."""
    made = _network(generator, dimension=1, periodic=periodic)
    fields = torch.randn(1, 3, 150, generator=generator, dtype=torch.float64)
    moved = fields.clone()
    moved[..., 10] += 1.0
    seen = (made(moved) - made(fields)).abs().amax(dim=(0, 1)) > 1e-13
    expected = {(10 + k) % 150 for k in range(-44, 45)} if periodic else set(range(55))
    assert set(seen.nonzero().flatten().tolist()) == expected


def test_a_bounded_line_knows_where_it_ends(generator: torch.Generator) -> None:
    made = _network(generator, dimension=1, periodic=False)
    with torch.no_grad():
        out = made(torch.ones(1, 3, 150, dtype=torch.float64))
    assert torch.allclose(out[..., 50:100], out[..., 50:51].expand(1, 2, 50), atol=1e-12)
    assert not torch.allclose(out[..., 0], out[..., 75])


def test_sizes_that_no_patch_divides_are_taken(generator: torch.Generator) -> None:
    made = _network(generator, dimension=2, periodic=False, patch=2)
    assert made(torch.randn(1, 3, 33, 35, generator=generator, dtype=torch.float64)).shape == (1, 2, 33, 35)


def test_patches_come_back(generator: torch.Generator) -> None:
    fields = torch.randn(2, 3, 12, 20, generator=generator)
    patches = to_patches(fields, 4)
    assert patches.shape == (2, 48, 3, 5)
    assert torch.equal(from_patches(patches, 4, fields), fields)
    assert torch.equal(patches[0, 0], fields[0, 0, ::4, ::4])


def test_patches_divide_a_periodic_axis() -> None:
    assert patch_of(Grid((1024,))) == 4
    assert patch_of(Grid((1022,))) == 2
    assert patch_of(Grid((1023,), periodic=False, centring="nodal")) == 2
    assert patch_of(Grid((128, 96))) == 4


def test_inner_layers_are_residual(generator: torch.Generator) -> None:
    """Without their weights the first and the last layer are left."""
    made = _network(generator, dimension=1, periodic=True)
    with torch.no_grad():
        for weights in list(made.weights)[1:-1]:
            weights.zero_()
    assert made(torch.randn(1, 3, 60, generator=generator, dtype=torch.float64)).abs().max() > 0
