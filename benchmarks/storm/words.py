"""Command lines as nobody means them, of every command and every option."""

import random
import sys

import typer

from benchmarks.storm.nasty import NUMBERS, TEXTS
from mlft.cli.app import app

sys.set_int_max_str_digits(0)

SMALL = ("--set", "cells=32", "--set", "levels=2", "--train", "steps=24", "--network", "width=5", "--workers", "0")
RUN = ("burgers", "--budget", "70solves", *SMALL, "--test", "6", "--out", "o")
LINES: dict[str, tuple[str, ...]] = {
    "problems": (),
    "run": RUN,
    "plan": RUN,
    "compare": (*RUN, "--seeds", "2"),
    "report": ("run",),
    "trust": ("run", "--samples", "4"),
    "check": ("burgers", "--set", "cells=32"),
}
"""A command line of each command, as somebody means it."""

GROUP = typer.main.get_command(app)
FLAGS = {
    name: [flag for parameter in each.params for flag in parameter.opts if flag.startswith("--")]
    for name, each in GROUP.commands.items()  # type: ignore[attr-defined]
}
"""The options of each command."""

PATHS = (
    "run",
    "run/config.toml",
    "run/ledger.sqlite",
    "run/surrogate",
    "plan.json",
    "asked.toml",
    "pipe",
    "empty",
    "loop",
)
OPTIONS = (
    *("cells", "levels", "time", "modes", "decay", "viscosity"),
    *("steps", "batch", "rate", "most", "least", "passes", "checks", "replay", "held_out", "first_share", "guards"),
    *("width", "depth", "patch", "periodic"),
)
"""Of the problem, of the training, of the network."""


def line(chance: random.Random) -> list[str]:
    """Return a command line with one to three words changed, added, dropped or said twice."""
    name = chance.choice((*LINES, "run", "plan", "compare"))
    words = list(LINES[name])
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        how, at = (
            chance.choice(("value", "option", "option", "option", "drop", "twice", "more")),
            chance.randrange(len(words) + 1),
        )
        if how == "option":
            words += [chance.choice((*FLAGS[name], "--help")), _word(chance)]
        elif how == "value":
            words[at : at + 1] = [_word(chance)]
        elif how == "drop":
            del words[at : at + 1]
        elif how == "twice":
            words += words[at:]
        else:
            words.insert(at, _word(chance))
    return [word.replace("\0", "") for word in (_word(chance) if chance.random() < 0.02 else name, *words)]


def _word(chance: random.Random) -> str:
    word = chance.choice((chance.choice(TEXTS), str(chance.choice(NUMBERS)), chance.choice(PATHS)))
    return f"{chance.choice(OPTIONS)}={word}" if chance.random() < 0.25 else word
