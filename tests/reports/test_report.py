import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from finished import DRAWS, INFINITE, NASTY, SEEDS, Page, a_comparison, a_run, fields, read, record, run_folder
from mlft.errors import MlftError
from mlft.experiment.outcome import SCHEMA, StageFacts, Summary
from mlft.experiment.record import from_plain, write_evaluation
from mlft.grids import Grid
from mlft.reports import report
from mlft.reports.drawing import error_axis
from mlft.reports.fields import Shown, sample_figure
from mlft.reports.figures import Dot, dot_chart, histogram, stage_figure
from mlft.reports.wording import number


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


def test_every_figure_is_drawn_twice_with_words_for_those_who_do_not_see_it(folder: Path) -> None:
    page = read(folder / "report.html")
    pictures = page.tags.count("svg") - page.values("class").count("part")
    assert page.values("role").count("img") == pictures == 12
    assert page.tags.count("figcaption") == page.tags.count("figure") == 6
    assert all(len(words) > 20 for words in page.values("aria-label"))


@pytest.mark.usefixtures("undrawn")
def test_the_first_line_is_the_outcome(tmp_path: Path) -> None:
    found = {"mean": 0.13725, "median": 0.12, "q90": 0.2146, "mean_lower": 0.1314, "mean_upper": 0.1431}
    text = read(report(a_run(tmp_path, error={"relative_l2": found, "samples": 200}))).text
    for told in (
        "burgers: a surrogate from 63.9 solves",
        "Error 0.137 relative L2 95% interval 0.131 to 0.143 mean of 200 fresh draws; median 0.120",
        "Worth it? in batches 900 µs a prediction, 45 µs in batches of 256",
        "Cost 63.9 solves 63.9 solves spent of 64 1,024 / 256 / 63 / 16 samples, coarse to fine",
    ):
        assert told in text and text.index(told) < text.index("Contents") < text.index("The best trained rival") + 9999
    assert "The best trained rival at equal cost, finest-only, has 0.319: 2.32 times the error of this run." in text
    assert "predictor without training, kernel ridge, has 0.412: 3.00 times" in text
    assert text.index("At the error reached, 0.137, the cheapest way is") < text.rindex("Predictions")


@pytest.mark.usefixtures("undrawn")
def test_a_budget_of_time_is_told_in_seconds(tmp_path: Path) -> None:
    facts = record()
    budget = facts["budget"] | {"asked": "10min", "unit": "seconds", "spent": {"seconds": 598.4, "solves": 62.0}}
    plan = facts["plan"] | {"budget": 600.0, "unit": "seconds", "costs": [c * 9.375 for c in facts["plan"]["costs"]]}
    text = read(report(a_run(tmp_path, budget=budget, plan=plan))).text
    assert "burgers: a surrogate from 598 s" in text and "598 s spent of 600 s" in text


def test_the_page_tells_the_plan_the_ledger_and_how_to_repeat_it(folder: Path) -> None:
    page = read(folder / "report.html")
    rows = page.text
    assert "Why (equal-cost): the same cost on each of 4 levels; no error estimate was asked." in rows
    assert "predicted, before 0.141 0.118 to 0.169" in rows
    assert (
        "spent in all 63.9 – 3.14" in rows and "the pilot 1.5 – 0.25" in rows and "failed samples 0.25 – 0.0123" in rows
    )
    assert "not-converged 1 CFL number above 1 at t = 0.2" in rows
    assert "1,024 0 25% 0.213" in rows and "63 1 25% 0.0857" in rows
    assert "mlft run burgers --budget 64solves --seed 3" in rows and "steps = 3000" in rows
    assert "a processor" in rows and "2.13.0" in rows and "87,234" in rows and "width=32, modes=16" in rows


@pytest.mark.usefixtures("undrawn")
def test_share_of_the_budget_counts_failed_samples_too(tmp_path: Path) -> None:
    levels = record()["levels"]
    levels[3] |= {"samples": 9, "failed": 7}
    assert re.search(r"256 1 0\.00493 9 7 25% 0\.0412", read(report(a_run(tmp_path, levels=levels))).text)


@pytest.mark.usefixtures("undrawn")
def test_rejected_and_blended_stages_are_marked_in_words(tmp_path: Path) -> None:
    marked = read(report(a_run(tmp_path / "a"))).text
    assert "0.146 0.203 ✗ rejected" in marked
    assert "0.170 0.150 ✓ kept in part: 0.5 of the way" in marked and "0.200 0.162 ✓ kept" in marked
    stages = record()["stages"]
    stages[3] |= {"kept": True, "blend": 1.0}
    kept = read(report(a_run(tmp_path / "b", stages=stages))).text
    assert "rejected" not in kept


@pytest.mark.usefixtures("undrawn")
def test_the_end_on_all_draws_is_told_where_there_was_one(tmp_path: Path) -> None:
    assert "In the end all samples" not in read(report(a_run(tmp_path / "a"))).text
    stages = record()["stages"]
    stages[-1] |= {"all_draws": 1234, "held_out": 57}
    text = read(report(a_run(tmp_path / "b", stages=stages))).text
    assert "all samples were trained on, the 57 that were held out among them (optimizer steps: 1,234)" in text


def typed(stages: list[dict[str, Any]]) -> list[StageFacts]:
    return [from_plain(StageFacts, stage) for stage in stages]


def test_the_figure_marks_rejected_stages_and_short_ones_by_a_sign() -> None:
    grids, stages = [level["grid"] for level in record()["levels"]], record()["stages"]
    drawn = stage_figure(typed(stages), grids).wide
    assert drawn.count(">rejected<") == 1 and drawn.count(">kept, blend 0.5<") == 1 and drawn.count(">kept<") == 2
    short = stage_figure(typed([s | {"steps": 3000 if not i else 100} for i, s in enumerate(stages)]), grids).wide
    assert short.count(">✓<") == 3 and short.count(">✗<") == 1


@pytest.mark.usefixtures("undrawn")
def test_a_rival_that_is_better_is_called_better(tmp_path: Path) -> None:
    found = {"mean": 0.2, "median": 0.2, "q90": 0.2, "mean_lower": 0.19, "mean_upper": 0.21}
    rivals = [{"name": "kernel ridge", "kind": "free", "error": 0.16, "spent_solves": 64, "samples": None}]
    page = read(report(a_run(tmp_path, baselines=rivals, error={"relative_l2": found, "samples": DRAWS})))
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
    page = read(report(a_run(tmp_path, **facts)))
    assert "script" not in page.tags
    assert page.text.count(NASTY) > 15


def test_names_in_figures_are_no_mathematics_and_are_cut_when_long() -> None:
    drawn = dot_chart([Dot("cheap $\\frac$ rival", "this run", 0.4), Dot("x" * 99, "no training", 0.5)]).narrow
    assert ">cheap $\\frac$ rival<" in drawn and ">" + "x" * 31 + "…<" in drawn


def test_a_figure_has_the_same_bytes_whatever_the_settings() -> None:
    shown = Shown(np.array([0.1]), **_one(fields(2), 0), grid=Grid((18, 26), (1.0, 1.5)))

    def draw() -> list[str]:
        made = sample_figure(shown), dot_chart([Dot("x", "this run", 0.2, 0.1, 0.3)])
        return [text for each in made for text in (each.wide, each.narrow)]

    before = draw()
    with matplotlib.rc_context({"font.size": 23.0, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert draw() == before
        assert matplotlib.rcParams["font.size"] == 23.0 and matplotlib.rcParams["svg.hashsalt"] == "other"


@pytest.mark.usefixtures("undrawn")
def test_writing_again_gives_the_same_files_and_leaves_no_temporary(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    report(folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    before = [file.read_bytes() for file in files]
    report(folder)
    assert sorted(file for file in folder.rglob("*") if file.is_file()) == files
    assert [file.read_bytes() for file in files] == before and not [f for f in files if f.name.endswith(".tmp")]


def test_figures_stand_alone(folder: Path) -> None:
    names = {"stages", "histogram", "rivals", "sure", "worth", "samples"}
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
    page = read(report(run_folder(tmp_path, facts, fields(1), errors)))
    assert "Error – relative L2 95% interval – mean of 37 fresh draws; median –" in page.text
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
    page = read(report(a_run(tmp_path, **facts)))
    assert "16 samples on grid 256, seed 3" in page.text
    assert "Nothing was held out, so no stage could be judged." in page.text and "kept unjudged" in page.text
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {*("samples", "histogram", "sure", "worth")}


def test_predictions_that_are_not_finite_are_drawn_as_far_as_they_go() -> None:
    for arrays, grid in ((fields(1), Grid((45,))), (fields(2), Grid((18, 26), (1.0, 1.5)))):
        arrays["predictions"][1] = np.nan
        assert "error –" in sample_figure(Shown(np.array([np.nan]), **_one(arrays, 1), grid=grid)).wide


def _one(arrays: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: array[i : i + 1] for name, array in arrays.items()}


def test_what_is_missing_is_not_drawn() -> None:
    assert "quantile" not in histogram(np.full(DRAWS, np.nan), Summary(**INFINITE)).wide
    assert ">x<" in dot_chart([Dot("x", "this run", math.nan), Dot("y", "no training", 0.3)]).wide


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
    report(a_run(tmp_path, levels=levels))
    assert "bias,1,\n" in (tmp_path / "metrics.csv").read_text()


def test_a_folder_without_run_or_comparison_is_refused_in_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MlftError, match=r"holds neither a finished run \(record.json\) nor a comparison") as caught:
            report(folder)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_damaged_folders_are_refused_by_name(tmp_path: Path) -> None:
    (a_run(tmp_path / "a") / "record.json").write_text("{")
    with pytest.raises(MlftError, match=r"record.json cannot be read.*delete record.json there and run `mlft run`"):
        report(tmp_path / "a")
    (a_run(tmp_path / "b") / "evaluation.safetensors").unlink()
    with pytest.raises(MlftError, match=r"evaluation.safetensors is missing; delete record.json there and run"):
        report(tmp_path / "b")
    (a_comparison(tmp_path / "c", SEEDS) / "compare.json").write_text("{")
    with pytest.raises(MlftError, match=r"compare.json cannot be read"):
        report(tmp_path / "c")
    write_evaluation(a_run(tmp_path / "e"), {"errors": np.ones(DRAWS), "chosen": np.arange(3)})
    with pytest.raises(MlftError, match=r"evaluation.safetensors has no inputs, solutions, predictions; delete rec"):
        report(tmp_path / "e")
    a_comparison(tmp_path / "d", {})
    with pytest.raises(MlftError, match=r"has no rows"):
        report(tmp_path / "d")


def _without(told: dict[str, Any]) -> None:
    del told["stages"]


def _misspelt(told: dict[str, Any]) -> None:
    told["levels"][1]["sampels"] = told["levels"][1].pop("samples")


def _of_the_wrong_type(told: dict[str, Any]) -> None:
    told["levels"][1]["samples"] = "many"


def _of_another_shape(told: dict[str, Any]) -> None:
    told["grid"]["cells"] = [1]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without, "stages: field required"),
        (_misspelt, "levels.1.samples: field required"),
        (_of_the_wrong_type, "levels.1.samples: input should be a valid integer"),
        (_of_another_shape, "grid: value error, a grid needs at least 2 cells on each axis"),
    ],
)
def test_a_record_with_a_wrong_key_is_refused_by_its_name(
    damage: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    file = a_run(tmp_path) / "record.json"
    told = json.loads(file.read_text())
    damage(told)
    file.write_text(json.dumps(told))
    with pytest.raises(MlftError, match=f"damaged, or of another version of mlft: {words}") as caught:
        report(tmp_path)
    assert "\n" not in str(caught.value) and "delete record.json there and run `mlft run`" in str(caught.value)


@pytest.mark.parametrize("schema", [99, "one", None])
def test_a_record_of_a_newer_schema_is_refused_by_its_number(schema: object, tmp_path: Path) -> None:
    for file in (a_run(tmp_path / "a") / "record.json", a_comparison(tmp_path / "b", SEEDS) / "compare.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": schema}))
        with pytest.raises(
            MlftError, match=rf"{file.name} has schema {schema!r}; this version of mlft reads up to {SCHEMA}: use"
        ) as caught:
            report(file.parent)
        assert str(caught.value).endswith("on a new folder") and "\n" not in str(caught.value)


def as_schema_0(folder: Path) -> Path:
    """A comparison as it was written before records had a schema: its rows in compare.csv alone."""
    told = json.loads((folder / "compare.json").read_text())
    del told["schema"], told["rows"]
    (folder / "compare.json").write_text(json.dumps(told))
    return folder


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_of_schema_0_has_its_rows_in_the_table(tmp_path: Path) -> None:
    new = report(a_comparison(tmp_path / "new", SEEDS)).read_text()
    old = as_schema_0(a_comparison(tmp_path / "old", SEEDS))
    assert report(old).read_text() == new
    (old / "compare.csv").write_text("problem,strategy\n")
    with pytest.raises(MlftError, match="has no rows"):
        report(old)
    (old / "compare.csv").write_text("problem,strategy\nburgers,finetune\n")
    with pytest.raises(MlftError, match=r"compare.json is damaged.*rows.0.budget_solves"):
        report(old)


@pytest.mark.usefixtures("undrawn")
def test_the_bias_says_how_many_references_failed_and_why(tmp_path: Path) -> None:
    some = {"kind": "reference", "draws": 6, "failed": 2, "reason": f"2 of 8 reference solves failed: {NASTY}"}
    text = read(report(a_run(tmp_path / "some", measure=some))).text
    assert f"on a few test draws. Here 6 draws: 2 of 8 reference solves failed: {NASTY}." in text
    one = {"kind": "reference", "draws": 1, "failed": 7, "reason": "7 of 8 reference solves failed: timeout, too slow."}
    text = read(report(a_run(tmp_path / "one", measure=one))).text
    assert "Here 1 draw: 7 of 8 reference solves failed: timeout, too slow. " in text
    levels = [level | {"bias": None} for level in record()["levels"]]
    none = some | {"draws": 0, "reason": "8 of 8 reference solves failed: timeout"}
    text = read(report(a_run(tmp_path / "none", measure=none, levels=levels))).text
    assert "The bias of the levels was not measured: 8 of 8 reference solves failed: timeout." in text
    assert "Bias is the error of the solver itself" not in text
    for told in (None, {"kind": "finest", "draws": 8}):
        text = read(report(a_run(tmp_path / "all", measure=told))).text
        assert "on a few test draws." in text and "Here" not in text and "not measured" not in text


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_written_leaves_the_old_page(tmp_path: Path) -> None:
    a_run(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(MlftError, match=r"cannot be written"):
        report(tmp_path)
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
