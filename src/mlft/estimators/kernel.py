"""The kernel estimator: leave-out errors of the regression with the surrogate's tangent kernel."""

import numpy as np
import torch
from torch import Tensor

from mlft.estimators.curve import fit_curve
from mlft.estimators.task import Task, need, subset_sizes
from mlft.kernels import MEMORY, Linearised, block_kernel, choose_ridge, point_probes, random_points, regress
from mlft.planning import ErrorCurve

POINTS = 8
"""Output points a sample that the kernel is computed on."""

SAMPLES = 64
"""Samples that the kernel is computed on, at most."""

RIDGES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

_SUBSETS = 4


def kernel_curve(
    task: Task, generator: torch.Generator, *, points: int = POINTS, samples: int = SAMPLES, memory: int = MEMORY
) -> ErrorCurve:
    """Return the error curve of kernel regression of the targets, with the kernel at the surrogate's weights.

    One block kernel on a few random output points of each sample; regression on random subsets of a quarter, a half
    and three quarters of the samples, tested on the others, and leave-one-out on all of them; the ridge by
    leave-one-out. At initial weights it is the paper's regime; at trained weights it predicts fine-tuning.

    Args:
        task: what is to be learned; of its samples the first `samples` are used.
        generator: chooses points and subsets.
        points: output points a sample.
        samples: samples used at most.
        memory: bytes allowed.

    Raises:
        PilotError: for fewer than 4 samples.
        KernelError: for a random surrogate, or if the memory does not suffice.

    Source: Li, Fan, Ying 2021, arXiv 2102.07169, section 3; `docs/method.md`, section 3.
    """
    need(task, 4, "a kernel estimate")
    n = min(len(task.inputs), samples)
    inputs = torch.as_tensor(task.inputs[:n])
    net = Linearised(task.surrogate, inputs[:2].to(task.surrogate.dtype))
    chosen = random_points(n, points, net.outputs, generator=generator)
    kernel = block_kernel(net, inputs, point_probes(chosen, net.outputs), memory=memory)
    scaled = torch.as_tensor(task.targets[:n]).flatten(1).gather(1, chosen)
    block = chosen.shape[1]
    sizes = subset_sizes(n)
    errors = [_tested(kernel.view(n, block, n, block), scaled, task.scale[:n], size, generator) for size in sizes]
    _, left = choose_ridge(kernel, scaled.reshape(-1, 1), block=block, ridges=RIDGES)
    errors.append(_sizes_of(left.view(n, block), task.scale[:n]))
    return fit_curve([*sizes, n - 1], errors, cap=task.cap, generator=generator)


def _tested(kernel: Tensor, targets: Tensor, scale: np.ndarray, size: int, generator: torch.Generator) -> np.ndarray:
    """Return the errors of regressions on random subsets of a size, each on the samples that it has not seen."""
    n, block = targets.shape
    found = []
    for _ in range(_SUBSETS):
        order = torch.randperm(n, generator=generator)
        seen, fresh = order[:size], order[size:]
        own = kernel[seen][:, :, seen].reshape(size * block, size * block)
        solution, _ = choose_ridge(own, targets[seen].reshape(-1, 1), block=block, ridges=RIDGES)
        cross = kernel[fresh][:, :, seen].reshape(len(fresh) * block, size * block)
        guess = regress(solution, targets[seen].reshape(-1, 1), cross).view(len(fresh), block)
        found.append(_sizes_of(targets[fresh] - guess, scale[fresh.numpy()]))
    return np.concatenate(found)


def _sizes_of(residuals: Tensor, scale: np.ndarray) -> np.ndarray:
    return residuals.square().mean(dim=1).sqrt().numpy() / scale
