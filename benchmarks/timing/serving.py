"""`mlft serve` under load, on this machine alone: answers, times, odd bodies, and a kill.

A small run is served by a process of its own. Clients keep a connection each and ask one request after another, as
fast as they are answered, with inputs that differ; an answer is wrong if it is off the surrogate's own prediction by
more than 1e-5 of its largest value (a network in float32 gives other last bits in other batches).
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

import mlft
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate

BENCHMARK = Benchmark("timing.serving", "The server", ("torch", "starlette", "uvicorn", "onnxruntime"))
LOADED = ("answered", "clients", "requests", "wrong", "p50, ms", "p99, ms", "requests / s", "times one at a time")
FUZZED = ("bodies", "JSON", "status 200", "status 400", "status 413", "other", "tracebacks")
KILLED = ("requests before", "cut off", "seconds to the next answer", "requests after", "wrong")
TOLERANCE = 1e-5

Answer = tuple[int, bytes]


@final
@dataclass(frozen=True)
class Size:
    """How much is asked."""

    clients: int
    requests: int
    alone: int
    bodies: int
    seconds: float
    steps: int
    pause: float


FULL = Size(clients=64, requests=10_000, alone=1_500, bodies=10_000, seconds=150.0, steps=100, pause=3.0)
SHORT = Size(clients=8, requests=48, alone=16, bodies=60, seconds=30.0, steps=6, pause=0.1)


@final
@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: of each request that was answered.
        wrong: answers that are off, or no answers.
        cut: requests that no answer came to.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    cut: int = 0


@final
@dataclass(frozen=True)
class Asked:
    """Requests and what they must be answered with.

    Attributes:
        bodies: of requests to /Evaluate.
        known: the surrogate's predictions, (n, values).
    """

    bodies: tuple[bytes, ...]
    known: np.ndarray

    def right(self, i: int, answer: Answer) -> bool:
        """Return whether an answer is what the surrogate predicts."""
        status, content = answer
        if status != 200:
            return False
        found, known = np.ravel(json.loads(content)["output"]), self.known[i]
        return bool(np.abs(found - known).max() <= TOLERANCE * np.abs(known).max())


def requests_of(record: mlft.Record, count: int = 256) -> Asked:
    """Return requests with inputs of the law, mixed from the test draws, and their answers."""
    drawn = record.samples(1, "test").inputs
    mixed = np.random.default_rng(0).normal(size=(count, len(drawn))) / len(drawn) ** 0.5
    inputs = np.tensordot(mixed, drawn, 1)
    bodies = (json.dumps({"name": "forward", "input": one.reshape(len(one), -1).tolist()}).encode() for one in inputs)
    return Asked(tuple(bodies), record.predict(inputs, unfamiliar="ignore").reshape(count, -1))


@contextmanager
def server(folder: Path, errors: Path, *words: str) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Serve a run; what the server says of errors goes to a file. Gives its port."""
    command = [sys.executable, "-c", "from mlft.cli import main; main()", "serve", str(folder), "--port", "0", *words]
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with errors.open("a") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, env=told)
    assert process.stdout is not None
    with process.stdout:
        try:
            line = process.stdout.readline()
            if "http://127.0.0.1:" not in line:
                raise RuntimeError(f"the server did not start: {line}{errors.read_text()}")
            yield int(line.split("http://127.0.0.1:")[1].split("/")[0]), process
        finally:
            process.kill()
            process.wait()


@final
class Line:
    """A connection to the server that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ends: Any = None

    async def ask(self, path: str, body: bytes) -> Answer:
        """Return status and content of an answer."""
        if self.ends is None:
            self.ends = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.ends
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(told.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Close it."""
        if self.ends is not None:
            self.ends[1].close()


async def load(port: int, asked: Asked, clients: int, requests: int, seconds: float) -> tuple[Load, float]:
    """Return what clients saw of so many requests, or of fewer after some seconds, and the seconds it took."""
    seen, left, end = Load(), iter(range(requests)), time.perf_counter() + seconds

    async def client() -> None:
        line = Line(port)
        for i in left:
            start = time.perf_counter()
            if start > end:
                break
            try:
                answer = await line.ask("/Evaluate", asked.bodies[i % len(asked.bodies)])
            except (OSError, asyncio.IncompleteReadError):
                seen.cut += 1
                break
            seen.seconds.append(time.perf_counter() - start)
            seen.wrong += not asked.right(i % len(asked.bodies), answer)
        line.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return seen, time.perf_counter() - start


def loaded(port: int, asked: Asked, size: Size, requests: int) -> tuple[Load, float]:
    """Return what clients saw, and the seconds it took, after a first request of each that is not counted."""
    asyncio.run(load(port, asked, size.clients, size.clients, size.seconds))
    return asyncio.run(load(port, asked, size.clients, requests, size.seconds))


def load_rows(found: dict[str, tuple[Load, float]], clients: int) -> Iterator[Row]:
    """Yield a row a server; the last of them answers one request at a time."""
    pace = [len(seen.seconds) / taken for seen, taken in found.values()]
    for (name, (seen, _)), speed in zip(found.items(), pace, strict=True):
        middle, late = (1e3 * float(np.quantile(seen.seconds, q)) for q in (0.5, 0.99))
        yield name, clients, len(seen.seconds), seen.wrong + seen.cut, middle, late, speed, speed / pace[-1]


def odd_body(source: random.Random, good: bytes) -> bytes:
    """Return a body that is a good one with bytes changed, cut, repeated or put in, odd JSON, or bytes alone."""
    at, more = source.randrange(len(good)), source.randrange(1, 40)
    words = [
        b"NaN",
        b"1e999",
        b"null",
        b'"',
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"\xff",
        b"-",
        b"true",
        b'"name":"x",',
        b"\\ud800",
    ]
    kind = source.randrange(7)
    if kind == 0:
        return good[:at]
    if kind == 1:
        return good[:at] + source.choice(words) + good[at:]
    if kind == 2:
        return good[:at] + source.choice(words) + good[at + more :]
    if kind == 3:
        return good[:at] + source.randbytes(more) + good[at + more :]
    if kind == 4:
        return b"[" * source.randrange(1, 20_000)
    if kind == 5:
        values = [None, True, -1, 1e308, 10**400, "x", [], {}, [[0.5]], {"level": 0.9}]
        names = ["name", "config", "input", "inputs", "outWrt", "inWrt", "sens", "vec", "uncertainty", "familiarity"]
        told = {name: source.choice(values) for name in source.sample(names, source.randrange(len(names)))}
        return json.dumps(told | {"name": source.choice(["forward", "half-width", "familiarity", 3])}).encode()
    return source.randbytes(source.randrange(2000))


async def fuzz(port: int, good: bytes, size: Size) -> Counter[str]:
    """Return how many odd bodies were answered by JSON, and with what status."""
    source, seen, left = random.Random(0), Counter[str](), iter(range(size.bodies))
    paths = ("/Evaluate", "/Gradient", "/ApplyJacobian", "/ApplyHessian", "/predict", "/ModelInfo", "/InputSizes")

    async def client() -> None:
        line = Line(port)
        for _ in left:
            status, content = await line.ask(source.choice(paths), odd_body(source, good))
            told = json.loads(content)
            whole = status == 200 or set(told["error"]) == {"type", "message"}
            seen.update(JSON=whole, **{str(status): 1})
        line.close()

    await asyncio.gather(*(client() for _ in range(8)))
    return seen


def fuzz_row(seen: Counter[str], bodies: int, errors: str) -> Row:
    """Return the row of odd bodies."""
    known = [seen[status] for status in ("200", "400", "413")]
    return bodies, seen["JSON"], *known, bodies - sum(known), errors.count("Traceback")


async def killed(port: int, process: "subprocess.Popen[str]", asked: Asked, size: Size) -> Load:
    """Kill a server under load, and return what clients saw until then."""
    under = asyncio.ensure_future(load(port, asked, size.clients, size.requests, size.seconds))
    await asyncio.sleep(size.pause)
    process.kill()
    return (await under)[0]


def measure(folder: Path, size: Size) -> list[Table]:
    """Return the tables: loads, odd bodies, a kill."""
    options: dict[str, Any] = {"cells": 32, "levels": 2}
    training = {"steps": size.steps}
    asking: dict[str, Any] = {"options": options, "training": training, "strategy": "finest-only", "test": 40}
    record = mlft.run("poisson", budget="20solves", out=folder / "run", **asking)
    asked, errors, found = requests_of(record), folder / "errors.log", {}
    with server(record.folder, errors) as (port, process):
        found["together"] = loaded(port, asked, size, size.requests)
        odd = fuzz_row(asyncio.run(fuzz(port, asked.bodies[0], size)), size.bodies, errors.read_text())
        before = asyncio.run(killed(port, process, asked, size))
        start = time.perf_counter()
        with server(record.folder, errors, "--port", str(port)) as (again, _):
            first, _ = asyncio.run(load(again, asked, 1, 1, size.seconds))
            back = time.perf_counter() - start
            after, _ = loaded(again, asked, size, size.alone)
    with server(record.folder, errors, "--fast") as (port, _):
        found["together, --fast"] = loaded(port, asked, size, size.requests)
    with server(record.folder, errors, "--together", "1", "--fast") as (port, _):
        found["one at a time, --fast"] = loaded(port, asked, size, size.alone)
    with server(record.folder, errors, "--together", "1") as (port, _):
        found["one at a time"] = loaded(port, asked, size, size.alone)
    wrong = before.wrong + first.wrong + after.wrong + first.cut + after.cut
    killing = len(before.seconds), before.cut, back, len(after.seconds), wrong
    of = f"a surrogate of `poisson` on 32 cells ({record.surrogate!r})"
    return [
        tabulate(f"Requests to /Evaluate, {of}.", LOADED, load_rows(found, size.clients)),
        tabulate("Odd bodies, to seven paths.", FUZZED, [odd]),
        tabulate("`kill -9` under load, and the same port again.", KILLED, [killing]),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    with tempfile.TemporaryDirectory() as folder:
        publish(BENCHMARK, measure(Path(folder), SHORT if asked.short else FULL), asked)


if __name__ == "__main__":
    main()
