"""A solver behind an UM-Bridge server: plain HTTP, a request a sample."""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float
from pydantic_core import from_json, to_json  # ten times as fast as the standard library on lists of numbers

from mlft.errors import ConfigError, UnreachableError, plain
from mlft.grids import Grid
from mlft.problems import Solved
from mlft.problems.solved import real
from mlft.status import BAD_OUTPUT, NOT_FINITE, OK, REFUSED, TIMEOUT, WRONG_SHAPE

Array = np.ndarray
Told = tuple[Array | None, str, str]
"""The solution of a sample, how it ended, and why."""

_WRITTEN = {"nan": "NaN", "inf": "Infinity"}
_NOT_FINITE = re.compile(r"\b(nan|inf)\b")

PAUSE = 0.2
"""Seconds before a connection that failed is tried again; twice as long each time."""


@final
@dataclass(frozen=True)
class UMBridgeSolver:
    """A solver behind an UM-Bridge server: a model that is asked for `{"level": l}`, 0 the coarsest.

    It is a `solve_function` of a `FunctionProblem`. Each channel of an input is one input vector of the model, its
    points in the order of the grid, the last axis fastest; or all channels are one vector, where the model has one.
    Outputs alike. The sizes that the model has on a level are asked for first, and are to be the grid's.

    Only a connection that fails is tried again; a server that stays away stops the run, no sample is blamed, and the
    same call continues when it is back. What it answers and is no solution is a failure by name, with its reason in the
    ledger: "refused" (an error of the server or the model), "bad-output" (no UM-Bridge answer), "wrong-shape",
    "not-finite", "timeout".

    Attributes:
        url: of the server, as in "http://localhost:4242".
        name: of the model.
        config: more that the model is given beside the level.
        timeout: seconds that one answer may take; unless given, for ever.
        retries: how often a connection that fails is tried again.

    Raises:
        ValueError: for an address that is none, a time-out that is not above 0, or retries below 0.

    Source: Seelinger, Cheng-Seelinger, Davis, Parno, Reinarz, UM-Bridge (2023), JOSS 8(83), 4748; protocol 1.0.
    """

    url: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the address of a server is one as http://localhost:4242, got {self.url!r}")
        if self.retries < 0 or (self.timeout is not None and not self.timeout > 0):
            raise ValueError(f"retries >= 0 and a time-out above 0 or None are allowed, got {self}")

    def __call__(self, inputs: Float[Array, "n c *grid"], grid: Grid, level: int) -> Solved:
        """Return the solutions of some samples on a level, one request after the other.

        Raises:
            UnreachableError: if no server answers, or it has no such model.
            ConfigError: if the model has other sizes than the grid.
        """
        config = {**self.config, "level": level}
        sizes = self._sizes(json.dumps(config, sort_keys=True))
        vectors = self._refuse_other_sizes(sizes, inputs.shape[1], grid, level)
        channels = sum(sizes[1]) // int(np.prod(grid.shape))
        asked = ({"name": self.name, "input": x.reshape(vectors, -1).tolist(), "config": config} for x in inputs)
        with closing(_Server(self)) as server:
            ended = [self._one(server, one, channels, grid) for one in asked]
        solutions = np.full((len(inputs), channels, *grid.shape), np.nan)
        for row, (made, _, _) in zip(solutions, ended, strict=True):
            if made is not None:
                row[:] = made
        return Solved(solutions, tuple(name for _, name, _ in ended), notes=tuple(note for _, _, note in ended))

    def _sizes(self, config: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return _asked_sizes(self.url, self.name, config, self.timeout, self.retries)

    def _refuse_other_sizes(
        self, sizes: tuple[tuple[int, ...], tuple[int, ...]], channels: int, grid: Grid, level: int
    ) -> int:
        """Return the vectors that the model's inputs are."""
        points = int(np.prod(grid.shape))
        taken, given = sizes
        if taken not in ((points,) * channels, (points * channels,)):
            told = f"takes vectors of {list(taken)} numbers, and the inputs are {channels} channels of {points} points"
        elif set(given) != {points} and (len(given) != 1 or given[0] % points or not given[0]):
            told = f"gives vectors of {list(given)} numbers, and a channel of solutions has {points} points"
        else:
            return len(taken)
        raise ConfigError(
            f"the model {self.name!r} at {self.url} {told} on level {level} ({grid} cells): let it heed the level in "
            'config, {"level": l} with 0 the coarsest, or give each level the grid that the model has'
        )

    def _one(self, server: "_Server", asked: Mapping[str, Any], channels: int, grid: Grid) -> Told:
        try:
            status, told = server.ask("Evaluate", asked)
        except TimeoutError:
            return None, TIMEOUT, f"no answer in {self.timeout:g} s"
        if status != 200 or "error" in told:
            return None, REFUSED, f"answered {status}: {_error(told)}"
        return _solution(told, channels, grid)


def _solution(told: Mapping[str, Any], channels: int, grid: Grid) -> Told:
    """Return the solution in an answer: a vector a channel, or one of all."""
    points, output = int(np.prod(grid.shape)), told.get("output")
    try:
        rows = [real(row, "output") for row in output] if isinstance(output, list) else []
    except (TypeError, ValueError):
        rows = []
    if not rows or any(row.ndim != 1 for row in rows):
        return None, BAD_OUTPUT, f"its answer has no list of vectors of numbers as output: {plain(str(dict(told)), 80)}"
    sizes = [len(row) for row in rows]
    if sizes not in ([points] * channels, [points * channels]):
        told_sizes = f"its output has vectors of {sizes} numbers, and is to have {channels} channels of {points} points"
        return None, WRONG_SHAPE, told_sizes
    solution = np.concatenate(rows).reshape(channels, *grid.shape)
    return solution, OK if np.isfinite(solution).all() else NOT_FINITE, ""


def _error(told: Mapping[str, Any]) -> str:
    """Return the error in an answer, in one line."""
    error = told.get("error", told.get("answer", told))
    words = f"{error.get('type', '')}: {error.get('message', '')}" if isinstance(error, dict) else str(error)
    return plain(words)


@lru_cache(maxsize=64)
def _asked_sizes(
    url: str, name: str, config: str, timeout: float | None, retries: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of a model's inputs and outputs.

    Raises:
        UnreachableError: if no server answers, or not with sizes.
    """
    solver = UMBridgeSolver(url, name, timeout=timeout, retries=retries)
    found = []
    with closing(_Server(solver)) as server:
        for kind, key in (("InputSizes", "inputSizes"), ("OutputSizes", "outputSizes")):
            try:
                status, told = server.ask(kind, {"name": name, "config": json.loads(config)})
            except TimeoutError:
                raise UnreachableError(f"the server at {url} gave no answer to {kind} in {timeout:g} s") from None
            sizes = told.get(key)
            if status != 200 or not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
                raise UnreachableError(
                    f"the server at {url} gave no {key} of a model {name!r} (it answered {status}: {_error(told)}): "
                    "give the address of an UM-Bridge server, and the name of one of its models"
                )
            found.append(tuple(sizes))
    return found[0], found[1]


class _Server:
    """A connection to a server, opened when it is needed and again when it broke."""

    def __init__(self, solver: UMBridgeSolver) -> None:
        self._solver = solver
        parts = urlsplit(solver.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._path = parts.path.rstrip("/")
        self._connection = kind(parts.hostname or "", parts.port, timeout=solver.timeout)

    def ask(self, what: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the object that the server answers, {} where it is none.

        Raises:
            UnreachableError: if the connection fails, again and again.
            TimeoutError: if it holds, and no answer comes.
        """
        words = to_json(body, inf_nan_mode="constants")
        for tried in range(self._solver.retries + 1):
            if tried:
                time.sleep(PAUSE * 2 ** (tried - 1))
            try:
                self._connect()
                self._connection.request("POST", f"{self._path}/{what}", words, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                return answer.status, _object(answer.read())
            except TimeoutError:
                self.close()
                raise
            except (OSError, http.client.HTTPException) as error:
                self.close()
                why = f"{type(error).__name__}: {error}"
        raise UnreachableError(
            f"the server at {self._solver.url} does not answer ({plain(why)}), {self._solver.retries + 1} times: start "
            "it, and run the same again; what is solved is kept"
        )

    def _connect(self) -> None:
        """Connect where there is no connection; a server that cannot be reached in time is one that is away."""
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except TimeoutError as error:
                raise ConnectionError(f"no connection in time: {error}") from None

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._connection.close()


def _object(body: bytes) -> dict[str, Any]:
    """Return the object in a body; what is none is put into one.

    The server of the package `umbridge` writes Python's nan and inf where JSON has none.
    """
    told: object = body.decode(errors="replace")
    try:
        told = from_json(body)
    except ValueError:
        with contextlib.suppress(ValueError):
            told = from_json(_NOT_FINITE.sub(lambda found: _WRITTEN[found[0]], str(told)))
    return told if isinstance(told, dict) else {"answer": told}
