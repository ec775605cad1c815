"""Derivatives of a surrogate in its inputs, by automatic differentiation, in the precision that its network has.

All are of batches, each row by itself, in physical units: the normalisers are differentiated too.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mlft.surrogates import Surrogate

Array = np.ndarray


def gradient(
    surrogate: Surrogate, inputs: Float[Array, "n c *grid"], sens: Float[Array, "n d *grid"]
) -> Float[Array, "n c *grid"]:
    """Return Jᵀ s, with J = ∂F/∂x at each input."""
    at, weights = _tensor(surrogate, inputs), _tensor(surrogate, sens)
    return _pulled(surrogate(at), at, weights).detach().cpu().numpy()


def jacobian_action(
    surrogate: Surrogate, inputs: Float[Array, "n c *grid"], vec: Float[Array, "n c *grid"]
) -> Float[Array, "n d *grid"]:
    """Return J v: Jᵀ s is linear in s, and J its transpose."""
    at, along = _tensor(surrogate, inputs), _tensor(surrogate, vec)
    value = surrogate(at)
    weights = torch.zeros_like(value, requires_grad=True)
    return _pulled(_pulled(value, at, weights), weights, along).detach().cpu().numpy()


def hessian_action(
    surrogate: Surrogate,
    inputs: Float[Array, "n c *grid"],
    sens: Float[Array, "n d *grid"],
    vec: Float[Array, "n c *grid"],
) -> Float[Array, "n c *grid"]:
    """Return H v with H = ∂²(s·F)/∂x², which is symmetric: the gradient of v·Jᵀs.

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian", Neural Computation 6.
    """
    at, along, weights = (_tensor(surrogate, array) for array in (inputs, vec, sens))
    return _pulled(_pulled(surrogate(at), at, weights), at, along).detach().cpu().numpy()


def _pulled(value: Tensor, at: Tensor, weights: Tensor) -> Tensor:
    """Return (∂value/∂at)ᵀ w, 0 where it does not depend on it; backwards, which torch has for more operations."""
    (found,) = torch.autograd.grad(value, at, weights, create_graph=True, allow_unused=True, materialize_grads=True)
    return found


def _tensor(surrogate: Surrogate, array: Array) -> Tensor:
    like = surrogate.input_normaliser.shift
    return torch.tensor(array, dtype=like.dtype, device=like.device, requires_grad=True)
