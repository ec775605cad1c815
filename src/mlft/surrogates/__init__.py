"""Networks that stand in for a solution map, and the normaliser inside them. `SURROGATES` is the registry."""

from mlft.surrogates.bundle import BundleError
from mlft.surrogates.export import export_onnx, export_torch
from mlft.surrogates.fno import FNO
from mlft.surrogates.network import Network
from mlft.surrogates.normaliser import Normaliser
from mlft.surrogates.surrogate import Surrogate, build, load

SURROGATES: dict[str, type[Network]] = {"fno": FNO}

__all__ = [
    "FNO",
    "SURROGATES",
    "BundleError",
    "Network",
    "Normaliser",
    "Surrogate",
    "build",
    "export_onnx",
    "export_torch",
    "load",
]
