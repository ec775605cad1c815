"""Names and words that are no text, or no end of it: refused in one sentence before any work, or shown plainly."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError, MlftError, plain
from mlft.problems import Solved
from mlft.store import SampleStore
from small import SMALL, problem, solve

ASKED: dict[str, Any] = {"strategy": "finest-only", "plan": (0, 0, 8), "budget": "8solves", **SMALL}
NO_TEXT = {"surrogate": "a\ud800b", "null": "a\x00b", "escape": "a\x1b[31mb", "bidi": "a\u202eb", "long": "x" * 100_000}


def refuses(folder: Path, asked: object, **options: object) -> str:
    with pytest.raises(ConfigError) as caught:
        mlft.run(asked, out=folder, **ASKED | options)
    told = str(caught.value)
    assert told.isprintable() and len(told) < 1000 and not folder.exists()
    return told


@pytest.mark.parametrize("text", [*NO_TEXT.values(), "a\nb", " "], ids=[*NO_TEXT, "newline", "blank"])
@pytest.mark.parametrize("field", ["name", "equation"])
def test_a_name_that_is_no_line_of_text_is_refused_before_any_work(field: str, text: str, tmp_path: Path) -> None:
    refuses(tmp_path / "run", dataclasses.replace(problem, **{field: text}))


@pytest.mark.parametrize("option", ["surrogate", "device", "scheduler", "strategy", "estimator", "budget", "options"])
def test_an_option_that_is_no_text_is_refused_before_any_work(option: str, tmp_path: Path) -> None:
    value = {"law": "\ud800"} if option == "options" else "a\ud800"
    own = "small:problem" if option == "options" else problem
    assert f"option '{option}' is no text" in refuses(tmp_path / "run", own, workers=None, **{option: value})


def test_a_folder_whose_name_is_no_text_is_refused_before_any_work(tmp_path: Path) -> None:
    assert "a\\udcff" in refuses(tmp_path / "a\udcff", problem)


@pytest.mark.parametrize("name", ["../x:problem", ":problem", "a b:problem", ".:problem", "small:", "x\x00:problem"])
def test_a_module_that_cannot_be_one_is_refused_before_any_work(name: str, tmp_path: Path) -> None:
    refuses(tmp_path / "run", name)


@pytest.mark.parametrize("text", NO_TEXT.values(), ids=NO_TEXT)
def test_a_solver_whose_words_are_no_text_fails_by_name(text: str, tmp_path: Path) -> None:
    """A status, the message of an exception, the name of a scalar."""

    def worded(inputs: np.ndarray, grid: mlft.Grid) -> Solved:
        if inputs[0, 0, 3] > 1.0:
            raise RuntimeError(text)
        status = tuple(text if field[0, 3] > 0.0 else "ok" for field in inputs)
        scalars = {text: np.ones(len(inputs))} if inputs[0, 0, 3] < -1.0 else {}
        return Solved(solve(inputs, grid), status, scalars)

    own = dataclasses.replace(problem, solve_function=worded)
    with pytest.raises(MlftError, match="failed, more than max_failure_rate"):
        mlft.run(own, out=tmp_path, **ASKED | {"plan": (0, 0, 40), "budget": "40solves"})
    with SampleStore.open(tmp_path, {"problem": "small", "options": own.options, "transfers": {}, "seed": 0}) as store:
        rows = store.ledger("train", 2)
    assert {row.status for row in rows} - {"ok"} == {"wrong-shape", "raised-RuntimeError"}
    assert all(row.note.isprintable() and len(row.note) <= 200 for row in rows)
    assert all(row.note for row in rows if row.status != "ok")


def test_plain_shows_what_cannot_be_shown_by_its_number() -> None:
    assert plain("größe\n x\ud800\x1b") == "größe x\\ud800\\x1b"
    assert len(plain("x" * 1000)) == 200
