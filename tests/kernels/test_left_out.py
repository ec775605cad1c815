"""What a regression with a constant leaves of samples that it has not seen, in closed form."""

import pytest
import torch
from torch import Tensor

from mlft.kernels import left_out

RIDGES = (1e-9, 1e-3, 1.0)


def normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("directions", [4, 8, 30], ids=["few", "as many", "more"])
def test_a_sample_that_is_left_out_with_its_images_tells_nothing_of_the_mean(
    directions: int, images: int, generator: torch.Generator
) -> None:
    """Of a linear map. With 8 directions or more nine samples are fitted exactly, and what is left out is not."""
    samples, n = 9, 9 * images
    x, y = normal(n, directions, generator=generator) + 3.0, normal(n, 2, generator=generator) - 5.0
    moved = x - x.mean(dim=0)
    kernel = moved @ moved.T
    found = list(left_out(kernel, y, ridges=RIDGES, images=images))
    assert [ridge for ridge, _ in found] == list(RIDGES)
    for ridge, residuals in found:
        for sample in range(samples):
            others = torch.arange(n) % samples != sample
            mean, offset = x[others].mean(dim=0), y[others].mean(dim=0)
            a, b = x[others] - mean, y[others] - offset
            weight = ridge * float(kernel.trace()) / n * eye(len(a))
            left = y[~others] - offset - (x[~others] - mean) @ a.T @ torch.linalg.solve(a @ a.T + weight, b)
            torch.testing.assert_close(residuals[~others], left, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("images", [1, 3])
def test_of_a_kernel_it_is_a_refit_with_a_constant_that_no_ridge_holds(images: int, generator: torch.Generator) -> None:
    samples, n = 7, 7 * images
    x, y = normal(n, 4, generator=generator), normal(n, 2, generator=generator) - 5.0
    kernel = 3.0 + torch.exp(-torch.cdist(x, x).square() / 9.0) + 0.1 * x @ x.T
    for ridge, residuals in left_out(kernel, y, ridges=RIDGES, images=images):
        for sample in range(samples):
            others = torch.arange(n) % samples != sample
            count = int(others.sum())
            system = torch.ones(count + 1, count + 1, dtype=torch.float64)
            system[:count, :count] = kernel[others][:, others] + ridge * float(kernel.trace()) / n * eye(count)
            system[count, count] = 0.0
            solved = torch.linalg.solve(system, torch.cat([y[others], torch.zeros(1, 2, dtype=torch.float64)]))
            left = y[~others] - kernel[~others][:, others] @ solved[:count] - solved[count]
            torch.testing.assert_close(residuals[~others], left, rtol=1e-4, atol=1e-6)


def test_what_an_image_tells_of_its_own_sample_does_not_count(generator: torch.Generator) -> None:
    """Labels that no map explains, and images that are copies: row by row a copy tells all, by samples nothing."""
    x, y = normal(6, 8, generator=generator), normal(6, 2, generator=generator)
    x, y = torch.cat([x] * 3), torch.cat([y] * 3)
    moved = x - x.mean(dim=0)
    sizes = {
        images: float(residuals.norm() / y.norm())
        for images in (1, 3)
        for _, residuals in left_out(moved @ moved.T, y, ridges=(1e-9,), images=images)
    }
    assert sizes[1] < 1e-6 < 0.5 < sizes[3]


def test_what_is_linear_is_left_as_round_off_by_the_least_ridge(generator: torch.Generator) -> None:
    """Inputs of few directions, so that the kernel is singular; labels on a large constant."""
    x = normal(44, 5, generator=generator) @ normal(5, 30, generator=generator)
    y = 1e3 + x @ normal(30, 3, generator=generator)
    moved, rest = x - x.mean(dim=0), y - y.mean(dim=0)
    for _, residuals in left_out(moved @ moved.T, rest, ridges=(1e-14,), images=4):
        assert residuals.norm() < 1e-12 * y.norm()


def test_a_single_sample_is_left_as_it_is_and_rows_that_are_no_images_are_refused(generator: torch.Generator) -> None:
    x, y = normal(4, 3, generator=generator), normal(4, 2, generator=generator)
    assert all(torch.equal(residuals, y) for _, residuals in left_out(x @ x.T, y, images=4))
    with pytest.raises(ValueError, match="4 rows are not a multiple of 3 images a sample"):
        next(left_out(x @ x.T, y, images=3))


def test_inputs_that_are_all_alike_tell_the_mean_of_the_others(generator: torch.Generator) -> None:
    y = normal(5, 2, generator=generator)
    for _, residuals in left_out(torch.zeros(5, 5, dtype=torch.float64), y, ridges=RIDGES):
        torch.testing.assert_close(residuals, 1.25 * (y - y.mean(dim=0)), rtol=1e-9, atol=1e-9)
