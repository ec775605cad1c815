"""The command `mlft.check`, which imports neither networks nor what learns, and so answers in seconds."""

from typing import Any

from mlft.errors import ConfigError
from mlft.experiment.config import configure
from mlft.experiment.naming import named_problem
from mlft.problems import Problem
from mlft.problems.contract import Examination, examine


def check(
    problem: str | Problem, *, draws: int = 5, seed: int = 0, options: dict[str, Any] | None = None
) -> Examination:
    """Return whether a problem keeps what a run relies on, as a table of findings: `print(mlft.check(problem))`.

    Its inputs are the same functions on every level; a sample does not depend on its batch; solves are deterministic
    and leave their inputs alone; shapes, statuses, prices and the reference are right. What of it needs no solve comes
    before the first purchase of every run.

    Args:
        problem: as in `run`.
        draws: how many are looked at, at least 2.
        seed: names the random streams.
        options: the problem's parameters, for a named one.

    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
    """
    if draws < 2:
        raise ConfigError(f"at least 2 draws are needed, got {draws}")
    own = problem if isinstance(problem, Problem) else None
    name = problem if own is None else own.name
    config = configure(
        {"problem": name, "budget": "1solve", "options": options or {}, "seed": seed}
    )  # types and ranges
    return examine(own or named_problem(config.problem, config.options), draws=draws, seed=config.seed)
