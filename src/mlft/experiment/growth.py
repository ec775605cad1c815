"""A run that goes on: with more budget, longer training, more test draws, further rivals. What it had is kept."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlft.errors import ConfigError, plain
from mlft.experiment.asking import refuse_other_configuration
from mlft.experiment.config import CONFIG, MOST_BUDGET, Config, budget, configure, read_config, rewrite_config
from mlft.experiment.manifest import MANIFEST, refuse_unfit
from mlft.experiment.outcome import Outcome, Part
from mlft.experiment.record import BEFORE, RECORD, TRUST, TRUST_ARRAYS, read_outcome
from mlft.files import read_file, write_whole
from mlft.problems import PROBLEMS
from mlft.surrogates import SURROGATES, Regression
from mlft.training.settings import MOST

_MEASURED = ("test", "bias_draws", "baselines")
"""What a run may be asked more of in its folder, without a word."""

_BOUGHT = ("budget", "training")
"""What only `more` gives it more of."""


def continued(folder: Path, given: dict[str, Any], more: str | None) -> dict[str, Any]:
    """Return the options of the run in a folder, the given ones over them, and more budget or steps.

    Args:
        folder: of a run that was begun; for `more`, of one that is finished, or already being continued by as much.
        given: options, as fields of `Config`.
        more: solver cost, or optimizer steps, on top of what the run had: "64solves", "10min", "1000steps".

    Raises:
        ConfigError: if the folder holds no run, one of a module that is not named, or one that no name stands for; if
            `more` is no number and unit, comes with a budget, or is not in the unit of the run's; if the run is not
            finished.
    """
    if more is not None and "budget" in given:
        raise ConfigError(f"give a budget ({given['budget']}), or how much more ({more}), not both")
    if not (folder / CONFIG).is_file():
        what = "problem" if "problem" not in given else "budget"
        where = "as the first argument" if what == "problem" else "with --budget 100solves"
        raise ConfigError(
            f"a {what} is needed: give it {where}, or in a file with --config; {folder} holds no run that could go on "
            "without"
        )
    known = read_config(folder / CONFIG)
    if "problem" not in given and ":" in str(known.get("problem", "")):
        raise ConfigError(
            f"the run in {folder} is of the problem '{known['problem']}': importing it runs the code of that module. "
            f"If you trust it, name it yourself, as the first argument: {known['problem']}"
        )
    name = str(known.get("problem", ""))
    if "problem" not in given and name not in PROBLEMS:
        raise ConfigError(
            f"the run in {folder} is of '{plain(name)}', which is no shipped problem: one that was given as an object "
            f"goes on from Python, mlft.run(problem, out={str(folder)!r}), and a fit of data by its own command, "
            "mlft fit DATA"
        )
    values = known if more is None else _extended(folder, more)
    values.pop("retry_failed", None)  # once a command
    over = {name: values.get(name, {}) | value if isinstance(value, dict) else value for name, value in given.items()}
    return values | over


def grow(config: Config, folder: Path, *, more: bool) -> None:
    """Let the run in a folder be one that is asked for more, and nothing else; keep its record beside it until then.

    Args:
        config: what is asked.
        folder: the run folder.
        more: whether budget and training may be more, too.

    Raises:
        ConfigError: if it is asked for otherwise, naming the first option that differs.
        MlftError: if the files of a finished run are damaged.
    """
    try:
        there = configure(read_config(folder / CONFIG))
    except ConfigError:
        return  # there is none, or a damaged one: `claim` says so
    if there.identity == config.identity:
        return
    if not is_part(there, config, more=more):
        kept = {name: getattr(there, name) for name in (_BOUGHT if more else ())}
        return refuse_other_configuration(there, config.model_copy(update=kept), folder / CONFIG)
    refuse_unfit(folder)
    if (folder / RECORD).is_file():
        write_whole(folder / BEFORE, read_file(folder / RECORD))
    rewrite_config(folder / CONFIG, config)


def is_part(there: Config, here: Config, *, more: bool = True) -> bool:
    """Return whether one run is a part of another: the same, asked for less."""
    old, new = there.identity, here.identity
    differing = {name for name in new if old[name] != new[name]}
    return differing <= {*_MEASURED, *(_BOUGHT if more else ())} and all(
        _is_less(name, there, here) for name in differing
    )


def earlier(folder: Path, config: Config) -> Outcome | None:
    """Return what a run had found before it was asked for more; None where it was not.

    Raises:
        MlftError: if that is damaged.
    """
    if not (folder / BEFORE).is_file():
        return None
    told = read_outcome(folder, BEFORE)
    return told if is_part(configure(told.config), config) else None


def parts(told: Outcome | None, config: Config) -> tuple[Part, ...]:
    """Return what a run had found at each smaller budget or training, the first first.

    Args:
        told: what it had found last.
        config: what is asked of it now.
    """
    if told is None:
        return ()
    there = configure(told.config)
    same = (there.budget, there.training) == (config.budget, config.training)
    return told.parts if same else (*told.parts, told.now)


def retire(folder: Path) -> None:
    """Take away what a run that goes on had found, before what it finds now is written; `BEFORE` has the record."""
    for name in (MANIFEST, RECORD, TRUST, TRUST_ARRAYS, "trust.html"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "lifts", ignore_errors=True)


def _extended(folder: Path, more: str) -> dict[str, Any]:
    """Return the options of a finished run with more budget or steps."""
    there = configure(read_config(folder / CONFIG))
    name = next((name for name in (RECORD, BEFORE) if (folder / name).is_file()), None)
    if name is None:
        raise ConfigError(f"the run in {folder} is not finished, and {more} more is for one that is: {_go_on(folder)}")
    told = read_outcome(folder, name)
    values: dict[str, Any] = told.config | _added(told, more)
    grown = configure(values)
    if configure(told.config).identity != there.identity != grown.identity:
        raise ConfigError(
            f"the run in {folder} is being continued to {there.budget} ({_steps(there)}), and is not finished: "
            f"{_go_on(folder)}"
        )
    return values


def _go_on(folder: Path) -> str:
    return f"`mlft run --out {folder}` goes on with it"


def _steps(config: Config) -> str:
    steps = config.training.steps
    return "steps by its samples" if steps is None else f"{steps} steps"


def _added(told: Outcome, more: str) -> dict[str, Any]:
    """Return the options of a finished run that change with more budget or steps."""
    match = re.fullmatch(r"\s*(\d+)\s*steps?\s*", more.lower())
    if match is not None:
        return {"training": told.config.get("training", {}) | {"steps": _more_steps(told, int(match.group(1)))}}
    asked = configure(told.config)
    if asked.plan is not None:
        raise ConfigError("the run goes by samples that were given (plan), not by a budget: more of that buys nothing")
    known, added = asked.limit, budget(more)
    if known.unit != added.unit:
        raise ConfigError(f"the budget of the run is {known.asked}, in {known.unit}: give more of these, got '{more}'")
    total = known.value + added.value
    if total > MOST_BUDGET:
        raise ConfigError(f"a budget is at most {MOST_BUDGET:g}, got {known.asked} and {more}")
    return {"budget": f"{total:.15g}{'solves' if known.unit == 'solves' else 's'}"}


def _more_steps(told: Outcome, more: int) -> int:
    """Return the steps of the whole training, as given or as made, and some more."""
    asked = configure(told.config)
    if asked.surrogate in SURROGATES and issubclass(SURROGATES[asked.surrogate], Regression):
        raise ConfigError(f"the surrogate '{asked.surrogate}' is not trained by steps: give more budget instead")
    given = asked.training.steps
    total = (told.now.steps if given is None else given) + more
    if not more or total > MOST:
        raise ConfigError(f"at least 1 step more is needed, and at most {MOST} in all; got {more} on {total - more}")
    return total


def _is_less(name: str, there: Config, here: Config) -> bool:
    """Return whether one run asks for less of something than another."""
    if name == "budget":
        return there.limit.unit == here.limit.unit and there.limit.value < here.limit.value
    if name == "training":
        old, new = there.training, here.training
        return replace(old, steps=new.steps) == new and (old.steps or 0) < (new.steps or 0)
    if name == "baselines":
        return set(there.baselines) < set(here.baselines)
    return bool(getattr(there, name) < getattr(here, name))
