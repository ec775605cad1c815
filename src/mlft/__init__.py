"""Multi-level fine-tuning: from a numerical solver and a budget of solver time to a trained surrogate."""

from importlib.metadata import version

from mlft.errors import BudgetError, ConfigError, GenerationError, MlftError, StoreError
from mlft.experiment import Config, Record, compare_config, run
from mlft.grids import Grid, hierarchy, prolong, restrict
from mlft.planning import Curve, Plan, allocate, equal_cost, mlmc
from mlft.problems import PROBLEMS, FunctionProblem, Problem, Solved
from mlft.surrogates import SURROGATES, Surrogate, load
from mlft.training import STRATEGIES, Training

__version__ = version("mlft")

__all__ = [
    "PROBLEMS",
    "STRATEGIES",
    "SURROGATES",
    "BudgetError",
    "Config",
    "ConfigError",
    "Curve",
    "FunctionProblem",
    "GenerationError",
    "Grid",
    "MlftError",
    "Plan",
    "Problem",
    "Record",
    "Solved",
    "StoreError",
    "Surrogate",
    "Training",
    "allocate",
    "compare_config",
    "equal_cost",
    "hierarchy",
    "load",
    "mlmc",
    "prolong",
    "restrict",
    "run",
]
