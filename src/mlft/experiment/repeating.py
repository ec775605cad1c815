"""How a run is repeated: the command line, or the call, that makes the same one in a new folder."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlft.datasets import DataProblem
from mlft.experiment.asking import Asked
from mlft.experiment.config import CONFIG, Config
from mlft.problems import PROBLEMS

_ELSEWHERE = ("problem", "workers", "scheduler", "retry_failed")
"""Fields that are named first, or that say how the work is done and not what comes of it."""


def command(asked: Asked, folder: Path, *, verb: str = "run", **more: Any) -> str:
    """Return what repeats a run in a new folder, with every option that is not the default.

    That is a command line where there is one; of a problem or a network of your own it is a call of `mlft`, with the
    objects to be filled in. Samples a level that were given go through the run's own `config.toml`.

    Args:
        asked: what was asked.
        folder: where.
        verb: of the command.
        more: arguments that it has beside those of a run.
    """
    config, place = asked.config, f"{folder}-again"
    if isinstance(asked.problem, DataProblem):
        return _fit(asked, asked.problem, place)
    if asked.module is not None or not (config.problem in PROBLEMS or ":" in config.problem):
        return _call(asked, place, verb, more)
    if config.plan is not None:
        return shlex.join(["mlft", verb, config.problem, "--config", str(folder / CONFIG), "--out", place])
    words = [word for name in _differing(config) for word in _words(_flag(name), _value(config, name))]
    words += [word for name, value in more.items() for word in _words(f"--{name}", value)]
    return shlex.join(["mlft", verb, config.problem, *words, "--out", place])


def _fit(asked: Asked, problem: DataProblem, place: str) -> str:
    """Return what repeats a fit: a command line where its rows were read from files, all of them learned from."""
    config, unasked = asked.config, {"budget", "symmetry", "plan"}
    names = [name for name in _differing(config) if name not in unasked]
    every = config.plan == problem.counts("train") and not problem.prices
    if problem.data.files and every and asked.module is None:
        words = [word for name in names for word in _words(_flag(name), _value(config, name))]
        return shlex.join(["mlft", "fit", *problem.data.files, *words, "--out", place])
    values = {name: _value(config, name) for name in names}
    values |= {} if every else {"plan": config.plan, "costs": problem.prices or None}
    parts = ["data", *(f"{name}={value!r}" for name, value in values.items() if value is not None)]
    parts += ["network=network"] if asked.module is not None else []
    return f"mlft.fit({', '.join(parts)}, out={place!r})  # data: {problem.data!r}"


def _differing(config: Config) -> list[str]:
    """Return the fields to be told: budget and seed, and what is not the default."""
    plain = Config(problem=config.problem, budget="1solve").model_copy(update={"budget": config.budget})
    fields = (name for name in Config.model_fields if name not in _ELSEWHERE)
    return [name for name in fields if name in ("budget", "seed") or getattr(config, name) != getattr(plain, name)]


def _flag(name: str) -> str:
    extra = Config.model_fields[name].json_schema_extra
    return str(extra["flag"]) if isinstance(extra, dict) else f"--{name.replace('_', '-')}"


def _words(flag: str, value: Any) -> Iterator[str]:
    """Yield the words of the command line that say a value."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from (flag, f"{key}={_text(one)}")
    elif value is True:
        yield flag
    else:
        yield from (flag, ",".join(value) if isinstance(value, tuple) else str(value))


def _value(config: Config, name: str) -> Any:
    """Return a field in plain values; of the training what is not the default."""
    value = getattr(config, name)
    if name != "training":
        return value
    plain = asdict(Config.model_fields[name].get_default(call_default_factory=True))
    return {key: one for key, one in asdict(value).items() if one != plain[key]}


def _text(value: Any) -> str:
    """Return a value as the command line reads it: JSON, or a text that is none."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value, separators=(",", ":"))


def _call(asked: Asked, place: str, verb: str, more: dict[str, Any]) -> str:
    config, own = asked.config, asked.config.problem
    named = repr(own) if own in PROBLEMS or ":" in own else "problem"
    values = {name: _value(config, name) for name in _differing(config)} | more
    parts = [f"{name}={value!r}" for name, value in values.items()]
    parts += ["network=network"] if asked.module is not None else []
    yours = [f"problem: your own, '{own}'"] if named == "problem" else []
    yours += ["network: your own, untrained"] if asked.module is not None else []
    return f"mlft.{verb}({', '.join([named, *parts])}, out={place!r})  # {'; '.join(yours)}"
