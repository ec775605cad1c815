"""Exports of a surrogate, its normalisers included, for programs that do not have this package."""

import contextlib
import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from mlft.files import write_whole
from mlft.surrogates.network import Network
from mlft.surrogates.surrogate import Surrogate


def export_torch(surrogate: Surrogate, file: Path | str) -> None:
    """Write the surrogate as a `torch.export` archive; `torch.export.load(file).module()` maps inputs to outputs.

    It takes and returns tensors in physical units and in the network's dtype, of any number of samples and, where
    the network allows it, any grid size (a regression, or a Fourier neural operator of patches, takes its own alone).

    Raises:
        torch's own errors for a network that cannot be traced.
    """
    content, exported = io.BytesIO(), as_exported(surrogate)
    torch.export.save(_program(exported, exported), content)
    write_whole(Path(file), content.getvalue())


def export_onnx(surrogate: Surrogate, file: Path | str) -> None:
    """Write the surrogate as one ONNX file with an input `inputs` and an output `outputs`, as `export_torch`.

    Raises:
        ImportError: without the extra `onnx`.
        torch's own errors for a network that has operations without an ONNX form, complex numbers among them.
    """
    refuse_missing("ONNX export needs", "onnx", "onnxscript")
    exported = as_exported(surrogate)
    write_whole(Path(file), _onnx(_program(exported, exported)))


def network_onnx(surrogate: Surrogate) -> bytes:
    """Return the network alone, of a surrogate on the CPU, as the content of an ONNX file.

    Raises:
        torch's own errors, as `export_onnx`.
    """
    return _onnx(_program(surrogate, surrogate.network))


def refuse_missing(what: str, *names: str) -> None:
    """Refuse to go on without some modules of the extra `onnx`.

    Raises:
        ImportError: which are missing, and how to get them.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{what} {' and '.join(missing)}: pip install 'mlft[onnx]'")


def as_exported(surrogate: Surrogate) -> Surrogate:
    """Return what an export computes: a copy that is wholly in the network's dtype, on the CPU, in evaluation mode."""
    return copy.deepcopy(surrogate).to(device="cpu", dtype=surrogate.dtype).eval()


def _onnx(program: ExportedProgram) -> bytes:
    with _quiet():
        exported = torch.onnx.export(
            program, input_names=["inputs"], output_names=["outputs"], external_data=False, verbose=False
        )
    if exported is None:
        raise RuntimeError("torch.onnx.export returned no program")
    content: bytes = exported.model_proto.SerializeToString()
    return content


def _program(surrogate: Surrogate, module: nn.Module) -> ExportedProgram:
    """Return a surrogate or its network, traced, dynamic in samples and grid where it can be.

    Of a network that belongs to its own grid only the samples are dynamic.
    """
    example = torch.zeros(2, surrogate.channels[0], *surrogate.grid.shape, dtype=surrogate.dtype)
    fixed = isinstance(surrogate.network, Network) and not surrogate.network.any_grid
    sizes = dict.fromkeys([0] if fixed else [0, *range(2, example.ndim)], Dim.AUTO)
    with _quiet():
        return torch.export.export(module, (example,), dynamic_shapes={"inputs": sizes})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporters log and warn of themselves, such as packages that they can do without, to them."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
