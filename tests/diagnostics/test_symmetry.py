"""Which symmetries a solver has: those that are known of the shipped ones, and what must not decide."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mlft.diagnostics.symmetry import DRAWS, LAW_LIMIT, candidates, compared, find, law_shift, verify
from mlft.grids import Grid, Scaling, Symmetry, Translation, group
from mlft.problems.advection import Advection
from mlft.problems.burgers import Burgers
from mlft.problems.darcy import Darcy
from mlft.problems.euler import Euler
from mlft.problems.helmholtz import Helmholtz
from mlft.problems.navier_stokes import NavierStokes
from mlft.problems.poisson import Poisson
from mlft.problems.schrodinger import Schrodinger
from mlft.sources import Drawn, Taken
from mlft.status import OK

GRID = Grid((9,))
FLIP, MINUS = Symmetry((True,)), Symmetry((False,), inputs=(-1,), outputs=(-1,))
ODD = Symmetry((True,), inputs=(-1,), outputs=(-1,))


def door(problem):
    """The problem's own solver on its coarsest grid, as a run calls it: NaN where it fails or refuses."""
    drawn = Drawn(problem, 0, "symmetry")

    def solve(by, n):
        source = drawn if by is None else Taken(drawn, by)
        inputs = source.inputs(0, range(n))
        try:
            solved = source.solve(inputs, 0, range(n))
        except ValueError:
            return np.full((n, 1, *problem.hierarchy[0].shape), np.nan)
        fine = np.array([status == OK for status in solved.status])
        return np.where(fine.reshape(-1, *[1] * (inputs.ndim - 1)), solved.solutions, np.nan)

    return solve, drawn.inputs(0, range(512))


def searched(problem):
    solve, inputs = door(problem)
    return find(inputs, solve, problem.hierarchy[0]).found


def simple(function, inputs):
    """A search of a solver that is a function of fields."""
    return find(inputs, lambda by, n: function(inputs[:n] if by is None else by.of_inputs(inputs[:n])), GRID)


def law(generator, n=512, channels=1, mean=0.0):
    return mean + torch.randn(n, channels, 9, generator=generator, dtype=torch.float64).numpy()


@pytest.mark.parametrize(
    ("problem", "expected", "on_law"),
    [
        (Burgers(cells=64, levels=2), [ODD], True),
        (Burgers(cells=64, levels=2, viscosity=0.01), [ODD], True),
        (Poisson(cells=32, levels=2), [FLIP, MINUS], True),
        (Poisson(cells=32, levels=2, dimension=2), [*"-01s"], True),
        (Advection(cells=64, levels=2), [MINUS], True),  # the wind has a direction
        (Schrodinger(cells=64, levels=2), [replace(FLIP, pinned=True)], True),
        (Helmholtz(cells=64, levels=2, wave_number=8.0), [], True),  # the wave comes from the left
        (Darcy(cells=32, levels=2, modes=8), [*"01s"], True),
        (Euler(cells=64, levels=2), [Symmetry((True,), False, (1, -1, 1), (1, -1, 1))], False),
        (NavierStokes(cells=16, levels=2, time=1.0, forcing=0.1), [], True),  # the force has a place
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_symmetries_of_shipped_problems_are_found_and_no_others(problem, expected, on_law):
    square = {
        "-": Symmetry((False, False), inputs=(-1,), outputs=(-1,)),
        "0": Symmetry((True, False)),
        "1": Symmetry((False, True)),
        "s": Symmetry((False, False), swap=True),
    }
    found = searched(problem)
    known = group(square.get(one, one) if isinstance(one, str) else one for one in expected)
    assert set(group(one.symmetry for one in found)) == set(known)
    assert all(one.defect <= 1e-11 and one.on_law is on_law for one in found)


@pytest.mark.parametrize(
    ("problem", "axes", "on_law"),
    [
        (Burgers(cells=64, levels=2), [0], True),
        (Advection(cells=64, levels=2), [0], True),
        (Schrodinger(cells=64, levels=2), [0], True),
        (NavierStokes(cells=16, levels=2, time=1.0), [0, 1], True),
        (NavierStokes(cells=16, levels=2, time=1.0, forcing=0.1), [], True),  # the force has a place
        (Poisson(cells=32, levels=2), [], True),  # an interval with ends
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_shifts_that_shipped_solvers_commute_with_are_found(problem, axes, on_law):
    solve, inputs = door(problem)
    found = find(inputs, solve, problem.hierarchy[0]).shifts
    assert [one.axis for one in found] == axes
    assert all(one.defect <= 1e-11 and one.on_law is on_law for one in found)


def test_shifts_of_a_law_with_a_place_are_found_and_are_off_it(generator):
    inputs = law(generator) * (1 + np.arange(9))
    (one,) = simple(np.tanh, inputs).shifts
    assert one.axis == 0 and one.defect == 0 and not one.on_law
    assert simple(np.tanh, law(generator)).shifts[0].on_law


def test_a_solver_that_fails_on_what_is_shifted_or_a_law_that_has_no_place_at_all_has_no_shifts(generator):
    def failing(u):
        return np.where(u[:, :, :1] > u[:, :, -1:], u, np.nan)

    inputs = np.sort(law(generator), axis=2)[:, :, ::-1].copy()
    assert simple(failing, inputs).shifts == ()
    assert simple(np.exp, np.ones((512, 1, 9)) * law(generator)[:, :, :1]).shifts == ()
    assert simple(lambda u: u * np.arange(9), law(generator)).shifts == ()


@pytest.mark.parametrize(
    ("problem", "powers", "spread"),
    [
        (Poisson(cells=32, levels=2), (1.0,), 0.25),
        (Advection(cells=64, levels=2), (1.0,), 0.52),
        (Euler(cells=64, levels=2), (1.0,) * 3, 0.14),
        (Darcy(cells=32, levels=2), (-1.0,), 0.066),
        (Burgers(cells=64, levels=2), None, None),
        (Schrodinger(cells=64, levels=2), None, None),
        (Helmholtz(cells=64, levels=2, wave_number=8.0), None, None),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_multiples_that_shipped_solvers_follow_are_found(problem, powers, spread):
    solve, inputs = door(problem)
    found = find(inputs, solve, problem.hierarchy[0]).scaling
    assert (None if found is None else found.powers) == powers
    if found is not None:
        assert found.defect <= 1e-11 and found.spread == pytest.approx(spread, rel=0.2)


def test_powers_are_of_each_channel_and_what_fails_or_is_no_power_has_none(generator):
    inputs = law(generator) * np.exp(np.linspace(-1, 1, 512))[:, None, None]

    def powers(solve):
        found = simple(solve, inputs).scaling
        return None if found is None else found.powers

    assert powers(lambda u: np.concatenate([np.abs(u) ** 0.25, u**3, np.sign(u)], axis=1)) == (0.25, 3.0, 0.0)
    assert powers(lambda u: np.sign(u) * np.abs(u) ** 0.3) is None
    assert powers(lambda u: u + 1e-6) is None

    def of_twos(u):
        """It follows the double, and nothing in between."""
        return u * (1 + 0.1 * np.sin(2 * np.pi * np.log2(np.linalg.norm(u, axis=2, keepdims=True))))

    assert powers(of_twos) is None
    largest = np.linalg.norm(inputs[:DRAWS], axis=2).max()
    assert powers(lambda u: np.where(np.linalg.norm(u, axis=2, keepdims=True) > 1.9 * largest, u + 1, u)) is None
    most = 1.5 * np.abs(inputs[:DRAWS]).max()
    assert powers(lambda u: np.where(np.abs(u).max(2, keepdims=True) > most, np.nan, u)) is None
    assert powers(lambda u: np.where(np.abs(u).max() > 9 * most, np.nan, u)) == (1.0,)
    assert powers(np.zeros_like) is None
    found = simple(lambda u: u, inputs)
    spread = np.log(np.linalg.norm(inputs[:, 0], axis=1)).std()
    assert found.scaling.spread == pytest.approx(spread, rel=1e-12)
    # as they are, by −1 and the flip, which make the third, shifted, and by two factors; nothing twice
    assert found.solves == 6 * DRAWS


def test_waves_in_the_plane_have_the_reflection_across_their_direction():
    (one,) = searched(Helmholtz(cells=32, levels=2, dimension=2, wave_number=8.0))
    assert one.symmetry == Symmetry((False, True), outputs=(1, 1)) and one.on_law


def test_a_law_that_prefers_a_direction_is_told_from_a_solver_that_does_not():
    """Channels run along the first axis: the solver does not mind a swap, the law does."""
    by_map = {str(one.symmetry): one.on_law for one in searched(Darcy(cells=32, levels=2, modes=8, field="channels"))}
    assert by_map == {"reflection of axis 0": True, "reflection of axis 1": True, "the axes swapped": False}


def test_a_swap_with_signs_and_a_turn_without_reflections_are_found(generator):
    """Vorticity is odd under a swap; what turns with the square and has no mirror has the quarter turn alone."""
    found = {str(one.symmetry) for one in searched(NavierStokes(cells=16, levels=2, time=1.0))}
    assert "the axes swapped, inputs and solutions × −1" in found
    turn, grid = Symmetry((True, False), swap=True), Grid((6, 6))
    inputs = torch.randn(64, 1, 6, 6, generator=generator, dtype=torch.float64).numpy()

    def twisted(u):
        return sum(e.inverse.of_outputs(np.roll(np.roll(e.of_inputs(u), 1, 2), 2, 3) ** 3) for e in group([turn]))

    found = find(inputs, lambda by, n: twisted(inputs[:n] if by is None else by.of_inputs(inputs[:n])), grid).found
    minus = Symmetry((False, False), inputs=(-1,), outputs=(-1,))
    assert set(group(one.symmetry for one in found)) == set(group([turn, minus]))


def test_the_signs_of_each_channel_are_read_off(generator):
    def solver(u):
        return np.stack([u[:, 0] * u[:, 1], u[:, 1] ** 3, u[:, 0] + 0 * u[:, 1]], axis=1)

    found = simple(solver, law(generator, channels=2)).found
    assert {one.symmetry for one in found} == {
        Symmetry((False,), False, (-1, -1), (1, -1, -1)),
        Symmetry((False,), False, (1, -1), (-1, -1, 1)),
        Symmetry((True,), False, (1, 1), (1, 1, 1)),
    }


def test_what_follows_from_what_is_known_is_not_solved_for(generator):
    inputs, asked = law(generator), []

    def solve(by, n):
        asked.append((by, n))
        fields = inputs[:n] if by is None else by.of_inputs(inputs[:n])
        return np.exp(fields)

    search = find(inputs, solve, GRID)
    assert [one.symmetry for one in search.found] == [FLIP]
    # none; −1 fails on its first draw; the flip holds on all; the flip with −1 would make −1 hold, and is not asked
    minus, flip = replace(MINUS, outputs=(1,)), FLIP
    # then shifts, by four points of nine, and at last a multiple, which the first draw says no to
    by, twice = Translation(0, 4), Scaling(2.0, (0.0,))
    assert asked == [(None, DRAWS), (minus, 1), (flip, 1), (flip, DRAWS), (by, 1), (by, DRAWS), (twice, 1)]
    assert search.solves == 3 * DRAWS + 2


def test_a_defect_above_the_tolerance_is_no_symmetry(generator):
    inputs, slope = law(generator), np.linspace(0, 1, 9)
    for size, there in ((1e-7, False), (1e-10, True)):
        assert bool(simple(lambda u, size=size: np.exp(u) * (1 + size * slope), inputs).found) is there


@pytest.mark.parametrize(
    ("solver", "inputs"),
    [
        (lambda u: np.zeros_like(u), lambda u: u),  # nothing has every sign
        (lambda u: np.stack([u[:, 0] ** 3, 0 * u[:, 0]], axis=1), lambda u: u),  # a channel of nothing
        (lambda u: u * np.arange(9), lambda u: 0 * u),  # inputs that a map leaves as they are
        (lambda u: np.full_like(u, np.nan), lambda u: u),
        (lambda u: np.where(u.mean() > 0, u * np.arange(9), np.nan), lambda u: np.abs(u)),
    ],
)
def test_accidents_and_failures_do_not_decide(solver, inputs, generator):
    assert simple(solver, inputs(law(generator))).found == ()


def test_inputs_that_are_mirror_images_of_themselves_say_nothing_of_a_reflection(generator):
    """A solver without the reflection answers an even input by an even solution here, on every draw but by chance."""
    even = law(generator)
    even = even + even[:, :, ::-1]
    found = simple(lambda u: u**3, even).found
    assert [one.symmetry for one in found] == [MINUS]


def test_one_draw_that_is_not_its_own_image_is_too_few(generator):
    inputs = law(generator, n=DRAWS)
    inputs[1:] += inputs[1:, :, ::-1]
    assert [one.symmetry for one in simple(lambda u: u**3, inputs).found] == [MINUS]


def test_a_draw_that_the_solver_fails_on_anyway_says_nothing_and_one_that_fails_when_taken_says_no(generator):
    inputs = law(generator)
    inputs[1, 0, 2] = 50.0  # fails as it is, and mirrored
    found = simple(lambda u: np.where(np.abs(u).max(2, keepdims=True) > 40, np.nan, u**3), inputs).found
    assert {one.symmetry for one in found} == {FLIP, MINUS}
    inputs[1, 0, 2], inputs[1, 0, 0] = 0.1, 50.0  # fails only when mirrored
    odd = np.linspace(-1, 1, 9)
    assert [one.symmetry for one in simple(lambda u: u + odd * u**2, inputs).found] == [ODD]
    assert simple(lambda u: np.where(np.abs(u[:, :, -1:]) > 40, np.nan, u + odd * u**2), inputs).found == ()


def test_the_law_is_judged_by_means_products_and_skewness(generator):
    """An invariant law stays below the limit in each of 30 samples; what is shifted, tilted or skewed exceeds it."""
    tilt = np.linspace(0.5, 1.5, 9)
    for _ in range(30):
        assert law_shift(MINUS, law(generator)) < LAW_LIMIT and law_shift(FLIP, law(generator)) < LAW_LIMIT
    assert law_shift(MINUS, law(generator, mean=0.5)) > LAW_LIMIT
    assert law_shift(FLIP, tilt * law(generator)) > LAW_LIMIT and law_shift(MINUS, tilt * law(generator)) < LAW_LIMIT
    skewed = law(generator) ** 2 - 1.0
    assert law_shift(MINUS, skewed) > LAW_LIMIT and law_shift(FLIP, skewed) < LAW_LIMIT
    assert law_shift(FLIP, 1e200 * tilt * law(generator)) > LAW_LIMIT
    assert law_shift(FLIP, np.full((4, 1, 9), np.nan)) == np.inf


def test_a_shift_of_a_constant_field_is_none():
    assert law_shift(FLIP, np.ones((20, 1, 9))) == 0.0
    assert law_shift(FLIP, np.zeros((20, 1, 9))) == 0.0


def test_a_symmetry_that_is_said_to_be_there_is_measured(generator):
    inputs = law(generator)

    def solve(by, n):
        fields = inputs[:n] if by is None else by.of_inputs(inputs[:n])
        return fields**3 * np.linspace(1.0, 1.1, 9)

    assert verify(MINUS, inputs, solve).defect < 1e-15
    off = verify(FLIP, inputs, solve).defect
    both = solve(None, DRAWS), solve(FLIP, DRAWS)
    images = FLIP.of_outputs(both[0])
    assert off == pytest.approx((np.linalg.norm(both[1] - images, axis=2) / np.linalg.norm(images, axis=2)).max())
    assert verify(replace(MINUS, outputs=(1,)), inputs, solve).defect == pytest.approx(2.0)
    assert verify(replace(MINUS, outputs=(-1, 1)), inputs, solve).defect == np.inf


def test_candidates_are_all_maps_of_the_grid_with_all_signs():
    line, square = list(candidates(Grid((9,)), 2)), list(candidates(Grid((6, 6)), 1))
    assert len(line) == len(set(line)) == 2 * 4 - 1 and len(square) == len(set(square)) == 8 * 2 - 1
    assert len(list(candidates(Grid((6, 8)), 1))) == len(list(candidates(Grid((6, 6), (1.0, 2.0)), 1))) == 4 * 2 - 1
    assert len(list(candidates(Grid((9,)), 7))) == 2 * 2 - 1
    assert all(one.pinned for one in candidates(Grid((9,), centring="nodal"), 1))
    assert not any(one.pinned for one in candidates(Grid((9,), centring="nodal", periodic=False), 1))


def test_a_comparison_has_the_sign_that_fits(generator):
    x = law(generator, n=2)
    assert compared(FLIP, x, x, -FLIP.of_inputs(x)) == (replace(FLIP, outputs=(-1,)), 0.0)
