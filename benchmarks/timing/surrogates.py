"""Speed of the Fourier neural operator: matrix products on fields stored points first, against torch.fft.

Both networks are the same function with the same weights, single precision. Times are medians of CPU time over repeats:
a step is forward, backward and Adam on one batch; a prediction is without gradients, a sample.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from benchmarks.measure import median_cpu
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.seeds import generator
from mlft.surrogates import FNO

BENCHMARK = Benchmark("timing.surrogates", "The Fourier neural operator", ("torch",))
COLUMNS = (
    "network, batch",
    "weights",
    "step, ms",
    "by FFT",
    "prediction, ms a sample",
    "by FFT",
    "relative difference",
)


@final
@dataclass(frozen=True)
class Case:
    """A network and its batch."""

    grid: tuple[int, ...]
    width: int
    modes: tuple[int, ...]
    batch: int

    def __str__(self) -> str:
        """Return the case in words."""
        power = "²" if len(self.grid) == 2 else ""
        size = f"{len(self.grid)}D, {self.grid[0]}{power} points, width {self.width}"
        return f"{size}, {self.modes[0]}{power} modes, batch {self.batch}"


CASES = (
    Case((256,), 32, (16,), 32),
    Case((256,), 32, (24,), 32),
    Case((64, 64), 24, (12, 12), 16),
    Case((64, 64), 32, (12, 12), 16),
)
SHORT = (Case((24,), 4, (5,), 2), Case((12, 12), 4, (3, 3), 2))


class ByFFT(nn.Module):
    """The same FNO written the usual way: channels first, torch.fft, complex einsum, 1×1 convolutions."""

    def __init__(self, fno: FNO) -> None:
        super().__init__()
        self.modes = fno.modes
        width = fno.options["width"]
        rows = (self.modes[0],) if len(self.modes) == 1 else (2 * self.modes[0] - 1, self.modes[1])
        self.matrices = nn.ParameterList()
        layers: list[Any] = list(fno.layers)
        for layer in layers:
            matrices = torch.complex(layer.weight[..., :width], layer.weight[..., width:])
            matrices = matrices.movedim(0, -1).reshape(width, width, *rows).detach()
            self.matrices.append(torch.view_as_real(matrices).clone())
        self.skips = nn.ModuleList(self.convolution(layer.skip, layer.bias) for layer in layers)
        self.lift = nn.ModuleList(self.pointwise(fno.lift))
        self.project = nn.ModuleList(self.pointwise(fno.project))

    def pointwise(self, block: Any) -> list[nn.Module]:
        """Return the two linear maps of a pointwise block."""
        return [self.convolution(block.first, block.first_bias), self.convolution(block.last, block.last_bias)]

    def convolution(self, weight: Tensor, bias: Tensor) -> nn.Module:
        """Return a linear map of the channels as a convolution."""
        kind: Any = nn.Conv1d if len(self.modes) == 1 else nn.Conv2d
        layer: Any = kind(*weight.shape, 1)
        layer.weight = nn.Parameter(weight.detach().t().reshape(layer.weight.shape).clone())
        layer.bias = nn.Parameter(bias.detach().clone())
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


def training_step(network: nn.Module, inputs: Tensor) -> Callable[[], object]:
    """Return a function that takes one step towards zero."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.mean(network(inputs) ** 2).backward()
        optimizer.step()

    return step


def rows(cases: Sequence[Case], repeats: int) -> Iterator[Row]:
    """Measure case after case."""
    for case in cases:
        fno = FNO((1, 1), case.modes, width=case.width, generator=generator(0, "benchmark", "weights"))
        inputs = torch.randn(case.batch, 1, *case.grid, generator=generator(0, "benchmark", "inputs"))
        networks, predict = [fno, ByFFT(fno)], torch.no_grad()(lambda network, inputs=inputs: network(inputs))
        one, other = (predict(network) for network in networks)
        difference = float((one - other).abs().max() / one.abs().max())
        calls = (partial(predict, network) for network in networks)
        predictions = [1e3 * median_cpu(call, repeats, warm_up=3) / case.batch for call in calls]
        steps = [1e3 * median_cpu(training_step(network, inputs), repeats, warm_up=3) for network in networks]
        weights = sum(parameter.numel() for parameter in fno.parameters())
        yield str(case), weights, *steps, *predictions, difference


def measure(cases: Sequence[Case], repeats: int, threads: int) -> Table:
    """Return the table: a row a network."""
    torch.set_num_threads(threads)
    return tabulate(f"{threads} thread(s), medians of {repeats}.", COLUMNS, rows(cases, repeats))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    options = parser(BENCHMARK, __doc__)
    options.add_argument("--threads", type=int, default=1)
    asked = parse(options, words)
    cases, repeats = (SHORT, 1) if asked.short else (CASES, 15)
    publish(BENCHMARK, [measure(cases, repeats, asked.threads)], asked)


if __name__ == "__main__":
    main()
