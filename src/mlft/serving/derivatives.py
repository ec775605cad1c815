"""Derivatives of a surrogate in its inputs, by automatic differentiation, in the precision that its network has.

All are of batches, each row by itself, in physical units: the normalisers are differentiated too.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mlft.surrogates import Surrogate

Array = np.ndarray


def gradient(
    surrogate: Surrogate, inputs: Float[Array, "n c *grid"], sens: Float[Array, "n d *grid"]
) -> Float[Array, "n c *grid"]:
    """Return Jᵀ s, with J = ∂F/∂x at each input: by one sweep backwards."""
    return _array(_pulled(surrogate, _tensor(surrogate, inputs), _tensor(surrogate, sens)))


def jacobian_action(
    surrogate: Surrogate, inputs: Float[Array, "n c *grid"], vec: Float[Array, "n c *grid"]
) -> Float[Array, "n d *grid"]:
    """Return J v: by one sweep forwards."""
    return _array(_pushed(surrogate, _tensor(surrogate, inputs), _tensor(surrogate, vec)))


def hessian_action(
    surrogate: Surrogate,
    inputs: Float[Array, "n c *grid"],
    sens: Float[Array, "n d *grid"],
    vec: Float[Array, "n c *grid"],
) -> Float[Array, "n c *grid"]:
    """Return H v with H = ∂²(s·F)/∂x²: the derivative of the gradient along v, forwards over backwards.

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian", Neural Computation 6.
    """
    weights = _tensor(surrogate, sens)

    def pulled(at: Tensor) -> Tensor:
        return _pulled(surrogate, at, weights)

    return _array(_pushed(pulled, _tensor(surrogate, inputs), _tensor(surrogate, vec)))


def _pulled(surrogate: Surrogate, at: Tensor, weights: Tensor) -> Tensor:
    """Return Jᵀ s."""
    pull: Callable[[Tensor], tuple[Tensor]] = torch.func.vjp(surrogate, at)[1]
    return pull(weights)[0]


def _pushed(function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    """Return J v."""
    found: tuple[Tensor, Tensor] = torch.func.jvp(function, (at,), (along,))  # type: ignore[assignment] # of three only if asked
    return found[1]


def _tensor(surrogate: Surrogate, array: Array) -> Tensor:
    like = surrogate.input_normaliser.shift
    return torch.tensor(array, dtype=like.dtype, device=like.device)


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
