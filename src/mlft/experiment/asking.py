"""From names to things: what is asked of a run, resolved and checked before anything is written or solved."""

import copy
import importlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from torch import nn

from mlft.errors import ConfigError, StoreError
from mlft.estimators import ESTIMATORS, Estimator
from mlft.experiment.config import Config, checked, configure, read_config, write_config
from mlft.planning import Given
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator
from mlft.strategies import Strategy, strategy
from mlft.surrogates import Surrogate, build


@final
@dataclass(frozen=True)
class Asked:
    """What is asked of a run: the configuration, and the things that its names stand for.

    Attributes:
        config: every option.
        problem: what is solved.
        strategy: how the budget is spent.
        estimator: what a plan is estimated from, where the strategy needs that.
        module: a network of the user's own, untrained, in place of the named one; it stays untouched.
    """

    config: Config
    problem: Problem
    strategy: Strategy
    estimator: Estimator
    module: nn.Module | None = None

    def surrogate(self, channels: tuple[int, int]) -> Surrogate:
        """Return the untrained surrogate, on its device.

        Args:
            channels: of the inputs and of the solutions.

        Raises:
            ConfigError: for an unknown network or option, or a device that is not there.
        """
        config, grid = self.config, self.problem.finest
        try:
            if self.module is not None:
                made = Surrogate(copy.deepcopy(self.module), channels, grid)
            else:
                stream, options = generator(config.seed, "weights"), config.surrogate_options
                made = build(config.surrogate, channels, grid, generator=stream, options=options)
        except ConfigError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(f"surrogate '{config.surrogate}': {error}") from None
        try:
            return made.to(config.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"the device '{config.device}' cannot be used: {str(error).splitlines()[0]}") from None

    def by(self, name: str, *, seed: int | None = None) -> "Asked":
        """Return the same with another strategy, its own plan and no baselines, and with another seed where given."""
        changed: dict[str, Any] = {"strategy": name, "baselines": (), "plan": None}
        changed |= {} if seed is None else {"seed": seed}
        config = self.config.model_copy(update=changed)
        return replace(self, config=config, strategy=_strategy(config))


def ask(problem: str | Problem, *, network: nn.Module | None = None, **options: Any) -> Asked:
    """Return what is asked, resolved.

    Args:
        problem: a name in `mlft.PROBLEMS`, "module:attribute", or a problem of your own.
        network: a network of your own, untrained, (n, c, *grid) → (n, k, *grid), in place of the named one.
        options: fields of `mlft.Config`.

    Raises:
        ConfigError: for an unknown name, naming the nearest, or a value that is not allowed.
    """
    own = problem if isinstance(problem, Problem) else None
    config = configure({"problem": own.name if own is not None else problem, **options})
    return resolve(config, own, network)


def resolve(config: Config, own: Problem | None = None, module: nn.Module | None = None) -> Asked:
    """Return what a configuration asks for, with the user's own problem and network in place of the named ones.

    Raises:
        ConfigError: for an unknown name, naming the nearest, or a value that is not allowed.
    """
    problem = own if own is not None else named_problem(config.problem, config.options)
    asked = Asked(config, problem, _strategy(config), ESTIMATORS[config.estimator], module)
    for name in (config.strategy, *config.baselines):
        planner = asked.by(name).strategy.planner
        try:
            planner.levels(problem.costs)
        except ValueError as error:
            raise ConfigError(f"strategy '{name}': {error}") from None
    if config.plan is not None:
        asked.strategy.learner.check(config.plan)
    if module is not None and config.surrogate_options:
        given = ", ".join(f"{name}={value}" for name, value in config.surrogate_options.items())
        raise ConfigError(
            f"surrogate_options ({given}) are options of the named surrogate '{config.surrogate}', and a network of "
            "your own takes its place: give one or the other"
        )
    asked.surrogate((1, 1))
    return asked


def named_problem(name: str, options: dict[str, Any]) -> Problem:
    """Return the problem of a name in `PROBLEMS` or "module:attribute", with its options.

    Raises:
        ConfigError: for an unknown name or option, naming the nearest known one.
    """
    if ":" in name:
        return _own_problem(name, options)
    made: Problem = checked(PROBLEMS[name], options, name)
    return made


def claim(config: Config, folder: Path) -> None:
    """Write the configuration into a new run folder, or check that the folder's is the same.

    Raises:
        ConfigError: naming the first option that differs, with both values.
        StoreError: if the folder cannot be written.
    """
    file = folder / "config.toml"
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_config(file, config)
        except OSError as error:
            raise StoreError(f"the run folder {folder} cannot be written: {error.strerror or error}") from None
        return
    there, here = configure(read_config(file)).identity, config.identity
    for name, value in here.items():
        if there[name] != value:
            raise ConfigError(
                f"the run folder {folder} is of another configuration: {name} is {there[name]!r} there and {value!r} "
                "here; give another --out, or the options of the run"
            )


def _strategy(config: Config) -> Strategy:
    """Return the strategy of a configuration; samples that are given take the place of its planner's."""
    named = strategy(config.strategy)
    return named if config.plan is None else replace(named, planner=Given(config.plan), rounds=False)


def _own_problem(name: str, options: dict[str, Any]) -> Problem:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # and stays there: workers import the module too, from the path of this process
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the problem '{name}' is not module:attribute that can be imported: {error}") from None
    if isinstance(found, type) and issubclass(found, Problem):
        made: Problem = checked(found, options, name)
        return made
    if not isinstance(found, Problem) or options:
        raise ConfigError(f"'{name}' must be an mlft.Problem (without options) or a class of one, got {found!r}")
    return found
