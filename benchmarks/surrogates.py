"""Speed of the Fourier neural operator: matrix products on fields stored points first, against torch.fft.

Run as `python benchmarks/surrogates.py [threads]` (1 by default). Both networks are the same function with the same
weights, single precision. Times are medians of CPU time over repeats: a step is forward, backward and Adam on one
batch; a prediction is without gradients, a sample.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from machine import machine
from mlft.seeds import generator
from mlft.surrogates import FNO

REPEATS = 15
CASES = {
    "1D, 256 points, width 32, 16 modes, batch 32": ((256,), 32, (16,), 32),
    "1D, 256 points, width 32, 24 modes, batch 32": ((256,), 32, (24,), 32),
    "2D, 64² points, width 24, 12² modes, batch 16": ((64, 64), 24, (12, 12), 16),
    "2D, 64² points, width 32, 12² modes, batch 16": ((64, 64), 32, (12, 12), 16),
}


class ByFFT(nn.Module):
    """The same FNO written the usual way: channels first, torch.fft, complex einsum, 1×1 convolutions."""

    def __init__(self, fno: FNO) -> None:
        super().__init__()
        self.modes = fno.modes
        width = fno.options["width"]
        rows = (self.modes[0],) if len(self.modes) == 1 else (2 * self.modes[0] - 1, self.modes[1])
        self.matrices = nn.ParameterList()
        for layer in fno.layers:
            matrices = torch.complex(layer.weight[..., :width], layer.weight[..., width:])
            matrices = matrices.movedim(0, -1).reshape(width, width, *rows).detach()
            self.matrices.append(torch.view_as_real(matrices).clone())
        self.skips = nn.ModuleList(self.convolution(layer.skip, layer.bias) for layer in fno.layers)
        self.lift = nn.ModuleList(self.pointwise(fno.lift))
        self.project = nn.ModuleList(self.pointwise(fno.project))

    def pointwise(self, block: nn.Module) -> list[nn.Module]:
        """Return the two linear maps of a pointwise block."""
        return [self.convolution(block.first, block.first_bias), self.convolution(block.last, block.last_bias)]

    def convolution(self, weight: Tensor, bias: Tensor) -> nn.Module:
        """Return a linear map of the channels as a convolution."""
        layer = (nn.Conv1d if len(self.modes) == 1 else nn.Conv2d)(*weight.shape, 1)
        layer.weight.data = weight.detach().t().reshape(layer.weight.shape).clone()
        layer.bias.data = bias.detach().clone()
        return layer

    def spectral(self, field: Tensor, matrices: Tensor) -> Tensor:
        """Return the truncated convolution."""
        axes = tuple(range(2, field.ndim))
        spectrum = torch.fft.rfftn(field, dim=axes, norm="forward")
        mixed = torch.zeros_like(spectrum)
        if len(axes) == 1:
            modes = self.modes[0]
            mixed[..., :modes] = torch.einsum("bik,iok->bok", spectrum[..., :modes], matrices)
        else:
            first, last = self.modes
            for rows, part in ((slice(0, first), slice(0, first)), (slice(1 - first, None), slice(first, None))):
                reverse = rows.stop is None
                kept = matrices[:, :, part].flip(2) if reverse else matrices[:, :, part]
                mixed[:, :, rows, :last] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, rows, :last], kept)
        return torch.fft.irfftn(mixed, s=field.shape[2:], dim=axes, norm="forward")

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs."""
        field = self.lift[1](gelu(self.lift[0](inputs)))
        for i, (skip, matrices) in enumerate(zip(self.skips, self.matrices, strict=True)):
            field = gelu(field) if i else field
            field = skip(field) + self.spectral(field, torch.view_as_complex(matrices))
        return self.project[1](gelu(self.project[0](gelu(field))))


def milliseconds(function: Callable[[], object]) -> float:
    """Return the median CPU time of a call in ms, the warm-up left out."""
    seconds = []
    for _ in range(REPEATS + 3):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return 1e3 * statistics.median(seconds[3:])


def training_step(network: nn.Module, inputs: Tensor) -> Callable[[], object]:
    """Return a function that takes one step towards zero."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.mean(network(inputs) ** 2).backward()
        optimizer.step()

    return step


def row(case: str) -> str:
    """Return one row of the table."""
    grid, width, modes, batch = CASES[case]
    fno = FNO((1, 1), modes, width=width, generator=generator(0, "benchmark", "weights"))
    inputs = torch.randn(batch, 1, *grid, generator=generator(0, "benchmark", "inputs"))
    networks = [fno, ByFFT(fno)]
    predict = torch.no_grad()(lambda network: network(inputs))
    outputs = [predict(network) for network in networks]
    difference = float((outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max())
    predictions = [milliseconds(lambda n=network: predict(n)) / batch for network in networks]
    steps = [milliseconds(training_step(network, inputs)) for network in networks]
    numbers = [f"{steps[0]:.1f}", f"{steps[1]:.1f}", f"{predictions[0]:.3f}", f"{predictions[1]:.3f}"]
    weights = sum(parameter.numel() for parameter in fno.parameters())
    return f"| {case} | {weights:,} | {' | '.join(numbers)} | {difference:.0e} |"


def main() -> None:
    """Print the table."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    print(f"{machine('torch')}, {threads} thread(s)\n")
    print("| case | weights | step, ms | by FFT | prediction, ms a sample | by FFT | relative difference |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        print(row(case))


if __name__ == "__main__":
    main()
