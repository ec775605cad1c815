"""A stage takes a loss, and weights of its samples."""

import pytest
import torch

from affine import Affine, absolute, none
from mlft.training import Training, relative_l2, stage
from mlft.training.stage import Pairs, Stage, train


def test_a_stage_minimises_the_loss_and_the_weights_that_it_is_given():
    # One affine number a, labels 2x and 5x: the absolute loss weighs pairs by ‖x‖, the weights by themselves. A step of
    # Adam at rate r moves a by r against the gradient's sign, which both turn round.
    x = torch.tensor([1.0, 10.0]).reshape(2, 1, 1).expand(2, 1, 18)
    pairs = Pairs(x, torch.tensor([2.0, -5.0]).reshape(2, 1, 1) * x)  # a should rise to 2, or fall to −5

    def moved(**told):
        net = Affine(0.1)
        train(net, Stage(1, pairs, none(), none(), 1, 1e-2, **told), Training(batch=2, checks=1), seed=0)
        return next(iter(net.parameters())).item() - 0.1

    assert moved() > 0  # the relative gradients are ½ down for the first pair and ⅕ up for the second
    assert moved(loss=absolute) < 0  # in absolute terms the second is ten times as large
    assert moved(weights=torch.tensor([1.0, 9.0])) < 0
    assert moved(weights=torch.tensor([9.0, 1.0]), loss=relative_l2) > 0
    for wrong in (torch.ones(3), torch.tensor([1.0, -1.0])):
        with pytest.raises(ValueError, match="positive weights"):
            moved(weights=wrong)


def test_equal_weights_are_no_weights_and_replayed_pairs_weigh_one(generator):
    x = torch.randn(9, 1, 18, generator=generator)
    spec = Stage(1, Pairs(x, x), Pairs(x + 1, x + 1), none(), 4, 1e-3, 0.25, weights=torch.arange(2.0, 11.0))
    inputs, _, weights = stage._batch(spec, Training(batch=8), 0, 0)
    own = [float(weights[i]) for i in range(6)]
    assert [float(2 + (x == inputs[i]).all(dim=(1, 2)).nonzero()) for i in range(6)] == own
    assert weights[6:].tolist() == [1.0, 1.0] and len(set(own)) == 6
