"""What is asked of a run: one immutable configuration, from options, a TOML file or Python."""

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from mlft.errors import ConfigError, unknown_name
from mlft.files import write_whole
from mlft.training import Training

ESTIMATED = ("finetune", "finetune:mlmc")
"""The strategies that are planned from estimates; the others by their rule."""

UNITS = {"solve": 1.0, "solves": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}


@final
@dataclass(frozen=True)
class Budget:
    """Solver cost allowed.

    Attributes:
        asked: as it was written.
        value: in `unit`.
        unit: "solves" (the price of one sample of the finest grid) or "seconds".
    """

    asked: str
    value: float
    unit: Literal["solves", "seconds"]


def budget(text: str) -> Budget:
    """Return the budget written as a number and a unit: solves, s, min or h.

    Raises:
        ConfigError: if the text is not of that form, or the number not positive and finite.

    >>> budget("1.5min")
    Budget(asked='1.5min', value=90.0, unit='seconds')
    >>> budget("64 solves").value
    64.0
    """
    match = re.fullmatch(r"\s*([+-]?(?:nan|inf|[\d.]+(?:e[+-]?\d+)?))\s*([a-z]*)\s*", text.lower())
    if match is None or match.group(2) not in UNITS:
        raise ConfigError(f"a budget is a number and a unit, as in 100solves, 30s, 10min or 2h; got '{text}'")
    number = _number(match.group(1))
    if not 0 < number < math.inf:
        raise ConfigError(f"a budget must be positive and finite, got '{text}'; give for example 100solves or 10min")
    unit: Literal["solves", "seconds"] = "solves" if match.group(2).startswith("solve") else "seconds"
    return Budget(text.strip(), number * UNITS[match.group(2)], unit)


@final
class Config(BaseModel):
    """A run, completely: the same configuration gives the same record (on one machine, bit for bit).

    Attributes:
        problem: a name in `mlft.PROBLEMS`, or "module:attribute" for a problem of your own.
        options: parameters of the problem, such as {"cells": 256, "levels": 4}.
        budget: solver cost allowed, as in "100solves", "30s", "10min".
        costs: "stated" (the problem's cost table) or "measured" (in the pilot); by default stated for a budget in
            solves and measured for a budget in time.
        plan: samples a level, coarsest first, in place of a planned number, as `mlft plan --save` writes them.
        seed: root of every random stream.
        strategy: "finetune" (planned from estimates), "finetune:mlmc", "finetune:equal-cost", "finest-only" or
            "single-level:<l>".
        estimator: of the errors that a plan is made from: "learning-curve" (the network itself on nested subsets of the
            pilot), "kernel-trained" or "kernel-initial" (its tangent kernel at coarse-trained or initial weights).
        surrogate: a name in `mlft.SURROGATES`.
        surrogate_options: its parameters, such as {"width": 32}.
        training: steps, rates, held-out share.
        pilot: samples a level that measure costs, where costs are measured; charged, and used for training too. The
            pilot that a plan is estimated from is chosen by the budget, and costs at most a tenth of it.
        test: fresh draws of the finest grid that measure the error; not charged.
        bias_draws: test draws that are solved on every level to measure its bias; not charged.
        baselines: strategies that are trained at equal cost beside the run; they cost solver time of their own.
        threads: CPU threads of the training; another number changes the last bits.
        device: where the network runs, such as "cpu" or "cuda".
        workers: processes that solve; 0 solves in this process; by default one a core.
        scheduler: address of a Dask scheduler that solves instead.
        timeout: seconds allowed for one sample.
        retries: times a sample is tried again after a dead worker, a time-out or an exception.
        max_failure_rate: share of failed samples at which the run stops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    budget: str
    options: dict[str, Any] = Field(default_factory=dict)
    costs: Literal["stated", "measured"] | None = None
    plan: tuple[int, ...] | None = None
    seed: int = Field(default=0, ge=0)
    strategy: str = "finetune"
    estimator: Literal["learning-curve", "kernel-trained", "kernel-initial"] = "learning-curve"
    surrogate: str = "fno"
    surrogate_options: dict[str, Any] = Field(default_factory=dict)
    training: Training = Training()
    pilot: int = Field(default=2, ge=1)
    test: int = Field(default=200, ge=1)
    bias_draws: int = Field(default=8, ge=0)
    baselines: tuple[str, ...] = ()
    threads: int = Field(default=1, ge=1)
    device: str = "cpu"
    workers: int | None = Field(default=None, ge=0)
    scheduler: str | None = None
    timeout: float | None = Field(default=None, gt=0)
    retries: int = Field(default=1, ge=0)
    max_failure_rate: float = Field(default=0.2, ge=0, le=1)

    @field_validator("budget")
    @classmethod
    def _budget_is_one(cls, text: str) -> str:
        return budget(text).asked

    @model_validator(mode="after")
    def _execution_is_possible(self) -> "Config":
        if self.timeout is not None and self.workers == 0:
            raise ValueError("a time-out cannot be kept with workers = 0: give at least one worker")
        if self.scheduler is not None and self.workers is not None:
            raise ValueError("give workers or a scheduler, not both")
        return self

    @property
    def estimated(self) -> bool:
        """Whether the plan is made from estimates, which needs a pilot."""
        return self.plan is None and self.strategy in ESTIMATED

    @property
    def identity(self) -> dict[str, Any]:
        """What a run folder must agree on: everything but how and where the work is executed."""
        return self.model_dump(mode="json", exclude=set(_EXECUTION))


_EXECUTION = ("workers", "scheduler", "timeout", "retries", "max_failure_rate")


def configure(values: dict[str, Any]) -> Config:
    """Return the configuration of plain values, with every name and range checked.

    Raises:
        ConfigError: naming the key, what was got, and the nearest known name where the key is unknown.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            raise unknown_name("option", str(first["loc"][-1]), _known(first["loc"])) from None
        raise ConfigError(_message(f"option '{key}'", first)) from None


def read_config(file: Path) -> dict[str, Any]:
    """Return the plain values of a TOML file.

    Raises:
        ConfigError: if it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the configuration {file} cannot be read: {error}") from None


def write_config(file: Path, asked: Config) -> None:
    """Write a complete configuration as TOML, whole or not at all; what is None is left out."""
    write_whole(file, tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True)).encode())


def checked(kind: type, options: dict[str, Any], what: str) -> Any:
    """Return `kind(**options)` for a dataclass, with the types converted and every name checked.

    Raises:
        ConfigError: for an unknown option (naming the nearest), a wrong type, or a value the class refuses.
    """
    known = list(getattr(kind, "__dataclass_fields__", {}))
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {what}", name, known)
    try:
        return TypeAdapter(kind).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or what
        raise ConfigError(_message(f"option '{where}' of {what}", first)) from None
    except ValueError as error:
        raise ConfigError(f"{what}: {error}") from None


def _message(where: str, error: Any) -> str:
    return f"{where}: {error['msg'].removeprefix('Value error, ')}; got {error['input']!r}"


def _known(location: tuple[int | str, ...]) -> list[str]:
    if len(location) > 1 and location[0] == "training":
        return list(Training.__dataclass_fields__)
    return list(Config.model_fields)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
