"""Made-up runs to be served, an application asked without a network, and a server in a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finished import fields, record
from mlft.experiment.finished import Record
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import from_plain
from mlft.grids import Grid
from mlft.serving.app import Door, Service, application
from mlft.serving.limits import Limits
from mlft.serving.served import Served
from mlft.surrogates import Surrogate, build
from mlft.uncertainty import calibrate

PLANE = Grid((18, 26), (1.0, 1.5), periodic=(False, True), origin=(-0.5, 2.0))
CHANNELS = (2, 1)


def a_surrogate(name: str = "fno", grid: Grid = PLANE, channels: tuple[int, int] = CHANNELS) -> Surrogate:
    """A small network with random weights, and normalisers that are not the identity."""
    options = {"modes": [3] * grid.dimension, "width": 5, "depth": 2} if name == "fno" else {}
    made = build(name, channels, grid, generator=torch.Generator().manual_seed(3), options=options)
    made.input_normaliser.shift += 0.3
    made.input_normaliser.scale *= 1.5
    made.output_normaliser.scale *= 0.25
    return made.eval()


def a_served(folder: Path, surrogate: Surrogate | None = None, *, bands: bool = True) -> Served:
    """A run of two input channels and one of solutions in the plane, with bands at 0.5 and 0.9, without an alarm."""
    surrogate = surrogate or a_surrogate()
    facts = record(dimension=2)
    facts["error"] = {
        "samples": 37,
        "relative_l2": dict.fromkeys(("mean", "median", "q90", "mean_lower", "mean_upper")),
    }
    residuals = np.random.default_rng(0).normal(size=(40, surrogate.channels[1], *surrogate.grid.shape))
    made = calibrate(residuals, np.linspace(0.1, 0.2, 40), levels=(0.5, 0.9)) if bands else None
    shown = {"errors": np.linspace(0.1, 0.2, 37), "chosen": np.array([3, 18, 33, 36])} | fields(2)
    return Served(Record(from_plain(Outcome, facts), surrogate, folder), made, shown)


class Application:
    """Asks an application in this process."""

    def __init__(self, served: Served, *, limits: Limits | None = None, token: str | None = None, local: bool = True):
        self.service = Service(served, Door(limits or Limits(), token, local))
        self.app = application(self.service, started=lambda: None)
        self._runner = asyncio.Runner()
        self._life = self.app.router.lifespan_context(self.app)
        self._runner.run(self._life.__aenter__())

    def close(self) -> None:
        self._runner.run(self._life.__aexit__(None, None, None))
        self._runner.close()

    def ask(self, path: str, body: Any = None, *, method: str = "", **headers: str) -> tuple[int, Any]:
        """Return status and answer; a body of bytes goes as it is, None asks with GET."""
        return self._runner.run(self.asked(path, body, method=method, **headers))

    def together(self, path: str, bodies: list[Any]) -> list[tuple[int, Any]]:
        """Ask several at the same time."""

        async def all_of_them() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(self.asked(path, body) for body in bodies))

        return self._runner.run(all_of_them())

    async def asked(
        self, path: str, body: Any = None, *, method: str = "", answers: list[Any] | None = None, **headers: str
    ) -> tuple[int, Any]:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http",
            "method": method or ("GET" if body is None else "POST"),
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost:4242")] * ("host" not in headers)
            + [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        parts, told = [{"type": "http.request", "body": sent, "more_body": False}], []

        async def receive() -> Any:
            if parts:
                return parts.pop()
            await asyncio.sleep(3600)

        async def send(message: Any) -> None:
            told.append(message)

        try:
            await self.app(scope, receive, send)
        finally:
            content = b"".join(part.get("body", b"") for part in told[1:])
            kind = dict(told[0]["headers"])[b"content-type"]
            found = told[0]["status"], json.loads(content) if kind == b"application/json" else content.decode()
            (answers if answers is not None else []).append(found)
        return found


@contextmanager
def a_server(folder: Path, *words: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of a run folder in a process of its own, at any free port: its address, without the last slash."""
    command = [sys.executable, "-c", "from mlft.cli import main; main()", "serve", str(folder), "--port", "0"]
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, *map(str, words)], stdout=pipe, stderr=pipe, text=True, env=told)
    try:
        line = process.stdout.readline()
        assert " is served at http://127.0.0.1:" in line, line + process.stderr.read()
        yield line.split(" is served at ")[1].split("/ ")[0], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def waited(condition: Any, seconds: float = 20.0) -> Any:
    """Return what a condition gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return found
