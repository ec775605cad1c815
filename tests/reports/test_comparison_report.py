import math
import os
from pathlib import Path

import pytest

from finished import NASTY, SEEDS, a_comparison, a_run, read
from mlft.experiment.record import read_comparison
from mlft.intervals import arithmetic, geometric
from mlft.reports import comparison_lines, report
from mlft.reports.pairing import ratios, standings


def test_means_over_seeds_have_students_interval() -> None:
    # mean 7/30, s = √(1/300), t(0.975; 2) = 4.302652730
    found = arithmetic([0.2, 0.2, 0.3])
    half = 4.302652730 * math.sqrt(1 / 300) / math.sqrt(3)
    assert found.value == pytest.approx(7 / 30, rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx((7 / 30 - half, 7 / 30 + half), rel=1e-9)
    assert arithmetic([0.4]).value == 0.4 and math.isnan(arithmetic([0.4]).upper) and math.isnan(arithmetic([]).value)


def test_ratios_are_paired_by_seed_and_averaged_in_logarithms() -> None:
    assert ratios({0: 0.2, 1: 0.2, 5: 9.0}, {1: 0.8, 0: 0.4, 3: 0.1}) == {0: 0.5, 1: 0.25}
    # logarithms −ln 2 · (1, 2, 1): mean −4/3 ln 2, s = ln 2 / √3
    found, half = geometric([0.5, 0.25, 0.5]), 4.302652730 * math.log(2) / 3
    assert found.value == pytest.approx(2 ** (-4 / 3), rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx(
        (2 ** (-4 / 3) * math.exp(-half), 2 ** (-4 / 3) * math.exp(half)), rel=1e-9
    )


def test_the_best_single_level_has_the_smallest_mean_error_of_the_single_levels() -> None:
    found = {one.strategy: one for one in standings({name: _finite(seeds) for name, seeds in SEEDS.items()})}
    assert [name for name, one in found.items() if one.best_single] == ["single-level:1"]
    # 0.2/0.25, 0.2/0.2, 0.3/0.3
    assert found["finetune"].to_single.value == pytest.approx(0.8 ** (1 / 3), rel=1e-12)
    assert found["finest-only"].to_finest.value == 1.0
    alone = standings({"finetune": {0: 0.1}})[0]
    assert not alone.best_single and not alone.ratios and math.isnan(alone.to_single.value)


def _finite(seeds: dict[int, float | None]) -> dict[int, float]:
    return {seed: math.nan if e is None else e for seed, e in seeds.items()}


def test_a_comparison_is_reported_with_ratios_intervals_and_every_seed(tmp_path: Path) -> None:
    (tmp_path / "seed-1/single-level-1").mkdir(parents=True)
    (tmp_path / "seed-1/single-level-1/report.html").touch()
    page = read(report(a_comparison(tmp_path, SEEDS)))
    lead = "finetune: relative L2 error 0.233 (mean of 3 seeds, 95% interval 0.0899 to 0.377), 0.397 times that of"
    assert lead in page.text and "finest-only (0.147 to 1.07, includes 1)" in page.text
    assert "is single-level:1 with 0.250: finetune has 0.928 times its error" in page.text
    assert "which includes 1; these seeds do not show a difference" in page.text
    assert page.text.count("0.147 to 1.07, includes 1") == 2 and "an interval that includes 1 shows no" in page.text
    assert "single-level:1\N{NO-BREAK SPACE}★" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "finetune 1,024 / 256 / 64 / 16 64 97.5 103 3 0.233" in page.text
    assert "finest-only 0.400 0.800 0.600" in page.text
    assert [link for link in page.values("href") if not link.startswith("#")] == ["seed-1/single-level-1/report.html"]
    assert "compare.csv" in page.text and "mlft compare burgers --budget 64solves" in page.text
    assert "burgers, 64 solves: strategies at equal cost" in page.text
    assert (tmp_path / "figures/comparison.svg").exists() and not (tmp_path / "metrics.csv").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_gain_and_a_loss_are_called_so(tmp_path: Path) -> None:
    rival = {"finest-only": {0: 0.4, 1: 0.41, 2: 0.4}}
    gain = a_comparison(tmp_path / "a", {"finetune": {0: 0.2, 1: 0.2, 2: 0.21}} | rival)
    assert "a gain beyond the spread of the seeds" in read(report(gain)).text
    loss = a_comparison(tmp_path / "b", {"finetune": {0: 0.5, 1: 0.5, 2: 0.51}} | rival)
    assert "a loss beyond the spread of the seeds" in read(report(loss)).text


@pytest.mark.usefixtures("undrawn")
def test_one_seed_gives_no_interval_and_failed_seeds_are_counted(tmp_path: Path) -> None:
    errors = {"finetune": {0: 0.2, 1: None}, NASTY.replace('"', "'"): {0: 0.3}, "finest-only": {0: 0.4, 1: 0.5}}
    page = read(report(a_comparison(tmp_path, errors)))
    assert "2, 1 without an error" in page.text and "one seed does not tell chance from merit" in page.text
    assert "0.200 (mean of 1 seeds, 95% interval –), 0.500 times that of finest-only (–)" in page.text
    assert "script" not in page.tags and "nan" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_without_single_levels_says_what_is_missing(tmp_path: Path) -> None:
    page = read(report(a_comparison(tmp_path, {"finetune": {0: 0.2, 1: 0.3}})))
    assert "No single level was among the strategies" in page.text and "times that of" not in page.text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("first", ["lift", "finetune"])
def test_the_outcome_is_that_of_the_first_strategy_of_several_levels(tmp_path: Path, first: str) -> None:
    errors = {"finest-only": {0: 0.4, 1: 0.5}, first: {0: 0.2, 1: 0.3}, "finetune:equal-cost": {0: 0.1, 1: 0.1}}
    assert f"{first}: relative L2 error 0.250" in read(report(a_comparison(tmp_path, errors))).text


@pytest.mark.usefixtures("undrawn")
def test_an_interval_that_excludes_one_is_not_said_to_include_it(tmp_path: Path) -> None:
    rival = {"finest-only": {0: 0.4, 1: 0.41, 2: 0.4}}
    told = read_comparison(a_comparison(tmp_path, {"finetune": {0: 0.2, 1: 0.2, 2: 0.21}} | rival))
    assert "includes 1" not in " ".join(comparison_lines(told))
    told = read_comparison(a_comparison(tmp_path, SEEDS))
    assert "0.397 (0.147 to 1.07, includes 1)" in " ".join(comparison_lines(told))


@pytest.mark.usefixtures("undrawn")
def test_the_pages_of_the_runs_are_written_and_every_link_resolves(tmp_path: Path) -> None:
    a_comparison(tmp_path, {"finetune": {0: 0.2, 1: 0.3}, "single-level:1": {0: 0.4, 1: 0.5}})
    places = [tmp_path / f"seed-{seed}" / name for seed in (0, 1) for name in ("finetune", "single-level-1")]
    for place in places[:3]:  # the fourth is gone
        a_run(place)
    page = read(report(tmp_path))
    links = [target for target in page.values("href") if not target.startswith("#")]
    assert sorted(links) == sorted(f"{place.relative_to(tmp_path)}/report.html" for place in places[:3])
    assert all((tmp_path / link).is_file() and (tmp_path / link).with_name("metrics.csv").is_file() for link in links)
    assert not places[3].exists()


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_is_newer_than_its_run_stays_and_an_older_one_is_written_anew(tmp_path: Path) -> None:
    a_comparison(tmp_path, {"finetune": {0: 0.2}, "finest-only": {0: 0.4}})
    new, old = (a_run(tmp_path / "seed-0" / name) for name in ("finetune", "finest-only"))
    for place in (new, old):
        (place / "report.html").write_text("mine")
    os.utime(old / "report.html", (0, 0))
    report(tmp_path)
    assert (new / "report.html").read_text() == "mine" and (old / "report.html").read_text() != "mine"


@pytest.mark.usefixtures("undrawn")
def test_a_strategy_that_names_a_folder_elsewhere_leads_nowhere(tmp_path: Path) -> None:
    outside = a_run(tmp_path / "outside")
    folder = a_comparison(tmp_path / "a" / "b", {"../../../outside": {0: 0.2}, "finest-only": {0: 0.4}})
    page = read(report(folder))
    assert not (outside / "report.html").exists() and not any("outside" in link for link in page.values("href"))
