"""Whatever is asked, and wherever: an answer, or one line that says why there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALL = "from mlft.cli import main; main()"


def run(*words: str, code: str = CALL, **options: object) -> tuple[int, str]:
    """Return exit code and errors of a command in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\u2028b", "\x1b[2Jb", "\udcffb"])
def test_a_refusal_is_one_line_whatever_is_in_a_name(mlft_command, tmp_path, name):
    code, _, err = mlft_command("run", "burgers", "--budget", "9solves", "--set", f"{name}=3", "--out", tmp_path)
    said = "mlft: option 'options' is no text" if name == "\udcffb" else "mlft: unknown option of burgers"
    assert code == 2 and err.strip("\n").startswith(said)
    assert err.strip("\n").isprintable() and err.isascii()


@pytest.mark.parametrize("command", [("report",), ("trust",), ("run", "burgers", "--budget", "9solves", "--out")])
def test_a_path_that_no_system_takes_is_one_line(mlft_command, command):
    code, _, err = mlft_command(*command, "a" * 5000)
    assert code == 1 and err.strip("\n").startswith("mlft: ") and err.strip("\n").isprintable() and "too long" in err


def test_an_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        assert run("--help", stdout=full) == (1, "mlft: the system refused: [Errno 28] No space left on device\n")


def test_a_reader_that_leaves_is_no_failure_to_tell_of():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as nobody:
        assert run("report", "nowhere", stdout=nobody)[1].startswith("mlft: nowhere holds neither")
        assert run("--help", stdout=nobody) == (1, "")


def test_a_closed_output_is_no_failure():
    code = f"import os, sys; os.close(1); sys.stdout = None; {CALL}"
    assert run("report", "nowhere", code=code)[1].startswith("mlft: nowhere holds neither")


def test_a_folder_that_was_deleted_under_ones_feet_is_said(tmp_path):
    code = f"import os; os.rmdir(os.getcwd()); {CALL}"
    told = "mlft: the folder that you stand in was deleted: change to one that is there\n"
    assert run("check", "burgers", code=code, cwd=tmp_path) == (1, told)


def test_wrong_usage_is_readable_in_a_terminal_of_one_column():
    code, err = run("run", "burgers", "--buget", "1s", env=os.environ | {"COLUMNS": "1"})
    assert code == 2 and "--buget" in err


def test_more_seeds_or_jobs_than_anybody_means_are_refused(mlft_command, tmp_path):
    words = ("compare", "burgers", "--budget", "40solves", "--out", tmp_path / "a")
    for option in ("--seeds", "--jobs"):
        code, _, err = mlft_command(*words, option, str(10**17))
        assert code == 2 and "a comparison has 1 to" in err and not Path(tmp_path / "a").exists()
