"""Black boxes: families of networks from forces to solutions on a line, trained on many spaces at once.

| family | network | trained on |
|---|---|---|
| deep-linear | nodes → nodes → nodes → nodes, without biases | E‖Wf − u‖², all samples through their second moments |
| mlp | nodes → 64 → nodes, tanh | ‖net(f) − u‖² of the first 256 samples |
| deeponet | branch nodes → 64 → 64 → 32, trunk x → 64 → 64 → 32, tanh; u(x) = branch · trunk | the same |
| fno | this package's `FNO`: 8 modes, width 8, 3 layers, not periodic | the same, of the first 96 samples |
| pi-deeponet | as deeponet | −k u″ = f and u = 0 at both ends, derivatives of the trunk exact; no solutions |

All start from weights N(0, 1/fan-in) and biases 0 (trunks: first biases N(0, 1), coordinates scaled to ±3), in double
precision, with inputs and outputs divided by their root mean squares over the training pairs, and are minimised by
full-batch limited-memory BFGS (`mlft.laboratory.descent`).

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, for the families; their sizes and optimisers are not those
of the paper. Lu et al. 2021 (DeepONet), Li et al. 2021 (FNO), Wang, Wang, Perdikaris 2021 (PI-DeepONet).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call, vmap

from mlft.diagnostics.maps import Map
from mlft.diagnostics.span import span
from mlft.grids import Grid
from mlft.laboratory.descent import minimise
from mlft.laboratory.discovery import DifferenceLearner, PinnLearner
from mlft.laboratory.equations import Pairs
from mlft.laboratory.learners import Learner, LinearLearner
from mlft.laboratory.linear import complement_drift
from mlft.seeds import generator
from mlft.surrogates import FNO

Array = np.ndarray


class Family(ABC):
    """A kind of network, many of them at once: numbers (sets, weights) and fields (sets, samples, nodes)."""

    @abstractmethod
    def start(self, nodes: int, stream: torch.Generator) -> Float[Tensor, " weights"]:
        """Return the initial weights of one network."""

    @abstractmethod
    def forward(
        self, numbers: Float[Tensor, "sets weights"], fields: Float[Tensor, "sets n nodes"]
    ) -> Float[Tensor, "sets n nodes"]:
        """Return the outputs."""

    def losses(
        self, numbers: Float[Tensor, "sets weights"], inputs: Float[Tensor, "sets n nodes"], outputs: Tensor
    ) -> Float[Tensor, " sets"]:
        """Return what is minimised: the mean square error of the scaled outputs."""
        return (self.forward(numbers, inputs) - outputs).square().mean((1, 2))

    def first_layer(self, numbers: Float[Array, " weights"], nodes: int) -> Float[Array, "hidden nodes"] | None:
        """Return the matrix of a first layer that is dense in the inputs, None where there is none."""
        return None


@final
@dataclass(frozen=True)
class Chain:
    """Dense layers of stated widths, tanh between them, many networks at once.

    Attributes:
        widths: of the input, the hidden layers and the output.
        curved: tanh between the layers, and biases; else a product of matrices.
        spread: standard deviation of the first biases.
    """

    widths: tuple[int, ...]
    curved: bool = True
    spread: float = 0.0

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(a * b + self.curved * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))

    def start(self, stream: torch.Generator) -> Tensor:
        """Return initial weights, a layer after the other, each its matrix and then its bias."""
        parts = []
        for layer, (a, b) in enumerate(zip(self.widths[:-1], self.widths[1:], strict=True)):
            parts.append(torch.randn(a * b, generator=stream, dtype=torch.float64) / a**0.5)
            if self.curved:
                spread = 0.0 if layer else self.spread
                parts.append(spread * torch.randn(b, generator=stream, dtype=torch.float64))
        return torch.cat(parts)

    def layers(self, numbers: Tensor) -> list[tuple[Tensor, Tensor | float]]:
        """Return the matrices (sets, in, out) and biases (sets, 1, out)."""
        found: list[tuple[Tensor, Tensor | float]] = []
        at = 0
        for a, b in zip(self.widths[:-1], self.widths[1:], strict=True):
            matrix = numbers[:, at : at + a * b].view(-1, a, b)
            at += a * b
            found.append((matrix, numbers[:, None, at : at + b] if self.curved else 0.0))
            at += b * self.curved
        return found

    def forward(self, numbers: Tensor, fields: Tensor) -> Tensor:
        """Return the outputs."""
        for i, (matrix, bias) in enumerate(self.layers(numbers)):
            fields = torch.tanh(fields) if i and self.curved else fields
            fields = torch.bmm(fields, matrix) + bias
        return fields

    def bend(self, numbers: Tensor, points: Tensor, slope: float) -> tuple[Tensor, Tensor]:
        """Return the outputs and their second derivatives in a coordinate that the input is `slope` times, shifted."""
        value, first = points, torch.full_like(points, slope)
        second = torch.zeros_like(points)
        for i, (matrix, bias) in enumerate(self.layers(numbers)):
            if i:
                t = torch.tanh(value)
                value, first, second = t, (1 - t**2) * first, (1 - t**2) * (second - 2 * t * first**2)
            value, first, second = torch.bmm(value, matrix) + bias, torch.bmm(first, matrix), torch.bmm(second, matrix)
        return value, second


@final
@dataclass(frozen=True)
class Dense(Family):
    """Dense layers from nodal values to nodal values.

    Attributes:
        hidden: widths between; 0 stands for the number of nodes.
        curved: with tanh and biases.
    """

    hidden: tuple[int, ...]
    curved: bool = True

    def start(self, nodes: int, stream: torch.Generator) -> Float[Tensor, " weights"]:
        """Return the initial weights of one network."""
        return self._chain(nodes).start(stream)

    def forward(
        self, numbers: Float[Tensor, "sets weights"], fields: Float[Tensor, "sets n nodes"]
    ) -> Float[Tensor, "sets n nodes"]:
        """Return the outputs."""
        return self._chain(fields.shape[-1]).forward(numbers, fields)

    def first_layer(self, numbers: Float[Array, " weights"], nodes: int) -> Float[Array, "hidden nodes"] | None:
        """Return the matrix of the first layer."""
        hidden = self._chain(nodes).widths[1]
        return numbers[: nodes * hidden].reshape(nodes, hidden).T

    def _chain(self, nodes: int) -> Chain:
        return Chain((nodes, *(width or nodes for width in self.hidden), nodes), self.curved)


_REACH = 6.0  # the trunk sees ±3


@final
@dataclass(frozen=True)
class DeepONet(Family):
    """u(x) = Σ_i branch_i(f) trunk_i(x), trained on solutions or on the equation −u″ = f alone.

    Attributes:
        width: of both hidden layers of both networks.
        products: how many terms.
        physics: whether the loss is mean (u″ s + f)² + 100 mean (u at both ends)², with s the root mean square of the
            outputs over that of the inputs, instead of the mean square error.
    """

    width: int = 64
    products: int = 32
    physics: bool = False

    def start(self, nodes: int, stream: torch.Generator) -> Float[Tensor, " weights"]:
        """Return the initial weights of one network, the branch's first."""
        branch, trunk = self._chains(nodes)
        return torch.cat([branch.start(stream), trunk.start(stream)])

    def forward(
        self, numbers: Float[Tensor, "sets weights"], fields: Float[Tensor, "sets n nodes"]
    ) -> Float[Tensor, "sets n nodes"]:
        """Return the outputs."""
        branch, trunk = self._chains(fields.shape[-1])
        left, right = numbers.split([branch.size, trunk.size], dim=1)
        waves = trunk.forward(right, _coordinates(len(numbers), fields.shape[-1]))
        return torch.bmm(branch.forward(left, fields), waves.mT) / self.products**0.5

    def losses(
        self, numbers: Float[Tensor, "sets weights"], inputs: Float[Tensor, "sets n nodes"], outputs: Tensor
    ) -> Float[Tensor, " sets"]:
        """Return the mean square error, or, for physics, the mean square residual; then `outputs` is s (sets, 1, 1)."""
        if not self.physics:
            return (self.forward(numbers, inputs) - outputs).square().mean((1, 2))
        branch, trunk = self._chains(inputs.shape[-1])
        left, right = numbers.split([branch.size, trunk.size], dim=1)
        waves, bent = trunk.bend(right, _coordinates(len(numbers), inputs.shape[-1]), _REACH)
        terms = branch.forward(left, inputs) / self.products**0.5
        residual = outputs * torch.bmm(terms, bent.mT) + inputs
        ends = torch.bmm(terms, waves[:, [0, -1]].mT)
        return residual.square().mean((1, 2)) + 100 * ends.square().mean((1, 2))

    def first_layer(self, numbers: Float[Array, " weights"], nodes: int) -> Float[Array, "hidden nodes"] | None:
        """Return the matrix of the branch's first layer."""
        return numbers[: nodes * self.width].reshape(nodes, self.width).T

    def _chains(self, nodes: int) -> tuple[Chain, Chain]:
        inner = (self.width, self.width, self.products)
        return Chain((nodes, *inner)), Chain((1, *inner), spread=1.0)


@final
@dataclass(frozen=True)
class Fourier(Family):
    """This package's Fourier neural operator.

    Attributes:
        modes: waves kept.
        width: channels inside.
        depth: spectral layers.
    """

    modes: int = 8
    width: int = 8
    depth: int = 3

    def start(self, nodes: int, stream: torch.Generator) -> Float[Tensor, " weights"]:
        """Return the initial weights of one network."""
        return torch.cat([p.detach().ravel() for p in self._network(stream).double().parameters()])

    def forward(
        self, numbers: Float[Tensor, "sets weights"], fields: Float[Tensor, "sets n nodes"]
    ) -> Float[Tensor, "sets n nodes"]:
        """Return the outputs."""
        network = self._network(torch.Generator()).double()
        shapes = {name: p.shape for name, p in network.named_parameters()}

        def one(weights: Tensor, batch: Tensor) -> Tensor:
            parts = weights.split([shape.numel() for shape in shapes.values()])
            named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
            return functional_call(network, named, (batch[:, None],))[:, 0]

        return vmap(one)(numbers, fields)

    def _network(self, stream: torch.Generator) -> FNO:
        return FNO((1, 1), (self.modes,), generator=stream, width=self.width, depth=self.depth, periodic=False)


@final
@dataclass(frozen=True)
class NetworkFit:
    """A fitted network of a family; call it.

    Attributes:
        family: its kind.
        weights: fitted.
        initial: weights before.
        scales: root mean squares of the training inputs and outputs, which it divides by and multiplies with.
        loss: what was left of the loss.
        known: orthonormal basis of the span of the training inputs.
    """

    family: Family
    weights: Float[Array, " weights"]
    initial: Float[Array, " weights"]
    scales: tuple[float, float]
    loss: float
    known: Float[Array, "nodes r"] = field(repr=False)

    def __call__(self, inputs: Float[Array, "n 1 nodes"]) -> Float[Array, "n 1 nodes"]:
        """Return the outputs."""
        with torch.no_grad():
            fields = torch.tensor(inputs[:, 0] / self.scales[0])[None]
            found = self.family.forward(torch.tensor(self.weights)[None], fields)
        return self.scales[1] * found[0].numpy()[:, None]

    @property
    def drift(self) -> float:
        """How far the first layer moved off the training span, ‖(W₁ − W₁⁰)Q‖/‖W₁⁰Q‖.

        NaN for a layer that is not dense, and for a span that leaves nothing out.
        """
        if self.known.shape[0] == self.known.shape[1]:
            return float("nan")
        pair = [self.family.first_layer(w, len(self.known)) for w in (self.initial, self.weights)]
        return float("nan") if pair[0] is None or pair[1] is None else complement_drift(pair[0], pair[1], self.known)


@final
@dataclass(frozen=True)
class NetworkLearner(Learner):
    """A family of networks, fitted to all sets at once by full-batch limited-memory BFGS.

    Attributes:
        name: of the matrix, and of the random streams of the initial weights.
        family: the kind of network.
        samples: the first so many pairs of a set are used; 0 uses all, through their second moments, which is the same
            for a map that is linear in its inputs and in nothing else.
        steps: of the minimisation.
    """

    name: str
    family: Family
    samples: int = 256
    steps: int = 1500

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return a `NetworkFit` for each set; sets need as many pairs each."""
        nodes = sets[0].inputs.shape[-1]
        fields = [self._chosen(pairs) for pairs in sets]
        scales = np.array([[np.sqrt(np.mean(part**2)) for part in pair] for pair in fields])
        inputs, outputs = (torch.tensor(np.stack([pair[i] for pair in fields])) for i in (0, 1))
        inputs, outputs = (part / torch.tensor(scales[:, i, None, None]) for i, part in enumerate((inputs, outputs)))
        physics = isinstance(self.family, DeepONet) and self.family.physics
        target = torch.tensor(scales[:, 1] / scales[:, 0])[:, None, None] if physics else outputs
        start = torch.stack(
            [self.family.start(nodes, generator(seed, self.name, "weights", i)) for i in range(len(sets))]
        )
        found, left = minimise(lambda w: self.family.losses(w, inputs, target), start, steps=self.steps)
        fits: list[Map] = []
        for i, pairs in enumerate(sets):
            numbers = found[i].numpy(), start[i].numpy(), (float(scales[i, 0]), float(scales[i, 1])), float(left[i])
            fits.append(NetworkFit(self.family, *numbers, span(pairs.inputs)))
        return fits

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return the loss that was left and the drift of the first layer."""
        assert isinstance(fitted, NetworkFit)
        drift = {} if np.isnan(fitted.drift) else {"drift": fitted.drift}
        return {"loss": fitted.loss, **drift}

    def _chosen(self, pairs: Pairs) -> tuple[Array, Array]:
        inputs, outputs = pairs.inputs[:, 0], pairs.outputs[:, 0]
        if self.samples:
            return inputs[: self.samples], outputs[: self.samples]
        both = np.concatenate([inputs, outputs], axis=1)
        upper = np.asarray(np.linalg.qr(both, mode="r"))  # rows with the same second moments
        return upper[:, : inputs.shape[1]], upper[:, inputs.shape[1] :]


def zoo(grid: Grid) -> dict[str, Learner]:
    """Return the eight families by name: two white boxes and six black ones."""
    learners: tuple[Learner, ...] = (
        DifferenceLearner(grid),
        PinnLearner(grid),
        LinearLearner("random"),
        NetworkLearner("deep-linear", Dense((0, 0), curved=False), samples=0, steps=3000),
        NetworkLearner("mlp", Dense((64,))),
        NetworkLearner("deeponet", DeepONet()),
        NetworkLearner("fno", Fourier(), samples=96, steps=800),
        NetworkLearner("pi-deeponet", DeepONet(physics=True)),
    )
    return {learner.name: learner for learner in learners}


def _coordinates(sets: int, nodes: int) -> Tensor:
    """Return the nodes of the unit interval, scaled to ±3, (sets, nodes, 1)."""
    return (_REACH * (torch.linspace(0, 1, nodes, dtype=torch.float64) - 0.5)).expand(sets, nodes)[..., None]
