"""How long a stage trains: passes over its samples, a floor, a cap, and the end when nothing falls any more."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from affine import Affine, none
from mlft.grids import Grid
from mlft.learners import FineTune, OneLevel
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training, schedule
from mlft.training.schedule import Leg, cosine, leg, plateau
from mlft.training.stage import Pairs, Stage, held_out_error, snapshot, train

GRID = Grid((18,))
FREE = Training(least=40, most=100, passes=12, batch=5, checks=20, rate=5e-3)


def surrogate():
    options = {"modes": [3], "width": 6, "depth": 2}
    return build("fno", (1, 1), GRID, options=options, generator=torch.Generator().manual_seed(1))


def samples(level, n, generator, *, noise=0.0):
    """Waves and a nonlinear map of them; noise gives every sample labels that teach nothing about the others."""
    x = GRID.points[0]
    waves = np.stack([np.sin(2 * np.pi * x), np.cos(2 * np.pi * x)])
    inputs = (torch.randn(n, 2, generator=generator, dtype=torch.float64).numpy() @ waves)[:, None]
    labels = np.tanh(inputs) + 1.0
    labels = labels + noise * torch.randn(labels.shape, generator=generator, dtype=torch.float64).numpy()
    return Samples(level, tuple(range(n)), inputs, labels)


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


def checks_of(*errors, every=50):
    return [(every * i, error) for i, error in enumerate(errors, 1)]


def test_a_stage_has_as_many_steps_as_its_samples_ask_for_between_the_floor_and_the_cap():
    training = Training(passes=30, batch=8, least=100, most=900)
    # 30 passes in batches of 8: n · 3.75, rounded up.
    assert training.effort([1, 26, 27, 40, 41, 240, 241, 9999]) == [100, 100, 102, 150, 154, 900, 900, 900]
    assert Training().effort([51]) == [1500] and Training().effort([2400]) == [5000]


def test_the_steps_of_a_stage_do_not_depend_on_the_others(generator):
    coarse, fine = samples(0, 33, generator), samples(1, 23, generator)
    chain = FineTune().fit(surrogate(), [coarse, fine], Course(FREE, 3))
    alone = OneLevel().fit(surrogate(), [coarse], Course(FREE.first_of(2), 3))
    assert chain.stages[0].checks == alone.stages[0].checks and same(chain.stages[0].weights, alone.stages[0].weights)
    assert FREE.effort([26, 18]) == [63, 44]
    assert all(log.steps <= most for log, most in zip(chain.stages, [63, 44], strict=True))


def test_given_steps_are_all_made_on_a_cosine(generator):
    given = Training(steps=90, batch=5, checks=20)
    fitted = FineTune().fit(
        surrogate(), [samples(0, 33, generator, noise=3.0), samples(1, 23, generator)], Course(given, 3)
    )
    assert [log.steps for log in fitted.stages] == [45, 45]


def test_what_a_training_can_visit_often_enough():
    assert Training(steps=600, batch=10).reach(30) == 200.0
    assert Training(passes=60, most=900, least=300, batch=10).reach(30) == 300.0
    assert Training(passes=20, most=900, least=300, batch=10).reach(30) == 100.0
    assert Training(steps=1, batch=1).reach(30) == 1.0


def test_a_stage_whose_error_falls_on_goes_to_the_cap_and_decays_over_the_last_fifth():
    falling = checks_of(*(0.9**i for i in range(24)))
    assert leg([], 1500) == leg(falling[:-1], 1500) == Leg(1200, 1500)
    assert leg(falling, 1500) == Leg(1200, 1500)


@pytest.mark.parametrize(("last", "stopped"), [(0.3, True), (0.298, True), (0.2964, False), (0.2, False)])
def test_a_stage_stops_when_two_windows_differ_by_less_than_the_gain(last, stopped):
    # The gain is 1%: a mean of 0.297 or less would go on.
    flat = checks_of(*[0.3] * schedule.WINDOW, *[last] * schedule.WINDOW)
    assert (leg(flat, 1500).start == 500) is stopped
    assert leg(flat[:-1], 1500).start == 1200


def test_what_was_long_ago_does_not_count():
    assert leg(checks_of(1.0, 0.8, 0.6, 0.5, *[0.3] * 10), 1500).start == 700


def test_the_leg_is_a_fifth_of_what_lies_behind_its_end_from_the_best_check():
    rising = checks_of(0.5, 0.4, 0.3, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5)
    assert leg(rising, 1500) == Leg(500, 550)  # best at 200; 50 = (200 + 50) / 5
    assert leg(rising[:8], 500) == Leg(400, 450)  # no time for a tenth check
    assert leg([*rising, (550, 0.01)], 1500) == Leg(500, 550)  # what a leg finds does not move it


def test_where_nothing_is_held_out_there_is_nothing_to_stop_for():
    assert leg(checks_of(*[math.nan] * 23), 1500) == leg(checks_of(*[math.nan] * 24), 1500) == Leg(1200, 1500)


@pytest.mark.parametrize("most", range(1, 12))
def test_the_shortest_stages_end(most, generator):
    x = torch.randn(9, 1, 18, generator=generator)
    spec = Stage(0, Pairs(x, 2 * x), none(), Pairs(x, 2 * x), most, 1e-2, early=True)
    told = []
    trace = train(Affine(0.1), spec, FREE, seed=0, progress=lambda *row: told.append(row))
    assert 1 <= trace.steps <= most and [row[2] for row in told] == list(range(1, trace.steps + 1))
    assert told[-1][2] == told[-1][3] == trace.steps


def test_the_rate_warms_up_stays_and_falls_to_nothing():
    ahead = Leg(70, 90)
    rates = [plateau(step, 200, ahead) for step in range(90)]
    assert rates[:10] == pytest.approx([(i + 0.5) / 10 for i in range(10)])
    assert rates[10:70] == [1.0] * 60
    assert rates[70:] == pytest.approx([1 - (i + 0.5) / 20 for i in range(20)])
    rates = [cosine(step, 200) for step in range(200)]
    assert max(rates) == pytest.approx(1.0, abs=1e-3) and rates[-1] < 1e-3
    assert all(a > b for a, b in pairwise(rates[10:]))


def test_a_stage_that_learns_nothing_for_others_stops_and_one_that_does_goes_on(generator):
    useless, useful = samples(0, 36, generator, noise=5.0), samples(0, 36, generator)
    stopped, went_on = (OneLevel().fit(surrogate(), [s], Course(FREE, 0)).stages[0] for s in (useless, useful))
    latest = leg([], *FREE.effort([28])).start
    assert leg(stopped.checks, 68).start < latest == leg(went_on.checks, 68).start == 54
    assert [log.steps for log in (stopped, went_on)] == [leg(log.checks, 68).end for log in (stopped, went_on)]


def test_the_decay_starts_from_the_best_check_with_its_moments(generator):
    """Labels that fit at first and then do not: after the stop the weights are those of the best check again."""
    x = torch.randn(9, 1, 18, generator=generator)
    learned, held_out = Pairs(x, 3 * x), Pairs(x, x)  # the way from 0 to 3 passes the held-out optimum 1
    settings = Training(least=100, most=100, checks=20, batch=9)
    spec = Stage(0, learned, none(), held_out, 100, 0.05, early=True)
    rows, seen, net = [], {}, Affine(0.0)

    def tell(*row):
        rows.append(row)
        seen[row[2]] = float(net.w.detach())

    trace = train(net, spec, settings, seed=0, progress=tell)
    errors = dict(trace.checks)
    ahead = leg(trace.checks, 100)
    best = min((step for step in errors if step <= ahead.start), key=lambda step: errors[step])
    assert best < ahead.start < ahead.end == trace.steps < 100
    assert rows[-1][2:] == (trace.steps, trace.steps)
    assert seen[ahead.start] - seen[ahead.start - 1] == pytest.approx(0.05, abs=1e-3)
    assert abs(seen[trace.steps] - seen[trace.steps - 1]) < 0.03
    # Adam moves by its rate at most, about: back near the best check, far from where the constant rate had gone.
    assert abs(seen[ahead.start + 1] - seen[best]) < 0.06 < abs(seen[ahead.start] - seen[best]) - 0.06
    assert held_out_error(net, held_out) == pytest.approx(min(errors.values()))


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_continuing_a_stage_that_may_stop_early_gives_the_same_bits_as_never_stopping(tmp_path, generator, noise):
    levels = [samples(0, 36, generator, noise=noise), samples(1, 21, generator, noise=noise)]
    steps, made = [], []
    whole = FineTune().fit(surrogate(), levels, Course(FREE, 3, progress=lambda *row: steps.append((row[0], row[2]))))
    first, second = whole.stages
    turn = leg(first.checks, 68).start
    kills = [steps[i] for i in (turn, turn + 2, first.steps + 4, first.steps + second.steps - 1)]

    def stop(level, error, done, most):
        made.append((level, done))
        if kills and made[-1] == kills[0]:
            kills.pop(0)
            raise KeyboardInterrupt

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            FineTune().fit(surrogate(), levels, Course(FREE, 3, tmp_path, stop))
    again = FineTune().fit(surrogate(), levels, Course(FREE, 3, tmp_path, stop))
    assert [log.checks for log in again.stages] == [log.checks for log in whole.stages]
    assert same(snapshot(again.surrogate), snapshot(whole.surrogate))
    assert len(steps) < len(made) < len(steps) + 4 * 5  # each time from a checkpoint, which lies 4 steps back at most


def test_a_finished_stage_is_not_trained_again(tmp_path, generator):
    level, told = samples(0, 36, generator, noise=5.0), []
    first = OneLevel().fit(surrogate(), [level], Course(FREE, 3, tmp_path))
    again = OneLevel().fit(surrogate(), [level], Course(FREE, 3, tmp_path, lambda *row: told.append(row)))
    assert not told and again.stages == first.stages and same(snapshot(again.surrogate), snapshot(first.surrogate))


def test_a_stage_whose_weights_are_lost_keeps_the_last_good_ones(generator):
    x = torch.randn(9, 1, 18, generator=generator)
    data = Pairs(x, 2 * x)

    def lost(predictions, labels):
        return (predictions - labels).flatten(1).norm(dim=1) * (math.nan if next(calls) > 12 else 1.0)

    calls = iter(range(10**6))
    spec = Stage(0, data, none(), data, 100, 1e-2, loss=lost, early=True)
    trace = train(Affine(0.1), spec, FREE, seed=0)
    assert math.isfinite(float(trace.weights["w"])) and math.isnan(trace.checks[-1][1])
