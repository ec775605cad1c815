"""What is asked of a run: one immutable configuration, from options, a TOML file or Python."""

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from mlft.errors import ConfigError, plain, unknown_name
from mlft.files import MOST_TEXT, read_file, write_new, write_whole
from mlft.training.settings import MOST, Training

CONFIG = "config.toml"
"""The file of a run folder that says what was asked."""

UNITS = {"solve": 1.0, "solves": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}


AUTO, FNO = "auto", "fno"
"""The network by default, and the one that options of a network are of where none is named."""

CURVE = "learning-curve"
"""The estimator by default, the only one that asks for no tangent kernel."""


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


MOST_BUDGET = 1e12


def budget(text: str) -> Budget:
    """Return the budget written as a number and a unit: solves, s, min or h.

    Raises:
        ConfigError: if the text is not of that form, or the number not positive, or over 1e12.

    >>> budget("1.5min")
    Budget(asked='1.5min', value=90.0, unit='seconds')
    >>> budget("64 solves").value
    64.0
    """
    match = re.fullmatch(r"\s*([+-]?(?:nan|inf|[\d.]+(?:e[+-]?\d+)?))\s*([a-z]*)\s*", text.lower())
    if match is None or match.group(2) not in UNITS:
        raise ConfigError(f"a budget is a number and a unit, as in 100solves, 30s, 10min or 2h; got '{text}'")
    number = _number(match.group(1))
    if not 0 < number <= MOST_BUDGET:
        raise ConfigError(
            f"a budget must be positive and at most {MOST_BUDGET:g}, got '{text}'; give for example 100solves or 10min"
        )
    unit: Literal["solves", "seconds"] = "solves" if match.group(2).startswith("solve") else "seconds"
    return Budget(text.strip(), number * UNITS[match.group(2)], unit)


def _option(default: Any, words: str, *, flag: str = "", **bounds: Any) -> Any:
    """Return a field with its description, which is the command line's help too, and its flag where it is another."""
    extra: dict[str, Any] | None = {"flag": flag} if flag else None
    made: dict[str, Any] = {"default_factory": default} if callable(default) else {"default": default}
    return Field(description=words, json_schema_extra=extra, **made, **bounds)


MOST_PROCESSES = 1024
"""And threads; of a seed and of counts it is `MOST`."""


@final
class Config(BaseModel):
    """A run, completely: the same configuration gives the same record (on one machine, bit for bit).

    What each field means is its description; `Config.model_fields[name].description` has it, and so has the help of
    the command line, whose options are these fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield what is not as it is by default."""
        for name, value in super().__repr_args__():
            if name is not None and value != type(self).model_fields[name].get_default(call_default_factory=True):
                yield name, value

    problem: str = Field(description="a name that `mlft problems` lists, or module:attribute for your own")
    budget: str = Field(description="solver cost allowed: 100solves (prices of the cost table), 30s, 10min or 2h")
    options: dict[str, Any] = _option(dict, "an option of the problem, as in cells=256; again for more", flag="--set")
    costs: Literal["stated", "measured"] | None = _option(
        None, "stated (the problem's cost table) or measured; by default stated for solves, measured for time"
    )
    plan: tuple[int, ...] | None = _option(None, "samples a level, coarsest first, in place of a planned number")
    seed: int = _option(0, "root of every random stream; the first seed of a comparison", ge=0, le=MOST)
    strategy: str = _option("finetune", "a way of spending the budget: a name in `mlft.STRATEGIES`")
    estimator: str = _option(
        CURVE,
        "what a plan is estimated from: learning-curve (the network on nested subsets of the pilot), kernel-trained or "
        "kernel-initial (its tangent kernel at coarse-trained or initial weights)",
    )
    surrogate: str = _option(
        AUTO,
        "the network: a name in `mlft.SURROGATES`; auto tries several and takes what errs least on held-out draws. By "
        f"default {AUTO}, and {FNO} where options of the network are given, or an estimator by its tangent kernel",
    )
    surrogate_options: dict[str, Any] = _option(
        dict, "an option of the network, as in width=32; again for more", flag="--network"
    )
    symmetry: Literal["find", "augment", "none"] = _option(
        "find",
        "find (the solver's symmetries, in training and as the average over them at prediction), augment (in training "
        "alone: a prediction costs one evaluation) or none",
    )
    training: Training = _option(
        Training,
        "an option of the training, as in most=8000 (steps of a stage, at most; how many follows from its samples and "
        "its held-out error) or steps=3000 (of the whole training, all of them made); again for more",
        flag="--train",
    )
    pilot: int = _option(
        2, "samples a level that measure costs, where costs are measured; charged and trained on", ge=1, le=MOST
    )
    test: int = _option(200, "fresh draws of the finest grid that measure the error; not charged", ge=1, le=MOST)
    bias_draws: int = _option(8, "test draws solved on every level to measure its bias; not charged", ge=0, le=MOST)
    baselines: tuple[str, ...] = _option((), "rival strategies to train at equal cost, a,b,c")
    threads: int = _option(
        1, "CPU threads of the training; another number changes the last bits", ge=1, le=MOST_PROCESSES
    )
    device: str = _option("cpu", "where the network runs, such as cpu or cuda")
    workers: int | None = _option(
        None, "processes that solve; 0 solves in this one; by default one a core", ge=0, le=MOST_PROCESSES
    )
    scheduler: str | None = _option(None, "a Dask scheduler that solves instead, tcp://host:port")
    timeout: float | None = _option(None, "seconds allowed for one sample", gt=0)
    retries: int = _option(1, "tries after a dead worker, a time-out or an exception", ge=0, le=MOST)
    max_failure_rate: float = _option(0.2, "share of failed samples at which the run stops", ge=0, le=1)
    retry_failed: bool = _option(
        False, "try the samples again that failed before, as after a repair of the solver; once a command"
    )

    @model_validator(mode="before")
    @classmethod
    def _options_are_of_one_network(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "surrogate" in values:
            return values
        alone = values.get("surrogate_options") or values.get("estimator", CURVE) != CURVE
        return {**values, "surrogate": FNO} if alone else values

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
    def limit(self) -> Budget:
        """The budget: its number and its unit."""
        return budget(self.budget)

    @property
    def identity(self) -> dict[str, Any]:
        """What a run folder must agree on: everything but how and where the work is executed."""
        return self.model_dump(mode="json", exclude=set(EXECUTION))


EXECUTION = ("workers", "scheduler", "timeout", "retries", "max_failure_rate", "retry_failed")


def configure(values: dict[str, Any]) -> Config:
    """Return the configuration of plain values, with every name and range checked.

    Raises:
        ConfigError: naming the key, what was got, and the nearest known name where the key is unknown.
    """
    for name, value in values.items():
        if not all(map(is_text, _texts([name, value]))):
            raise ConfigError(f"option '{plain(str(name))}' is no text: got {plain(repr(value))}")
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            raise unknown_name("option", str(first["loc"][-1]), _known(first["loc"])) from None
        raise ConfigError(_message(f"option '{key}'", first)) from None


def is_text(text: str) -> bool:
    """Return whether a text can be written to a file: half characters, as of names that no encoding gives, cannot."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def read_config(file: Path) -> dict[str, Any]:
    """Return the plain values of a TOML file.

    Raises:
        ConfigError: if it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(read_file(file, most=MOST_TEXT).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration {file} cannot be read: {error}") from None


def write_config(file: Path, asked: Config) -> bool:
    """Write a complete configuration as TOML, unless there is one; return whether it was written. None is left out."""
    return write_new(file, _toml(asked))


def rewrite_config(file: Path, asked: Config) -> None:
    """Write a complete configuration as TOML in the place of another, whole or not at all."""
    write_whole(file, _toml(asked))


def _toml(asked: Config) -> bytes:
    return tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True)).encode()


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
        where = ".".join(map(str, first["loc"]))
        told = _message(f"option '{where}' of {what}", first) if where else f"{what}: {_told(first)}"
        raise ConfigError(told) from None
    except ValueError as error:
        raise ConfigError(f"{what}: {error}") from None


def _message(where: str, error: Any) -> str:
    return f"{where}: {_told(error)}; got {plain(repr(error['input']))}"


def _told(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _known(location: tuple[int | str, ...]) -> list[str]:
    if len(location) > 1 and location[0] == "training":
        return list(Training.__dataclass_fields__)
    return list(Config.model_fields)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
