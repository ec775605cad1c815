"""The draws that judged a training are given back in the end: which, how long, and only where that is safe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlft.grids import Grid
from mlft.learners import FineTune, Fitted, all_draws
from mlft.learners.stages import agreement, eased, stages_of
from mlft.store import Samples
from mlft.surrogates import SURROGATES, Average, Surrogate, build
from mlft.training import Course, Stage, Training, Verdict
from small_networks import normal

GRID = Grid((22,))
COURSE = Course(Training(least=40, most=40, checks=8), seed=3)
SMALL = {"modes": [4], "width": 5, "depth": 2}


def network(name: str = "fno", **options: Any) -> Surrogate:
    options = options or (SMALL if name == "fno" else {})
    return build(name, (1, 1), GRID, generator=torch.Generator().manual_seed(7), options=options)


def samples(n: int, level: int = 0, off: float = 0.0) -> Samples:
    stream = torch.Generator().manual_seed(11)
    inputs = np.sin(2 * np.pi * GRID.points[0] + 3 * normal(n, 1, 1, generator=stream))
    return Samples(level, tuple(range(n)), inputs, 1 + inputs**2 + off)


def bits(surrogate: Surrogate) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in surrogate.state_dict().values()]


def fitted(name: str = "fno", course: Course = COURSE, given: tuple[Samples, ...] = ()) -> Fitted:
    return FineTune().fit(network(name), given or (samples(33),), course)


def caught(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    stages: list[Stage] = []
    real = all_draws.train

    def train(surrogate: Surrogate, stage: Stage, *arguments: Any, **options: Any) -> Any:
        stages.append(stage)
        return real(surrogate, stage, *arguments, **options)

    monkeypatch.setattr(all_draws, "train", train)
    return stages


def test_the_last_stage_is_made_again_a_quarter_as_long_with_nothing_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = caught(monkeypatch)
    coarse, fine = samples(33), samples(14, 1, 0.02)
    course = replace(COURSE, training=replace(COURSE.training, rate=1e-3))
    found = fitted(course=course, given=(coarse, fine))
    assert [log.verdict.blend for log in found.stages] == [1.0, 1.0]
    (stage,) = stages
    normal_one = stages_of(found.surrogate, [coarse, fine], course.training)[1]
    gentle = eased(normal_one, course.training, agreement(coarse, fine, found.stages[0]))
    assert (len(stage.train), len(stage.held_out), len(normal_one.train)) == (14, 0, 11)
    assert (len(stage.replayed), len(normal_one.replayed)) == (33 - 14, 33 - 14 - 4)  # 15, 20, 25, 30 judged, too
    assert (stage.rate, stage.replay, stage.early) == (gentle.rate, gentle.replay, False) and 0 < gentle.rate < 1e-3
    assert stage.steps == round(found.stages[1].steps / 4)
    assert [log.all_draws for log in found.stages] == [0, stage.steps]


def test_what_is_learned_from_more_draws_errs_less_on_fresh_ones() -> None:
    stream = torch.Generator().manual_seed(12)
    inputs = np.sin(2 * np.pi * GRID.points[0] + 3 * normal(80, 1, 1, generator=stream))
    for name in ("fno", "kernel"):
        errors = []
        for whole in (False, True):
            course = Course(Training(least=80, most=80, checks=8), seed=3, all_draws=whole)
            found = fitted(name, course, (samples(13),)).surrogate.predict(inputs)
            errors.append(np.linalg.norm((found - 1 - inputs**2)[:, 0], axis=1).mean())
        assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("name", ["fno", "kernel"])
def test_it_is_undone_where_the_draws_that_judged_err_more_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fitted(name, replace(COURSE, all_draws=False)).surrogate
    monkeypatch.setattr(all_draws, "held_out_error", lambda *_: 9.0)
    undone = fitted(name)
    assert bits(undone.surrogate) == bits(before) and undone.stages[0].all_draws == 0  # nothing is told of it
    monkeypatch.setattr(all_draws, "held_out_error", lambda *_: float("nan"))
    assert bits(fitted(name).surrogate) == bits(before)
    monkeypatch.setattr(all_draws, "held_out_error", lambda *_: 0.0)
    assert bits(fitted(name).surrogate) != bits(before)


@pytest.mark.parametrize(("name", "what"), [("fno", "train"), ("kernel", "regress")])
def test_it_is_undone_where_it_fails(name: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fitted(name, replace(COURSE, all_draws=False)).surrogate
    real = getattr(all_draws, what)

    def failing(surrogate: Surrogate, *arguments: Any, **options: Any) -> None:
        real(surrogate, *arguments, **options)
        raise MemoryError("4 GiB of 2")

    monkeypatch.setattr(all_draws, what, failing)
    undone = fitted(name)
    assert bits(undone.surrogate) == bits(before) and undone.stages[0].all_draws == 0


def test_it_is_left_out_where_nothing_is_held_out_or_the_guard_kept_no_stage_whole() -> None:
    given = samples(33)
    none = Samples(0, tuple(5 * i + 1 for i in range(33)), given.inputs, given.solutions)
    assert [log.all_draws for log in fitted(given=(none,)).stages] == [0]
    course = replace(COURSE, all_draws=False)
    found = fitted(course=course)
    start = bits(found.surrogate)
    for verdict in (Verdict(0.5, 0.6, 0.0), Verdict(0.5, 0.4, 0.75)):
        judged = replace(found, stages=(replace(found.stages[0], verdict=verdict),))
        assert all_draws.with_all_draws(judged, [given], COURSE) == judged
        assert bits(found.surrogate) == start


def test_of_several_stages_it_is_the_last_one_that_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = caught(monkeypatch)
    given = (samples(33), samples(14, 1, 0.02))
    found = fitted(course=replace(COURSE, all_draws=False), given=given)
    rejected = replace(found.stages[1], verdict=Verdict(0.5, 0.6, 0.0))
    ended = all_draws.with_all_draws(replace(found, stages=(found.stages[0], rejected)), given, COURSE)
    assert [(stage.level, len(stage.train), stage.rate) for stage in stages] == [(0, 33, COURSE.training.rate)]
    assert [log.all_draws for log in ended.stages] == [10, 0]


def test_it_is_continued_to_the_same_bits(tmp_path: Path) -> None:
    whole, left = fitted(), iter(range(44, -1, -1))
    assert whole.stages[0].steps == 40 and whole.stages[0].all_draws == 10

    def stop(*_: object) -> None:
        if next(left) == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(course=replace(COURSE, folder=tmp_path, progress=stop))
    done: list[int] = []
    again = fitted(course=replace(COURSE, folder=tmp_path, progress=lambda *told: done.append(told[2])))
    assert bits(again.surrogate) == bits(whole.surrogate)
    assert 0 < len(done) < 10


def test_members_of_an_average_are_chosen_first_and_then_learn_from_what_chose_them() -> None:
    told: list[tuple[str, int]] = []
    options = {"members": [{"network": "kernel", "options": {"points": [22], "terms": []}}]}
    options["members"] += [
        {"network": "fno", "options": SURROGATES["fno"].defaults(GRID) | SMALL, "name": n} for n in ("a", "b")
    ]
    found = []
    for course in (replace(COURSE, all_draws=False), replace(COURSE, announce=lambda *each: told.append(each))):
        surrogate = network("auto", **options)
        found.append(FineTune().fit(surrogate, [samples(60)], course))
    plain, ended = found
    assert [(log.name, log.error, log.weight) for log in plain.candidates] == [
        (log.name, log.error, log.weight) for log in ended.candidates
    ]
    network_ = ended.surrogate.network
    assert isinstance(network_, Average) and ended.stages[-1].all_draws > 0
    assert bits(plain.surrogate) != bits(ended.surrogate)
    names = [f"{name}, {i} of 3 networks" for i, name in enumerate(("kernel", "a", "b"), 1)]
    assert told == [*zip(names, (2, 1, 0), strict=True), *[("all draws", 0)] * len(network_.names)]
