"""Muon against the definition: singular values, a step by hand, what is a matrix and what is not."""

import math

import numpy as np
import pytest
import torch

from mlft.training.muon import Muon, matrix_shape, orthogonal


@pytest.mark.parametrize("shape", [(12, 31), (31, 12), (9, 9)])
def test_singular_vectors_stay_and_singular_values_become_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(3, *shape, dtype=torch.float64) * 40
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.norm(dim=1, keepdim=True)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    assert torch.allclose(torch.stack(orthogonal(list(matrices))), u @ torch.diag_embed(s) @ v, atol=1e-12)
    assert float(s.max()) < 1.25
    assert float(s[:, :8].min()) > 0.6


def test_a_step_is_that_of_the_definition_and_decay_comes_before_it() -> None:
    torch.manual_seed(2)
    start, gradients = torch.randn(3, 5, 10, dtype=torch.float64), torch.randn(2, 3, 5, 10, dtype=torch.float64)
    weight = torch.nn.Parameter(start.clone())
    by = Muon([weight], lr=0.02, weight_decay=3.0)
    momentum, known = torch.zeros(15, 10, dtype=torch.float64), start.reshape(15, 10).clone()
    for g in gradients:
        weight.grad = g.clone()
        by.step()
        momentum = 0.95 * momentum + 0.05 * g.reshape(15, 10)
        ahead = 0.05 * g.reshape(15, 10) + 0.95 * momentum
        known = known * (1 - 0.02 * 3.0) - 0.02 * 0.2 * math.sqrt(15) * orthogonal([ahead])[0]
    assert torch.allclose(weight.reshape(15, 10), known, atol=1e-13)


def test_a_step_has_the_size_of_one_of_adams() -> None:
    torch.manual_seed(3)
    for shape in ((40, 11), (11, 40), (4, 9, 16)):
        weight = torch.nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape) * 1e-6
        Muon([weight], lr=0.1).step()
        assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.02, rel=0.15)


def test_what_is_no_matrix_goes_by_adam_and_what_has_no_gradient_stays() -> None:
    torch.manual_seed(4)
    kinds = [torch.randn(7), torch.randn(1, 9), torch.randn(()), torch.randn(9, 9, dtype=torch.complex64)]
    mine, known = ([torch.nn.Parameter(one.clone()) for one in kinds] for _ in range(2))
    still = torch.nn.Parameter(torch.ones(12, 12))
    pairs = (
        (mine, Muon([*mine, still], lr=0.1, weight_decay=0.5)),
        (known, torch.optim.AdamW(known, lr=0.1, weight_decay=0.5)),
    )
    for _ in range(4):
        for parameters, by in pairs:
            by.zero_grad()
            sum((p.abs() ** 4).sum() for p in parameters).backward()
            by.step()
    for one, other in zip(mine, known, strict=True):
        assert torch.allclose(one, other, rtol=1e-5)
    assert torch.equal(still, torch.ones(12, 12))


def test_matrices_that_are_alike_are_turned_each_by_itself() -> None:
    torch.manual_seed(5)
    shapes = [(8, 13), (8, 13), (9, 13), (13, 8), (40, 9), (4, 5, 13)]  # some of one long side, some of one short one
    starts = [torch.randn(shape) for shape in shapes]
    gradients = [10.0 ** (i % 3) * torch.randn(shape) for i, shape in enumerate(shapes)]
    together = [torch.nn.Parameter(one.clone()) for one in starts]
    alone = [torch.nn.Parameter(one.clone()) for one in starts]
    for parameters in (together, *([one] for one in alone)):
        for p in parameters:
            p.grad = gradients[next(i for i, start in enumerate(starts) if torch.equal(start, p.detach()))]
        Muon(parameters, lr=0.1).step()
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_gradient_of_zero_moves_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(8, 9))
    weight.grad = torch.zeros(8, 9)
    Muon([weight], lr=0.1).step()
    assert np.array_equal(weight.detach().numpy(), np.ones((8, 9)))


def test_a_convolution_is_a_matrix_by_its_first_axis() -> None:
    shapes = [(24, 12, 3), (8, 2, 3, 3), (7, 12, 3), (16, 24, 48), (8, 7), (0, 9)]
    assert [matrix_shape(torch.zeros(shape)) for shape in shapes] == [(24, 36), (8, 18), None, (384, 48), None, None]
