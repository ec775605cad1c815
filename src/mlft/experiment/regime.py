"""How far a training left the kernel regime, stage by stage."""

import copy
import math

import numpy as np
import torch

from mlft.experiment.session import Session
from mlft.kernels import KernelError, Linearised, alignment, block_kernel, movement, point_probes, random_points
from mlft.learners import Fitted
from mlft.store import Samples
from mlft.surrogates import Average, Network, Surrogate
from mlft.training import restore

SAMPLES, POINTS = 10, 3


def regime(session: Session, fitted: Fitted, test: Samples) -> list[dict[str, float]]:
    """Return a row a stage: the kernel's relative movement in it, and its alignment with the solutions after it.

    On 10 fresh draws and 3 random output points of each: ‖K_after − K_before‖_F / ‖K_before‖_F is 0 in the kernel
    regime, and the prediction of the kernel before is as good as that is small. Both are NaN for a network without a
    kernel, such as one with dropout or one that is fitted in closed form, and where the surrogate is made of several.
    """
    n = min(SAMPLES, len(test.indices))
    none = [{"movement": math.nan, "alignment": math.nan} for _ in fitted.stages]
    start = _start(session, fitted, test)
    if start is None:
        return none
    try:
        net = Linearised(start, torch.as_tensor(test.inputs[:2]).to(start.dtype))
    except KernelError:
        return none
    points = random_points(n, POINTS, net.outputs, generator=session.random("regime"))
    solutions = torch.as_tensor(test.solutions[:n]).flatten(1).gather(1, points).reshape(-1, 1)
    kernels = [_kernel(start, test.inputs[:n], points)]
    for stage in fitted.stages:
        restore(start, stage.weights)
        kernels.append(_kernel(start, test.inputs[:n], points))
    return [
        {"movement": movement(before, after), "alignment": alignment(after, solutions)}
        for before, after in zip(kernels, kernels[1:], strict=False)
    ]


def _start(session: Session, fitted: Fitted, test: Samples) -> Surrogate | None:
    """Return the surrogate as it was before training, with normalisers and all else fitted to labels, on the CPU.

    Of several candidates it is the one whose stages are told. None where the learner made something else of it.
    """
    start, trained = session.surrogate(test), fitted.surrogate
    if type(start.network) is not type(trained.network):
        return None
    if isinstance(start.network, Average) and isinstance(trained.network, Average):
        best = max(fitted.candidates, key=lambda log: log.weight).name
        start = start.parts()[start.network.names.index(best)]
        trained = trained.parts()[trained.network.names.index(best)]
    if isinstance(start.network, Network):
        found = dict(trained.network.named_buffers())
        for name, buffer in start.network.named_buffers():
            buffer.copy_(found[name])
    start.input_normaliser = copy.deepcopy(trained.input_normaliser)
    start.output_normaliser = copy.deepcopy(trained.output_normaliser)
    return start.cpu()


def _kernel(surrogate: Surrogate, inputs: np.ndarray, points: torch.Tensor) -> torch.Tensor:
    x = torch.as_tensor(inputs)
    net = Linearised(surrogate, x[:2].to(surrogate.dtype))
    return block_kernel(net, x, point_probes(points, net.outputs))
