"""Checkpoints: one file of tensors and a JSON header, written whole or not at all, and checked when read."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mlft.files import write_whole


def write(file: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and plain values to one safetensors file, atomically: temporary file, fsync, rename."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(facts, sort_keys=True)
    content = save(tensors, metadata={"facts": text, "sha256": _digest(tensors, text)})
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)


def read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors and values of a checkpoint; None if there is none, or if it is damaged.

    A damaged checkpoint is as good as none: training is deterministic, so that starting again gives the same weights.
    """
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError):
        return None
    text = metadata.get("facts", "")
    return (tensors, json.loads(text)) if metadata.get("sha256") == _digest(tensors, text) else None


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name}{tuple(tensors[name].shape)}{tensors[name].dtype}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
