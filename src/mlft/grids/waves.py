"""Wave numbers, and the prolongation of what spectral solvers return: the polynomial through the coarse points."""

import numpy as np
from jaxtyping import Float, Num

from mlft.grids.grid import Grid
from mlft.grids.transfers import doublings

Array = np.ndarray


def prolong_waves(field: Float[Array, "n c *coarse"], *, to: Grid) -> Float[Array, "n c *fine"]:
    """Return the trigonometric polynomial through the points of a coarser grid, at the points of the grid `to`.

    On a periodic axis of N points the waves are e^(2πikx) with |k| < N/2, and cos πNx, half of both signs at N/2; on a
    bounded axis of N cells they are sin πkx with k < N, for fields that vanish at both ends. Exact for sums of these
    waves, of no finite order for smooth fields; it interpolates, so that `restrict` undoes it. It keeps the mean, and
    the norm of fields without the wave N/2. A wave that the coarse grid does not carry is taken for one that it does,
    and a field with jumps rings: it is for solutions that a coarse grid resolves.

    Raises:
        ValueError: for cell averages, a field that does not vanish at the ends of a bounded axis, or if `to` is not the
            field's grid refined by a power of two.

    Source: Boyd, Chebyshev and Fourier Spectral Methods (2001), sections 4.5 and 5.5; Trefethen, Spectral Methods in
    MATLAB (2000), chapter 3, for the wave N/2.
    """
    if to.centring != "nodal":
        raise ValueError(f"trigonometric prolongation takes point values, and {to} is a grid of cell averages")
    for axis in range(to.dimension):
        ratio = 2 ** doublings(field, to, axis)
        if ratio > 1:
            lines = np.moveaxis(field, axis + 2, -1)
            finer = [_periodic(sample, ratio) if to.wraps[axis] else _bounded(sample, ratio) for sample in lines]
            shape = (*lines.shape[:-1], to.shape[axis])
            field = np.moveaxis(np.array(finer).reshape(shape), -1, axis + 2)
    return field


def _periodic(lines: Array, ratio: int) -> Array:
    """One sample at a time: transforms of a batch may differ in their last bits from those of its samples."""
    n = lines.shape[-1]
    waves = np.fft.rfft(lines, axis=-1)
    if n % 2 == 0:
        waves[..., -1] /= 2
    return np.fft.irfft(waves, n=n * ratio, axis=-1) * ratio


def _bounded(lines: Array, ratio: int) -> Array:
    n = lines.shape[-1] - 1
    ends = np.abs(lines[..., [0, -1]]).max()
    if ends > 1e-9 * np.abs(lines).max():
        raise ValueError(f"sines prolong fields that vanish at both ends, got {ends:.3g} there")
    inner = lines[..., 1:-1]
    odd = np.concatenate([0 * lines[..., :1], inner, 0 * lines[..., :1], -inner[..., ::-1]], axis=-1)
    finer = _periodic(odd, ratio)[..., : n * ratio + 1]
    finer[..., [0, -1]] = 0.0
    return finer


def wave_numbers(grid: Grid) -> Float[Array, "*grid"]:
    """Return |k| of each entry of `to_waves`."""
    axes = zip(grid.shape, grid.wraps, strict=True)
    lines = [np.abs(np.fft.fftfreq(n, 1 / n)) if wraps else np.arange(float(n)) for n, wraps in axes]
    return np.asarray(np.sqrt(sum(part**2 for part in np.meshgrid(*lines, indexing="ij"))))


def to_waves(fields: Float[Array, "n c *grid"], grid: Grid) -> Num[Array, "n c *grid"]:
    """Return the transform that suits a grid, of orthonormal waves: Fourier on its periodic axes, cosine on the others.

    A cosine is that of cell centres (DCT-II), which suits points with their ends as well. Real where no axis is
    periodic.
    """
    from scipy.fft import dctn, fftn  # here: every problem imports this module, few take it

    bounded, periodic = _axes(grid)
    waves = dctn(fields, type=2, axes=bounded, norm="ortho") if bounded else fields
    return np.asarray(fftn(waves, axes=periodic, norm="ortho") if periodic else waves)


def from_waves(waves: Num[Array, "n c *grid"], grid: Grid) -> Float[Array, "n c *grid"]:
    """Return the real fields of a grid whose `to_waves` are these."""
    from scipy.fft import idctn, ifftn

    bounded, periodic = _axes(grid)
    fields = ifftn(waves, axes=periodic, norm="ortho").real if periodic else waves
    return np.asarray(idctn(fields, type=2, axes=bounded, norm="ortho") if bounded else fields)


def _axes(grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the bounded and the periodic axes of fields on a grid."""
    places = {wraps: tuple(a + 2 for a, one in enumerate(grid.wraps) if one == wraps) for wraps in (False, True)}
    return places[False], places[True]
