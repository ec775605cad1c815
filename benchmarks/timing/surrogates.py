"""Speed of the Fourier neural operator beside the same by torch.fft and beside neuraloperator's of the same size.

All three have the same modes, width and depth, single precision; the first two are the same function with the same
weights. They take turns, call by call; single predictions are asked twenty in a row. A step is forward, backward and
Adam on one batch. Predictions are those of a `Surrogate` around each network: float64 fields in and out; of the first
also those by ONNX Runtime (`Fast`), on the CPU. Memory is what the forward pass keeps for the backward one.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from neuralop.models import FNO as NeuralopFNO  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import gelu

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.grids import Grid
from mlft.seeds import generator
from mlft.surrogates import FNO, Fast, Surrogate

BENCHMARK = Benchmark("timing.surrogates", "The Fourier neural operator", ("torch", "neuraloperator", "onnxruntime"))
COLUMNS = (
    "network",
    "by",
    "device",
    "weights",
    "step, ms",
    "steps a second",
    "kept for backward, MiB",
    "prediction alone, µs",
    "of many, µs each",
    "relative difference",
)
MANY, ROW = 256, 20


@final
@dataclass(frozen=True)
class Case:
    """A network, and the batch that it is trained by."""

    grid: tuple[int, ...]
    width: int
    modes: tuple[int, ...]
    batch: int
    many: int = MANY

    def __str__(self) -> str:
        """Return the case in words."""
        power = "²" if len(self.grid) == 2 else ""
        size = f"{len(self.grid)}D, {self.grid[0]}{power} points, width {self.width}"
        return f"{size}, {self.modes[0]}{power} modes, batch {self.batch}"


CASES = (
    Case((128,), 32, (16,), 16),
    Case((256,), 32, (16,), 16),
    Case((32, 32), 24, (12, 12), 16),
    Case((64, 64), 24, (12, 12), 16),
)
SHORT = (Case((24,), 4, (5,), 2, 3), Case((12, 12), 4, (3, 3), 2, 3))


def by_neuraloperator(case: Case) -> nn.Module:
    """Return neuraloperator's FNO with the same waves: of n modes it keeps n // 2 + 1 on the last axis."""
    *first, last = case.modes
    return NeuralopFNO(
        n_modes=(*(2 * modes - 1 for modes in first), 2 * last - 2),
        in_channels=1,
        out_channels=1,
        hidden_channels=case.width,
        n_layers=4,
        lifting_channel_ratio=1,
        projection_channel_ratio=1,
        positional_embedding=None,
        use_channel_mlp=False,
    )


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
    real = not any(parameter.is_complex() for parameter in network.parameters())  # Adam is not fused for complex ones
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=real or None)

    def step() -> None:
        optimizer.zero_grad()
        torch.mean(network(inputs) ** 2).backward()
        optimizer.step()

    return step


def in_a_row(way: Surrogate | Fast, inputs: np.ndarray) -> None:
    """Predict twenty times, as a loop of the user's does: in turns with others each call would find the caches cold."""
    for _ in range(ROW):
        way.predict(inputs)


def kept(network: nn.Module, inputs: Tensor) -> float:
    """Return the MiB that a forward pass keeps for the backward one, weights apart."""
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(inputs)
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    found = sum(size for place, size in sizes.items() if place not in weights)
    del outputs  # until here, so that no two had one address
    return found / 2**20


def in_turns(calls: Sequence[Callable[[], object]], repeats: int, device: str) -> list[float]:
    """Return the median seconds of each call: of the processor, or by the clock on an accelerator."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    clock = time.perf_counter if device == "cuda" else time.process_time
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, times in zip(calls, taken, strict=True):
            wait()
            start = clock()
            call()
            wait()
            times.extend([clock() - start] if turn else [])
    return [statistics.median(times) for times in taken]


def rows(cases: Sequence[Case], repeats: int, device: str) -> Iterator[Row]:
    """Measure case after case, three rows each, and one more on the CPU."""
    for case in cases:
        fno = FNO((1, 1), case.modes, width=case.width, generator=generator(0, "benchmark", "weights"))
        networks = {"mlft": fno, "torch.fft": ByFFT(fno), "neuraloperator": by_neuraloperator(case)}
        many = torch.randn(case.many, 1, *case.grid, generator=generator(0, "benchmark", "inputs"))
        surrogates = [Surrogate(network, (1, 1), Grid(case.grid)).to(device).eval() for network in networks.values()]
        ways: list[Surrogate | Fast] = [
            *surrogates,
            *([Fast(surrogates[0], threads=torch.get_num_threads())] if device == "cpu" else []),
        ]
        predict = [partial(way.predict, many.double().numpy()) for way in ways]
        alone = [partial(in_a_row, way, many[:1].double().numpy()) for way in ways]
        one, *others = (call() for call in predict)
        differences = [None, *(float(np.abs(one - other).max() / np.abs(one).max()) for other in others)]
        differences[2] = None  # a network with weights of its own
        single, each = in_turns(alone, repeats, device), in_turns(predict, repeats, device)
        inputs = many[: case.batch].to(device)
        steps = in_turns([training_step(network, inputs) for network in networks.values()], 2 * repeats, device)
        for i, (name, network) in enumerate(networks.items()):
            weights = sum(torch.view_as_real(p).numel() if p.is_complex() else p.numel() for p in network.parameters())
            memory = kept(network, inputs)
            times = steps[i] * 1e3, 1 / steps[i], memory, single[i] * 1e6 / ROW, each[i] * 1e6 / case.many
            yield str(case), name, device, weights, *times, differences[i]
        if device == "cpu":
            fast = single[3] * 1e6 / ROW, each[3] * 1e6 / case.many
            yield str(case), "mlft, ONNX Runtime", device, None, None, None, None, *fast, differences[3]


def measure(cases: Sequence[Case], repeats: int, threads: int) -> Table:
    """Return the table: the rows of each network and device."""
    torch.set_num_threads(threads)
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    caption = f"{threads} thread(s), medians of at least {repeats}; many are {cases[0].many}."
    return tabulate(caption, COLUMNS, (row for device in devices for row in rows(cases, repeats, device)))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    options = parser(BENCHMARK, __doc__)
    options.add_argument("--threads", type=int, default=1)
    asked = parse(options, words)
    cases, repeats = (SHORT, 1) if asked.short else (CASES, 7)
    publish(BENCHMARK, [measure(cases, repeats, asked.threads)], asked)


if __name__ == "__main__":
    main()
