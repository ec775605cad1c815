"""From a run folder to what its surrogate can be trusted with: `trust.json` and the arrays of its pictures."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mlft.diagnostics.answers import Answers
from mlft.diagnostics.trust import Trust, inputs_of_laws, measure_trust, trust_of_rows
from mlft.errors import ConfigError, unknown_name
from mlft.experiment.again import refuse_other_solver
from mlft.experiment.asking import Asked, resolve
from mlft.experiment.config import EXECUTION, configure
from mlft.experiment.finished import Record
from mlft.experiment.manifest import refuse_unfit
from mlft.experiment.naming import written_problem
from mlft.experiment.outcome import Outcome, TrustOutcome
from mlft.experiment.record import RECORD, from_plain, read_alarm, read_outcome, read_trust, write_trust
from mlft.experiment.samples import store_of
from mlft.experiment.screen import Told, shown
from mlft.experiment.session import Session
from mlft.files import writing
from mlft.problems import Problem
from mlft.sources import Drawn
from mlft.status import OK
from mlft.surrogates import load

MOST_TRAINED = 1000
"""Training inputs whose span is taken, at most."""


def trust(
    folder: str | Path,
    *,
    samples: int = 48,
    problem: str | Problem | None = None,
    network: nn.Module | None = None,
    report: Told = "auto",
    **execution: Any,
) -> TrustOutcome:
    """Return how far the surrogate of a finished run can be trusted, and write it into the run folder.

    The solves are a measurement and are not charged: about 17 times `samples` of the finest grid. They are kept in the
    ledger of the run, in streams "trust/<law>": asked again, nothing is solved again, but for one training sample a
    level, to see that the solver is the run's. Of a fit, which has no solver, the test rows alone are looked at: error,
    waves, and what lies off the trained span; other laws, amplitudes and a Green's function are not measured.

    Args:
        folder: the run folder.
        samples: fresh draws a law of inputs.
        problem: the problem, if it was given to the run as an object; "module:attribute", if it was named so: a module
            that only the folder names is not imported.
        network: the network, if it was one of your own.
        report: who hears how far it is, as in `mlft.run`.
        execution: how the work is executed, such as `workers=2`, `timeout=60.0` or an `executor` as in `mlft.run`; by
            default as the run was.

    Raises:
        ConfigError: fewer than 4 samples, a problem that is not the run's, or an option that is none of execution.
        MlftError: if the folder holds no finished run.
        StoreError: if the folder cannot be used, or holds samples of another solver.
    """
    if samples < 4:
        raise ConfigError(f"at least 4 samples a law are needed, got {samples}")
    folder = Path(folder)
    with writing(folder):
        refuse_unfit(folder)
        told = read_outcome(folder)
        if told.data is not None:
            _of_rows(folder, network)
            return read_trust(folder)[0]
        asked = _asked(folder, told, problem, network, execution)
        with (
            shown(report) as tell,
            Session(asked, folder, samples=store_of(folder, told), report=tell) as session,
        ):
            _measure(session, samples, min(max(told.plan.samples), MOST_TRAINED))
        return read_trust(folder)[0]


def _measure(session: Session, samples: int, trained: int) -> None:
    """Measure, by fresh draws a law and some training inputs, and write what is found into the run folder."""
    refuse_other_solver(session)
    folder, law, seed = session.folder, session.asked.problem, session.asked.config.seed
    draws = Drawn(law, seed, "trust").draws(range(samples))
    found = measure_trust(
        load(folder / "surrogate", network=session.asked.module).predict,
        law,
        draws,
        trained=Drawn(law, seed, "train").draws(range(trained)),
        solve=lambda name, fields: _answers(session, f"trust/{name}", fields),
    )
    told = _with_rings(_outcome(found, (law.name, law.equation), samples, trained), _rings(folder, law, draws))
    write_trust(folder, told, _arrays(found))


def _of_rows(folder: Path, module: nn.Module | None) -> None:
    """Measure, by the test rows of a fit, which has no solver to ask, and write what is found into its folder."""
    record = Record.load(folder, network=module)
    told, finest = record.outcome, len(record.outcome.levels) - 1
    test, train = record.samples(finest, "test"), record.samples(finest)
    trained = train.inputs[:MOST_TRAINED]
    try:
        found = trust_of_rows(record.surrogate.predict, test.inputs, test.solutions, trained=trained, grid=told.grid)
    except ValueError as error:
        raise ConfigError(f"{folder}: {error}; fit again with a larger test") from None
    rings = {} if record.alarm is None else {"the law itself": float(record.alarm.of(test.inputs).rings.mean())}
    of = told.problem, told.equation
    write_trust(folder, _with_rings(_outcome(found, of, len(test), len(trained)), rings), _arrays(found))


def _rings(folder: Path, law: Problem, draws: np.ndarray) -> dict[str, float]:
    """Return the share of the inputs of each law for which the run's alarm rings; none where it keeps none."""
    alarm = read_alarm(folder, law.finest)
    if alarm is None:
        return {}
    return {name: float(alarm.of(inputs).rings.mean()) for name, inputs in inputs_of_laws(law, draws).items()}


def _with_rings(told: TrustOutcome, rings: dict[str, float]) -> TrustOutcome:
    families, amplitudes = (
        tuple(dataclasses.replace(row, rings=rings.get(row.name)) for row in rows)
        for rows in (told.families, told.amplitudes)
    )
    return dataclasses.replace(told, families=families, amplitudes=amplitudes)


def _asked(
    folder: Path, told: Outcome, given: str | Problem | None, module: nn.Module | None, execution: dict[str, Any]
) -> Asked:
    """Return what the run was asked, executed in another way where that is given."""
    executor = execution.pop("executor", None)
    there = told.config if executor is None else told.config | {"workers": None, "scheduler": None}
    for option in execution:
        if option not in EXECUTION:
            raise unknown_name("option of trust", option, list(EXECUTION))
    config = configure(there | execution)
    how = f"mlft trust {folder} --problem {config.problem}, or mlft.trust({str(folder)!r}, problem={config.problem!r})"
    problem = written_problem(config.problem, config.options, given, told=str(folder / RECORD), how=how)
    asked = resolve(config, problem, module, executor)
    if asked.problem.name != told.problem:
        raise ConfigError(f"{folder} is a run of '{told.problem}', the problem given is '{asked.problem.name}'")
    return asked


def _answers(session: Session, stream: str, fields: np.ndarray) -> Answers:
    """Return what the solver says to given inputs, NaN where it fails."""
    stream, rows = session.answers(stream, fields)
    solved = [row.index for row in rows if row.status == OK]
    shape = session.asked.problem.finest.shape
    solutions = np.full((len(rows), 1, *shape), np.nan)
    if solved:
        known = session.store.read(stream, session.finest, solved).solutions
        solutions = np.full((len(rows), *known.shape[1:]), np.nan)
        solutions[solved] = known
    return Answers(solutions, tuple(row.status for row in rows), tuple(row.note for row in rows))


def _outcome(found: Trust, of: tuple[str, str], samples: int, trained: int) -> TrustOutcome:
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
    told = {
        "problem": of[0],
        "equation": of[1],
        "samples": samples,
        "trained": trained,
        "families": [dataclasses.asdict(family) for family in found.families],
        "amplitudes": [{**dataclasses.asdict(family), "amplitude": a} for a, family in found.amplitudes.items()],
        "breaking": found.breaking,
        "resolved": found.spectrum.resolved,
        "green": green,
        "refusal": found.refusal,
        "finest_wave": float(found.spectrum.numbers[-1]),
    }
    return from_plain(TrustOutcome, told)


def _arrays(found: Trust) -> dict[str, np.ndarray]:
    spectrum = found.spectrum
    arrays = {"numbers": spectrum.numbers, "error": spectrum.error, "solution": spectrum.solution}
    if found.green is not None:
        arrays |= {"matrix": found.green.matrix, "operator": found.green.operator, "known": found.green.known}
        if found.green.advice is not None:
            arrays["weakest"] = found.green.advice.weakest
        arrays["columns"] = np.array(found.green.columns, dtype=np.int64)
    return arrays
