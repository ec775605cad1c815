"""A problem's own transfers: that they are its own, that they pay, and what is refused."""

import dataclasses
import functools
import pickle

import numpy as np
import pytest

import small
from broken import LINE, Toy, draw, evaluate, solve
from mlft.errors import ConfigError
from mlft.grids import Grid, power_mean, prolong, refine, restrict
from mlft.problems import (
    PROBLEMS,
    Advection,
    Burgers,
    Darcy,
    Elliptic1d,
    Euler,
    FunctionProblem,
    KohnSham,
    Plain,
    Problem,
    Schrodinger,
    Solved,
    distances,
    examine,
    prolonged,
    refuse_answers,
    rehearse,
)
from mlft.seeds import generator as stream
from tiny import VARIANTS, draws_of, tiny

# By which factor at least the distance of every level is smaller with own transfers.
OWN: dict[str, tuple[Problem, float]] = {
    "advection": (Advection(levels=4), 1.02),
    "burgers": (Burgers(cells=256, levels=4), 1.7),
    "burgers, hardly viscous": (Burgers(cells=256, levels=4, viscosity=3e-4), 1.5),
    "darcy": (Darcy(cells=64, levels=3), 1.5),
    "darcy, channels": (Darcy(cells=64, levels=3, field="channels"), 1.2),
    "elliptic1d": (Elliptic1d(cells=512, levels=4, epsilon=0.04), 15.0),
    "euler": (Euler(cells=256, levels=4), 1.02),
    "navier-stokes": (PROBLEMS["navier-stokes"](cells=32, levels=2, viscosity=1e-3), 1.2),
    "schrodinger, spectral": (Schrodinger(cells=256, levels=3, scheme="spectral"), 8.0),
    "schrodinger, spectral, bounded": (Schrodinger(cells=256, levels=3, scheme="spectral", boundary="dirichlet"), 8.0),
    "kohn-sham, spectral": (KohnSham(levels=3, scheme="spectral"), 5.0),
}


@pytest.mark.parametrize("name", OWN)
def test_each_level_is_nearer_to_the_finest_with_the_problems_own_transfers(name: str) -> None:
    problem, factor = OWN[name]
    found = distances(problem, draws=12)
    assert found.draws == 12 and problem.transfers
    for level, (own, plain) in enumerate(zip(found.own, found.plain, strict=True)):
        assert own * factor < plain, (level, found)
    assert all(share < 1 for share in found.shares[0])


def test_shocks_of_burgers_are_as_near_as_the_prototype_had_them() -> None:
    found = distances(Burgers(), draws=60)
    assert all(own < bound for own, bound in zip(found.own, (0.09, 0.04, 0.02, 0.007), strict=True))
    coefficients = distances(Elliptic1d(), draws=12).own
    assert all(own < bound for own, bound in zip(coefficients, (0.012, 0.007, 0.0022, 5e-4), strict=True))


@pytest.mark.parametrize("options", [{"viscosity": 0.005}, {"viscosity": 0.01}, {"time": 0.01}])
def test_where_nothing_jumps_burgers_is_prolonged_as_without(options: dict) -> None:
    problem = Burgers(cells=256, levels=2, **options)
    inputs = problem.coarse_inputs(draws_of(problem, 4), problem.hierarchy[0])
    solved = problem.solve(inputs, problem.hierarchy[0]).solutions
    plain = prolong(solved, to=problem.finest)
    changed = np.abs(problem.prolong(solved, problem.finest) - plain).max(axis=(1, 2)) > 0
    assert changed.mean() <= 0.25  # a front narrower than ⅔ of a cell may be among them


@pytest.mark.parametrize("name", ["burgers", "advection", "euler"])
def test_what_is_conserved_is_kept_on_every_finer_grid(name: str) -> None:
    problem = PROBLEMS[name](cells=256, levels=4)
    rows = draws_of(problem, 6)
    for level, grid in enumerate(problem.hierarchy[:-1]):
        solved = problem.solve(problem.coarse_inputs(rows, grid), grid).solutions
        for finer in (*problem.hierarchy[level + 1 :], refine(problem.finest, 2)):
            made = problem.prolong(solved, finer)
            np.testing.assert_allclose(made.mean(axis=2), solved.mean(axis=2), atol=1e-15 * np.abs(solved).max() * 40)
            if name == "burgers":
                np.testing.assert_allclose(restrict(made, to=grid), solved, atol=1e-14)
            if name == "euler":
                assert made[:, 0].min() > 0
                assert (made[:, 2] - made[:, 1] ** 2 / (2 * made[:, 0])).min() > 0


def test_a_translation_of_the_waves_moves_their_prolonged_states(generator) -> None:
    problem = Burgers(cells=256, levels=3)
    coarse = problem.hierarchy[0]
    solved = problem.solve(problem.coarse_inputs(draws_of(problem, 3), coarse), coarse).solutions
    moved = problem.prolong(np.roll(solved, 7, axis=2), problem.finest)
    assert np.array_equal(moved, np.roll(problem.prolong(solved, problem.finest), 28, axis=2))


@pytest.mark.parametrize("name", [*PROBLEMS, *VARIANTS])
def test_given_inputs_and_drawn_ones_are_coarsened_alike(name: str) -> None:
    problem = tiny(name)
    rows = draws_of(problem, 3)
    for grid in problem.hierarchy[:-1]:
        given = problem.coarsen(problem.evaluate(rows, problem.finest), grid)
        drawn = problem.coarse_inputs(rows, grid)
        assert np.abs(given - drawn).max() <= 1e-12 * np.abs(given).max()


def test_the_coefficient_of_layers_and_of_darcy_is_the_mean_that_fits_its_law() -> None:
    problem = Elliptic1d(cells=128, levels=3)
    rows = draws_of(problem, 3)
    fine = problem.evaluate(rows, problem.finest)
    expected = 1 / (1 / fine).reshape(3, 1, 32, 4).mean(axis=3)
    np.testing.assert_allclose(problem.coarse_inputs(rows, problem.hierarchy[0]), expected, rtol=1e-14)
    for field, power in (("two-phase", 0), ("channels", 0.5), ("lognormal", 1), ("matern", 1)):
        darcy = Darcy(cells=32, levels=2, modes=8, field=field)
        fine = darcy.evaluate(draws_of(darcy, 2), darcy.finest)
        made = darcy.coarsen(fine, darcy.hierarchy[0])
        np.testing.assert_array_equal(made, power_mean(fine, to=darcy.hierarchy[0], power=power))
        assert bool(darcy.transfers) == (power != 1)


# ---- The names of transfers, and a problem without them


class Halves(Toy):
    """Own transfers, undeclared: their names are those of the methods."""

    def prolong(self, solutions, grid):
        return prolong(solutions, to=grid, order=1)

    def coarsen(self, inputs, grid):
        return 0.5 * restrict(inputs, to=grid)

    def coarse_inputs(self, draws, grid):
        return self.coarsen(self.evaluate(draws, self.finest), grid)


def test_transfers_are_named_whether_or_not_a_problem_names_them() -> None:
    assert Toy().transfers == {} and Halves().transfers == {"prolong": "Halves.prolong", "coarsen": "Halves.coarsen"}
    assert Burgers().transfers == {"prolong": "subcell"}
    assert Schrodinger().transfers == {} != Schrodinger(scheme="spectral").transfers
    named = {name for problem in (kind() for kind in PROBLEMS.values()) for name in problem.transfers}
    assert named == {"prolong", "coarsen"}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_a_shipped_problem_names_is_what_differs_from_the_grids_own(name: str) -> None:
    problem, plain = PROBLEMS[name](), Plain(PROBLEMS[name]())
    coarse = problem.hierarchy[0]
    rows = draws_of(problem, 2)
    inputs = problem.evaluate(rows, problem.finest)
    assert np.array_equal(plain.coarsen(inputs, coarse), restrict(inputs, to=coarse))
    assert np.array_equal(plain.coarse_inputs(rows, coarse), problem.evaluate(rows, coarse))
    same = np.allclose(problem.coarsen(inputs, coarse), restrict(inputs, to=coarse), rtol=1e-12)
    assert same == ("coarsen" not in problem.transfers)
    grid = problem.hierarchy[1]
    solved = problem.solve(problem.coarse_inputs(rows, grid), grid).solutions
    assert np.array_equal(plain.prolong(solved, problem.finest), prolong(solved, to=problem.finest))
    same = np.array_equal(problem.prolong(solved, problem.finest), prolong(solved, to=problem.finest))
    assert same == ("prolong" not in problem.transfers)


@pytest.mark.parametrize("name", ["advection", "elliptic1d", "darcy", "helmholtz"])
def test_plain_is_the_problem_in_everything_else(name: str) -> None:
    problem = tiny(name)
    plain = pickle.loads(pickle.dumps(Plain(problem)))
    told = ("name", "equation", "hierarchy", "order", "cost_exponent", "has_reference", "costs", "options", "finest")
    assert all(getattr(plain, attribute) == getattr(problem, attribute) for attribute in told)
    assert plain.transfers == {} and plain == Plain(problem) and examine(plain).ok
    rows = draws_of(problem, 2)
    assert np.array_equal(plain.draw(1, stream(0, "x")), problem.draw(1, stream(0, "x")))
    inputs = plain.evaluate(rows, plain.finest)
    assert np.array_equal(inputs, problem.evaluate(rows, problem.finest))
    assert np.array_equal(plain.amplified(rows, 1.5), problem.amplified(rows, 1.5))
    assert plain.families().keys() == problem.families().keys()
    assert np.array_equal(plain.reference(rows), problem.reference(rows))
    ours, theirs = (p.solve(inputs, p.finest) for p in (plain, problem))
    assert np.array_equal(ours.solutions, theirs.solutions) and ours.status == theirs.status


# ---- Functions of one's own


def sampled(solutions, grid):
    return prolong(solutions, to=grid, order=1)


def largest(inputs, grid):
    return inputs.reshape(*inputs.shape[:2], grid.cells[0], -1).max(axis=3)


def test_functions_are_transfers_and_their_absence_is_none() -> None:
    own = dataclasses.replace(small.problem, prolong_function=sampled, coarsen_function=largest)
    assert own.transfers == {"prolong": "sampled", "coarsen": "largest"} and small.problem.transfers == {}
    rows, (coarse, _, fine) = draws_of(own, 4), own.hierarchy
    inputs = own.evaluate(rows, fine)
    assert np.array_equal(own.coarse_inputs(rows, coarse), largest(inputs, coarse))
    assert np.array_equal(own.coarsen(inputs, coarse), largest(inputs, coarse))
    assert np.array_equal(own.prolong(inputs[..., ::4], fine), np.repeat(inputs[..., ::4], 4, axis=2))
    assert np.array_equal(small.problem.coarsen(inputs, coarse), restrict(inputs, to=coarse))
    assert np.array_equal(small.problem.coarse_inputs(rows, coarse), own.evaluate(rows, coarse))
    assert np.array_equal(small.problem.prolong(inputs[..., ::4], fine), prolong(inputs[..., ::4], to=fine))
    assert examine(own).ok
    partial = dataclasses.replace(own, prolong_function=functools.partial(sampled))
    assert partial.transfers["prolong"] == "partial"
    single = dataclasses.replace(own, coarsen_function=lambda x, g: largest(x, g).astype(np.float32))
    assert single.coarsen(inputs, coarse).dtype == np.float64


@pytest.mark.parametrize("which", ["prolong_function", "coarsen_function"])
def test_complex_transfers_are_refused(which: str) -> None:
    own = dataclasses.replace(small.problem, **{which: lambda fields, grid: fields * 1j})
    with pytest.raises(TypeError, match="are complex: give the real"):
        getattr(own, which.removesuffix("_function"))(np.ones((1, 1, 7)), own.finest)


# ---- What is refused, and what an examination says


class Changed(Toy):
    """Transfers given as keywords."""

    def __init__(self, up=None, down=None, drawn=None, **changes):
        super().__init__(**changes)
        self.up, self.down, self.drawn = up, down, drawn

    def prolong(self, solutions, grid):
        return self.up(solutions, grid) if self.up else super().prolong(solutions, grid)

    def coarsen(self, inputs, grid):
        return self.down(inputs, grid) if self.down else super().coarsen(inputs, grid)

    def coarse_inputs(self, draws, grid):
        return self.drawn(draws, grid) if self.drawn else super().coarse_inputs(draws, grid)


def holes(solutions, grid):
    made = prolong(solutions, to=grid)
    made[0, 0, 3] = np.inf
    return made


UPWARDS = [
    (lambda u, g: u, "an array of shape (2, 1, 12)", "return one of shape (2, 1, 48)"),
    (lambda u, g: prolong(u, to=g).tolist(), "a list", "return an array of shape (2, 1, 48)"),
    (lambda u, g: prolong(u, to=g) * 1j, "an array of complex128", "return float64"),
    (holes, "values that are not finite for 1 of 2 samples", "return finite numbers"),
]


@pytest.mark.parametrize(("up", "said", "advice"), UPWARDS)
def test_a_prolongation_of_another_shape_or_not_finite_is_an_error_that_says_so(up, said: str, advice: str) -> None:
    fields = np.ones((2, 1, 12))
    with pytest.raises(ConfigError) as told:
        prolonged(Changed(up=up), fields, LINE[2])
    message = str(told.value)
    assert message.startswith("prolong of problem toy, asked for solutions of 12 points on 48 cells, returned ")
    assert said in message and advice in message and "what is solved is kept" in message
    finding = next(f for f in examine(Changed(up=up)).failed if (f.name, f.level) == ("prolongation", 0))
    assert said.replace("(2, 1, 12)", "(5, 1, 12)").replace("of 2", "of 5") in finding.measured
    inputs = evaluate(draw(2, stream(0, "up")), LINE[0])
    with pytest.raises(ConfigError, match="breaks its contract: prolongation on level 0: "):
        refuse_answers(Changed(up=up), inputs, Solved(solve(inputs, LINE[0]), ("ok", "ok")))


def test_prolonged_solutions_are_float64_and_those_of_the_grid_itself_are_left_alone() -> None:
    fields = np.ones((2, 1, 48))
    assert prolonged(Changed(up=lambda u, g: None), fields, LINE[2]) is fields
    single = prolonged(Changed(up=lambda u, g: prolong(u, to=g).astype(np.float32)), fields[..., :12], LINE[2])
    assert single.dtype == np.float64


def found(problem: Problem, name: str, level: int):
    return next(f for f in examine(problem).findings if (f.name, f.level) == (name, level))


def writing(solutions, grid):
    made = prolong(solutions, to=grid)
    solutions[:] = 0.0
    return made


def test_an_examination_tells_how_a_prolongation_changes_what_it_is_given() -> None:
    assert found(Toy(), "prolongation", 0).measured == "restrict undoes it, to round-off"
    shifted = found(Changed(up=lambda u, g: prolong(u, to=g) + 0.01), "prolongation", 1)
    assert (
        shifted.result == "note" and "means change by 0.00" in shifted.measured and "keep the means" in shifted.advice
    )
    kept = found(Changed(up=lambda u, g: prolong(np.roll(u, 1, -1), to=g)), "prolongation", 1)
    assert kept.result == "ok" and kept.measured.startswith("restrict undoes it to 0.")
    centred = found(Changed(up=lambda u, g: prolong(u - 1e-3 * u.mean(axis=0), to=g)), "prolongation", 0)
    assert centred.passed is False and "in another batch differ" in centred.measured
    wrote = found(Changed(up=writing), "prolongation", 0)
    assert wrote.passed is False and "wrote to the solutions" in wrote.measured


def test_an_examination_sees_a_prolongation_that_fails_on_one_of_the_finer_grids_alone() -> None:
    def direct(solutions, grid):
        return prolong(solutions, to=grid)[..., : 48 if solutions.shape[2] * 2 == grid.cells[0] else 47]

    finding = found(Changed(up=direct), "prolongation", 0)
    assert finding.passed is False and "prolong to 48 cells returned an array of shape (5, 1, 47)" in finding.measured


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"down": lambda f, g: 2 * restrict(f, to=g)}, "away from coarsen(evaluate(draws, finest), grid)"),
        ({"drawn": lambda d, g: 1.1 * evaluate(d, g)}, "away from coarsen(evaluate(draws, finest), grid)"),
        ({"down": lambda f, g: f}, "coarsen returned an array of shape"),
        ({"drawn": lambda d, g: evaluate(d, LINE[2])}, "coarse_inputs returned an array of shape"),
        ({"drawn": lambda d, g: np.nan * evaluate(d, g)}, "coarse_inputs returned values that are not finite"),
    ],
)
def test_given_and_drawn_inputs_that_differ_are_refused_before_a_solve(changes: dict, said: str) -> None:
    finding = found(Changed(**changes), "coarse inputs", 0)
    assert finding.passed is False and said in finding.measured and finding.advice
    with pytest.raises(ConfigError, match="breaks its contract: coarse inputs on level 0"):
        rehearse(Changed(**changes))


def test_own_inputs_of_coarse_grids_are_told_and_are_what_is_solved() -> None:
    seen = []

    def watched(inputs, grid):
        seen.append((grid.cells[0], float(inputs.max())))
        return solve(inputs, grid)

    problem = Halves(solving=watched)
    assert "by the problem's own coarsen: 0.5" in found(problem, "coarse inputs", 0).measured
    fields = evaluate(np.concatenate([problem.draw(1, stream(0, "examine", i)) for i in range(5)]), LINE[2])
    coarse = [top for cells, top in seen if cells == 12]
    assert max(coarse) == pytest.approx(0.5 * restrict(fields, to=LINE[0]).max(), rel=1e-12)
    assert found(Toy(made=draw), "coarse inputs", 1).measured == "those of evaluate"


# ---- Distances


def test_distances_are_those_computed_by_hand() -> None:
    problem = small.problem
    rows = np.concatenate([problem.draw(1, stream(3, "distances", i)) for i in range(5)])
    told = distances(problem, draws=5, seed=3)
    finest = small.solve(small.evaluate(rows, problem.finest), problem.finest)
    size = np.linalg.norm(finest[:, 0], axis=1)
    for level, grid in enumerate(problem.hierarchy[:-1]):
        coarse = prolong(small.solve(small.evaluate(rows, grid), grid), to=problem.finest)
        away = np.linalg.norm((coarse - finest)[:, 0], axis=1) / size
        assert told.own[level] == told.plain[level] == pytest.approx(away.mean(), rel=1e-12)
    others = [np.delete(finest, i, axis=0).mean(axis=0) for i in range(5)]
    mean = np.sqrt(4 / 5) * np.mean([np.linalg.norm((others[i] - finest[i])[0]) / size[i] for i in range(5)])
    assert told.mean == pytest.approx(mean, rel=1e-12)
    assert told.shares[0] == pytest.approx([own / mean for own in told.own], rel=1e-12)
    assert str(told) == ", ".join(f"{own / mean:.2g}" for own in told.own)
    assert " (own transfers 0." in str(distances(tiny("burgers"), draws=3))


def test_the_error_of_the_mean_does_not_depend_on_how_many_draws_tell_it() -> None:
    few = [distances(small.problem, draws=2, seed=seed).mean for seed in range(200)]
    # a mean of 200 with a standard deviation of 0.4 of it is off by 3%; uncorrected it would be 41% too large
    assert np.mean(few) == pytest.approx(distances(small.problem, draws=300).mean, rel=0.12)


def test_draws_that_are_not_solved_on_every_level_are_left_out_and_without_any_there_are_none() -> None:
    told = distances(small.failing, draws=24)
    assert 2 <= told.draws < 24 and np.isfinite(told.own).all()
    nothing = FunctionProblem("none", small.GRIDS, small.draw, small.evaluate, small.solve_none, cost_exponent=1.0)
    assert distances(nothing).draws == 0 and np.isnan(distances(nothing).own).all()
    with pytest.raises(ValueError, match="at least 2 draws"):
        distances(small.problem, draws=1)


def test_grids_of_another_kind_are_refused_by_own_transfers() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Burgers().prolong(np.zeros((1, 1, 32)), Grid((96,)))
    with pytest.raises(ValueError, match="positive values"):
        Elliptic1d().coarsen(np.zeros((1, 1, 1024)), Elliptic1d().hierarchy[0])
