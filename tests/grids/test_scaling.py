import numpy as np
import pytest
import torch

from mlft.grids import Scaling, rescaled
from small_networks import normal


def test_a_multiple_takes_inputs_by_its_factor_and_each_solution_channel_by_a_power(generator: torch.Generator) -> None:
    by, field = Scaling(4.0, (-1.0, 0.5)), normal(3, 2, 5, 7, generator=generator)
    assert np.array_equal(by.of_inputs(field), 4 * field)
    expected = np.stack([field[:, 0] / 4, 2 * field[:, 1]], axis=1)
    np.testing.assert_allclose(by.of_outputs(field), expected, rtol=1e-15)
    found = by.of_outputs(torch.from_numpy(field).float())
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert by.slug == "times-4" and Scaling(0.7, (1.0,)).slug == "times-0-7"
    assert str(by) == "multiples of the input (power -1, 0.5 in the solution)"


def test_each_pair_gets_the_size_of_another_and_stays_a_pair_of_the_map(generator: torch.Generator) -> None:
    x = torch.randn(4, 2, 9, generator=generator, dtype=torch.float64)
    x[3] = 0.0

    def solve(u: torch.Tensor) -> torch.Tensor:
        return torch.stack([u[:, 0] ** 3 / (1e-300 + u[:, 1] ** 2), u[:, 1] ** 2, (u > 0).double().sum(1)], dim=1)

    like = torch.tensor([2, 0, 1, 3])
    taken, labels = rescaled(x, solve(x), (1.0, 2.0, 0.0), like)
    sizes, before = ((part**2).mean((1, 2)) ** 0.5 for part in (taken, x))
    torch.testing.assert_close(sizes, before[like], rtol=1e-12, atol=0)
    torch.testing.assert_close(labels, solve(taken), rtol=1e-10, atol=1e-300)
    assert float((taken[:3] - x[:3]).abs().min()) > 0
    alone, _ = rescaled(x, solve(x), (1.0, 2.0, 0.0), torch.tensor([3, 3, 3, 0]))  # there is no size to take on, or off
    assert torch.equal(alone, x)


@pytest.mark.parametrize("factor", [2.0, 0.7])
def test_torch_and_numpy_agree(factor: float, generator: torch.Generator) -> None:
    field = normal(2, 1, 6, generator=generator)
    by = Scaling(factor, (-0.25,))
    np.testing.assert_allclose(by.of_outputs(torch.from_numpy(field)), by.of_outputs(field), rtol=1e-15)
