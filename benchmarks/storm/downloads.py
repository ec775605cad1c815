"""Finished runs as somebody offers them: records, arrays, lifts and ledgers that lie, with digests that are right."""

import contextlib
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from zlib import crc32

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.storm.bundles import described
from benchmarks.storm.nasty import CANARY, as_json, mutated, value
from mlft.experiment.manifest import write_manifest
from mlft.store import LEDGER


def forge_run(run: Path, chance: random.Random) -> None:
    """Forge one file of a finished run, and most often the digests of its manifest after it."""
    ways = (other_record, other_record, other_arrays, other_lift, other_facts, other_manifest)
    chance.choice(ways)(run, chance)
    if not (run / "manifest.json").is_symlink() and chance.random() < 0.9:
        with contextlib.suppress(OSError):
            write_manifest(run)


def other_record(run: Path, chance: random.Random) -> None:
    """Forge what a run or `trust` found."""
    file = run / chance.choice(("record.json", "record.json", "trust.json"))
    told = json.loads(file.read_bytes())
    how = chance.random()
    if how < 0.3 and "config" in told:
        if how < 0.15:
            told["problem"] = told["config"]["problem"] = CANARY
        else:
            told["store"] = chance.choice(
                ("..", "../elsewhere", "elsewhere", "\0", "a" * 5000, "..//..//..", "samples")
            )
        file.write_text(json.dumps(told))
    else:
        file.write_bytes(as_json(mutated(told, chance), chance))


def other_arrays(run: Path, chance: random.Random) -> None:
    """Forge the arrays of the pictures."""
    file = run / chance.choice(("evaluation.safetensors", "trust.safetensors"))
    arrays = dict(load_file(file))
    name = chance.choice(sorted(arrays))
    one = arrays.pop(name)
    shapes = ((0,), (1,), (3, 0), (2, 2, 2, 2), (10**6,), one.shape[::-1], (*one.shape, 1))
    kinds = (np.float16, np.int8, np.bool_, np.uint64, np.float64)
    made = np.full(chance.choice(shapes), chance.choice((0.0, np.nan, np.inf, -1.0, 7.0, 1e300)))
    with np.errstate(all="ignore"):
        arrays[chance.choice((name, name, name, "other"))] = made.astype(chance.choice(kinds))
    save_file(arrays, file)


def other_lift(run: Path, chance: random.Random) -> None:
    """Forge a lift, and what it says of its problem."""
    file = run / "lifts" / chance.choice(("level-0", "level-1")) / "config.json"
    told = json.loads(file.read_bytes())
    told["problem"] = chance.choice(({"name": CANARY, "options": {}}, value(chance), {"name": value(chance)}))
    described(file.parent, told, chance)


def other_facts(run: Path, chance: random.Random) -> None:
    """Forge facts and rows of the ledger, their checksums right."""
    with closing(sqlite3.connect(run / LEDGER)) as ledger, ledger:
        if chance.random() < 0.5:
            text = json.dumps(value(chance))
            ledger.execute("UPDATE facts SET value = ?, checksum = ?", (text, crc32(repr(("identity", text)).encode())))
            return
        *key, column = chance.choice(ledger.execute("SELECT stream, level, sample FROM samples").fetchall()), None
        column = chance.choice(("status", "attempts", "seconds", "note", "row", "sha256", "file", "level", "stream"))
        strange = chance.choice(("../../../precious", CANARY, -1, 2**62, None, b"\xff", "", 1.5))
        (row,) = ledger.execute("SELECT * FROM samples WHERE (stream, level, sample) = (?, ?, ?)", key[0]).fetchall()
        names = [each[1] for each in ledger.execute("PRAGMA table_info(samples)")]
        made = tuple(strange if name == column else old for name, old in zip(names, row, strict=True))[:-1]
        with contextlib.suppress(sqlite3.IntegrityError):
            ledger.execute("DELETE FROM samples WHERE (stream, level, sample) = (?, ?, ?)", key[0])
            marks = ", ".join("?" * len(names))
            ledger.execute(f"INSERT INTO samples VALUES ({marks})", (*made, crc32(repr(made).encode())))


def other_manifest(run: Path, chance: random.Random) -> None:
    """Forge the list of the files."""
    file = run / "manifest.json"
    told = json.loads(file.read_bytes())
    told["files"] |= {
        chance.choice(("/dev/zero", "../" * 9 + "dev/zero", "\0", "a" * 5000, "/proc/self/mem", ".")): "0"
    }
    file.unlink()
    if chance.random() < 0.3:
        file.symlink_to(chance.choice(("/dev/zero", "manifest.json", "/proc/self/mem")))
    else:
        file.write_bytes(as_json(told if chance.random() < 0.5 else mutated(told, chance), chance))
