import re
from datetime import date
from importlib.util import find_spec

import pytest

from benchmarks.publish import RESULTS, ROOT, read
from benchmarks.render import PAGE, SECTIONS, page

LISTED = [name for names in SECTIONS.values() for name in names]
PACKAGES = (".", "timing", "plans", "storm", "laboratory")


def modules():
    """Return the modules that are benchmarks: they can be run, and publish."""
    files = (file for package in PACKAGES for file in (ROOT / "benchmarks" / package).glob("*.py"))
    mains = [file for file in files if "publish(BENCHMARK" in file.read_text()]
    return sorted(file.parent.name if file.stem == "__main__" else file.stem for file in mains)


def test_the_page_is_what_the_results_give_and_edited_by_nobody():
    assert PAGE.read_text() == page(), "run `python -m benchmarks.render`"


def test_every_benchmark_has_one_file_and_one_place_on_the_page():
    assert sorted(LISTED) == sorted(file.stem for file in RESULTS.glob("*.json")) == modules()
    others = {path.name for path in RESULTS.iterdir() if path.suffix != ".json"}
    assert others <= set(LISTED), "a folder holds the rows of the benchmark of its name"


@pytest.mark.parametrize("name", LISTED)
def test_a_file_of_results_is_whole_and_its_command_runs_its_benchmark(name):
    result = read(RESULTS / f"{name}.json")
    assert result.name == name and result.title and result.tables
    assert date(2026, 1, 1) < date.fromisoformat(result.date)
    assert re.fullmatch(r"[0-9a-f]{7}", result.commit), "measured on a commit, without changes"
    assert result.mlft and result.machine.cpu and result.machine.python
    python, flag, module, *_ = result.command.split()
    assert (python, flag) == ("python", "-m") and module.rpartition(".")[2] == name
    assert find_spec(module) is not None


@pytest.mark.parametrize("name", LISTED)
def test_lines_of_notes_fit_the_page(name):
    assert all(len(line) <= 130 for line in read(RESULTS / f"{name}.json").notes)


def test_commands_and_links_in_the_docs_exist():
    for file in sorted((ROOT / "docs").glob("*.md")):
        text = file.read_text()
        for module in re.findall(r"python -m (benchmarks[\w.]+)", text):
            assert find_spec(module) is not None, f"{file.name} names {module}"
        for path in re.findall(r"`(benchmarks/[\w/]+(?:\.py)?)`", text):
            assert (ROOT / path).exists(), f"{file.name} names {path}"
        words = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", words):
            assert (file.parent / target).exists(), f"{file.name} links {target}"
