"""Learned lifts: the mean of cross-fitted networks that add a correction to prolonged coarse solutions."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import TypeAdapter
from torch import Tensor, nn

from mlft.grids import Grid, Symmetry, nested, norm, prolong, restrict
from mlft.grids.symmetry import numbers_of, refuse_no_group
from mlft.lifts.coupled import Coarse, Coupled, LiftError, Place
from mlft.lifts.method import Correction, Method
from mlft.seeds import generator
from mlft.surrogates import Normaliser
from mlft.training import Course, Pairs, Progress, Stage, Training, train

Array = np.ndarray

FOLDS = 4
"""Correctors of a lift: each is fitted without one part in `FOLDS` of the coupled draws, and judged on that part."""

_POINTS_AT_ONCE = 2**15

_VALUES = 2**24
"""Of the solutions that correctors are trained on, at most, where images make more of them: 128 MB."""

_SYMMETRY = "symmetry"
_SYMMETRIES = TypeAdapter(tuple[Symmetry, ...])


@final
@dataclass(frozen=True)
class Effort:
    """How long a corrector is trained.

    Attributes:
        steps: optimizer steps, at least.
        passes: times that every draw is visited, at least.
        batch: draws in a step.
        rate: peak learning rate.
    """

    steps: int
    passes: float = 20.0
    batch: int = 4
    rate: float = 3e-3

    def of(self, draws: int) -> int:
        """Return the optimizer steps for a number of draws.

        >>> Effort(500).of(48), Effort(500).of(192)
        (500, 960)
        """
        return max(self.steps, math.ceil(self.passes * draws / self.batch))


@dataclass(frozen=True)
class Learned(Method):
    """A lift that is learned from coupled draws.

    u_l ↦ u_l + S · mean_k N_k(u_l, P u_l, x), all scaled, with S the scale of the solutions, P u_l the coarse values
    prolonged by the grid's own transfer, and N_k, k = 1 … 4, networks whose last layer starts at zero. N_k is fitted to
    the draws outside the k-th quarter; all draws are judged by the network that did not see them (cross-fitting), and
    no draw chooses when a training stops: its steps are fixed. Networks compute in float32 on fields that are centred
    and scaled in float64.

    Where the solver is known to commute with a group G, correctors are trained on the images of their draws, too, and
    what they add is the average 1/|G| Σ_g g⁻¹ N_k(g ·), which commutes with G as the true correction does.

    Attributes:
        line: effort on one axis.
        plane: effort on two.
        name: in the registry.

    Source: for the correction as a function of the coarse solution, Warming, Hyett 1974 (the modified equation),
    J. Comput. Phys. 14; for cross-fitting, Zrnic, Candès 2024, arXiv 2309.16598.
    """

    line: Effort = Effort(500)
    plane: Effort = Effort(300)
    name: ClassVar[str]
    least: ClassVar[int] = 2 * FOLDS

    @abstractmethod
    def network(self, channels: tuple[int, int], place: Place, random: torch.Generator) -> nn.Module:
        """Return an untrained network from (solutions twice, inputs) to corrections of the solutions, 0 at first.

        Args:
            channels: of the inputs and of the solutions.
            place: where it is used.
            random: the stream that the initial weights are drawn from.
        """

    def effort(self, grid: Grid) -> Effort:
        """Return how long a corrector is trained on a grid."""
        return self.line if grid.dimension == 1 else self.plane

    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, Float[Array, "n k *grid"]]:
        """Return the mean of the correctors, and the coupled draws corrected by those that did not see them.

        Raises:
            LiftError: for fewer than `least` draws.
        """
        if len(coupled) < self.least:
            raise LiftError(
                f"a learned lift of level {place.level} needs {self.least} coupled draws, got {len(coupled)}: solve "
                f"more draws on both levels, or use the lift 'none'"
            )
        ensemble = self._untrained((coupled.coarse.inputs.shape[1], coupled.fine.shape[1]), place, course.seed)
        if course.scheme is not None:
            ensemble.tell(course.scheme.symmetries, averaged=course.scheme.averaged)
        images = _images(coupled, ensemble.symmetries)
        ensemble.inputs.fit(images.coarse.inputs)
        ensemble.solutions.fit(images.coarse.solutions)  # not to the labels: no corrector may know of those it judges
        pairs, weights = _pairs(ensemble, images, place.grid)
        judged, folds = np.empty_like(coupled.fine), np.arange(len(coupled)) % FOLDS
        steps = self.effort(place.grid).of(len(coupled) - len(coupled) // FOLDS)
        for k, network in enumerate(ensemble.networks):
            seen = torch.as_tensor(np.tile(folds != k, len(images) // len(coupled)))
            stage = self._stage(place, Pairs(pairs.inputs[seen], pairs.labels[seen]), weights[seen], steps)
            file = None if course.folder is None else course.folder / f"lift-{place.level}-{self.name}-{k}.safetensors"
            told = Training(steps=stage.steps, batch=self.effort(place.grid).batch, rate=stage.rate)
            train(network, stage, told, seed=course.seed, file=file, progress=self._tell(course, place, k))
            judged[folds == k] = ensemble.corrected(coupled.coarse.take(folds == k), only=k)
        return ensemble, judged

    def wanted(self, options: dict[str, Any], place: Place) -> dict[str, Tensor]:
        """Return the weights of an untrained ensemble, on the meta device."""
        inputs, outputs = options["channels"]
        with torch.device("meta"):
            ensemble = self._untrained((inputs, outputs), place, 0)
            ensemble.tell(*_told(options))
            return ensemble.tensors

    def load(self, options: dict[str, Any], tensors: dict[str, Tensor], place: Place) -> Correction:
        """Return the ensemble of the saved networks."""
        inputs, outputs = options["channels"]
        ensemble = self._untrained((inputs, outputs), place, 0)
        ensemble.tell(*_told(options))
        tensors = dict(tensors)
        if not torch.equal(tensors.pop(_SYMMETRY, torch.empty(0)), ensemble.tensors.get(_SYMMETRY, torch.empty(0))):
            raise ValueError("its symmetries are not those of its weights")
        ensemble.load_state_dict(tensors)
        return ensemble

    def _stage(self, place: Place, pairs: Pairs, weights: Tensor, steps: int) -> Stage:
        nothing, effort = Pairs(pairs.inputs[:0], pairs.labels[:0]), self.effort(place.grid)
        return Stage(place.level, pairs, nothing, nothing, steps, effort.rate, weights=weights)

    def _tell(self, course: Course, place: Place, k: int) -> Progress | None:
        if course.lifting is None:
            return None
        tell, what = course.lifting, f"level {place.level}, {self.name}"
        return lambda level, error, done, most: tell(what, k * most + done, FOLDS * most)

    def _untrained(self, channels: tuple[int, int], place: Place, seed: int) -> "Ensemble":
        streams = (generator(seed, "lift", self.name, place.level, k) for k in range(FOLDS))
        networks = [self.network(channels, place, random) for random in streams]
        return Ensemble(channels, place, [Corrector(network, channels[1]) for network in networks])


@final
class Corrector(nn.Module):
    """A network that adds its output to the first of its channels, the solutions."""

    def __init__(self, network: nn.Module, outputs: int) -> None:
        super().__init__()
        self.network, self.outputs = network, outputs

    def forward(self, fields: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n k *grid"]:
        """Return the corrected solutions of scaled fields, the solutions first."""
        return fields[:, : self.outputs] + self.network(fields)


@final
class Ensemble(nn.Module, Correction):
    """The mean of several correctors, between normalisers of float64.

    Attributes:
        networks: the correctors.
        inputs: shift and scale of the inputs.
        solutions: shift and scale of the solutions.
        symmetries: the group that the correction is averaged over; none where none is known.
        averaged: whether it is.
    """

    def __init__(self, channels: tuple[int, int], place: Place, networks: list[Corrector]) -> None:
        super().__init__()
        self.channels, self.place = channels, place
        self.networks = nn.ModuleList(networks)
        self.inputs, self.solutions = Normaliser(channels[0]), Normaliser(channels[1])
        self.symmetries: tuple[Symmetry, ...] = ()
        self.averaged = True

    def tell(self, symmetries: Sequence[Symmetry], averaged: bool = True) -> None:
        """Tell of the symmetries of the solver: a group, or none.

        Raises:
            ValueError: for maps that do not live on the grid and channels, or are no group.
        """
        refuse_no_group(symmetries, self.place.grid, self.channels)
        self.symmetries, self.averaged = tuple(symmetries), averaged

    def correct(self, coarse: Coarse) -> Float[Array, "n k *grid"]:
        """Return the solutions plus the mean correction, in float64."""
        return self.corrected(coarse)

    @property
    def options(self) -> dict[str, Any]:
        """Channels of inputs and solutions, and the symmetries."""
        told: dict[str, Any] = {"channels": list(self.channels)}
        if self.symmetries:
            told |= {"symmetries": [asdict(one) for one in self.symmetries], "averaged": self.averaged}
        return told

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Weights of the networks, shifts and scales; the symmetries as numbers."""
        found = {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}
        return found | ({_SYMMETRY: numbers_of(self.symmetries, averaged=self.averaged)} if self.symmetries else {})

    @torch.no_grad()
    def corrected(self, coarse: Coarse, *, only: int | None = None) -> Float[Array, "n k *grid"]:
        """Return the solutions plus the mean correction of all networks, or plus that of one."""
        chosen = range(len(self.networks)) if only is None else [only]
        networks = [self.networks.get_submodule(f"{k}.network") for k in chosen]
        out = coarse.solutions.copy()
        rows = max(1, _POINTS_AT_ONCE // int(np.prod(out.shape[2:])))
        for start in range(0, len(out), rows):
            part = coarse.take(np.arange(start, min(start + rows, len(out))))
            if not self.averaged or len(self.symmetries) < 2:
                out[start : start + rows] += self._added(part, networks)
                continue
            for one in self.symmetries:
                added = one.inverse.of_outputs(self._added(part.by(one), networks))
                out[start : start + rows] += added / len(self.symmetries)
        return out

    def _added(self, coarse: Coarse, networks: Sequence[nn.Module]) -> Float[Array, "n k *grid"]:
        """Return the mean correction of some networks."""
        fields = self.scaled(coarse)
        mean = torch.stack([network(fields).double() for network in networks]).mean(0).numpy()
        scaled: Array = self.solutions.scale.numpy().reshape(-1, *[1] * (mean.ndim - 2)) * mean
        return scaled

    def scaled(self, coarse: Coarse) -> Float[Tensor, "n c *grid"]:
        """Return solutions, plainly prolonged ones and inputs, scaled in float64, as networks see them."""
        solutions = self.solutions.encode(torch.from_numpy(coarse.solutions))
        plain = self.solutions.encode(torch.from_numpy(plainly(coarse.solutions, self.place)))
        inputs = self.inputs.encode(torch.from_numpy(coarse.inputs))
        return torch.cat([solutions, plain, inputs], dim=1).float()


def plainly(solutions: Float[Array, "n k *grid"], place: Place) -> Float[Array, "n k *grid"]:
    """Return prolonged solutions taken back to their level's grid and prolonged by the grid's own transfer.

    As they are where the level's grid is not the finest one's coarsened by a power of two.
    """
    if not nested(place.own, place.grid):
        return solutions
    order = 1 if place.own.centring == "cell" and min(place.own.cells) < 3 else 2 if min(place.own.cells) < 4 else None
    return prolong(restrict(solutions, to=place.own), to=place.grid, order=order)


def _images(coupled: Coupled, symmetries: Sequence[Symmetry]) -> Coupled:
    """Return draws as they are and then taken by each other element of a group, as far as there is room for them."""
    most = max(1, _VALUES // max(1, coupled.fine.size))
    every = [coupled, *(coupled.by(one) for one in symmetries[1:most])]
    if len(every) == 1:
        return coupled
    inputs = np.concatenate([one.coarse.inputs for one in every])
    solutions = np.concatenate([one.coarse.solutions for one in every])
    fine, true = (np.concatenate([getattr(one, name) for one in every]) for name in ("fine", "true"))
    return Coupled(Coarse(inputs, solutions), fine, true)


def _told(options: dict[str, Any]) -> tuple[tuple[Symmetry, ...], bool]:
    """Return the symmetries in saved options."""
    return _SYMMETRIES.validate_python(options.get("symmetries", [])), bool(options.get("averaged", True))


def _pairs(ensemble: Ensemble, coupled: Coupled, grid: Grid) -> tuple[Pairs, Float[Tensor, " n"]]:
    """Return what correctors are trained on, and weights that make the loss the error relative to the unscaled norm."""
    labels = ensemble.solutions.encode(torch.from_numpy(coupled.fine))
    centred, size = labels.flatten(1).norm(dim=1), torch.from_numpy(norm(coupled.fine, grid))
    weights = torch.where((centred > 0) & (size > 0), centred / size, torch.ones_like(size))
    return Pairs(ensemble.scaled(coupled.coarse), labels.float()), weights.float()
