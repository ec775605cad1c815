import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import mlft

README = Path(__file__).parent.parent / "README.md"
MODULES = ["mlft", *(module.name for module in pkgutil.walk_packages(mlft.__path__, "mlft."))]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_exists_and_is_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        found = getattr(module, public)
        assert not isinstance(found, type | FunctionType) or found.__doc__, public


@pytest.mark.parametrize("imported", ["mlft", "mlft.experiment.loop"])
def test_importing_prints_nothing_warns_nothing_and_loads_nothing_that_takes_long(imported):
    slow = {"matplotlib", "distributed", "scipy.stats", "numba", "h5py", "xarray", "onnx"}
    code = f"import {imported}, sys; found = {slow} & {{*sys.modules}}; assert not found, found"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_check_loads_nothing_that_learns():
    code = "import mlft, sys; mlft.check; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    learns = ("mlft.surrogates", "mlft.estimators", "mlft.learners", "mlft.generation", "scipy.stats", "loky")
    assert "torch" in loaded and not [name for name in loaded if name.startswith(learns)]


def test_the_example_of_the_readme_with_a_solver_of_your_own_runs(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[-1]
    assert '"steps": 300' in code and '"runs/poisson"' in code
    code = code.replace('"steps": 300', '"steps": 12').replace('"runs/poisson"', f'"{tmp_path}"')
    names = {"__name__": "readme"}
    exec(compile(code.replace("out=", "workers=0, test=5, out="), str(README), "exec"), names)
    plan = names["record"].outcome.plan
    assert plan.rule == "optimal" and plan.cost <= 40 and plan.predicted_error.value > 0


def test_the_commands_of_the_readme_are_those_of_the_makefile():
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^\$ make (\w+)", README.read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile
