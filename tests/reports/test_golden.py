"""Run folders as versions before this one left them: each opens, predicts, is continued and gives its page."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mlft
from finished import read
from mlft.errors import MlftError
from mlft.experiment.config import read_config
from mlft.experiment.outcome import SCHEMA, Outcome
from mlft.experiment.record import read_evaluation, read_outcome, read_trust, write_outcome, write_trust
from mlft.grids import relative_error
from mlft.reports import report, trust_lines, write_trust_report
from small import SMALL

GOLDEN = Path(__file__).parent / "golden"
KEPT = ("bands.safetensors", "config.toml", "evaluation.safetensors", "familiarity.safetensors", "surrogate")


@pytest.fixture(params=["run-v0", "run-v1", "run-v2", "run-v3"])
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A run folder of that schema, to be written into."""
    return shutil.copytree(GOLDEN / request.param, tmp_path / "run")


@pytest.fixture(scope="module", autouse=True)
def _updated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if request.config.getoption("--update-golden"):
        write_golden(tmp_path_factory.mktemp("golden"))


def write_golden(folder: Path) -> None:
    """Write run-v3 by a run of today; the others were written by the last versions of their schemas, and stay."""
    options = SMALL | {"estimator": "kernel-trained", "seed": 1, "baselines": ("finest-only",)}
    made = mlft.run("small:failing", budget="30solves", out=folder, **options)
    place = GOLDEN / "run-v3"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in KEPT:
        (shutil.copytree if (folder / name).is_dir() else shutil.copyfile)(folder / name, place / name)
    write_outcome(place, anywhere(made.outcome))


def anywhere(told: Outcome) -> Outcome:
    """An outcome without what differs from one machine to the next, and with a few of its 200 replicates."""
    assert told.foresight is not None
    base = dataclasses.replace(told.foresight.base, replicates=told.foresight.base.replicates[:3])
    return dataclasses.replace(
        told,
        command="mlft run --config runs/small/config.toml --out runs/small",
        machine={"cpu": "a processor", "system": "Linux"},
        foresight=dataclasses.replace(told.foresight, base=base),
    )


def test_a_golden_run_of_each_schema_opens_as_an_outcome_of_today(copy: Path) -> None:
    told = read_outcome(copy)
    assert told.schema == SCHEMA and told.error.samples == 7 and told.grid.cells == (28,)
    assert len(told.levels) == len(told.plan.samples) == 3 and told.plan.predicted_error is not None
    assert [stage.level for stage in told.stages] == [level for level, n in enumerate(told.plan.samples) if n]
    assert told.foresight is not None and told.foresight.first is not None and told.foresight.first.alternatives
    assert [row.name for row in told.baselines if row.kind == "trained"] == ["finest-only"]
    assert (told.sure is not None) == (copy / "bands.safetensors").exists()
    assert len(told.error.channels) == len(read_evaluation(copy)["chosen"]) - 3
    assert (told.familiar is not None) == (copy / "familiarity.safetensors").exists()
    assert told.store == "." and told.config["problem"] == read_config(copy / "config.toml")["problem"]


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_schema_0_that_a_rule_planned_has_no_foresight(tmp_path: Path) -> None:
    copy = shutil.copytree(GOLDEN / "run-v0", tmp_path / "run")
    told = json.loads((copy / "record.json").read_text())
    for gone in ("movement", "alignment"):  # as the first records were: the kernel's path was not yet measured
        del told["stages"][0][gone]
    (copy / "record.json").write_text(json.dumps(told | {"foresight": {}}))
    found = read_outcome(copy)
    assert found.foresight is None and found.stages[0].movement is None and found.stages[1].movement is not None
    page = read(report(copy))
    assert "What was foreseen" not in page.text and "Kernel moved" not in page.text


def test_the_record_of_today_is_written_as_the_golden_one(tmp_path: Path) -> None:
    write_outcome(tmp_path, read_outcome(GOLDEN / "run-v3"))
    assert (tmp_path / "record.json").read_bytes() == (GOLDEN / "run-v3" / "record.json").read_bytes()
    keys = set(json.loads((tmp_path / "record.json").read_text()))
    stated = {"problem", "version", "seed", "strategy", "budget", "levels", "plan", "stages", "error", "seconds"}
    assert stated | {"schema"} <= keys == {field.name for field in dataclasses.fields(Outcome)}


def test_a_run_of_today_keeps_its_worst_draw_and_the_errors_of_its_channel() -> None:
    kept, told = read_evaluation(GOLDEN / "run-v3"), read_outcome(GOLDEN / "run-v3")
    errors, chosen, order = kept["errors"], kept["chosen"], np.argsort(kept["errors"])
    assert chosen[3] == errors.argmax() and chosen.tolist() == order[[0, 3, 5, 6]].tolist()
    shown = relative_error(kept["predictions"], kept["solutions"], told.grid)
    assert shown == pytest.approx(errors[chosen], rel=1e-6) and shown.argmax() == 3
    (found,) = told.error.channels
    assert found.channel == 0 and found.relative_l2 == told.error.relative_l2
    assert found.vrmse.mean is not None and found.relative_l2.mean is not None
    assert found.vrmse.mean >= found.relative_l2.mean  # the spread about the mean is no more than the size


def test_a_run_that_keeps_another_number_of_draws_is_refused(copy: Path) -> None:
    arrays = load_file(copy / "evaluation.safetensors")
    few = {name: arrays[name][:2] for name in ("chosen", "inputs", "solutions", "predictions")}
    save_file(arrays | few, copy / "evaluation.safetensors")
    with pytest.raises(MlftError, match="evaluation.safetensors is of another run: chosen has another shape"):
        read_evaluation(copy)


def test_the_surrogate_of_a_golden_run_predicts_as_it_did(copy: Path) -> None:
    arrays = read_evaluation(copy)
    predicted = mlft.load(copy / "surrogate").predict(arrays["inputs"])
    assert np.abs(predicted - arrays["predictions"]).max() < 1e-5
    assert read_outcome(copy).error.relative_l2.mean == pytest.approx(arrays["errors"].mean(), rel=1e-12)


def test_a_golden_run_is_finished_for_the_command_that_made_it(copy: Path) -> None:
    before = (copy / "record.json").read_bytes()
    asked = read_config(copy / "config.toml")
    again = mlft.run(asked.pop("problem"), out=copy, **asked)
    assert again.outcome == read_outcome(copy)
    assert (copy / "record.json").read_bytes() == before and not (copy / "ledger.sqlite").exists()


def test_a_golden_run_gives_its_page(copy: Path) -> None:
    told = read_outcome(copy)
    page = read(report(copy))
    mean = told.error.relative_l2.mean
    assert mean is not None and f"Error {mean:#.3g} relative L2" in page.text and "mean of 7 fresh draws" in page.text
    assert ("the worst of all" in page.text) == bool(told.error.channels)
    assert "What was foreseen" in page.text and "as planned from the pilot" in page.text
    assert "Kernel moved" in page.text and f"Why ({told.plan.rule})" in page.text
    assert f"finest-only trained, equal cost 0 / 0 / {told.baselines[-1].samples[-1]}" in page.text
    assert f"relative_l2_mean,,{mean!r}\n" in (copy / "metrics.csv").read_text()
    assert "None" not in page.text and not re.search(r"\bnan\b", page.text)


def test_a_golden_look_at_trust_gives_its_lines_and_its_page(tmp_path: Path) -> None:
    copy = shutil.copytree(GOLDEN / "run-v0", tmp_path / "run")
    told, arrays = read_trust(copy)
    lines = trust_lines(told)
    assert told.schema == SCHEMA and told.green is None and told.families[0].name == "the law itself"
    assert lines[0] == "small: mean relative L2 error over 6 draws a law of inputs"
    assert "the solver is not linear" in lines[-1]
    page = write_trust_report(copy).read_text()
    write_trust(copy, told, arrays)
    assert json.loads((copy / "trust.json").read_text())["schema"] == SCHEMA
    assert read_trust(copy)[0] == told and write_trust_report(copy).read_text() == page


def test_arrays_of_trust_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    copy = shutil.copytree(GOLDEN / "run-v0", tmp_path / "run")
    told, arrays = read_trust(copy)
    write_trust(copy, told, {name: array for name, array in arrays.items() if name != "numbers"})
    with pytest.raises(MlftError, match=r"trust.safetensors has no numbers; delete trust.json there and run `mlft tru"):
        write_trust_report(copy)


def test_a_law_without_an_interval_has_its_error_written_beside_its_dot(tmp_path: Path) -> None:
    copy = shutil.copytree(GOLDEN / "run-v0", tmp_path / "run")
    told, arrays = read_trust(copy)
    alone = dataclasses.replace(told.families[1], mean=0.12345, lower=None, upper=None)
    write_trust(copy, dataclasses.replace(told, families=(told.families[0], alone, *told.families[2:])), arrays)
    write_trust_report(copy)
    assert ">0.123<" in (copy / "figures" / "trust-families.svg").read_text()


@pytest.mark.usefixtures("undrawn")
def test_an_estimator_that_the_page_has_no_words_for_is_named(copy: Path) -> None:
    told = read_outcome(copy)
    assert told.foresight is not None
    write_outcome(copy, dataclasses.replace(told, foresight=dataclasses.replace(told.foresight, estimator="mine")))
    assert "Estimated by mine." in read(report(copy)).text


FORGED: list[tuple[list[str | int], object, str]] = [
    (["levels"], [], "levels: there are none"),
    (["levels", 0, "level"], 1, "levels.0.level: it is 1"),
    (["stages", 0, "level"], 2**70, f"stages.0.level: there is no level {2**70} of 3"),
    (["stages", 0, "level"], -1, "stages.0.level: there is no level -1 of 3"),
    (["worth", "ways", 1, "level"], 3, "worth.ways.1.level: there is no level 3 of 3"),
    (["failures", 0, "level"], 3, "failures.0.level: there is no level 3 of 3"),
    (["foresight", "origin"], 3, "foresight.origin: there is no level 3 of 3"),
    (["plan", "costs"], [1.0, 2.0], "plan.costs: 2 numbers for 3 levels"),
    (["plan", "alternatives", 0, "samples"], [1], "plan.alternatives.0.samples: 1 numbers for 3 levels"),
    (["baselines", 0, "samples"], [1, 2, 3, 4], "baselines.0.samples: 4 numbers for 3 levels"),
]


@pytest.mark.parametrize(("where", "value", "told"), FORGED, ids=[told for *_, told in FORGED])
def test_a_record_that_names_a_level_it_has_not_is_refused_by_name(where, value, told, tmp_path):
    record = json.loads((GOLDEN / "run-v1" / "record.json").read_text())
    assert len(record["levels"]) == 3
    *path, last = where
    part = record
    for key in path:
        part = part[key]
    part[last] = value
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(MlftError, match=f"is damaged: {re.escape(told)}; delete record.json there and run"):
        read_outcome(tmp_path)
