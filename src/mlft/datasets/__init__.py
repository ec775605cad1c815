"""Data without a solver, and out again: `Dataset`, from arrays and from files, and the formats it is written in."""

from mlft.datasets.dataset import Dataset, Level
from mlft.datasets.ground import Hints
from mlft.datasets.part import Part
from mlft.datasets.problem import DataProblem
from mlft.datasets.reading import read
from mlft.datasets.split import Rule, Split, split
from mlft.datasets.writing import FORMATS, write

__all__ = [
    "FORMATS",
    "DataProblem",
    "Dataset",
    "Hints",
    "Level",
    "Part",
    "Rule",
    "Split",
    "read",
    "split",
    "write",
]
