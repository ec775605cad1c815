"""What is harmed and forged: small runs of a shipped problem, finished and not, and what they say undisturbed."""

import atexit
import contextlib
import functools
import gc
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from unittest.mock import patch

import tomli_w
from matplotlib.backends.backend_svg import FigureCanvasSVG

import mlft
from mlft.errors import MlftError
from mlft.experiment import loop
from mlft.lifts import LIFTS, local
from mlft.lifts.learned import Effort
from mlft.sources import Drawn
from mlft.surrogates import Surrogate

PROBLEM, SEED, OTHER_SEED = "burgers", 0, 1

ASKED: dict[str, Any] = {
    "problem": PROBLEM,
    "budget": "52solves",
    "options": {"cells": 32, "levels": 3},
    "strategy": "lift",
    "plan": [60, 24, 9],
    "training": {"steps": 24, "batch": 4, "checks": 3},
    "surrogate_options": {"modes": [3], "width": 5, "depth": 2},
    "test": 6,
    "bias_draws": 3,
    "workers": 0,
}
"""Of a run that has all that a run may have, and takes two seconds."""

PLANNED = {name: value for name, value in ASKED.items() if name != "plan"} | {"strategy": "finetune"}
"""Of one that plans: what it decided is in its ledger."""


def hasten() -> None:
    """Let lifts train for a few steps, and draw no figure, in this process and its forks."""
    local.LINE = local.Layers((1, 2, 1), width=6, kernel=3)
    LIFTS["local"] = local.Local(line=Effort(10, passes=0, rate=1e-2))
    LIFTS["spectral"] = LIFTS["none"]
    FigureCanvasSVG.print_svg = lambda _, buffer, **options: buffer.write(b"<svg></svg>")  # type: ignore[method-assign]


@final
@dataclass(frozen=True)
class Stock:
    """Runs of two seeds in a folder, and the files that ask for them.

    Attributes:
        base: `finished-<seed>`, with what `trust` found, `part-<seed>`, stopped after its training, `plan.json`, and
            the configurations `finished.toml` and `part.toml`.
    """

    base: Path

    @staticmethod
    @functools.cache
    def make() -> "Stock":
        """Return the stock, made once in a folder that goes with this process."""
        base = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, base)
        for seed in (SEED, OTHER_SEED):
            mlft.run(out=base / f"finished-{seed}", seed=seed, **ASKED)
            mlft.report(base / f"finished-{seed}")
            mlft.trust(base / f"finished-{seed}", samples=4)
            _stopped(base / f"part-{seed}", seed)
        mlft.plan(out=base / "plan", save=base / "plan.json", **PLANNED)
        shutil.rmtree(base / "plan")
        for name, asked in (("finished", ASKED), ("part", PLANNED)):
            (base / f"{name}.toml").write_text(tomli_w.dumps(asked | {"seed": SEED}))
        gc.collect()
        gc.freeze()  # no fork looks through what all of them share
        return Stock(base)

    def run(self, name: str, seed: int = SEED) -> Path:
        """Return a run's folder: "finished" or "part"."""
        return self.base / f"{name}-{seed}"


def _stopped(folder: Path, seed: int) -> None:
    """Run, and stop after the training."""
    with patch.object(loop, "measure_bias", side_effect=InterruptedError), contextlib.suppress(InterruptedError):
        mlft.run(out=folder, seed=seed, **PLANNED)


def numbers(folder: Path) -> dict[str, Any]:
    """Return what a finished run tells, times left out."""
    told = json.loads((folder / "record.json").read_bytes())
    kept = {name: told[name] for name in ("seed", "plan", "stages", "error", "measure", "surrogate")}
    kept["bias"] = [row["bias"] for row in told["levels"]]
    kept["samples"] = [(row["samples"], row["failed"]) for row in told["levels"]]
    kept["spent"] = {name: told["budget"][name]["solves"] for name in ("spent", "pilot", "failed")}
    kept["lifts"] = [{name: one for name, one in row.items() if name != "cpu_seconds"} for row in told["lifts"]]
    kept["baselines"] = {row["name"]: row["error"] for row in told["baselines"]}
    return kept


def predicting(bundle: Path, *, seed: int = SEED) -> Callable[[], None]:
    """Return work: print a digest of what a saved surrogate or corrected solver predicts for three draws."""

    def work() -> None:
        problem = mlft.problems.Burgers(**ASKED["options"])
        inputs = problem.evaluate(Drawn(problem, seed, "asked").draws(range(3)), problem.finest)
        try:
            found = mlft.load(bundle)
            if isinstance(found, Surrogate) and found.grid.shape != problem.finest.shape:
                raise MlftError(f"it is of the grid {found.grid}, and says so")
            predicted = found.predict(inputs)
        except MlftError as error:
            print(f"mlft: {error}", file=sys.stderr)
            sys.exit(1)
        print(type(found).__name__, hashlib.sha256(predicted.tobytes()).hexdigest())

    return work
