"""What nobody means and anybody may send: values, and mutations of words, of bytes, of trees, of TOML and of JSON."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import tomli_w

CANARY = "canary:problem"
"""A problem of a module that must not be imported."""

TEXTS = (
    *("", " ", "0", "-1", "nan", "inf", "-inf", "1e400", "4e20", "399999999999999999999", "0x10", "1_000", "true"),
    *("none", "null", "[]", "{}", "[[[[[[", '"', "\\", "%s%n", "../../proc/version", "/dev/null", "/dev/zero"),
    *(".", "/proc", "~", "a" * 5000, "ü", "\u2028", "\u202e", "𝕏", "\x1b[2J", "a\nb", "a\tb", "a\rb", "\x7f", "\udcff"),
    *("1" * 5000, "-" * 3, "--help", "cells=4", "=", "==", "a=b=c", ",", ",,", ":", "::", "a:b:c", "os:system", CANARY),
    *("burgers", "finetune", "single-level:0", "single-level:" + "9" * 30, "single-level:²", "single-level:-1", "lift"),
    *("1e308solves", "1e12solves", "12 solves", "0.0000001h", "٣solves", "solves", "cuda", "cuda:99", "meta", "cpu:x"),
)
"""Of a command line or a file, where a text may stand."""

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 2**31, 2**63, 2**64, -(2**63), 10**30, 4 * 10**20, 10**400),
    *(0.0, -0.0, 0.5, 1e-300, 1e308, 1e16, float("nan"), float("inf"), float("-inf")),
)

THINGS: tuple[Any, ...] = (
    True,
    False,
    None,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": {}}},
    [1, 2, 3],
    ["a"],
    {"0": 0},
)


def value(chance: random.Random) -> Any:
    """Return a plain value of any kind."""
    return copy.deepcopy(chance.choice(chance.choice((TEXTS, NUMBERS, THINGS))))


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each place in a tree of plain values."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


def mutated(tree: Any, chance: random.Random) -> Any:
    """Return a tree of plain values with one to three places changed: another value, gone, more, renamed."""
    made = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        known = list(places(made))
        if not known:
            return value(chance)
        *path, last = chance.choice(known)
        at = made
        for step in path:
            at = at[step]
        how = chance.choice(("other", "other", "other", "gone", "renamed", "more"))
        if how == "other":
            at[last] = value(chance)
        elif how == "gone":
            del at[last]
        elif isinstance(at, list):
            at.insert(last, value(chance) if how == "more" else copy.deepcopy(at[last]))
        else:
            at[chance.choice(TEXTS)] = value(chance) if how == "more" else at.pop(last)
    return made


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with one bit flipped, a part gone, twice, or in place of it bytes of any kind."""
    if not content:
        return chance.randbytes(20)
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice((1, 2, 8, 100, len(content))))
    how = chance.choice(("flip", "flip", "cut", "gone", "twice", "noise", "zero"))
    if how == "flip":
        return content[:start] + bytes([content[start] ^ 1 << chance.randrange(8)]) + content[start + 1 :]
    if how == "cut":
        return content[:start]
    middle = {"gone": b"", "twice": content[start:end] * 2, "noise": chance.randbytes(end - start)}
    return content[:start] + middle.get(how, bytes(end - start)) + content[end:]


def toml(tree: Any, chance: random.Random) -> bytes:
    """Return a tree as TOML, as far as TOML knows its values, its bytes now and then damaged."""
    try:
        content = tomli_w.dumps(tree).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, AttributeError):
        content = repr(tree).encode("utf-8", "surrogatepass")
    return damaged(content, chance) if chance.random() < 0.2 else content


def as_json(tree: Any, chance: random.Random) -> bytes:
    """Return a tree as JSON, its bytes now and then damaged, deep, long, or followed by more."""
    content = json.dumps(tree).encode("utf-8", "surrogatepass")
    how = chance.random()
    if how < 0.15:
        return damaged(content, chance)
    if how < 0.17:
        return chance.choice((b"[" * 100_000, b'{"a":' * 100_000, content + b" " * 2**20, content * 2))
    return content
