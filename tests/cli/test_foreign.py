"""What is not mlft's, or not the user's word: folders of others, modules that only a file names."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import mlft
from mlft.errors import ConfigError, StoreError
from mlft.experiment.record import read_outcome
from small import SMALL, namesake, problem

COUNTING = """import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
from small import problem
"""

WORDS = ("--budget", "24solves", "--strategy", "finest-only")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a mark when it is imported, and its folder the one where we stand."""
    (tmp_path / "theirs.py").write_text(COUNTING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    return tmp_path / "theirs.imported"


def test_a_module_is_imported_when_its_problem_is_named_and_not_when_a_file_names_it(
    module: Path, mlft_command
) -> None:  # type: ignore[no-untyped-def]
    config, plan = Path("run.toml"), Path("plan.json")
    config.write_text('problem = "theirs:problem"\nbudget = "24solves"\n')
    assert mlft_command("plan", "small:problem", *WORDS, "--out", "p", "--save", plan)[0] == 0
    told = json.loads(plan.read_text().replace("small:", "theirs:"))
    plan.write_text(json.dumps(told))
    code, _, err = mlft_command("run", "--plan", plan, "--out", "a")
    assert code == 2 and "does not match its digest" in err
    del told["digest"]
    plan.write_text(json.dumps(told | {"digest": sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}))
    for words in (("run", "--config", config), ("run", "--plan", plan), ("compare", "--config", config)):
        code, _, err = mlft_command(*words, "--out", "a")
        assert code == 2 and "runs the code of that module" in err and "name it yourself" in err
        assert not module.exists() and not Path("a").exists()
    assert mlft_command("check", "--config", config)[0] == 2 and not module.exists()
    mlft.run("theirs:problem", budget="24solves", strategy="finest-only", out="b", **SMALL)
    assert module.exists()


def test_trust_imports_the_module_of_a_run_when_it_is_named(module: Path, mlft_command) -> None:  # type: ignore[no-untyped-def]
    mlft.run("theirs:problem", budget="24solves", strategy="finest-only", out="b", **SMALL)
    module.unlink()
    del sys.modules["theirs"]
    code, _, err = mlft_command("trust", "b")
    assert code == 2 and "mlft trust b --problem theirs:problem" in err and not module.exists()
    code, _, err = mlft_command("trust", "b", "--problem", "other:problem")
    assert code == 2 and "names the problem 'theirs:problem', the problem given is 'other:problem'" in err
    code, _, err = mlft_command("trust", "b", "--samples", "4", "--problem", "theirs:problem")
    assert code == 0, err
    assert module.exists()


@pytest.mark.usefixtures("quick_lifts")
def test_a_lift_of_a_module_is_loaded_when_it_is_named(module: Path) -> None:
    options = {**SMALL, "plan": (60, 24, 9), "strategy": "lift"}
    mlft.run("theirs:problem", budget="40solves", out="c", **options)
    module.unlink()
    del sys.modules["theirs"]
    folder = Path("c") / "lifts" / "level-0"
    with pytest.raises(ConfigError, match="problem='theirs:problem'"):
        mlft.load(folder)
    assert not module.exists()
    assert mlft.load(folder, problem="theirs:problem").problem.name == "small"
    assert module.exists()


def test_a_folder_with_files_of_others_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "precious.txt").write_text("mine")
    (tmp_path / "report.html").write_text("mine too")
    with pytest.raises(StoreError, match="holds no run of mlft, but report.html, scratch: nothing there is touched"):
        mlft.run(problem, budget="24solves", strategy="finest-only", out=tmp_path, **SMALL)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {"scratch", "scratch/precious.txt", "report.html"}
    assert (tmp_path / "report.html").read_text() == "mine too"


def test_files_of_others_in_a_run_folder_stay(tmp_path: Path) -> None:
    asked = {"budget": "24solves", "strategy": "finest-only", "out": tmp_path, **SMALL}
    (tmp_path / ".git").mkdir()
    mlft.run(problem, **asked)
    theirs = [tmp_path / "scratch" / "a.txt", *(tmp_path / "samples" / "level-2" / name for name in NAMES)]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (tmp_path / "record.json").unlink()
    mlft.run(problem, **asked)
    assert all(path.read_text() == "mine" for path in theirs)


NAMES = ("weights.safetensors", "train-1-abc.safetensors", ".notes.tmp")


def test_a_problem_of_ones_own_has_a_name_of_its_own(tmp_path: Path) -> None:
    for own in (namesake, "small:namesake"):
        with pytest.raises(ConfigError, match="is named 'burgers', as one that is shipped"):
            mlft.run(own, budget="24solves", out=tmp_path / "a", **SMALL)
        assert not (tmp_path / "a").exists()
    shipped = mlft.problems.Plain(mlft.problems.Burgers(cells=32, levels=2))
    mlft.run(shipped, budget="24solves", strategy="finest-only", out=tmp_path / "b", **SMALL)
    assert read_outcome(tmp_path / "b").problem == "burgers"
