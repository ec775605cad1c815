"""The pages: their code runs, their commands are real, their links lead somewhere, their lists are complete."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import mlft
from mlft.cli.app import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
RUN = [
    *(DOCS / f"{name}.md" for name in ("analyst", "cluster", "engineer", "learner", "notebooks", "your-data")),
    ROOT / "CONTRIBUTING.md",
]
SMALL = {"modes": [3], "width": 5, "depth": 2}
FEWER = {
    r'"steps": \d+': '"steps": 8',
    r"samples=\d+, workers": "samples=4, workers",
    r"(training=.*), workers=0\)": rf"\1, workers=0, test=40, surrogate_options={SMALL})",
    r'("levels": 3\},\n)': rf'\1"surrogate_options": {SMALL}, "test": 5, "bias_draws": 0,\n',
    r'"workers": 0\}': '"workers": 0, "test": 40, **options}',
}
"""What makes an example small enough for a test; the text of a page has the larger numbers."""


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore::mlft.errors.UnfamiliarWarning")  # the alarm is false for a few of a law's own
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mlft.STRATEGIES, "_things", dict(mlft.STRATEGIES._things))
    options = {} if page.stem == "learner" else {"surrogate_options": SMALL}
    names, code = {"__name__": page.stem, "options": options}, blocks(page, "python")
    assert code
    for block in code:
        for much, little in FEWER.items():
            block = re.sub(much, little, block)
        exec(compile(block, str(page), "exec"), names)


def test_a_job_for_slurm_has_a_thread_a_core_the_environment_and_workers_that_end_in_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = [block for block in blocks(DOCS / "cluster.md", "python") if "SLURMCluster(" in block]
    names: dict[str, Any] = {}
    exec(compile(code, "cluster.md", "exec"), names)
    address = names["cluster"].scheduler_address
    names["cluster"].close()
    lines = capsys.readouterr().out.splitlines()
    asked = ["#SBATCH -n 1", "#SBATCH --cpus-per-task=16", "#SBATCH --mem=30G", "#SBATCH -t 01:00:00"]  # GiB of 32 GB
    prologue = ["source $HOME/venv/bin/activate", "export PYTHONPATH=$HOME/project"]
    assert [line for line in lines if line in (*asked, *prologue)] == [*asked, *prologue]
    (worker,) = [line for line in lines if "dask_worker" in line]
    assert address in worker and lines.index(worker) > lines.index(prologue[-1])
    for option in ("--nthreads 1 ", "--nworkers 16 ", "--nanny ", "--lifetime 55m ", "--lifetime-stagger 4m"):
        assert option in f"{worker} "


def test_pages_with_code_are_run() -> None:
    with_code = {page for page in PAGES if blocks(page, "python")}
    elsewhere = {ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("serving", "your-solver"))}
    assert with_code == {*RUN} | elsewhere  # by test_public, tests/serving and tests/outside


def commands(page: Path) -> list[list[str]]:
    """The words of each `$ mlft …` of a page."""
    lines = "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]
    return [line[1:] for line in words if line[0] == "mlft"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_real(page: Path) -> None:
    group = typer.main.get_command(app)
    for words in commands(page):
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        given = command.make_context(words[0], words[1:]).params  # wrong usage raises
        assert given["problem"] in mlft.PROBLEMS or ":" in given["problem"] if given.get("problem") else given, words


def test_a_command_that_is_not_real_is_found_out() -> None:
    page_words = commands(DOCS / "index.md")
    assert ["problems"] in page_words and len(page_words) == 3
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("run", ["burgers", "--out", "x", "--buget", "9solves"])


@pytest.mark.parametrize("page", [*PAGES, *sorted(DOCS.glob("api/*.md"))], ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def nav_files(entry: object) -> list[str]:
    """The files of a navigation, in their order."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [file for part in parts for file in nav_files(part)]  # type: ignore[attr-defined]


def test_every_page_is_in_the_navigation_once_and_nothing_is_loaded_from_elsewhere() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    files = nav_files(site["nav"])
    assert sorted(files) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert site["theme"]["font"] is False and site["strict"] is True
    assert not any("://" in str(file) for key in ("extra_css", "extra_javascript") for file in site.get(key, []))


def listed() -> set[str]:
    """The modules of the reference."""
    return {
        name for page in DOCS.glob("api/*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
    }


def test_the_reference_has_every_public_name() -> None:
    where = {name: getattr(mlft, name).__module__ for name in mlft.__all__ if hasattr(getattr(mlft, name), "__name__")}
    assert len(where) > 40
    missing = {name: module for name, module in where.items() if module not in listed()}
    assert not missing


def test_the_reference_has_every_room() -> None:
    rooms = {path.name for path in (ROOT / "src/mlft").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms - {name.split(".")[1] for name in listed()} == {"cli"}  # its reference is --help


def test_the_table_of_rooms_is_that_of_the_import_linter() -> None:
    setting = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [each["layers"] for each in setting["contracts"] if each["type"] == "layers"]
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| room |") :].split("\n\n")[0].splitlines()[2:]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table]
    assert rows == [[name.strip().removeprefix("mlft.") for name in layer.split("|")] for layer in layers]
