"""A finished run is believed as long as its files are those that it wrote; others are made anew from its samples."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlft
from mlft.errors import MlftError
from mlft.experiment import loop
from mlft.experiment.progress import Progress
from mlft.experiment.record import read_outcome
from mlft.lifts import LIFTS
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


FILES = ("record.json", "evaluation.safetensors", WEIGHTS, "surrogate/config.json", "lifts/level-0/model.safetensors")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [flipped, swapped, truncated, deleted])
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
    assert all((run / file).read_bytes() == whole[file] for file in FILES[1:4])
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
