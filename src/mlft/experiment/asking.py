"""From names to things: what is asked of a run, resolved and checked before anything is written or solved."""

import copy
from collections.abc import Collection
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from torch import nn

from mlft.errors import ConfigError, StoreError, plain
from mlft.estimators import ESTIMATORS, Estimator
from mlft.experiment.config import CONFIG, Config, configure, is_text, read_config, write_config
from mlft.experiment.naming import named_problem
from mlft.generation import Own, is_dask
from mlft.planning import Given
from mlft.problems import PROBLEMS, Plain, Problem
from mlft.seeds import generator
from mlft.store import LEDGER
from mlft.strategies import Strategy, strategy
from mlft.surrogates import Average, Regression, Surrogate, build


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
        executor: where samples are solved, in place of processes of ours.
    """

    config: Config
    problem: Problem
    strategy: Strategy
    estimator: Estimator
    module: nn.Module | None = None
    executor: Own | None = None

    @property
    def measures_costs(self) -> bool:
        """Whether prices are measured on this machine: asked for, or, of a budget in time, not asked otherwise."""
        return self.config.costs == "measured" or (self.config.costs is None and self.config.limit.unit == "seconds")

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
            if isinstance(made.network, Average):
                for own in made.network.trainings:
                    replace(config.training, **own)  # refuses what is no setting
        except ConfigError:
            raise
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ConfigError(f"surrogate '{config.surrogate}': {str(error).splitlines()[0]}") from None
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


def ask(problem: str | Problem, *, network: nn.Module | None = None, executor: Any = None, **options: Any) -> Asked:
    """Return what is asked, resolved.

    Args:
        problem: a name in `mlft.PROBLEMS`, "module:attribute", or a problem of your own.
        network: a network of your own, untrained, (n, c, *grid) → (n, k, *grid), in place of the named one.
        executor: an executor of your own, or a function that returns one, to solve on.
        options: fields of `mlft.Config`.

    Raises:
        ConfigError: for an unknown name, naming the nearest, a value that is not allowed, or a problem of your own with
            the name of a shipped one.
    """
    own = problem if isinstance(problem, Problem) else None
    config = configure({"problem": own.name if own is not None else problem, **options})
    return resolve(config, own, network, executor)


def resolve(config: Config, own: Problem | None = None, module: nn.Module | None = None, executor: Any = None) -> Asked:
    """Return what a configuration asks for, with the user's own problem, network and executor in place of named ones.

    Raises:
        ConfigError: for an unknown name, naming the nearest, a value that is not allowed, or a problem of your own
            with the name of a shipped one.
    """
    _refuse_unfit_executor(executor, config)
    problem = own if own is not None else named_problem(config.problem, config.options)
    _refuse_namesake(problem)
    asked = Asked(config, problem, _strategy(config), ESTIMATORS[config.estimator], module, executor)
    for name in (config.strategy, *config.baselines):
        planner = asked.by(name).strategy.planner
        try:
            planner.levels(problem.costs)
        except ValueError as error:
            raise ConfigError(f"strategy '{name}': {error}") from None
    _refuse_no_further(asked)
    if config.plan is not None:
        asked.strategy.learner.check(config.plan)
    if module is not None and config.surrogate_options:
        given = ", ".join(f"{name}={value}" for name, value in config.surrogate_options.items())
        raise ConfigError(
            f"surrogate_options ({given}) are options of the named surrogate '{config.surrogate}', and a network of "
            "your own takes its place: give one or the other"
        )
    _refuse_no_kernel(config, asked.surrogate((1, 1)))
    return asked


def claim(config: Config, folder: Path, *, free: Collection[str] = ()) -> None:
    """Write the configuration into a new or empty run folder, or check that the folder's is the same.

    Args:
        config: the configuration.
        folder: the run folder.
        free: options that may differ.

    Raises:
        ConfigError: naming the first option that differs, with both values.
        StoreError: if the folder cannot be written, or holds files and no run.
    """
    if not is_text(str(folder)):
        raise ConfigError(f"the name of the run folder is no text: {plain(str(folder))}; give another --out")
    file = folder / CONFIG
    if not file.exists():
        _refuse_foreign(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if write_config(file, config):
                return  # else another process was first
        except OSError as error:
            raise StoreError(f"the run folder {folder} cannot be written: {error.strerror or error}") from None
    try:
        there = configure(read_config(file))
    except ConfigError as error:
        raise ConfigError(
            f"{file} is damaged, or of another version of mlft ({error}): delete it, and run the command that began "
            "the run"
        ) from None
    refuse_other_configuration(there.model_copy(update={name: getattr(config, name) for name in free}), config, file)


def refuse_other_configuration(there: Config, here: Config, file: Path) -> None:
    """Refuse a file of a run that was asked for otherwise.

    Raises:
        ConfigError: naming the first option that differs, with both values.
    """
    known, asked = there.identity, here.identity
    for name, value in asked.items():
        if known[name] != value:
            raise ConfigError(
                f"{file} is of another configuration: {name} is {known[name]!r} there and {value!r} here; give another "
                "--out, or the options of the run"
            )


def _refuse_namesake(own: Problem) -> None:
    """Refuse a problem that its record, or a lift of it, would take for a shipped one, to measure that in its place."""
    meant = own.of if isinstance(own, Plain) else own
    if own.name in PROBLEMS and type(meant) is not PROBLEMS[own.name]:
        raise ConfigError(
            f"a problem of your own is named '{own.name}', as one that is shipped, and would be taken for it later: "
            "give it another name"
        )


def _refuse_unfit_executor(executor: object, config: Config) -> None:
    """Refuse what is no executor, or is asked for together with what it cannot do."""
    if executor is None:
        return
    if not (isinstance(executor, Executor) or callable(executor)):
        more = "; of a Dask client, give client.get_executor()" if type(executor).__name__ == "Client" else ""
        raise ConfigError(
            "executor is a concurrent.futures.Executor, or a function that returns one, got "
            f"{type(executor).__name__}{more}"
        )
    if config.scheduler is not None or config.workers == 0:
        raise ConfigError("give an executor or a scheduler, and with an executor workers >= 1: the calls at a time")
    if config.timeout is not None and not is_dask(executor):
        raise ConfigError(
            "a time-out cannot be kept in an executor of your own, where nothing stops a call: leave it out, or solve "
            "with workers, or with a scheduler"
        )


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder with files that are not mlft's; hidden ones are nobody's business."""
    if not folder.is_dir() or (folder / LEDGER).exists():
        return
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if found:
        more = ", ..." if len(found) > 3 else ""
        raise StoreError(
            f"{folder} holds no run of mlft, but {', '.join(found[:3])}{more}: nothing there is touched; give a new or "
            "an empty folder"
        )


def _refuse_no_kernel(config: Config, surrogate: Surrogate) -> None:
    """Refuse an estimate by the tangent kernel of a network that has none, before anything is solved."""
    if config.estimator != "learning-curve" and isinstance(surrogate.network, Average | Regression):
        raise ConfigError(
            f"the estimator '{config.estimator}' needs the tangent kernel of a network that is trained by gradient "
            f"descent, and the surrogate '{config.surrogate}' is not, or not alone: give the estimator learning-curve, "
            "or the surrogate fno"
        )


def _refuse_no_further(asked: Asked) -> None:
    """Refuse a network of the user's own where a strategy makes further ones like it."""
    for name in (asked.config.strategy, *asked.config.baselines) if asked.module is not None else ():
        if asked.by(name).strategy.learner.rebuilds:
            raise ConfigError(
                f"strategy '{name}' trains further networks like the one that is asked for, and an object cannot be "
                "made again: register its class, mlft.SURROGATES['mine'] = Mine, and give surrogate='mine'"
            )


def _strategy(config: Config) -> Strategy:
    """Return the strategy of a configuration; samples that are given take the place of its planner's."""
    named = strategy(config.strategy)
    return named if config.plan is None else replace(named, planner=Given(config.plan), rounds=False)
