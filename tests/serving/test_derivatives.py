"""Derivatives in the inputs against central differences, for every network of the registry and averages of them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from mlft.grids import Grid, Symmetry, group
from mlft.learners import FineTune
from mlft.serving.derivatives import gradient, hessian_action, jacobian_action
from mlft.serving.models import derivatives_of
from mlft.store import Samples
from mlft.surrogates import Surrogate, build
from mlft.training import Course, Training
from served import a_surrogate
from small_networks import normal

GRID, CHANNELS = Grid((10, 7)), (2, 3)
TINY = {"modes": [2, 3], "width": 4, "depth": 2, "periodic": True, "patch": 1}


def fitted(name, options, generator):
    """A surrogate that has learned a nonlinear map, with networks in float64."""
    inputs = (normal(20, 3, generator=generator) @ normal(3, 140, generator=generator)).reshape(20, 2, *GRID.shape)
    outputs = np.concatenate([np.tanh(inputs), inputs[:, :1] * inputs[:, 1:]], axis=1)
    surrogate = build(name, CHANNELS, GRID, generator=generator, options=options)
    samples = [Samples(0, tuple(range(20)), inputs, outputs)]
    surrogate = FineTune().fit(surrogate, samples, Course(Training(steps=6, batch=4, checks=2), seed=1)).surrogate
    surrogate.network.double()
    return surrogate.eval()


def averaged(generator):
    parts = [fitted(name, options, generator) for name, options in (("kernel", {}), ("fno", TINY))]
    members = [{"network": part, "options": {}} for part in ("kernel", "fno")]
    members[0]["options"], members[1]["options"] = parts[0].network.options, TINY
    surrogate = build("auto", CHANNELS, GRID, generator=generator, options={"members": members})
    surrogate.network.members = nn.ModuleList(part.network for part in parts)
    return surrogate.eval()


def symmetric(generator):
    surrogate = fitted("fno", TINY, generator)
    surrogate.tell(group([Symmetry((True, False), False, (1, -1), (1, 1, -1))]))
    return surrogate


MADE = {
    "fno": lambda generator: fitted("fno", TINY, generator),
    "linear": lambda generator: fitted("linear", {}, generator),
    "kernel": lambda generator: fitted("kernel", {}, generator),
    "average": averaged,
    "symmetric": symmetric,
}


@pytest.mark.parametrize("name", MADE)
def test_derivatives_are_those_of_central_differences(name, generator):
    surrogate = MADE[name](generator)
    x, v = (normal(3, 2, *GRID.shape, generator=generator) for _ in range(2))
    s = normal(3, 3, *GRID.shape, generator=generator)
    step = 1e-4
    slope = (surrogate.predict(x + step * v) - surrogate.predict(x - step * v)) / (2 * step)
    near(jacobian_action(surrogate, x, v), slope)
    pulled = gradient(surrogate, x, s)
    near((pulled * v).sum(axis=(1, 2, 3)), (slope * s).sum(axis=(1, 2, 3)))
    bent = (gradient(surrogate, x + step * v, s) - gradient(surrogate, x - step * v, s)) / (2 * step)
    found = hessian_action(surrogate, x, s, v)
    if name == "linear":
        assert np.abs(found).max() < 1e-12 * np.abs(pulled).max()
    else:
        near(found, bent)
        assert np.abs(found).max() > 1e-6 * np.abs(pulled).max()


def near(found, wanted):
    assert np.linalg.norm(found - wanted) < 1e-6 * np.linalg.norm(wanted)


def test_a_row_does_not_depend_on_its_batch(generator):
    surrogate = MADE["fno"](generator)
    x, v = (normal(3, 2, *GRID.shape, generator=generator) for _ in range(2))
    s = normal(3, 3, *GRID.shape, generator=generator)
    for function, arrays in ((gradient, (x, s)), (jacobian_action, (x, v)), (hessian_action, (x, s, v))):
        alone = function(surrogate, *(array[1:2] for array in arrays))
        np.testing.assert_allclose(function(surrogate, *arrays)[1:2], alone, rtol=1e-9, atol=1e-12)


class Forwards(nn.Module):
    """A network whose operation can be differentiated backwards, once."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, inputs):
        return Cubed.apply(self.weight * inputs)


class Cubed(torch.autograd.Function):
    @staticmethod
    def forward(inputs):
        return inputs**3

    @staticmethod
    def setup_context(context, inputs, output):
        context.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(context, cotangent):
        return 3 * context.saved_tensors[0] ** 2 * cotangent


def test_a_network_of_your_own_has_the_derivatives_that_it_has():
    own = Surrogate(Forwards(), (1, 1), Grid((6,))).eval()
    known = derivatives_of(own)
    assert set(known) == {"Gradient"}
    inputs = np.full((1, 1, 6), 2.0)
    assert np.allclose(known["Gradient"](inputs, np.ones_like(inputs)), 12.0)
    assert set(derivatives_of(a_surrogate())) == {"Gradient", "ApplyJacobian", "ApplyHessian"}
