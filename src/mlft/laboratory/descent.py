"""Many small independent minimisations at once: limited-memory BFGS, a row each.

The networks of a cross-validation differ in their data alone, so that all of them are trained as one batched network.
Each row has its own memory, its own step length and its own line search; no row feels another.

Source: Nocedal 1980, algorithm 7.4 of Nocedal and Wright (2006), with backtracking to Armijo's condition.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""Parameters (rows, numbers) to losses (rows), the loss of a row from its own parameters."""

_ARMIJO, _SHORTEN, _TRIALS = 1e-4, 0.3, 12


def minimise(
    loss: Loss, start: Float[Tensor, "rows numbers"], *, steps: int, memory: int = 12
) -> tuple[Float[Tensor, "rows numbers"], Float[Tensor, " rows"]]:
    """Return the parameters after so many steps, and their losses; no row's loss ever rises.

    A row whose line search fails forgets its memory and goes on along the steepest descent; where that fails too, it
    stays.

    Args:
        loss: of each row.
        start: the initial parameters, in double precision.
        steps: of every row.
        memory: pairs (step, change of gradient) kept.

    Raises:
        ValueError: if a loss is not finite at the start.
    """
    x = start.detach().clone()
    value, gradient = _evaluate(loss, x)
    if not bool(torch.isfinite(value).all()):
        bad = torch.nonzero(~torch.isfinite(value)).ravel().tolist()
        raise ValueError(f"the initial loss is not finite in rows {bad}: start from smaller weights or scale the data")
    history: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(steps):
        direction = -_two_loops(gradient, history)
        slope = _dot(direction, gradient)
        uphill = slope >= 0
        direction = torch.where(uphill[:, None], -gradient, direction)
        slope = torch.where(uphill, -_dot(gradient, gradient), slope)
        fresh = torch.stack([rho == 0 for *_, rho in history]).all(0) if history else torch.ones_like(uphill)
        length = torch.where(fresh | uphill, 1 / (1e-30 + gradient.norm(dim=1)).clamp(min=1.0), 1.0)
        new, new_value, new_gradient, failed = _search(loss, x, value, direction, slope, length)
        step, change = new - x, new_gradient - gradient
        curvature = _dot(step, change)
        kept = curvature > 1e-12 * step.norm(dim=1) * change.norm(dim=1)
        rho = torch.where(kept, 1 / torch.where(kept, curvature, 1.0), 0.0)
        history = [(s, y, torch.where(failed, 0.0, r)) for s, y, r in history][1 - memory :] + [(step, change, rho)]
        x, value, gradient = new, new_value, new_gradient
    return x, value


def _evaluate(loss: Loss, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    value = loss(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient


def _search(
    loss: Loss, x: Tensor, value: Tensor, direction: Tensor, slope: Tensor, length: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the next point of each row with loss and gradient, and the rows that found none and stay."""
    for _ in range(_TRIALS):
        trial, gradient = _evaluate(loss, x + length[:, None] * direction)
        good = trial <= value + _ARMIJO * length * slope  # False for NaN
        if bool(good.all()):
            return x + length[:, None] * direction, trial, gradient, ~good
        length = torch.where(good, length, _SHORTEN * length)
    length = torch.where(good, length, 0.0)
    new = x + length[:, None] * torch.where(good[:, None], direction, 0.0)
    return new, *_evaluate(loss, new), ~good


def _two_loops(gradient: Tensor, history: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    q, weights = gradient.clone(), []
    for step, change, rho in reversed(history):
        weights.append(rho * _dot(step, q))
        q -= weights[-1][:, None] * change
    if history:
        step, change, rho = history[-1]
        scale = torch.where(rho > 0, 1 / (rho * _dot(change, change) + (rho == 0)), 1.0)
        q *= scale[:, None]
    for (step, change, rho), weight in zip(history, reversed(weights), strict=True):
        q += (weight - rho * _dot(change, q))[:, None] * step
    return q


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum("rn,rn->r", a, b)
