"""A surrogate's predictions with its network run by ONNX Runtime: the same to round-off, sooner one by one."""

import copy
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Grid
from mlft.surrogates.export import network_onnx, refuse_missing
from mlft.surrogates.network import Network
from mlft.surrogates.surrogate import Surrogate

Array = np.ndarray


@final
class Fast:
    """The predictions of a surrogate as it is now, its network run by ONNX Runtime, with no Python between two layers.

    It takes some ten seconds to make, and knows nothing of what the surrogate learns afterwards. Everything but the
    network, scaling and averaging over symmetries among it, is as in `Surrogate.predict`.

    Args:
        surrogate: a trained one.
        threads: that one call may use.

    Raises:
        ImportError: without the extra `onnx`.
        torch's own errors for a network that has operations without an ONNX form, complex numbers among them.
    """

    def __init__(self, surrogate: Surrogate, *, threads: int = 1) -> None:
        refuse_missing("fast predictions need", "onnx", "onnxscript", "onnxruntime")
        self._surrogate = copy.deepcopy(surrogate).cpu().eval()
        content = network_onnx(self._surrogate)
        self._surrogate.network = _Session(content, surrogate, threads)

    def predict(self, inputs: Float[Array, "_n _c *_grid"]) -> Float[Array, "_n _d *_grid"]:
        """Return the outputs for inputs on the surrogate's grid, in float64, some samples at a time.

        Raises:
            ValueError: as `Surrogate.predict`.
        """
        return self._surrogate.predict(inputs)


@final
class _Session(Network):
    """A network that ONNX Runtime evaluates."""

    def __init__(self, content: bytes, like: Surrogate, threads: int) -> None:
        super().__init__(like.channels, generator=torch.default_generator)
        import onnxruntime  # type: ignore[import-untyped]

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
        self._precision = like.dtype

    @property
    def precision(self) -> torch.dtype:
        """That of the network it stands for."""
        return self._precision

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return nothing: it is made of another network."""
        return {}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs of the network."""
        return torch.from_numpy(self._session.run(["outputs"], {"inputs": inputs.contiguous().numpy()})[0])
