import csv
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from mlft.errors import MlftError
from mlft.experiment.record import write_evaluation, write_json
from mlft.grids import Grid
from mlft.report import write_report
from mlft.report.drawing import error_axis
from mlft.report.fields import Shown, sample_figures
from mlft.report.figures import Dot, dot_chart, histogram, stage_figure
from mlft.report.pairing import arithmetic, geometric, ratios, standings
from mlft.report.wording import number

NASTY = "<script>alert('x')</script> & \"quoted\""
DRAWS = 37


def record(*, dimension: int = 1, **changes: Any) -> dict[str, Any]:
    """The facts of a finished run: four levels, the last stage rejected, one failure."""
    grids = ["32", "64", "128", "256"] if dimension == 1 else ["8x10", "16x20", "32x40", "64x80"]
    costs = [1 / 64, 1 / 16, 1 / 4, 1.0]
    samples, failed, bias = [1024, 256, 63, 16], [0, 0, 1, 0], [0.213, 0.142, 0.0857, 0.0412]
    checks = [[[500 * i, 0.9 * 0.6**i] for i in range(1, 4)]] + [[[250 * i, e * 0.9**i] for i in (1, 2)] for e in _E]
    stages = [
        {
            "level": i,
            "samples": n - n // 5,
            "held_out": n // 5,
            "steps": 1500 if not i else 500,
            "error_before": [1.02, 0.2, 0.17, 0.146][i],
            "error_after": [0.194, 0.162, 0.15, 0.203][i],
            "kept": i < 3,
            "blend": [1.0, 1.0, 0.5, 0.0][i],
            "checks": checks[i],
        }
        for i, n in enumerate(samples)
    ]
    facts = {
        "problem": "burgers" if dimension == 1 else "darcy",
        "equation": "u_t + (u²/2)_x = 0 on [0, 1), periodic" if dimension == 1 else "−∇·(a ∇u) = 1, u = 0 at the edge",
        "version": "0.1.0",
        "seed": 3,
        "strategy": "finetune",
        "config": {"problem": "burgers", "budget": "64solves", "timeout": None, "training": {"steps": 3000}},
        "command": "mlft run burgers --budget 64solves --seed 3 --baselines finest-only --out runs/burgers",
        "machine": {"cpu": "a processor", "system": "Linux", "python": "3.11.7", "torch": "2.13.0", "mlft": "0.1.0"},
        "budget": {
            "asked": "64solves",
            "unit": "solves",
            "spent": {"seconds": 3.1415, "solves": 63.94},
            "pilot": {"seconds": 0.25, "solves": 1.5},
            "failed": {"seconds": 0.0123, "solves": 0.25},
        },
        "grid": {
            "cells": [45] if dimension == 1 else [18, 26],
            "lengths": [1.0] if dimension == 1 else [1.0, 1.5],
            "centring": "cell",
            "periodic": dimension == 1,
        },
        "levels": [
            {
                "level": i,
                "grid": g,
                "cost_seconds": 7.7e-5 * 4**i,
                "cost_solves": c,
                "samples": n,
                "failed": f,
                "bias": b,
            }
            for i, (g, c, n, f, b) in enumerate(zip(grids, costs, samples, failed, bias, strict=True))
        ],
        "plan": {
            "samples": [1024, 256, 64, 16],
            "rule": "equal-cost",
            "reason": "the same cost on each of 4 levels; no error estimate was asked",
            "costs": costs,
            "cost": 64.0,
            "budget": 64.0,
            "unit": "solves",
            "predicted_error": {"value": 0.141, "lower": 0.118, "upper": 0.169},
        },
        "stages": stages,
        "error": {"relative_l2": None, "samples": DRAWS},
        "baselines": [
            {"name": "mean solution", "kind": "free", "error": 0.88, "spent_solves": 63.94, "samples": None},
            {"name": "nearest neighbour", "kind": "free", "error": 0.71, "spent_solves": 63.94, "samples": None},
            {"name": "kernel ridge", "kind": "free", "error": 0.412, "spent_solves": 63.94, "samples": None},
            {"name": "finest-only", "kind": "trained", "error": 0.319, "spent_solves": 64.0, "samples": [0, 0, 0, 64]},
        ],
        "failures": [{"level": 2, "status": "not-converged", "samples": 1, "note": "CFL number above 1 at t = 0.2"}],
        "surrogate": {"name": "fno", "parameters": 87234, "options": {"width": 32, "modes": 16}},
        "seconds": {"solve": 3.1415, "train": 104.6, "plan": 0.01},
    }
    return facts | changes


_E = (0.2, 0.17, 0.23)


def fields(dimension: int) -> dict[str, np.ndarray]:
    """Three samples: a travelling step and its smoothed prediction, or a product of sines."""
    if dimension == 1:
        x = (np.arange(45) + 0.5) / 45
        inputs = np.stack([[np.sin(2 * np.pi * (x + s))] for s in (0.0, 0.2, 0.5)])
        solutions = np.stack([[np.tanh(30 * (x - s))] for s in (0.3, 0.5, 0.7)])
        return {"inputs": inputs, "solutions": solutions, "predictions": 0.93 * solutions + 0.02 * inputs}
    x, y = np.meshgrid(np.linspace(0, 1, 18), np.linspace(0, 1.5, 26), indexing="ij")
    inputs = np.stack([[np.cos(s * x) + y, x] for s in (1.0, 2.0, 4.0)])
    solutions = np.stack([[np.sin(s * x) * np.sin(2 * y)] for s in (1.0, 2.0, 4.0)])
    return {"inputs": inputs, "solutions": solutions, "predictions": solutions + 0.05 * x * y}


def run_folder(folder: Path, facts: dict[str, Any], arrays: dict[str, np.ndarray], errors: np.ndarray) -> Path:
    """A finished run: its record, and its evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    finite = errors[np.isfinite(errors)]
    if facts["error"]["relative_l2"] is None:
        half = 1.96 * finite.std(ddof=1) / len(finite) ** 0.5
        summary = {"mean": finite.mean(), "median": np.median(finite), "q90": np.quantile(finite, 0.9)}
        summary |= {"mean_lower": finite.mean() - half, "mean_upper": finite.mean() + half}
        facts = facts | {"error": {"relative_l2": summary, "samples": len(errors)}}
    write_json(folder / "record.json", facts)
    order = np.argsort(errors, kind="stable")
    chosen = order[[int(q * (len(order) - 1)) for q in (0.1, 0.5, 0.9)]]
    write_evaluation(folder, {"errors": errors, "chosen": chosen} | arrays)
    return folder


def a_run(folder: Path, *, dimension: int = 1, **changes: Any) -> Path:
    """A finished run with log-normal errors about 0.13."""
    errors = 0.13 * np.exp(0.5 * np.sin(np.arange(DRAWS) * 2.4))
    return run_folder(folder, record(dimension=dimension, **changes), fields(dimension), errors)


def a_comparison(folder: Path, errors: dict[str, dict[int, float | None]]) -> Path:
    """A finished comparison of strategies with the given errors by seed."""
    samples = {"finetune": "1024/256/64/16", "finest-only": "0/0/0/64", "single-level:1": "0/1024/0/0"}
    lines = ["problem,budget_solves,strategy,seed,samples,spent_solves,relative_l2,train_seconds"]
    for name, found in errors.items():
        for seed, e in found.items():
            value = "" if e is None else repr(e)
            lines.append(f'burgers,64.0,"{name}",{seed},{samples.get(name, "1/2")},64.0,{value},103.25')
    seeds = sorted({seed for found in errors.values() for seed in found})
    about = {"problem": "burgers", "budget": "64solves", "strategies": list(errors), "seeds": seeds, "version": "0.1.0"}
    about |= {key: record()[key] for key in ("config", "machine")}
    about |= {"command": "mlft compare burgers --budget 64solves --seeds 3 --out runs/compare"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.csv").write_text("\n".join(lines) + "\n")
    (folder / "compare.json").write_text(json.dumps(about))
    return folder


SEEDS: dict[str, dict[int, float | None]] = {
    "finetune": {0: 0.2, 1: 0.2, 2: 0.3},
    "single-level:1": {0: 0.25, 1: 0.2, 2: 0.3},
    "finest-only": {0: 0.4, 1: 0.8, 2: 0.6},
}
INFINITE = {"mean": None, "median": None, "q90": None, "mean_lower": None, "mean_upper": None}


class Page(HTMLParser):
    """What a page is made of; fails on a tag that is closed without being open, or left open."""

    VOID = frozenset(["meta", "br", "hr", "img", "link", "input"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def read(page: Path) -> Page:
    return Page(page.read_text(encoding="utf-8"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of words: figures are put together and not drawn, which takes nine tenths of the time."""
    monkeypatch.setattr(Figure, "savefig", lambda _, buffer, **options: buffer.write(b"<svg></svg>"))


@pytest.fixture(scope="module", params=[1, 2], ids=["1D", "2D"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose report is written."""
    made = a_run(tmp_path_factory.mktemp("run"), dimension=request.param)
    write_report(made)
    return made


def test_the_page_is_whole_and_loads_nothing_from_anywhere(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not {"script", "link", "iframe", "img", "base", "object"} & set(page.tags)
    targets = page.values("src", "href", "xlink:href", "action")
    assert targets and all(target.startswith(("#", "data:image/png;base64,")) for target in targets)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", text))
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.values("content")


def test_no_two_elements_share_an_id_and_every_reference_is_defined(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    ids = Page(text).values("id")
    assert len(ids) == len(set(ids)) > 50
    assert {name for name in re.findall(r'(?:url\(|href=")#([^)"]+)', text)} <= set(ids)


def test_every_figure_has_words_for_those_who_do_not_see_it(folder: Path) -> None:
    page = read(folder / "report.html")
    pictures = page.tags.count("svg") - page.values("class").count("part")
    assert page.values("role").count("img") == pictures == (6 if _is_1d(folder) else 4)
    assert page.tags.count("figcaption") == page.tags.count("figure") == 4
    assert all(len(words) > 20 for words in page.values("aria-label"))


def _is_1d(folder: Path) -> bool:
    return len(json.loads((folder / "record.json").read_text())["grid"]["cells"]) == 1


@pytest.mark.usefixtures("undrawn")
def test_the_first_line_is_the_outcome(tmp_path: Path) -> None:
    found = {"mean": 0.13725, "median": 0.12, "q90": 0.2146, "mean_lower": 0.1314, "mean_upper": 0.1431}
    text = read(write_report(a_run(tmp_path, error={"relative_l2": found, "samples": 200}))).text
    outcome = "Relative L2 error 0.137 (mean of 200 fresh draws, 95% interval 0.131 to 0.143), 63.9 solves spent of 64"
    assert outcome in text
    assert "The best trained rival at equal cost, finest-only, has 0.319: 2.32 times the error of this run." in text
    assert "predictor without training, kernel ridge, has 0.412: 3.00 times" in text
    assert "errs by 0.142 on grid 64 and by 0.0857 on grid 128; the surrogate stands between." in text


@pytest.mark.usefixtures("undrawn")
def test_a_budget_of_time_is_told_in_seconds(tmp_path: Path) -> None:
    facts = record()
    budget = facts["budget"] | {"asked": "10min", "unit": "seconds", "spent": {"seconds": 598.4, "solves": 62.0}}
    plan = facts["plan"] | {"budget": 600.0, "unit": "seconds", "costs": [c * 9.375 for c in facts["plan"]["costs"]]}
    text = read(write_report(a_run(tmp_path, budget=budget, plan=plan))).text
    assert "598 s spent of 600 s" in text


def test_the_page_tells_the_plan_the_ledger_and_how_to_repeat_it(folder: Path) -> None:
    page = read(folder / "report.html")
    rows = page.text
    assert "Why (equal-cost): the same cost on each of 4 levels; no error estimate was asked." in rows
    assert "predicted, before 0.141 0.118 to 0.169" in rows
    assert "spent in all 63.9 3.14" in rows and "the pilot 1.5 0.25" in rows and "failed samples 0.25 0.0123" in rows
    assert "not-converged 1 CFL number above 1 at t = 0.2" in rows
    assert "1,024 0 25% 0.213" in rows and "63 1 25% 0.0857" in rows
    assert "mlft run burgers --budget 64solves --seed 3" in rows and "steps = 3000" in rows
    assert "a processor" in rows and "2.13.0" in rows and "87,234" in rows and "width=32, modes=16" in rows


@pytest.mark.usefixtures("undrawn")
def test_share_of_the_budget_counts_failed_samples_too(tmp_path: Path) -> None:
    levels = record()["levels"]
    levels[3] |= {"samples": 9, "failed": 7}
    assert re.search(r"256 1 0\.00493 9 7 25% 0\.0412", read(write_report(a_run(tmp_path, levels=levels))).text)


@pytest.mark.usefixtures("undrawn")
def test_rejected_and_blended_stages_are_marked_in_words(tmp_path: Path) -> None:
    marked = read(write_report(a_run(tmp_path / "a"))).text
    assert "0.146 0.203 ✗ rejected" in marked
    assert "0.170 0.150 ✓ kept in part: 0.5 of the way" in marked and "0.200 0.162 ✓ kept" in marked
    stages = record()["stages"]
    stages[3] |= {"kept": True, "blend": 1.0}
    kept = read(write_report(a_run(tmp_path / "b", stages=stages))).text
    assert "rejected" not in kept


def test_the_figure_marks_rejected_stages_and_short_ones_by_a_sign() -> None:
    grids, stages = [level["grid"] for level in record()["levels"]], record()["stages"]
    drawn = stage_figure(stages, grids)
    assert drawn.count(">rejected<") == 1 and drawn.count(">kept, blend 0.5<") == 1 and drawn.count(">kept<") == 2
    short = stage_figure([stage | {"steps": 3000 if not i else 100} for i, stage in enumerate(stages)], grids)
    assert short.count(">✓<") == 3 and short.count(">✗<") == 1


@pytest.mark.usefixtures("undrawn")
def test_a_rival_that_is_better_is_called_better(tmp_path: Path) -> None:
    found = {"mean": 0.2, "median": 0.2, "q90": 0.2, "mean_lower": 0.19, "mean_upper": 0.21}
    rivals = [{"name": "kernel ridge", "kind": "free", "error": 0.16, "spent_solves": 64, "samples": None}]
    page = read(write_report(a_run(tmp_path, baselines=rivals, error={"relative_l2": found, "samples": DRAWS})))
    assert "kernel ridge, has 0.160, which is better: this run's error is 1.25 times that." in page.text
    assert "kernel ridge no training this run's 64 0.160 0.800" in page.text
    assert "No trained rival was run." in page.text and "--baselines finest-only" in page.text


@pytest.mark.usefixtures("undrawn")
def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    facts = record(problem=NASTY, equation=NASTY, strategy=NASTY, command=NASTY, version=NASTY)
    facts["machine"] = {"cpu": NASTY, NASTY: "1"}
    facts["plan"] |= {"reason": NASTY, "rule": NASTY}
    facts["baselines"][0]["name"] = NASTY
    facts["failures"][0] |= {"status": NASTY, "note": NASTY}
    facts["surrogate"] |= {"name": NASTY, "options": {NASTY: NASTY}}
    facts["config"] = {NASTY: NASTY}
    for level in facts["levels"]:
        level["grid"] = NASTY
    page = read(write_report(a_run(tmp_path, **facts)))
    assert "script" not in page.tags
    assert page.text.count(NASTY) > 15


def test_names_in_figures_are_no_mathematics_and_are_cut_when_long() -> None:
    drawn = dot_chart([Dot("cheap $\\frac$ rival", "this run", 0.4), Dot("x" * 99, "no training", 0.5)])
    assert ">cheap $\\frac$ rival<" in drawn and ">" + "x" * 31 + "…<" in drawn


def test_a_figure_has_the_same_bytes_whatever_the_settings() -> None:
    shown = Shown(np.array([0.1]), **_one(fields(2), 0), grid=Grid((18, 26), (1.0, 1.5)))

    def draw() -> list[str]:
        return [*sample_figures(shown).values(), dot_chart([Dot("x", "this run", 0.2, 0.1, 0.3)])]

    before = draw()
    with matplotlib.rc_context({"font.size": 23.0, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert draw() == before
        assert matplotlib.rcParams["font.size"] == 23.0 and matplotlib.rcParams["svg.hashsalt"] == "other"


@pytest.mark.usefixtures("undrawn")
def test_writing_again_gives_the_same_files_and_leaves_no_temporary(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    write_report(folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    before = [file.read_bytes() for file in files]
    write_report(folder)
    assert sorted(file for file in folder.rglob("*") if file.is_file()) == files
    assert [file.read_bytes() for file in files] == before and not [f for f in files if f.name.endswith(".tmp")]


def test_figures_stand_alone(folder: Path) -> None:
    names = {"stages", "histogram", "rivals"} | (
        {"sample-1", "sample-2", "sample-3"} if _is_1d(folder) else {"samples"}
    )
    assert {file.name for file in (folder / "figures").iterdir()} == {f"{name}.svg" for name in names}
    for file in (folder / "figures").iterdir():
        assert ElementTree.parse(file).getroot().tag.endswith("svg")


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_a_dash_and_not_an_error(tmp_path: Path) -> None:
    facts = record(failures=[], error={"relative_l2": INFINITE, "samples": DRAWS})
    for level in facts["levels"]:
        level |= {"cost_seconds": None, "bias": None}
    for stage in facts["stages"]:
        stage |= {"error_before": None, "checks": [[100, None]]}
    for row in facts["baselines"]:
        row["error"] = None
    facts["plan"]["predicted_error"] = None
    errors = np.full(DRAWS, np.nan)
    page = read(write_report(run_folder(tmp_path, facts, fields(1), errors)))
    assert "Relative L2 error – (mean of 37 fresh draws, 95% interval –)" in page.text
    assert "The error is not finite: the surrogate is of no use." in page.text
    assert "37 draws have no finite error and are not drawn." in page.text
    assert "nan" not in page.text.lower() and "None" not in page.text
    assert "No sample failed." in page.text and "predicted, before" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_a_run_on_one_level_without_rivals_or_held_out_samples(tmp_path: Path) -> None:
    facts = record(strategy="finest-only", baselines=[])
    facts["stages"] = [facts["stages"][0] | {"level": 3, "held_out": 0, "error_before": None, "error_after": None}]
    for level in facts["levels"]:
        level |= {"bias": None} | ({"samples": 0} if level["level"] < 3 else {})
    page = read(write_report(a_run(tmp_path, **facts)))
    assert "16 samples on grid 256, seed 3" in page.text
    assert "Nothing was held out, so no stage could be judged." in page.text and "kept unjudged" in page.text
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {"sample-1", "sample-2", "sample-3", "histogram"}


def test_predictions_that_are_not_finite_are_drawn_as_far_as_they_go() -> None:
    for arrays, grid in ((fields(1), Grid((45,))), (fields(2), Grid((18, 26), (1.0, 1.5)))):
        arrays["predictions"][1] = np.nan
        figures = sample_figures(Shown(np.array([np.nan]), **_one(arrays, 1), grid=grid))
        assert all("error –" in text for text in figures.values())


def _one(arrays: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: array[i : i + 1] for name, array in arrays.items()}


def test_what_is_missing_is_not_drawn() -> None:
    assert "quantile" not in histogram(np.full(DRAWS, np.nan), INFINITE)
    assert ">x<" in dot_chart([Dot("x", "this run", math.nan), Dot("y", "no training", 0.3)])


def test_metrics_are_tidy_and_at_full_precision(folder: Path) -> None:
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["metric", "level", "value"]
    found = {(row["metric"], row["level"]): row["value"] for row in rows}
    assert len(found) == len(rows)
    mean = json.loads((folder / "record.json").read_text())["error"]["relative_l2"]["mean"]
    assert float(found["relative_l2_mean", ""]) == mean
    assert found["samples", "2"] == "63" and found["failed", "2"] == "1" and found["bias", "0"] == "0.213"
    assert found["stage_kept", "3"] == "0" and found["stage_kept", "2"] == "1" and found["stage_blend", "2"] == "0.5"
    assert found["spent_solves", ""] == "63.94" and found["failed_seconds", ""] == "0.0123"
    assert found["baseline_error:finest-only", ""] == "0.319" and found["predicted_error_upper", ""] == "0.169"


@pytest.mark.usefixtures("undrawn")
def test_missing_metrics_are_empty(tmp_path: Path) -> None:
    levels = record()["levels"]
    levels[1]["bias"] = None
    write_report(a_run(tmp_path, levels=levels))
    assert "bias,1,\n" in (tmp_path / "metrics.csv").read_text()


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
    page = read(write_report(a_comparison(tmp_path, SEEDS)))
    lead = "finetune: relative L2 error 0.233 (mean of 3 seeds, 95% interval 0.0899 to 0.377), 0.397 times that of"
    assert lead in page.text and "finest-only (0.147 to 1.07)" in page.text
    assert "is single-level:1 with 0.250: finetune has 0.928 times its error" in page.text
    assert "these seeds do not show a difference" in page.text
    assert "single-level:1\N{NO-BREAK SPACE}★" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "finetune 1,024 / 256 / 64 / 16 64 103 3 0.233" in page.text
    assert "finest-only 0.400 0.800 0.600" in page.text
    assert [link for link in page.values("href") if not link.startswith("#")] == ["seed-1/single-level-1/report.html"]
    assert "compare.csv" in page.text and "mlft compare burgers --budget 64solves" in page.text
    assert "burgers, 64 solves: strategies at equal cost" in page.text
    assert (tmp_path / "figures/comparison.svg").exists() and not (tmp_path / "metrics.csv").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_gain_and_a_loss_are_called_so(tmp_path: Path) -> None:
    rival = {"finest-only": {0: 0.4, 1: 0.41, 2: 0.4}}
    gain = a_comparison(tmp_path / "a", {"finetune": {0: 0.2, 1: 0.2, 2: 0.21}} | rival)
    assert "a gain beyond the spread of the seeds" in read(write_report(gain)).text
    loss = a_comparison(tmp_path / "b", {"finetune": {0: 0.5, 1: 0.5, 2: 0.51}} | rival)
    assert "a loss beyond the spread of the seeds" in read(write_report(loss)).text


@pytest.mark.usefixtures("undrawn")
def test_one_seed_gives_no_interval_and_failed_seeds_are_counted(tmp_path: Path) -> None:
    errors = {"finetune": {0: 0.2, 1: None}, NASTY.replace('"', "'"): {0: 0.3}, "finest-only": {0: 0.4, 1: 0.5}}
    page = read(write_report(a_comparison(tmp_path, errors)))
    assert "2, 1 without an error" in page.text and "one seed does not tell chance from merit" in page.text
    assert "0.200 (mean of 1 seeds, 95% interval –), 0.500 times that of finest-only (–)" in page.text
    assert "script" not in page.tags and "nan" not in page.text


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_without_single_levels_says_what_is_missing(tmp_path: Path) -> None:
    page = read(write_report(a_comparison(tmp_path, {"finetune": {0: 0.2, 1: 0.3}})))
    assert "No single level was among the strategies" in page.text and "times that of" not in page.text


def test_a_folder_without_run_or_comparison_is_refused_in_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MlftError, match=r"holds neither a finished run \(record.json\) nor a comparison") as caught:
            write_report(folder)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_damaged_folders_are_refused_by_name(tmp_path: Path) -> None:
    facts = record()
    del facts["stages"]
    with pytest.raises(MlftError, match="has no 'stages': was it written by another version"):
        write_report(run_folder(tmp_path / "a", facts, fields(1), np.linspace(0.1, 0.2, DRAWS)))
    (a_run(tmp_path / "b") / "evaluation.safetensors").unlink()
    with pytest.raises(MlftError, match="evaluation.safetensors is missing"):
        write_report(tmp_path / "b")
    (a_comparison(tmp_path / "c", SEEDS) / "compare.json").write_text("{")
    with pytest.raises(MlftError, match=r"compare.json cannot be read"):
        write_report(tmp_path / "c")
    (a_comparison(tmp_path / "d", SEEDS) / "compare.csv").write_text("problem,strategy\n")
    with pytest.raises(MlftError, match=r"compare.csv has no rows"):
        write_report(tmp_path / "d")
    (a_comparison(tmp_path / "e", SEEDS) / "compare.csv").write_text("problem,strategy\nburgers,finetune\n")
    with pytest.raises(MlftError, match="has no 'relative_l2'"):
        write_report(tmp_path / "e")


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_written_leaves_the_old_page(tmp_path: Path) -> None:
    a_run(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(MlftError, match=r"cannot be written"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"


def test_axes_of_errors_start_at_zero_or_are_logarithmic() -> None:
    axes = Figure().subplots()
    assert not error_axis(axes, "y", [0.2, 0.9, math.nan], "error")
    assert axes.get_ylim() == (0.0, pytest.approx(1.008)) and axes.get_ylabel() == "error"
    assert not error_axis(axes, "y", [0.0, 0.9], "error")
    assert error_axis(axes, "x", [0.1, 0.9], "error") and axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < 0.1 and axes.get_xlim()[1] > 0.9 and axes.get_xlabel() == "error, log scale"


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.4, "999"), (999.6, "1,000"), (-0.5, "-0.5"), (0.0, "0"), (math.inf, "–"), (1e12, "1.00×10¹²")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
