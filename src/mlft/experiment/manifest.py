"""What a finished run consists of: a digest of each of its files, so that a damaged or swapped one is not believed."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from mlft.errors import MlftError
from mlft.experiment.record import BANDS, EVALUATION, FAMILIARITY, RECORD
from mlft.files import MOST_TEXT, read_file, write_whole

MANIFEST = "manifest.json"

_BUNDLES = ("surrogate", "lifts/level-*")


def write_manifest(folder: Path) -> None:
    """Write the digests of a run's files, the last thing that a run does."""
    content = {"files": {name: _digest(folder / name) for name in _files(folder)}}
    write_whole(folder / MANIFEST, (json.dumps(content, indent=2) + "\n").encode())


def complete(folder: Path) -> None:
    """Write the manifest of a run that has its record and none: new, killed in between, or of an older version."""
    if not (folder / MANIFEST).exists() and all((folder / name).is_file() for name in _files(folder)):
        write_manifest(folder)


def unfit(folder: Path) -> list[str]:
    """Return the files of a run that are not what its manifest says; none where a version without one made the run."""
    file = folder / MANIFEST
    if not file.exists():
        return []
    try:
        told = json.loads(read_file(file, most=MOST_TEXT))["files"]
        return sorted({*told, *_files(folder)} - {name for name, digest in told.items() if _is(folder / name, digest)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [MANIFEST]


def set_aside(folder: Path) -> None:
    """Take the record from a run, under another name, so that the same command makes it anew from what is left."""
    (folder / MANIFEST).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (folder / RECORD).replace(folder / f"{RECORD}.damaged")


def refuse_unfit(folder: Path) -> None:
    """Refuse a run with files that are not what its manifest says.

    Raises:
        MlftError: naming them, with what to do.
    """
    found = unfit(folder)
    if found:
        raise MlftError(
            f"{', '.join(found)} in {folder} {'is' if len(found) == 1 else 'are'} damaged, or of another run: run the "
            "same `mlft run` on that folder again, which makes them anew from its samples"
        )


def _files(folder: Path) -> Iterator[str]:
    yield from (RECORD, EVALUATION)
    yield from (name for name in (BANDS, FAMILIARITY) if (folder / name).is_file())  # an older version wrote none
    for pattern in _BUNDLES:
        for bundle in sorted(folder.glob(pattern)):
            for name in ("config.json", "model.safetensors"):
                yield (bundle / name).relative_to(folder).as_posix()


def _is(path: Path, digest: object) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()
