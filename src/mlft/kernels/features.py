"""Jacobian features of a surrogate: how each output moves with the weights, and products with them."""

import copy
import warnings
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp, vmap

from mlft.errors import MlftError

Parameters = dict[str, Tensor]


@final
class KernelError(MlftError):
    """A kernel cannot be computed: the surrogate is random, or the memory does not suffice.

    Attributes:
        needed: bytes that are needed; 0 where memory is not the reason.
        limit: bytes that are allowed; 0 where memory is not the reason.
    """

    def __init__(self, message: str, *, needed: int = 0, limit: int = 0) -> None:
        super().__init__(message)
        self.needed, self.limit = needed, limit


@final
class Linearised:
    """A surrogate at its present weights θ, in float64: f(x; θ) and its Jacobian J(x) = ∂f(x; θ)/∂θ.

    The surrogate itself is copied and stays as it is. Products take the samples of a batch together; features take
    them one by one under `vmap`, or in a loop where the network does not allow that (`mapped` tells which).

    Attributes:
        network: the copy, in evaluation mode.
        parameters: θ by name, those that are trained; of complex ones their two parts, on a last axis.
        complex: the names of those that are complex.
        mapped: whether samples are taken under `vmap`.
        size: number of weights.

    Raises:
        KernelError: for a network whose outputs are random in training, such as one with dropout, or without weights.
    """

    def __init__(self, surrogate: nn.Module, example: Float[Tensor, "n c *grid"]) -> None:
        refuse_random(surrogate, example)
        self.network = _doubled(surrogate).eval()
        trained = {name: p.detach() for name, p in self.network.named_parameters() if p.requires_grad}
        self.complex = frozenset(name for name, p in trained.items() if p.is_complex())
        self.parameters = {name: torch.view_as_real(p) if p.is_complex() else p for name, p in trained.items()}
        self.size = sum(p.numel() for p in self.parameters.values())
        if not self.size:
            raise KernelError("the surrogate has no trained weights, so it has no tangent kernel: take another network")
        self.outputs = self(example[:1].double())[0].numel()
        self.mapped = self._can_map(example[:1].double())

    def __call__(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *out"]:
        """Return the outputs at θ, without gradients."""
        with torch.no_grad():
            return self.network(inputs)

    def features(self, inputs: Float[Tensor, "n c *grid"], probes: Float[Tensor, "n q m"]) -> Float[Tensor, "n q p"]:
        """Return wᵀ J(x_i) for each sample i and each of its probes w, vectors over the m flattened outputs."""
        if self.mapped:
            return vmap(self._rows)(inputs, probes)
        return torch.stack([self._rows(x, w, looped=True) for x, w in zip(inputs, probes, strict=True)])

    def push(self, inputs: Float[Tensor, "n c *grid"], tangent: Float[Tensor, " p"]) -> Float[Tensor, "n m"]:
        """Return J(x_i) v for every sample: how the outputs move when the weights move by v."""
        with warnings.catch_warnings():  # torch's own jvp compiles its rules with a function that torch deprecates
            warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
            out, moved, *_ = jvp(self._batch(inputs), (self.parameters,), (self._split(tangent),))
        return moved.reshape(len(out), -1)

    def pull(self, inputs: Float[Tensor, "n c *grid"], cotangent: Float[Tensor, "n m"]) -> Float[Tensor, " p"]:
        """Return Σ_i J(x_i)ᵀ w_i."""
        out, back = _vjp(self._batch(inputs), self.parameters)
        return _join(back(cotangent.reshape(out.shape))[0])

    def _rows(self, x: Tensor, probes: Tensor, *, looped: bool = False) -> Tensor:
        out, back = _vjp(lambda theta: self._batch(x[None])(theta)[0], self.parameters)
        cotangents = probes.reshape(len(probes), *out.shape)
        if looped:
            return torch.stack([_join(back(w)[0]) for w in cotangents])
        return vmap(lambda w: _join(back(w)[0]))(cotangents)

    def _batch(self, inputs: Tensor) -> Callable[[Parameters], Tensor]:
        def called(theta: Parameters) -> Tensor:
            named = {name: torch.view_as_complex(p) if name in self.complex else p for name, p in theta.items()}
            out: Tensor = functional_call(self.network, named, (inputs,))
            return out

        return called

    def _split(self, vector: Tensor) -> Parameters:
        parts = vector.split([p.numel() for p in self.parameters.values()])
        return {name: part.view_as(p) for (name, p), part in zip(self.parameters.items(), parts, strict=True)}

    def _can_map(self, example: Tensor) -> bool:
        probe = torch.zeros(1, 1, self.outputs, dtype=torch.float64)
        try:
            vmap(self._rows)(example, probe)
        except (RuntimeError, NotImplementedError, ValueError):  # what vmap raises for what it does not know
            return False
        return True


def refuse_random(surrogate: nn.Module, example: Float[Tensor, "n c *grid"]) -> None:
    """Refuse a surrogate that gives two answers to one question when it is trained.

    Raises:
        KernelError: naming the modules that are random.
    """
    trial = copy.deepcopy(surrogate).train()
    with torch.no_grad():
        same = torch.equal(trial(example[:2]), trial(example[:2]))
    if not same:
        names = [f"{name} ({type(m).__name__})" for name, m in trial.named_modules() if "rop" in type(m).__name__]
        raise KernelError(
            "the surrogate gives different outputs for the same inputs in training, so it has no tangent kernel; "
            f"random modules: {', '.join(names) or 'not found by name'}; set their probability to 0"
        )


def point_probes(points: Int[Tensor, "n q"], outputs: int) -> Float[Tensor, "n q m"]:
    """Return probes that pick single outputs: one-hot vectors at the given flat positions."""
    return nn.functional.one_hot(points, outputs).double()


def random_points(n: int, q: int, outputs: int, *, generator: torch.Generator) -> Int[Tensor, "n q"]:
    """Return q different output positions for each of n samples, uniformly at random; all of them where q is larger."""
    q = min(q, outputs)
    return torch.stack([torch.randperm(outputs, generator=generator)[:q] for _ in range(n)])


def _doubled(surrogate: nn.Module) -> nn.Module:
    """Return a copy in double precision, complex numbers included."""
    made = copy.deepcopy(surrogate).double()
    for tensor in (*made.parameters(), *made.buffers()):
        if tensor.is_complex():
            tensor.data = tensor.data.to(torch.complex128)
    return made


def _vjp(f: Callable[[Parameters], Tensor], at: Parameters) -> tuple[Tensor, Callable[..., tuple[Parameters, ...]]]:
    out, back, *_ = vjp(f, at)
    return out, back


def _join(parts: Parameters) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts.values()])
