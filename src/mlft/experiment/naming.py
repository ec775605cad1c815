"""From the name of a problem to the problem; nothing is imported here that a run needs and a check does not."""

import importlib
import os
import sys
from typing import Any

from mlft.errors import ConfigError, plain
from mlft.experiment.config import checked
from mlft.problems import PROBLEMS, Problem


def named_problem(name: str, options: dict[str, Any]) -> Problem:
    """Return the problem of a name in `PROBLEMS` or "module:attribute", with its options.

    Raises:
        ConfigError: for an unknown name or option, naming the nearest known one.
    """
    if ":" in name:
        return _own_problem(name, options)
    made: Problem = checked(PROBLEMS[name], options, name)
    return made


def written_problem(name: str, options: dict[str, Any], given: str | Problem | None, *, told: str, how: str) -> Problem:
    """Return the problem that a file names: only of a shipped one is code run that the caller did not name.

    Args:
        name: what the file says.
        options: what the file says.
        given: the caller's: the problem itself, or "module:attribute" as in the file, which is leave to import it.
        told: what says so, for the refusal.
        how: the call that gives leave.

    Raises:
        ConfigError: for a problem of a module that the caller did not name, or named otherwise.
    """
    if isinstance(given, Problem):
        return given
    if given is not None and given != name:
        raise ConfigError(f"{told} names the problem '{name}', the problem given is '{given}'")
    if ":" in name and given is None:
        raise ConfigError(
            f"{told} names the problem '{name}': importing it runs the code of the module '{name.partition(':')[0]}'. "
            f"If you trust that, name it yourself: {how}"
        )
    return named_problem(name, options)


def _own_problem(name: str, options: dict[str, Any]) -> Problem:
    module, _, attribute = name.partition(":")
    if not (all(module.split(".")) and attribute and "/" not in module and plain(name) == name):
        raise ConfigError(f"the problem '{plain(name)}' is not module:attribute, as in my_package.my_module:problem")
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
