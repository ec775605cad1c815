"""`mlft fit` and `mlft export` on the command line: exit codes, words, and errors in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mlft
from mlft.datasets import read
from rows import made

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--train", "steps=8", "--network", "modes=[3]", "--network", "width=5", "--network", "depth=2")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two levels in two archives, as somebody may have written them."""
    found = []
    for level in made((24, 15)).levels:
        found.append(tmp_path / f"rows_{level.grid}.npz")
        np.savez(found[-1], x=level.inputs, y=level.solutions)
    return found


def test_files_are_learned_from_told_of_and_written_out_again(
    files: list[Path], tmp_path: Path, mlft_command: Command
) -> None:
    run = tmp_path / "run"
    code, out, err = mlft_command("fit", *files, "--out", run, "--periodic", "--test", 4, *QUICK)
    assert code == 0, err
    assert "trained on 20/11 rows of the data set" in out and "report: " in out
    assert "and it was assumed, that values are averages over cells" in out and "not periodic" not in out
    told = mlft.Record.load(run).outcome
    assert told.grid.periodic and told.data is not None and told.data.files == tuple(map(str, files))
    assert told.command.startswith(f"mlft fit {files[0]} {files[1]} --seed 0")
    code, out, _ = mlft_command("list", tmp_path)
    assert code == 0 and "39 rows" in out
    code, out, _ = mlft_command("trust", run)
    assert code == 0 and "Other laws of inputs were not measured: that takes a solver." in out
    code, out, err = mlft_command("export", run, "--to", "xarray", "--out", tmp_path / "out", "--stream", "train")
    assert code == 0 and "20 of train on 14, 11 of train on 28; in float64" in out, err
    assert [len(level) for level in read(tmp_path / "out").levels] == [20, 11]


def test_what_is_wrong_is_said_in_one_line(files: list[Path], tmp_path: Path, mlft_command: Command) -> None:
    content = files[0].read_bytes()
    files[0].write_bytes(content[:500])
    for words, said in (
        ((files[0],), "is half an archive: it was not written to its end"),
        ((files[1], "--centring", "corner"), "centring is cell (averages over cells) or nodal"),
        ((files[1], "--cost", 1, "--cost", 2), "costs are 1 positive numbers, one a level"),
        ((files[1], "--test", 15), "15 rows cannot be tested on: the finest level has 15"),
    ):
        code, out, err = mlft_command("fit", *words, "--out", tmp_path / "run", *QUICK)
        assert code in (1, 2) and said in err and len(err.strip().splitlines()) == 1 and not out
    assert not (tmp_path / "run").exists()
    code, _, err = mlft_command("export", tmp_path, "--to", "npz", "--out", tmp_path / "out")
    assert code == 1 and "finished run" in err
