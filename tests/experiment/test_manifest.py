"""A finished run is believed as long as its files are those that it wrote; others are made anew from its samples."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mlft
from mlft.errors import ConfigError, MlftError
from mlft.experiment import loop
from mlft.experiment.corrected import corrections
from mlft.experiment.manifest import write_manifest
from mlft.experiment.progress import Progress
from mlft.experiment.record import read_outcome
from mlft.files import digest
from mlft.lifts import LIFTS, LiftError
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from small import SMALL, problem

ASKED: dict[str, Any] = {"strategy": "lift", "plan": (60, 24, 9), "budget": "40solves", **SMALL}
WEIGHTS = "surrogate/model.safetensors"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two finished runs, of two seeds, with lifts of few steps."""
    folders = tuple(tmp_path_factory.mktemp("runs") / str(seed) for seed in (0, 1))
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
        quick.setitem(LIFTS, "local", Local(line=Effort(10, passes=0, rate=1e-2)))
        quick.setitem(LIFTS, "spectral", LIFTS["none"])
        for seed, folder in enumerate(folders):
            mlft.run(problem, out=folder, seed=seed, **ASKED)
        yield folders[0], folders[1]


def flipped(run: Path, name: str, other: Path) -> None:
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(bytes(content))


def swapped(run: Path, name: str, other: Path) -> None:
    shutil.copy(other / name, run / name)


def truncated(run: Path, name: str, other: Path) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:-7])


def deleted(run: Path, name: str, other: Path) -> None:
    (run / name).unlink()


FILES = (
    *("record.json", "evaluation.safetensors", WEIGHTS, "surrogate/config.json", "bands.safetensors"),
    "familiarity.safetensors",
    "lifts/level-0/model.safetensors",
)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        *((name, flipped) for name in FILES),
        *((name, harm) for name in (FILES[0], WEIGHTS) for harm in (swapped, truncated, deleted)),
        ("bands.safetensors", swapped),
        ("lifts/level-0/model.safetensors", deleted),
    ],
)
def test_what_is_not_what_a_run_wrote_is_not_believed_and_made_anew(
    harm: Callable[[Path, str, Path], None], name: str, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    whole = {file: (run / file).read_bytes() for file in FILES}
    known = read_outcome(run)
    harm(run, name, runs[1])
    if (name, harm) != ("record.json", deleted):
        for command in (mlft.report, lambda folder: mlft.trust(folder, samples=4, problem=problem)):
            with pytest.raises(MlftError, match=f"{name} in .* is damaged, or of another run: run the same"):
                command(run)
    solved: list[str] = []

    def tell(progress: Progress) -> None:
        solved.extend([progress.label] if progress.phase == "solve" and "again" not in progress.label else [])
        told.append(f"{progress.phase}: {progress.label}: {progress.note}")

    told: list[str] = []
    again = mlft.run(problem, out=run, seed=0, report=tell, **ASKED)
    assert (again.outcome.error, again.outcome.plan, again.outcome.lifts[0].lifted) == (
        known.error,
        known.plan,
        known.lifts[0].lifted,
    )
    assert all((run / file).read_bytes() == whole[file] for file in FILES[1:6])
    if (name, harm) != ("record.json", deleted):
        assert f"repair: damaged or of another run, made anew: {name}" in told
    assert mlft.report(run).is_file()


def test_a_manifest_that_cannot_be_read_is_made_anew_and_a_run_without_one_is_read(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    for content in ("{", "[]", '{"files": 3}', "[" * 100_000):
        (run / "manifest.json").write_text(content)
        with pytest.raises(MlftError, match=r"manifest\.json in .* is damaged"):
            mlft.report(run)
    mlft.run(problem, out=run, seed=0, **ASKED)
    assert set(json.loads((run / "manifest.json").read_text())["files"]) >= set(FILES)
    (run / "manifest.json").unlink()
    told = read_outcome(run)
    assert mlft.run(problem, out=run, seed=0, **ASKED).outcome == told


def test_a_run_that_was_killed_between_its_record_and_its_manifest_gets_one(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    whole = (run / "manifest.json").read_bytes()
    (run / "manifest.json").unlink()
    mlft.run(problem, out=run, seed=0, **ASKED)
    assert (run / "manifest.json").read_bytes() == whole


def test_a_baseline_is_in_the_record_and_in_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {**ASKED, "strategy": "finest-only", "plan": None, "baselines": ("single-level:0",), "out": tmp_path}
    told = mlft.run(problem, **asked).outcome
    assert "single-level:0" in [row.name for row in told.baselines]

    def refuse(session: object) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(loop, "_run", refuse)
    assert mlft.run(problem, **asked).outcome == told


def told_of(run: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((run / "record.json").read_text())
    return told


@pytest.mark.parametrize("harm", [swapped, truncated, deleted])
def test_a_finished_run_needs_no_config_file_and_refuses_a_harmed_one_by_name(
    harm: Callable[[Path, str, Path], None], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    known = read_outcome(run)
    harm(run, "config.toml", runs[1])
    assert mlft.report(run).is_file() and mlft.trust(run, samples=4, problem=problem).samples == 4
    if harm is not deleted:
        with pytest.raises(ConfigError, match=r"config\.toml is (of another configuration|damaged).*(--out|delete it)"):
            mlft.run(problem, out=run, seed=0, **ASKED)
        (run / "config.toml").unlink()
    assert mlft.run(problem, out=run, seed=0, **ASKED).outcome == known


def test_a_finished_run_without_its_config_file_is_not_that_of_other_options(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    (run / "config.toml").unlink()
    with pytest.raises(ConfigError, match=r"record\.json is of another configuration: test is 7 there and 8 here"):
        mlft.run(problem, out=run, seed=0, **ASKED | {"test": 8})


@pytest.mark.parametrize("store", ["../elsewhere", "/elsewhere", "samples", "..", "../..", "../../..", "a\0"])
def test_a_record_does_not_lead_to_samples_elsewhere(store: str, runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "one" / "run"))
    (run / "record.json").write_text(json.dumps(told_of(run) | {"store": store}))
    write_manifest(run)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MlftError, match="says its record; they are in the run folder"):
        mlft.trust(run, samples=4, problem=problem)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_beside_the_lifts_is_nobodys_lift(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    (run / "lifts" / "level-mine").mkdir()
    (run / "lifts" / "level-9").mkdir()
    assert len(corrections(problem, run)) == len(corrections(problem, runs[0])) > 0


def test_a_lift_of_levels_that_are_none_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs[0] / "lifts" / "level-0", tmp_path / "lift"))
    config = json.loads((folder / "config.json").read_text())
    for level, target in ((-1, 2), (2, 2), (0, 9)):
        made = config | {"place": config["place"] | {"level": level, "target": target}}
        del made["digest"]
        (folder / "config.json").write_text(json.dumps(made | {"digest": digest(made)}))
        with pytest.raises(LiftError, match=f"is for levels {level} and {target}, which small does not have"):
            mlft.load(folder, problem=problem)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("errors", np.ones((7, 1))),
        ("chosen", np.array([0, 1, 7, 2])),
        ("chosen", np.array([0.0, 1.0, 2.0, 3.0])),
        ("inputs", np.ones((4, 1, 27))),
        ("inputs", np.ones((2, 1, 28))),
        ("solutions", np.ones((4, 28))),
        ("predictions", np.ones((4, 2, 28))),
        ("lift-0", np.ones(28)),
        ("lift-0", np.ones((2, 1, 28))),
    ],
)
def test_arrays_of_other_shapes_are_no_evaluation(
    name: str, array: np.ndarray, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    save_file(load_file(run / "evaluation.safetensors") | {name: array}, run / "evaluation.safetensors")
    write_manifest(run)
    with pytest.raises(MlftError, match=f"evaluation.safetensors is of another run: .*{name}.* another shape"):
        mlft.report(run)


def test_a_pilot_that_was_lost_is_paid_for_all_the_same(tmp_path: Path) -> None:
    asked = {**ASKED, "strategy": "finetune", "plan": None}
    known = mlft.run(problem, out=tmp_path, **asked).outcome
    assert known.levels[1].samples > known.plan.samples[1]  # solved for the plan alone
    for file in ("record.json", "manifest.json", *tmp_path.glob("samples/level-1/train-*")):
        (tmp_path / file).unlink()
    again = mlft.run(problem, out=tmp_path, **asked).outcome
    assert again.budget.spent.solves == known.budget.spent.solves and again.error == known.error
