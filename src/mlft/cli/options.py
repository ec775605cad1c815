"""The options of a command: generated from the fields of `mlft.Config`, so that none is missing in one command."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from mlft.errors import ConfigError
from mlft.experiment.config import Config, read_config
from mlft.strategies import STRATEGIES

_PAIRS = ("options", "training", "surrogate_options")
_LISTS = ("baselines",)


def configured(
    names: tuple[str, ...] = tuple(Config.model_fields), *, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Any]:
    """Return a decorator that gives a command an option for each of some fields of `Config`.

    The command is called with its own arguments, and first with the values of the fields that were given.
    """

    def give(call: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(call).parameters.values())[1:]
        taken = {*without, *(parameter.name for parameter in own)}
        fields = [_parameter(name, Config.model_fields[name]) for name in names if name not in taken]

        def command(**values: Any) -> None:
            given = {field.name: values.pop(field.name) for field in fields}
            call(_plain(given), **values)

        command.__name__, command.__doc__ = call.__name__, call.__doc__
        parameters = sorted([*fields, *own], key=lambda parameter: parameter.name != "problem")
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return give


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return a field of `Config` as an option, or the problem as an argument; None where it is not given."""
    words = field.description or ""
    extra = field.json_schema_extra
    flag = str(extra["flag"]) if isinstance(extra, dict) else f"--{name.replace('_', '-')}"
    kind: Any = str
    if name == "problem":
        made = typer.Argument(help=words)
    elif name in _PAIRS:
        kind, made = list[str], typer.Option(flag, metavar="NAME=VALUE", help=words)
    elif field.annotation is bool:
        kind, made = bool, typer.Option(flag, help=words)
    else:
        known = [part for part in (field.annotation, *get_args(field.annotation)) if part in (int, float)]
        kind, made = known[0] if known else str, typer.Option(flag, help=words)
    if name == "strategy":
        made.help = f"{words}: {', '.join(STRATEGIES)}"
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=None, annotation=Annotated[kind | None, made])


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given on the command line as the plain values of a configuration."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == []:
            continue
        values[name] = _pairs(value) if name in _PAIRS else names_of(value) if name in _LISTS else value
    return values


def asked_of(
    given: dict[str, Any],
    config: Path | None,
    plan: Path | None = None,
    *,
    needed: tuple[str, ...] = ("problem", "budget"),
) -> dict[str, Any]:
    """Return the options of a file, overridden by those of a plan, and by those that were given."""
    values = read_config(config) if config is not None else {}
    if plan is not None:
        from mlft.experiment.plan_file import read_plan

        values |= read_plan(plan)
    if "problem" not in given and ":" in str(values.get("problem", "")):
        raise ConfigError(
            f"the file {plan or config} names the problem '{values['problem']}': importing it runs the code of that "
            f"module. If you trust it, name it yourself, as the first argument: {values['problem']}"
        )
    for name, value in given.items():
        known = values.get(name, {}) if name in _PAIRS else None
        if known is not None and not isinstance(known, dict):
            raise ConfigError(f"option '{name}' in {plan or config} is a table of names and values; got {known!r}")
        values[name] = value if known is None else known | value
    for name in needed:
        if name not in values:
            where = "as the first argument" if name == "problem" else "with --budget 100solves"
            raise ConfigError(f"a {name} is needed: give it {where}, or in a file with --config")
    return values


def _pairs(words: list[str]) -> dict[str, Any]:
    for word in words:
        if "=" not in word:
            raise ConfigError(f"an option is given as NAME=VALUE, got '{word}'")
    return {name: _value(text) for name, text in (word.split("=", 1) for word in words)}


def _value(text: str) -> Any:
    """Return a number or truth value where the text is one, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in a text a,b,c."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
