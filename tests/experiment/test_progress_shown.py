"""Who hears of a run, what they are told, and that it is true: numbers, bars, a log, a notebook."""

import io
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import mlft
from finished import Page
from mlft.errors import ConfigError
from mlft.experiment.progress import Progress, of_run
from mlft.experiment.screen import EVERY, Bars, Lines, Notebook, shown
from mlft.experiment.steps import Steps
from mlft.experiment.whole import PLAN, Whole
from small import SMALL, problem

ASKED = SMALL | {"strategy": "finetune:equal-cost", "budget": "24solves"}


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def step(part: str, phase: str, label: str, done: int, total: int = 10, **more: object) -> Progress:
    return Progress(phase, label, done, total, part=part, **more)  # type: ignore[arg-type]


def whole(clock: Clock, steps: list[tuple[float, Progress]], **options: object) -> list[Progress]:
    """What is told of steps at their times."""
    told: list[Progress] = []
    one = Whole(told.append, clock=clock, **options)  # type: ignore[arg-type]
    for clock.now, each in steps:
        one.tell(each)
    return told


def test_a_callback_gets_numbers_as_numbers_and_a_line_for_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Progress] = []
    log = logging.getLogger("solver")

    def report(progress: Progress) -> None:
        told.append(progress)
        log.info("%s", progress)

    with caplog.at_level(logging.INFO):
        mlft.run(problem, out=tmp_path, report=report, **ASKED)
    trained = [one for one in told if one.phase == "train" and not one.label.endswith(": all draws")]
    to_come = {one.label: one.more for one in told if one.phase == "train"}
    assert to_come == {"level 0": 1, "level 1": 1, "level 2": 0, "level 2: all draws": 0}
    assert trained[-1].error is not None and 0 < trained[-1].error < 2 and trained[-1].done == trained[-1].total
    assert f"held-out error {trained[-1].error:.3g}" in str(trained[-1]) == caplog.messages[told.index(trained[-1])]
    assert {one.part for one in told if one.run == ""} == {"plan", "solve", "train", "measure"}
    assert {one.run for one in told} == {""}
    shares = [one.overall for one in told if one.overall is not None]
    assert shares == sorted(shares) and 0.5 < shares[-1] <= 1
    assert all(one.seconds_left >= 0 for one in told if one.seconds_left is not None)


def test_a_plan_is_in_its_part_from_the_pilot_on_and_has_a_share(tmp_path: Path) -> None:
    told: list[Progress] = []
    mlft.plan(problem, out=tmp_path, report=told.append, **ASKED | {"strategy": "finetune", "budget": "60solves"})
    assert {one.part for one in told if one.phase == "plan"} == {"plan"}
    shares = [one.overall for one in told if one.overall is not None]
    assert shares == sorted(shares) and shares[-1] > 0.5


@pytest.mark.parametrize("report", ["auto", None])
def test_nobody_is_told_where_nobody_looks_or_nobody_wants_to(
    report: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown(report) as tell:
        tell(LONG)
    assert capsys.readouterr() == ("", "")


def test_what_is_no_report_is_refused_before_anything_is_solved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="report is a function of a mlft.Progress, 'auto' .* got 'loud'"):
        mlft.run(problem, out=tmp_path / "run", report="loud", **ASKED)
    assert not (tmp_path / "run").exists()


def test_a_terminal_gets_bars_and_a_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    for kind in ("Bars", "Lines", "Notebook"):
        monkeypatch.setattr(f"mlft.experiment.screen.{kind}.tell", lambda self, _: seen.append(type(self)))
    for report in ("auto", "lines"):
        with shown(report) as tell:
            tell(step("plan", "plan", "pilot", 1))
    assert seen == [Lines]
    monkeypatch.setattr(
        "mlft.experiment.screen.Console", lambda stderr: Console(file=io.StringIO(), force_terminal=True)
    )
    with shown("auto") as tell:
        tell(step("plan", "plan", "pilot", 1))
    assert seen == [Lines, Bars]
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    python = SimpleNamespace(get_ipython=lambda: object())
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=lambda *_, **__: _Handle()))
    with shown("auto") as tell:
        tell(step("plan", "plan", "pilot", 1))
    assert seen == [Lines, Bars, Notebook]


class _Handle:
    """What a notebook shows."""

    html = ""

    def update(self, thing: object) -> None:
        self.html = thing._repr_html_()  # type: ignore[attr-defined]


def test_a_part_that_is_far_enough_is_extrapolated_from_its_own_pace() -> None:
    steps = [(0.0, step("plan", "plan", "pilot", 0)), (20.0, step("plan", "plan", "pilot", 10))]
    steps += [(20.0, step("train", "train", "level 1", 0, 100)), (30.0, step("train", "train", "level 1", 50, 100))]
    told = whole(Clock(), steps, shares={"plan": 0.5, "train": 0.5})
    assert [one.seconds_left for one in told[:2]] == [None, pytest.approx(60.0)]  # half of the plan took 20 s
    assert told[-1].seconds_left == pytest.approx(30.0)  # a quarter of the training took 10 s
    assert told[-1].overall == pytest.approx(0.5)


def test_steps_that_are_known_to_come_share_what_is_left_and_the_last_one_has_it_all() -> None:
    steps = []
    for i, name in enumerate(("a", "b", "c")):
        steps += [(10.0 * (i + share), step("train", "train", name, 10 * share, more=2 - i)) for share in (0, 1)]
    told = whole(Clock(), steps, shares={"train": 1.0})
    assert [one.seconds_left for one in told[1::2]] == pytest.approx([20.0, 10.0, 0.0])
    assert told[-1].overall == pytest.approx(1.0)


def test_a_training_that_stopped_early_is_a_whole_step_all_the_same() -> None:
    steps = [(0.0, step("train", "train", "a", 0, more=1)), (10.0, step("train", "train", "a", 2, more=1))]
    told = whole(Clock(), [*steps, (10.0, step("train", "train", "b", 0, more=0))], shares={"train": 1.0})
    assert told[-1].seconds_left == pytest.approx(10.0)  # one of two took 10 s


def test_networks_that_are_tried_are_named_and_counted(tmp_path: Path) -> None:
    told: list[Progress] = []
    asked = {name: value for name, value in ASKED.items() if name != "surrogate_options"}
    asked |= {"strategy": "finest-only", "budget": "40solves", "training": {"least": 9, "most": 9, "checks": 2}}
    mlft.run(problem, out=tmp_path, report=told.append, **asked)
    labels = {one.label: one.more for one in told if one.phase == "train"}
    names = {f"level 2: {name}, {i} of 4 networks": 4 - i for i, name in ((3, "fno-muon"), (4, "unet-muon"))}
    assert labels == names


def test_dear_solves_are_expected_from_those_of_the_pilot() -> None:
    steps = [(0.0, step("plan", "solve", "train, level 2", 0)), (100.0, step("plan", "solve", "train, level 2", 10))]
    steps += [(100.0, step("plan", "plan", "pilot", 0)), (101.0, step("plan", "plan", "pilot", 10))]
    assert whole(Clock(), steps)[-1].seconds_left == pytest.approx(900.0, rel=0.01)
    assert whole(Clock(), steps, shares=PLAN)[-1].seconds_left == pytest.approx(1.0)


def test_several_runs_take_as_long_as_those_before_and_the_share_never_falls() -> None:
    steps = []
    for i, name in enumerate(("a", "b")):
        steps += [
            (10.0 * i, step("train", "train", "x", 0, run=name)),
            (10.0 * (i + 1), step("train", "train", "x", 10, run=name)),
        ]
    told = whole(Clock(), steps, runs=4, shares={"train": 1.0})
    assert told[-1].seconds_left == pytest.approx(10.0 + 2 * 15.0)  # half of b took 10 s; a and b take 30 s in all
    shares = [one.overall for one in told if one.overall is not None]
    assert shares == sorted(shares)
    beside = whole(Clock(), [(30.0, Progress("compare", "2 strategies", 2, 5))])
    assert beside[0].seconds_left == pytest.approx(45.0) and beside[0].overall == pytest.approx(0.4)


def test_a_step_ends_as_done_as_stopped_early_or_as_stopped() -> None:
    clock = Clock()
    steps = Steps(clock)
    assert steps.tell(step("solve", "solve", "train, level 0", 4, 4, failed=1)) is None
    clock.now = 70.0
    assert steps.tell(step("train", "train", "level 1", 1, 3000)) == "solving train, level 0, done: 4, 1 failed, 1 min"
    steps.tell(step("train", "train", "level 1", 1200, 3000, error=0.12345))
    clock.now = 73.0
    line = steps.tell(step("measure", "solve", "test, level 1", 1, 200))
    assert line == "training level 1, stopped early: 1,200 of 3,000, held-out error 0.123, 3 s"
    assert steps.end(stopped=True) == "solving test, level 1, stopped: 1 of 200, 0 s"
    steps.tell(step("measure", "solve", "test, level 0", 1, 1))
    assert steps.tell(step("measure", "solve", "inputs", 1, 1)) is None  # too short for a line


LONG = step("train", "train", "level 1", 120, 3000, error=0.123, run="seed 3, single-level:1", note="a note at the end")


def test_nothing_is_cut_at_sixty_columns() -> None:
    file, clock = io.StringIO(), Clock()
    bars = Bars(Console(file=file, width=60, force_terminal=True, color_system=None), clock)
    with bars:
        bars.tell(replace(LONG, overall=0.25, seconds_left=5000.0))
        bars._live.refresh()
        clock.now = 4.0
        bars.tell(step("measure", "solve", "test, level 1", 1, 200))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).replace("\r", "\n")
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 60 and "…" not in text and "..." not in text
    assert "seed 3, single-level:1: training level 1, held-out error 0.123, a note at the end" in words
    assert "120/3,000" in words and "25%, about 1 h 23 min left" in words
    assert "training level 1, stopped early: 120 of 3,000" in words and text.count("━") >= 9


def test_a_run_that_is_stopped_says_so_in_the_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=True, color_system=None)
    with pytest.raises(KeyboardInterrupt), Bars(console, Clock()) as bars:
        bars.tell(step("train", "train", "level 1", 1, 10))
        raise KeyboardInterrupt
    assert "training level 1, stopped: 1 of 10" in file.getvalue()


def test_a_log_gets_a_plain_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    with lines:
        for clock.now in (1.0, EVERY - 1, EVERY + 1, EVERY + 2, 2 * EVERY, 2 * EVERY + 2):
            lines.tell(replace(LONG, done=int(clock.now), overall=0.5, seconds_left=90.0))
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert out == "" and "\x1b" not in err
    assert first.startswith("seed 3, single-level:1: training level 1, 31/3000, held-out error 0.123, a note")
    assert first.endswith("; 50%, about 2 min left") and ", 62/3000," in second


@pytest.mark.parametrize("nasty", ["<script>x</script>", "\x1b[2J"])
def test_a_notebook_shows_steps_and_two_bars_and_ends_without_them(nasty: str) -> None:
    handle, clock = _Handle(), Clock()
    show: Callable[..., _Handle] = lambda *_, **__: handle  # noqa: E731
    notebook = Notebook(show, clock)
    with notebook:
        notebook.tell(replace(LONG, note=nasty, overall=0.25, seconds_left=60.0))
        page = Page(handle.html)
        assert page.tags.count("progress") == 2 and "120/3,000" in page.text and "25%, about 1 min left" in page.text
        assert "script" not in page.tags and "\x1b" not in handle.html
        clock.now = 0.2
        notebook.tell(replace(LONG, done=130))
        assert "130/3,000" not in handle.html  # twice a second at most
        clock.now = 2.0
        notebook.tell(replace(LONG, done=140))
        assert "140/3,000" in handle.html
    page = Page(handle.html)
    assert "progress" not in page.tags and "stopped early: 140 of 3,000" in page.text


def test_runs_in_runs_are_named_from_the_outside() -> None:
    told: list[Progress] = []
    of_run(of_run(told.append, "seed 1, lift"), "finest-only")(step("train", "train", "level 2", 1))
    assert told[0].run == "seed 1, lift: finest-only" and told[0].step == f"{told[0].run}: training level 2"
