"""A saved surrogate on disk: a folder with the weights, how to rebuild the network, and a card for people.

```
model.safetensors   the weights, the normalisers' numbers among them
config.json         network, options, channels, grid, and the SHA-256 of model.safetensors
README.md           the card
```

The folder is valid at every moment. New weights are first written under their hash as a name; renaming `config.json`
into place commits them; only then do they take the name `model.safetensors`. A reader takes the file whose hash the
configuration states, under either name.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, final

import safetensors
import safetensors.torch
from torch import Tensor

from mlft.errors import MlftError
from mlft.files import write_whole

FORMAT = "mlft-surrogate-1"

_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"


@final
class BundleError(MlftError):
    """A folder that holds no surrogate, a damaged one, or one that does not fit the network it is loaded into."""


def write_bundle(
    folder: Path, tensors: dict[str, Tensor], config: dict[str, Any], *, card: str, form: str = FORMAT
) -> None:
    """Write weights, configuration and card; interrupted, it leaves the old bundle or the new one.

    Args:
        folder: made if it is not there.
        tensors: the weights.
        config: plain values.
        card: the text of README.md.
        form: the format that the configuration states; a surrogate's unless given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = safetensors.torch.save(tensors, metadata={"format": "pt"})
    digest = hashlib.sha256(weights).hexdigest()
    staged = _staged(folder, digest)
    write_whole(staged, weights)
    described = {"format": form, **config, "sha256": digest}
    write_whole(folder / _CONFIG, (json.dumps(described, indent=2) + "\n").encode())
    os.replace(staged, folder / _WEIGHTS)
    write_whole(folder / "README.md", card.encode())
    for leftover in folder.glob(_staged(folder, "?" * len(digest)).name):
        leftover.unlink()


def read_bundle(folder: Path, *, form: str = FORMAT) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights and the configuration of a saved surrogate, or of another bundle of a format.

    Raises:
        BundleError: for a missing or damaged file, or a format that this version does not read.
    """
    config = _read_config(folder, form)
    digest = str(config.get("sha256"))
    found = [path for path in (folder / _WEIGHTS, _staged(folder, digest)) if path.is_file()]
    if not found:
        raise BundleError(f"{folder} holds no weights: there is no {_WEIGHTS}")
    for path in found:
        weights = path.read_bytes()
        if hashlib.sha256(weights).hexdigest() == digest:
            return safetensors.torch.load(weights), config
    raise BundleError(
        f"{found[0]} is damaged, or not the file that {_CONFIG} belongs to: its SHA-256 should be {digest}. "
        "Restore the folder from a copy or save the surrogate again"
    )


def form_of(folder: Path) -> str | None:
    """Return the format that a bundle states; None where it states none, or there is none."""
    try:
        config = json.loads((folder / _CONFIG).read_text())
    except (OSError, ValueError):
        return None
    return config.get("format") if isinstance(config, dict) else None


def _staged(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.safetensors"


def _read_config(folder: Path, form: str) -> dict[str, Any]:
    path = folder / _CONFIG
    if not path.is_file():
        raise BundleError(f"{folder} holds no {form.split('-')[1]}: there is no {_CONFIG}")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict) or config.get("format") != form:
        got = config.get("format") if isinstance(config, dict) else None
        raise BundleError(f"{path} is written in the format {got!r}; this version reads {form!r}")
    return config
