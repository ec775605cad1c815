"""Registries: loaded when they are asked for, open to a user's own."""

import subprocess
import sys

import pytest

import mlft
from mlft.errors import ConfigError
from mlft.registry import Registry


def test_a_name_is_imported_when_it_is_asked_for_and_once():
    registry = Registry("thing", {"root": "math:sqrt", "own": len, "lost": "math:nothing"})
    assert list(registry) == ["root", "own", "lost"] and len(registry) == 3 and "root" in registry
    assert registry["root"](4.0) == 2.0 and registry["own"] is len
    with pytest.raises(AttributeError):
        registry["lost"]
    with pytest.raises(ConfigError, match="unknown thing 'rot': did you mean 'root'"):
        registry["rot"]
    registry["mine"] = max
    assert registry["mine"] is max and "mine" in repr(registry)
    del registry["mine"]
    assert "mine" not in registry


def test_asking_for_one_problem_loads_no_other():
    code = "import sys, mlft; mlft.PROBLEMS['poisson']; print('mlft.problems.euler' in sys.modules, len(mlft.PROBLEMS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "13"], done.stderr


def test_every_shipped_name_loads():
    assert {kind().name for kind in mlft.PROBLEMS.values()} == set(mlft.PROBLEMS)
    assert all(mlft.STRATEGIES.values()) and all(mlft.SURROGATES.values())
