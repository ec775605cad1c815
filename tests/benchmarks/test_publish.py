import subprocess
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks import publish
from benchmarks.measure import cpu, exponent, median_cpu
from benchmarks.publish import Benchmark, commit, machine, parse, parser, read, write
from benchmarks.render import section
from benchmarks.table import Table, markdown, tabulate, text

TOY = Benchmark("plans.toy", "A toy", ("numpy",))
TABLE = Table("How it was *measured*.", ("case", "error", "n"), (("a | b", 0.12345678, 3), ("c", None, 12345)))


def published(folder, *words, tables=(TABLE,)):
    asked = parse(parser(TOY, None, cases=("a", "b")), ["--results", str(folder), *words])
    publish.publish(TOY, tables, asked)
    return read(folder / "toy.json")


def test_a_result_goes_to_its_file_and_back(tmp_path):
    result = published(tmp_path, "a", "--short")
    assert result.tables == (TABLE,)
    assert (result.name, result.title, result.mlft) == ("toy", "A toy", machine(["mlft"]).packages["mlft"])
    assert result.command == "python -m benchmarks.plans.toy a --short"  # no folder of this machine
    assert result.machine.packages == {"numpy": np.__version__}
    assert result.machine.cpu and result.machine.cores >= 1


def test_a_row_of_a_table_is_a_line_of_the_file(tmp_path):
    published(tmp_path)
    lines = (tmp_path / "toy.json").read_text().splitlines()
    assert '   "columns": ["case", "error", "n"],' in lines
    assert '    ["a | b", 0.12345678, 3],' in lines


def test_notes_stay_when_it_is_measured_again(tmp_path):
    first = published(tmp_path)
    write(tmp_path / "toy.json", replace(first, notes=("What it says:", "* much")))
    again = published(tmp_path, tables=())
    assert again.notes == ("What it says:", "* much") and again.tables == ()


@pytest.mark.parametrize("words", [["a"], ["--short"]])
def test_a_part_is_written_nowhere_unless_a_folder_is_given(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    publish.publish(TOY, [TABLE], parse(parser(TOY, None, cases=("a", "b")), words))
    assert not list(tmp_path.iterdir()) and "not written" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--jobs", "5", "--out", "elsewhere"]])
def test_the_whole_is_written_to_the_folder_of_results(words, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    publish.publish(TOY, [TABLE], parse(parser(TOY, None, cases=("a", "b"), runs="runs/toy"), words))
    assert read(tmp_path / "toy.json").tables == (TABLE,)


def test_a_file_that_lacks_a_field_or_has_another_is_refused(tmp_path):
    published(tmp_path)
    file = tmp_path / "toy.json"
    whole = file.read_text()
    for wrong in (whole.replace('"commit"', '"hash"'), whole.replace('"cores"', '"kernels"')):
        file.write_text(wrong)
        with pytest.raises(ValidationError, match="hash|kernels"):
            read(file)


@pytest.mark.parametrize("row", [("c",), ("c", float("nan"), 1), ("c", 1.0, float("inf"))])
def test_a_row_that_is_ragged_or_not_finite_is_refused(row):
    with pytest.raises(ValueError, match="a column|finite"):
        Table("", ("case", "error", "n"), (row,))


def test_a_table_is_printed_row_by_row_and_rounded(capsys):
    table = tabulate("It.", ("x", "y"), ((n, n / 3) for n in (1, 2)))
    assert table.rows == ((1, 0.333333), (2, 0.666667))
    assert "| 1 | 0.3333 |\n| 2 | 0.6667 |" in capsys.readouterr().out


def test_markdown_puts_numbers_right_and_keeps_bars_in_cells():
    told = ["How it was *measured*.", "", "| case | error | n |", "|---|---:|---:|"]
    told += ["| a \\| b | 0.1235 | 3 |", "| c | – | 12,345 |"]
    assert markdown(TABLE).splitlines() == told


def test_a_section_tells_how_when_and_where(tmp_path):
    result = replace(published(tmp_path), date="2026-11-22", commit="abc1234", notes=("Well.",))
    head, how, *body = section(result).split("\n\n")
    assert head == "### A toy"
    assert how.startswith("`python -m benchmarks.plans.toy") and "2026-11-22, commit abc1234, mlft" in how
    assert body[0] == TABLE.caption and body[-1] == "Well.\n"


def test_numbers_are_read_as_they_are_written():
    assert [text(x) for x in (0.0063, 2320.0, 1e-8, 0, None)] == ["0.0063", "2,320", "1e-08", "0", "–"]


def test_the_commit_is_marked_where_code_differs_but_not_where_results_do(tmp_path, monkeypatch):
    def git(*words):
        asked = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(asked, cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(publish, "ROOT", tmp_path)
    assert commit() == "unknown"
    for name in ("src/code.py", "benchmarks/code.py", "benchmarks/results/one.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "First")
    clean = commit()
    assert len(clean) == 7
    (tmp_path / "benchmarks/results/one.json").write_text("2")
    assert commit() == clean
    (tmp_path / "src/code.py").write_text("2")
    assert commit() == f"{clean}-dirty"


def test_times_are_positive_and_count_the_calls():
    calls = []
    assert cpu(lambda: calls.append(1), 3) >= 0
    assert median_cpu(lambda: calls.append(1), 5, warm_up=2) >= 0
    assert len(calls) == 3 + 5 + 2


def test_an_exponent_is_the_slope_of_a_power():
    assert exponent((3, 5, 11), [7 * n**1.5 for n in (3, 5, 11)]) == pytest.approx(1.5)
