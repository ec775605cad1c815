"""A saved surrogate on disk: a folder with the weights, how to rebuild the network, and a card for people.

```
model.safetensors   the weights, the normalisers' numbers among them
config.json         network, options, channels, grid, the SHA-256 of model.safetensors, and one of all this
README.md           the card
```

The folder is valid at every moment. New weights are first written under their hash as a name; renaming `config.json`
into place commits them; only then do they take the name `model.safetensors`. A reader takes the file whose hash the
configuration states, under either name.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import pydantic
import safetensors
import safetensors.torch
from torch import Tensor

from mlft.errors import MlftError
from mlft.files import digest, read_file, write_whole

FORMAT = "mlft-surrogate-2"

MOST, MOST_WEIGHTS = 2**20, 2**33
"""Bytes of a configuration and of weights, at most."""

Wanted = Callable[[dict[str, Any]], Mapping[str, Tensor] | None]

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
    sha256 = hashlib.sha256(weights).hexdigest()
    staged = _staged(folder, sha256)
    write_whole(staged, weights)
    described = {"format": form, **config, "sha256": sha256}
    described = json.loads(json.dumps(described))  # as it will be read
    described |= {"digest": digest(described)}
    write_whole(folder / _CONFIG, (json.dumps(described, indent=2) + "\n").encode())
    os.replace(staged, folder / _WEIGHTS)
    write_whole(folder / "README.md", card.encode())
    for leftover in folder.glob(_staged(folder, "?" * len(sha256)).name):
        leftover.unlink()


def read_bundle(
    folder: Path, *, form: str = FORMAT, wanted: Wanted | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights and the configuration of a saved surrogate, or of another bundle of a format.

    The configuration comes first, then the names and shapes in the head of the weights, then these themselves: what
    does not fit is refused before room is made for it.

    Args:
        folder: where `write_bundle` wrote.
        form: the format that the configuration must state.
        wanted: from the configuration to the tensors that the weights must be, by name; on the meta device they need
            no room.

    Raises:
        BundleError: for a missing or damaged file, a format that this version does not read, weights of other names or
            shapes than wanted, or numbers that are not finite.
    """
    config = read_description(folder, form=form)
    sha256 = _sha256(folder, config)
    found = [path for path in (folder / _WEIGHTS, _staged(folder, sha256)) if path.is_file()]
    if not found:
        raise BundleError(f"{folder} holds no weights: there is no {_WEIGHTS}")
    expected = None if wanted is None else wanted(config)
    for path in found:
        _refuse_larger(path, expected)
        if expected is not None:
            _refuse_other_shapes(path, expected)
        weights = path.read_bytes()
        if hashlib.sha256(weights).hexdigest() == sha256:
            return _finite(path, weights), config
    raise BundleError(
        f"{found[0]} is damaged, or not the file that {_CONFIG} belongs to: its SHA-256 should be {sha256}. "
        "Restore the folder from a copy or save the surrogate again"
    )


def read_description(folder: Path, *, form: str) -> dict[str, Any]:
    """Return the configuration of a bundle of a format; its weights are not looked at.

    Raises:
        BundleError: for a missing or damaged one, or a format that this version does not read.
    """
    path = folder / _CONFIG
    if not path.is_file():
        raise BundleError(f"{folder} holds no {form.split('-')[1]}: there is no {_CONFIG}")
    config = _plain(path)
    name = config.get("format")
    if name not in _forms(form):
        raise BundleError(f"{path} is written in the format {name!r}; this version reads {form!r}")
    if name == form and config.pop("digest", None) != digest(config):
        raise BundleError(f"{path} does not match its digest: it is damaged or was edited. Restore it from a copy")
    return config


def _sha256(folder: Path, config: dict[str, Any]) -> str:
    """Return the digest of the weights, which is a part of a name too."""
    told = config.get("sha256")
    if not isinstance(told, str) or re.fullmatch("[0-9a-f]{64}", told) is None:
        raise BundleError(f"{folder / _CONFIG} is damaged: it states no SHA-256 of {_WEIGHTS}")
    return told


def holds(folder: Path, form: str) -> bool:
    """Return whether a folder holds a bundle of a format, or of the one before it."""
    try:
        return _plain(folder / _CONFIG).get("format") in _forms(form)
    except BundleError:
        return False


def _forms(form: str) -> tuple[str, str]:
    """Return a format and the one before it, of which the configuration had no digest."""
    return form, f"{form[:-1]}1"


def _refuse_larger(path: Path, expected: Mapping[str, Tensor] | None) -> None:
    """Refuse a file of more bytes than the expected numbers can take, or than any bundle, before it is opened."""
    most = MOST_WEIGHTS if expected is None else MOST + 8 * sum(tensor.numel() for tensor in expected.values())
    size = path.stat().st_size
    if size > min(most, MOST_WEIGHTS):
        raise BundleError(f"{path} is damaged: it has {size} bytes, and its numbers take {most} at most")


def _refuse_other_shapes(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Refuse weights of other names, shapes or kinds of number than expected, by the head of their file."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (a file is no mapping)
            saved = {
                name: (tuple(part.get_shape()), part.get_dtype().startswith(("F", "BF")))
                for name, part in parts.items()
            }
    except (safetensors.SafetensorError, OSError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    known = {name: (tuple(tensor.shape), tensor.is_floating_point()) for name, tensor in expected.items()}
    wrong = [name for name in sorted(saved | known) if saved.get(name) != known.get(name)]
    if wrong:
        first = wrong[0]
        raise BundleError(
            f"the saved weights do not fit the network: {len(wrong)} differ, first {first!r}, saved with shape "
            f"{saved.get(first, ('none',))[0]}, in the network {known.get(first, ('none',))[0]}"
        )


def _finite(path: Path, weights: bytes) -> dict[str, Tensor]:
    try:
        tensors = safetensors.torch.load(weights)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    lost = [name for name, tensor in tensors.items() if tensor.isnan().any()]  # a mask may well be infinite
    if lost:
        raise BundleError(f"{path} holds what is no number, first in {lost[0]!r}: train again")
    return tensors


def _staged(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.safetensors"


def reason(error: Exception) -> str:
    """Return what is wrong with a description, in one line, from the error that it led to."""
    if isinstance(error, pydantic.ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error).partition("\n")[0] or type(error).__name__


def _plain(path: Path) -> dict[str, Any]:
    """Return the mapping in a file of JSON.

    Raises:
        BundleError: for a file that cannot be read, is too large, or holds something else.
    """
    try:
        config = json.loads(read_file(path, most=MOST))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict):
        raise BundleError(f"{path} is damaged: it holds a {type(config).__name__}, not names and values")
    return config
