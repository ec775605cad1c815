"""A fitted lift: it makes labels of a coarse level fit for the finest, and knows by how much."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter
from torch import Tensor

from mlft.errors import MlftError
from mlft.lifts.certificate import LabelError
from mlft.lifts.coupled import Coarse, LiftError, Place, check
from mlft.lifts.method import Correction
from mlft.lifts.shipped import LIFTS
from mlft.surrogates import BundleError, read_bundle, reason, write_bundle

Array = np.ndarray

FORMAT = "mlft-lift-2"


@final
@dataclass(frozen=True)
class Lift:
    """A fitted lift.

    Attributes:
        name: of the method, in `LIFTS`.
        place: where it belongs.
        channels: of the inputs and of the solutions.
        correction: what it adds.
        error: its certificate.
        cpu_seconds: what its fit took.
    """

    name: str
    place: Place
    channels: tuple[int, int]
    correction: Correction
    error: LabelError
    cpu_seconds: float

    def lift(self, coarse: Coarse) -> Float[Array, "n k *grid"]:
        """Return the labels: prolonged solutions, corrected.

        Raises:
            LiftError: for fields of another grid or other channels, that are not finite, or without what it needs.
        """
        check(coarse, self.place, self.channels)
        return self.correction.correct(coarse)

    def save(self, folder: Path | str, *, problem: dict[str, Any] | None = None) -> None:
        """Write the lift into a folder: model.safetensors, config.json and README.md; no pickle.

        Args:
            folder: made if it is not there.
            problem: the name and the options of the problem, for `mlft.load` to find it by.
        """
        told = {name: getattr(self, name) for name in ("name", "channels", "cpu_seconds")}
        told |= {"place": dataclasses.asdict(self.place), "error": dataclasses.asdict(self.error)}
        told |= {"options": self.correction.options, "problem": problem or {}}
        raw, lifted = self.error.raw.value, self.error.lifted.value
        card = (
            f"# A lift\n\nCorrects solutions of level {self.place.level} on the grid {self.place.grid}, by the method "
            f"`{self.name}`: relative L2 label error {raw:.3g} before, {lifted:.3g} after, on {self.error.draws} draws "
            "that its correctors did not see.\n"
        )
        write_bundle(Path(folder), self.correction.tensors, told, card=card, form=FORMAT)


def load(folder: Path | str, *, place: Place | None = None) -> Lift:
    """Return the lift saved in a folder.

    Args:
        folder: where `Lift.save` wrote.
        place: where it is to be used.

    Raises:
        LiftError: if it belongs elsewhere: to another problem, level, grid or transfer.
        BundleError: for a missing or damaged file.
    """
    try:
        tensors, told = read_bundle(Path(folder), form=FORMAT, wanted=_wanted)
        found, method = _place(told), LIFTS[told["name"]]
        if place is not None and place != found:
            raise LiftError(f"the lift in {folder} belongs to {found}, not to {place}: fit it anew there")
        error, (inputs, outputs) = _ERROR.validate_python(told["error"]), told["channels"]
        correction = method.load(told["options"], tensors, found)
        return Lift(told["name"], found, (inputs, outputs), correction, error, float(told["cpu_seconds"]))
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as problem:
        if isinstance(problem, MlftError):
            raise
        raise BundleError(f"the config.json in {folder} describes no lift: {reason(problem)}") from problem


_PLACE, _ERROR = TypeAdapter(Place), TypeAdapter(LabelError)


def _place(told: dict[str, Any]) -> Place:
    return _PLACE.validate_python(told["place"])


def _wanted(told: dict[str, Any]) -> Mapping[str, Tensor] | None:
    return LIFTS[told["name"]].wanted(told["options"], _place(told))
