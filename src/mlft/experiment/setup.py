"""From names to things: the problem, the surrogate, the identity of a store, and the claim on a run folder."""

import copy
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from torch import nn

from mlft.errors import ConfigError, StoreError, unknown_name
from mlft.experiment.config import Config, checked, read_config, write_config
from mlft.experiment.pilot import pilot_counts
from mlft.experiment.pricing import stated_prices, used
from mlft.grids import Grid
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator
from mlft.surrogates import Surrogate, build
from mlft.training import strategy


def problem_of(asked: Config) -> Problem:
    """Return the problem that a configuration names: one of `PROBLEMS`, or "module:attribute".

    Raises:
        ConfigError: for an unknown name or option, naming the nearest known one.
    """
    if ":" in asked.problem:
        return _own_problem(asked.problem, asked.options)
    if asked.problem not in PROBLEMS:
        raise unknown_name("problem", asked.problem, list(PROBLEMS))
    return checked(PROBLEMS[asked.problem], asked.options, asked.problem)


def surrogate_of(asked: Config, channels: tuple[int, int], grid: Grid, network: nn.Module | None = None) -> Surrogate:
    """Return the untrained surrogate that a configuration names, on its device; a copy of `network` where given.

    Args:
        asked: the configuration.
        channels: channels of the inputs and of the solutions.
        grid: the finest grid.
        network: a network of the user's, which stays untouched.

    Raises:
        ConfigError: for an unknown network or option, or a device that is not there.
    """
    try:
        if network is not None:
            surrogate = Surrogate(copy.deepcopy(network), channels, grid)
        else:
            stream, options = generator(asked.seed, "weights"), asked.surrogate_options
            surrogate = build(asked.surrogate, channels, grid, generator=stream, options=options)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"surrogate '{asked.surrogate}': {error}") from None
    try:
        return surrogate.to(asked.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"the device '{asked.device}' cannot be used: {str(error).splitlines()[0]}") from None


def check(asked: Config, problem: Problem) -> None:
    """Refuse what cannot work before anything is written or solved: strategy, network, device, a budget too small.

    Raises:
        ConfigError: for an unknown strategy, level, network, option or device.
        BudgetError: if the budget is in solves and does not buy the plan at the stated prices.
    """
    for name in (asked.strategy, *asked.baselines):
        strategy(name)
        try:
            used(name, problem.costs)
        except ValueError as error:
            raise ConfigError(f"strategy '{name}': {error}") from None
    surrogate_of(asked, (1, 1), problem.finest)
    stated = stated_prices(asked, problem)
    if stated is not None and asked.estimated:
        pilot_counts(stated.costs, stated.budget, at_least=stated.pilot)
    elif stated is not None:
        stated.plan(asked)


def store_identity(asked: Config, problem: Problem) -> dict[str, Any]:
    """Return what a sample store must agree on: the problem, its options and the seed."""
    return {"problem": problem.name, "options": problem.options, "seed": asked.seed}


def claim(asked: Config, folder: Path) -> None:
    """Write the configuration into a new run folder, or check that the folder's is the same.

    Raises:
        ConfigError: naming the first option that differs, with both values.
        StoreError: if the folder cannot be written.
    """
    file = folder / "config.toml"
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_config(file, asked)
        except OSError as error:
            raise StoreError(f"the run folder {folder} cannot be written: {error.strerror or error}") from None
        return
    there, here = Config.model_validate(read_config(file)).identity, asked.identity
    for name, value in here.items():
        if there[name] != value:
            raise ConfigError(
                f"the run folder {folder} is of another configuration: {name} is {there[name]!r} there and {value!r} "
                "here; give another --out, or the options of the run"
            )


def _own_problem(name: str, options: dict[str, Any]) -> Problem:
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the problem '{name}' is not module:attribute that can be imported: {error}") from None
    finally:
        sys.path.pop(0)
    if isinstance(found, type) and issubclass(found, Problem):
        return checked(found, options, name)
    if not isinstance(found, Problem) or options:
        raise ConfigError(f"'{name}' must be an mlft.Problem (without options) or a class of one, got {found!r}")
    return found
