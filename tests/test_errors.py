"""Errors that cross from one process to another."""

import pickle

import pytest

from mlft.errors import BudgetError, ConfigError, GenerationError, MlftError, UnfamiliarError


@pytest.mark.parametrize(
    "error",
    [
        BudgetError("too small", needed=26.5, given=16.0),
        GenerationError("too many", failed=3, attempted=7),
        UnfamiliarError("unlike", samples=(1, 4)),
        ConfigError("no such name"),
    ],
)
def test_an_error_of_another_process_is_the_same_with_its_numbers(error: MlftError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
