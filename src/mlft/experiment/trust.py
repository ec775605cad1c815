"""From a run folder to what its surrogate can be trusted with: `trust.json` and the arrays of its pictures."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save
from torch import nn

from mlft.diagnostics.trust import Trust, measure_trust
from mlft.errors import ConfigError, MlftError
from mlft.experiment.config import Config, configure, read_config
from mlft.experiment.loop import quiet
from mlft.experiment.record import read_facts, write_json
from mlft.experiment.setup import problem_of
from mlft.experiment.solving import Progress, Report
from mlft.files import write_whole
from mlft.problems import Problem
from mlft.seeds import generator
from mlft.surrogates import load

TRUST, ARRAYS = "trust.json", "trust.safetensors"
MOST_TRAINED = 1000
"""Training inputs whose span is taken, at most."""


def trust(
    folder: Path,
    *,
    samples: int = 48,
    problem: Problem | None = None,
    network: nn.Module | None = None,
    report: Report = quiet,
) -> dict[str, Any]:
    """Return how far the surrogate of a finished run can be trusted, and write it into the run folder.

    The solves are a measurement and are not charged: about 17 times `samples` of the finest grid.

    Args:
        folder: the run folder.
        samples: fresh draws a law of inputs.
        problem: the problem, if it was given to the run as an object.
        network: the network, if it was one of your own.
        report: called with every step forward.

    Raises:
        ConfigError: fewer than 4 samples, or a problem that is not the run's.
        MlftError: if the folder holds no finished run.
    """
    if samples < 4:
        raise ConfigError(f"at least 4 samples a law are needed, got {samples}")
    facts = read_facts(folder)
    asked = configure(read_config(folder / "config.toml"))
    problem = problem if problem is not None else problem_of(asked)
    if problem.name != facts["problem"]:
        raise ConfigError(f"{folder} is a run of '{facts['problem']}', the problem given is '{problem.name}'")
    surrogate = load(folder / "surrogate", network=network)
    trained = min(max(facts["plan"]["samples"]), MOST_TRAINED)
    found = measure_trust(
        surrogate.predict,
        problem,
        _draws(asked, problem, "trust", samples),
        trained=_draws(asked, problem, "train", trained),
        progress=lambda done, of: report(Progress("trust", problem.name, done, of, "laws of inputs")),
    )
    told = {"problem": problem.name, "equation": problem.equation, "samples": samples, "trained": trained}
    write_json(folder / TRUST, told | _told(found))
    _write_arrays(folder, found)
    return read_facts(folder, TRUST)


def read_trust(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `trust` wrote: the facts and the arrays.

    Raises:
        MlftError: if they are missing or damaged.
    """
    if not (folder / TRUST).is_file() or not (folder / ARRAYS).is_file():
        raise MlftError(f"{folder} holds no {TRUST}: run `mlft trust` on it first")
    return read_facts(folder, TRUST), dict(load_file(folder / ARRAYS))


def _draws(asked: Config, problem: Problem, purpose: str, n: int) -> np.ndarray:
    return np.concatenate([problem.draw(1, generator(asked.seed, purpose, i)) for i in range(n)])


def _told(found: Trust) -> dict[str, Any]:
    green = None
    if found.green is not None:
        part = found.green
        green = {
            "solver_defect": part.solver_defect,
            "surrogate_defect": part.surrogate_defect,
            "columns": len(part.columns),
            "by_jacobian": dataclasses.asdict(part.by_jacobian),
            "by_probing": dataclasses.asdict(part.by_probing),
            "advice": str(part.advice or ""),
        }
    return {
        "families": [dataclasses.asdict(family) for family in found.families],
        "amplitudes": [{"amplitude": a, **dataclasses.asdict(family)} for a, family in found.amplitudes.items()],
        "breaking": list(found.breaking),
        "resolved": found.spectrum.resolved,
        "green": green,
        "refusal": found.refusal,
    }


def _write_arrays(folder: Path, found: Trust) -> None:
    spectrum = found.spectrum
    arrays = {"numbers": spectrum.numbers, "error": spectrum.error, "solution": spectrum.solution}
    if found.green is not None:
        arrays |= {"matrix": found.green.matrix, "operator": found.green.operator, "known": found.green.known}
        if found.green.advice is not None:
            arrays["weakest"] = found.green.advice.weakest
        arrays["columns"] = np.array(found.green.columns, dtype=np.int64)
    write_whole(folder / ARRAYS, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
