"""What a regression leaves of a sample that it has not seen, in closed form, where its mean is fitted too."""

import pytest
import torch

from mlft.kernels import left_out


@pytest.mark.parametrize("directions", [4, 8, 30], ids=["few", "as many", "more"])
def test_a_centred_sample_that_is_left_out_tells_nothing_of_the_mean(
    directions: int, generator: torch.Generator
) -> None:
    """With 8 directions or more nine samples are fitted exactly, and what is left out is not."""
    n = 9
    x = torch.randn(n, directions, generator=generator, dtype=torch.float64) + 3.0
    y = torch.randn(n, 2, generator=generator, dtype=torch.float64) - 5.0
    moved, rest = x - x.mean(dim=0), y - y.mean(dim=0)
    kernel = moved @ moved.T
    for ridge, residuals in left_out(kernel, rest, ridges=(1e-9, 1e-3, 1.0), centred=True):
        weight = ridge * float(kernel.trace()) / n * torch.eye(n - 1, dtype=torch.float64)
        for i in range(n):
            others = [j for j in range(n) if j != i]
            mean, offset = x[others].mean(dim=0), y[others].mean(dim=0)
            a, b = x[others] - mean, y[others] - offset
            left = y[i] - offset - (x[i] - mean) @ a.T @ torch.linalg.solve(a @ a.T + weight, b)
            torch.testing.assert_close(residuals[i], left, rtol=1e-4, atol=1e-6)
