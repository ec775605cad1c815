"""Exports of a surrogate, its normalisers included, for programs that do not have this package."""

import copy
import importlib.util
import io
from pathlib import Path

import torch
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
    content = io.BytesIO()
    torch.export.save(_program(surrogate), content)
    write_whole(Path(file), content.getvalue())


def export_onnx(surrogate: Surrogate, file: Path | str) -> None:
    """Write the surrogate as one ONNX file with an input `inputs` and an output `outputs`, as `export_torch`.

    Raises:
        ImportError: without the extra `onnx`.
        torch's own errors for a network that has operations without an ONNX form, complex numbers among them.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"ONNX export needs {' and '.join(missing)}: pip install 'mlft[onnx]'")
    exported = torch.onnx.export(
        _program(surrogate), input_names=["inputs"], output_names=["outputs"], external_data=False, verbose=False
    )
    if exported is None:
        raise RuntimeError("torch.onnx.export returned no program")
    write_whole(Path(file), exported.model_proto.SerializeToString())


def as_exported(surrogate: Surrogate) -> Surrogate:
    """Return what an export computes: a copy that is wholly in the network's dtype, on the CPU, in evaluation mode."""
    return copy.deepcopy(surrogate).to(device="cpu", dtype=surrogate.dtype).eval()


def _program(surrogate: Surrogate) -> ExportedProgram:
    """Return the traced surrogate, dynamic in samples and grid where it can be.

    Of a network that belongs to its own grid only the samples are dynamic.
    """
    copied = as_exported(surrogate)
    example = torch.zeros(2, surrogate.channels[0], *surrogate.grid.shape, dtype=surrogate.dtype)
    fixed = isinstance(copied.network, Network) and not copied.network.any_grid
    sizes = dict.fromkeys([0] if fixed else [0, *range(2, example.ndim)], Dim.AUTO)
    return torch.export.export(copied, (example,), dynamic_shapes={"inputs": sizes})
