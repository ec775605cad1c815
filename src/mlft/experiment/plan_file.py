"""A plan as a file: written by `mlft plan --save`, read by `mlft run --plan`."""

import json
from pathlib import Path
from typing import Any

from mlft.errors import ConfigError
from mlft.experiment.config import Config
from mlft.experiment.foresight import Forecast
from mlft.experiment.pilot import plan_facts
from mlft.experiment.record import to_plain
from mlft.files import MOST_TEXT, digest, read_file, write_whole
from mlft.planning import from_facts


def write_plan(file: Path, forecast: Forecast, config: Config) -> None:
    """Write a plan as JSON, with the problem, its options, the budget and the seed that it is for; make its folder."""
    told = {name: config.model_dump(mode="json")[name] for name in _ASKED}
    foresight = None if forecast.foresight is None else to_plain(forecast.foresight)
    content = {"asked": told, "plan": to_plain(plan_facts(forecast.plan)), "foresight": foresight}
    content = json.loads(json.dumps(content, allow_nan=False))  # as it will be read
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(content | {"digest": digest(content)}, indent=2).encode())


def read_plan(file: Path) -> dict[str, Any]:
    """Return the options of a run by a written plan: problem, options, budget, seed, and samples as `plan`.

    Raises:
        ConfigError: if the file cannot be read, or holds no plan.
    """
    try:
        told = json.loads(read_file(file, most=MOST_TEXT))
        if told.pop("digest", None) != digest(told):
            raise ValueError("it does not match its digest, so it is damaged or was edited; make it again")
        plan = from_facts(told["plan"])
        return {**{name: told["asked"][name] for name in _ASKED}, "plan": list(plan.samples)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{file} holds no plan as `mlft plan --save` writes it: {error}") from None


_ASKED = ("problem", "options", "budget", "seed")
