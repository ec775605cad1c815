"""Saved surrogates as somebody forges them: another network, other shapes, other bytes, with digests right or wrong."""

import hashlib
import json
import os
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.storm.nasty import CANARY, damaged, mutated, value

CONFIG, WEIGHTS = "config.json", "model.safetensors"
DTYPES = ("F16", "BF16", "F64", "I64", "I32", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F128", "", "f32")
SIZES = (0, 1, 2, 7, 10**4, 10**10, 2**31, 2**40, 2**63, 2**64, 10**30, -1)

Forge = Callable[[Path, random.Random], None]


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Import the canary."""
        return __import__, (CANARY.partition(":")[0],)


def forge(folder: Path, chance: random.Random) -> None:
    """Forge a bundle in place, in one of many ways."""
    ways, weights = zip(*WAYS.items(), strict=True)
    chance.choices(ways, weights)[0](folder, chance)


def described(folder: Path, config: Any, chance: random.Random, *, right: bool = True) -> None:
    """Write a configuration, with its digest where that is to be right."""
    if isinstance(config, dict) and right:
        config = {name: one for name, one in config.items() if name != "digest"}
        config["digest"] = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    (folder / CONFIG).write_bytes(json.dumps(config).encode("utf-8", "surrogatepass"))


def weighed(folder: Path, content: bytes, chance: random.Random, *, right: bool = True) -> None:
    """Write weights, and their digests where those are to be right."""
    (folder / WEIGHTS).write_bytes(content)
    if right:
        told = json.loads((folder / CONFIG).read_bytes()) | {"sha256": hashlib.sha256(content).hexdigest()}
        described(folder, told, chance)


def other_configuration(folder: Path, chance: random.Random) -> None:
    """Change values, names and kinds in the configuration."""
    told = json.loads((folder / CONFIG).read_bytes())
    described(folder, mutated(told, chance), chance, right=chance.random() < 0.7)


def other_network(folder: Path, chance: random.Random) -> None:
    """Ask for networks of every size."""
    told = json.loads((folder / CONFIG).read_bytes())
    options, grid = told["options"], told.get("grid") or told["place"]["grid"]
    size = chance.choice((*SIZES, 10**7, 1.5, "5", None, True))
    how = chance.choice((*options, "channels", "cells", "lengths", "name", "more"))
    if how in options:
        options[how] = [size] * chance.choice((1, 2, 3)) if how in ("modes", "channels") else size
    elif how == "channels":
        told["channels"] = chance.choice(([size, 1], [1, size], [size] * 3, []))
    elif how in grid:
        grid[how] = chance.choice(([size], [size, size], [32, size], [], [[size]]))
    elif how == "name":
        told["network"] = told["name"] = chance.choice(
            (CANARY, "os.system", "fno ", "FNO", "__main__", "torch.nn.modules.linear.Linear")
        )
    else:
        told[chance.choice(("module", "code", "__reduce__", "format"))] = value(chance)
    described(folder, told, chance, right=chance.random() < 0.9)


def other_head(folder: Path, chance: random.Random) -> None:
    """Change names, shapes, dtypes and places in the head of the weights."""
    content = (folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    head: dict[str, Any] = json.loads(content[8 : 8 + length])
    name = chance.choice(sorted(set(head) - {"__metadata__"}))
    one, how = head[name], chance.choice(("shape", "dtype", "data_offsets", "name", "twice", "metadata", "gone", "any"))
    if how == "shape":
        one["shape"] = [chance.choice(SIZES) for _ in range(chance.randrange(5))]
    elif how == "dtype":
        one["dtype"] = chance.choice(DTYPES)
    elif how == "data_offsets":
        one["data_offsets"] = chance.choice(([0, 0], [0, 2**40], [2**63, 2**64], [8, 4], [-1, 4], [0], None))
    elif how in ("name", "twice"):
        head[chance.choice(("", "a" * 10**5, "\udcff", "__metadata__", "../../x", "network"))] = one
        head = {key: inner for key, inner in head.items() if how == "twice" or key != name}
    elif how == "metadata":
        head["__metadata__"] = chance.choice(({"format": "tf"}, {"x": "y" * 10**6}, {"x": 3}, [], None, "pt"))
    elif how == "gone":
        del head[name]
    else:
        head = mutated(head, chance)
    text = json.dumps(head).encode("utf-8", "surrogatepass")
    told = chance.choice((len(text),) * 6 + (0, 2**40, 2**63, len(text) - 1, len(text) + 9))
    weighed(folder, struct.pack("<Q", told) + text + content[8 + length :], chance, right=chance.random() < 0.8)


def other_numbers(folder: Path, chance: random.Random) -> None:
    """Put numbers in the weights that are none."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    length = struct.unpack("<Q", content[:8])[0]
    place = 8 + length + 8 * chance.randrange((len(content) - length - 8) // 8)
    kinds = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff")
    content[place : place + 8] = chance.choice(kinds) + b"\x00\x00\xf8\x7f"
    weighed(folder, bytes(content), chance)


def other_bytes(folder: Path, chance: random.Random) -> None:
    """Damage the bytes of one file."""
    name = chance.choice((CONFIG, WEIGHTS))
    content = damaged((folder / name).read_bytes(), chance)
    if name == CONFIG:
        (folder / CONFIG).write_bytes(content)
    else:
        weighed(folder, content, chance, right=False)


def other_format(folder: Path, chance: random.Random) -> None:
    """Put in place of the weights, or of the configuration, a file of another kind."""
    pickled = pickle.dumps(Bomb())
    archive = b"PK\x03\x04" + pickled
    kinds = (
        pickled,
        archive,
        b"\x93NUMPY" + pickled,
        b"\x1f\x8b" + pickled,
        b"",
        b"\x00" * 10**6,
        b"#!/bin/sh\nfalse\n",
    )
    if chance.random() < 0.7:
        weighed(folder, chance.choice(kinds), chance, right=chance.random() < 0.5)
    else:
        (folder / CONFIG).write_bytes(chance.choice(kinds))


def large(folder: Path, chance: random.Random) -> None:
    """Make files large or deep: sparse ones of 40 GB, JSON of 100 MB or 1e5 levels."""
    name = chance.choice((CONFIG, WEIGHTS))
    how = chance.choice(("sparse", "deep", "long", "digits"))
    if how == "sparse":
        os.truncate(folder / name, chance.choice((2**21, 10**8, 4 * 10**10)))
    elif how == "long":
        (folder / name).write_bytes(b'{"format": "mlft-surrogate-2"' + b" " * chance.choice((10**6, 10**8)) + b"}")
    else:
        deep = chance.choice((b"[", b'{"a":')) * 10**5
        content = deep if how == "deep" else b'{"format": ' + b"9" * 10**5 + b"}"
        if name == CONFIG:
            (folder / name).write_bytes(content)
        else:
            weighed(folder, struct.pack("<Q", len(content)) + content, chance)


def not_a_file(folder: Path, chance: random.Random) -> None:
    """Put in place of a file a link, a folder, a pipe, a device."""
    path = folder / chance.choice((CONFIG, WEIGHTS))
    path.unlink()
    how = chance.choice(("link", "folder", "pipe", "nothing", "loop"))
    if how == "link":
        path.symlink_to(
            chance.choice(("/dev/zero", "/dev/full", "/dev/tty", "/etc/passwd", "/", "nowhere", "/proc/self/mem"))
        )
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "loop":
        path.symlink_to(path.name)


WAYS: dict[Forge, int] = {
    other_configuration: 6,
    other_network: 4,
    other_head: 5,
    other_numbers: 1,
    other_bytes: 3,
    other_format: 2,
    large: 1,
    not_a_file: 1,
}
"""How bundles are forged, and how often."""
