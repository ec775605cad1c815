"""The gallery, a page of the problems that are shipped, by its command."""

import re
import shlex
from html import escape

import pytest

import mlft
from mlft.experiment.asking import ask
from mlft.experiment.pricing import afford
from mlft.reports import gallery


def test_the_gallery_is_a_page_with_a_picture_and_the_statement_of_each_case(tmp_path, mlft_command, monkeypatch):
    shown = {name: gallery.CASES[name] for name in ("burgers", "poisson, 2D", "poisson")}
    monkeypatch.setattr(gallery, "CASES", shown)
    code, out, err = mlft_command("problems", "--gallery", tmp_path / "gallery")
    assert code == 0, err
    assert "gallery.html" in out
    page = (tmp_path / "gallery" / "gallery.html").read_text()
    assert page.count("<svg") == 2 * page.count("What makes it hard") == 2 * page.count("Source: ") == 6
    assert re.findall(r'href="(#[^"]+)">([^<]+)</a></li>', page) == [
        ("#burgers", "burgers"), ("#poisson", "poisson"), ("#poisson-2d", "poisson, 2D")
    ]  # fmt: skip
    assert all(page.count(f">{name}<") >= 2 for name in ("x", "y", "input", "solution"))  # axes and legends
    for title, (name, _) in shown.items():
        assert f"<h2>{title}</h2>" in page and f"<pre>{escape(gallery.run_command(title))}</pre>" in page
        assert escape(mlft.PROBLEMS[name].equation) in page
    assert page.count("<caption><span>Distance of a level to the finest") == 3
    assert (page.count(">prolong: subcell</td>"), page.count(">plain</td>")) == (1, 3)
    assert "(not-" not in page and "http://" not in page and "https://" not in page


def test_the_gallery_knows_every_problem_and_its_statement():
    assert set(gallery.CASES) >= set(mlft.PROBLEMS)
    for name, options in gallery.CASES.values():
        hard, source = gallery.statement(mlft.PROBLEMS[name](**options))
        assert hard.startswith("What makes it hard") and hard.endswith(".") and source.startswith("Source: ")


@pytest.mark.parametrize("title", gallery.CASES)
def test_the_command_of_a_case_runs_the_problem_that_is_shown(title, mlft_command, monkeypatch):
    asked = []

    def run(problem, out, report, more, **options):
        asked.append((problem, options))
        raise ZeroDivisionError

    monkeypatch.setattr(mlft, "run", run)
    with pytest.raises(ZeroDivisionError):  # where the run would begin
        mlft_command(*shlex.split(gallery.run_command(title))[1:])
    ((problem, options),) = asked
    found = ask(problem, **options)
    name, shown = gallery.CASES[title]
    assert found.problem.options == mlft.PROBLEMS[name](**shown).options
    afford(found)
