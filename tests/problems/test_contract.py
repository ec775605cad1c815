"""The contract of a problem: it holds for every problem that there is, and each way of breaking it is told."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import poisson_line
import small
from broken import LINE, SQUARE, Toy, draw, evaluate, solve
from mlft.errors import ConfigError
from mlft.generation import solve_batch
from mlft.grids import Grid, hierarchy, restrict
from mlft.problems import PROBLEMS, Problem, Solved, contract, examine, refuse_answers, rehearse
from mlft.problems.contract.findings import Finding
from mlft.problems.contract.sameness import agreement, same_function
from mlft.seeds import generator as stream
from mlft.sources import Drawn
from tiny import VARIANTS, tiny
from toy_problem import toy
from violations import DRAWN, EVALUATED, FAILURES, NOTED, SAME, SOLVED, STATED, named, raising

README = Path(__file__).parents[2] / "README.md"
FINEST = LINE[-1]


def of_readme() -> Problem:
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[-1]
    names: dict = {}
    exec(compile(code[: code.index("record = ")], str(README), "exec"), names)
    return names["poisson"]


OWN = {
    "toy": Toy(),
    "in 2D": Toy(hierarchy=SQUARE),
    "of a test": toy(),
    "small": small.problem,
    "failing": small.failing,
    "line": poisson_line.problem,
    "touchy": poisson_line.touchy,
    "readme": of_readme(),
}


# ---- What holds


@pytest.mark.parametrize("name", [*PROBLEMS, *VARIANTS])
def test_a_shipped_problem_keeps_its_contract_to_the_bit(name: str) -> None:
    found = examine(tiny(name))
    assert {finding.result for finding in found.findings} <= {"ok", "–"}, str(found)
    assert {f.measured for f in found.findings if f.name == "one function"} == {
        "the finest's, restricted, to round-off"
    }
    rehearse(tiny(name))


@pytest.mark.parametrize("name", OWN)
def test_a_problem_of_ones_own_keeps_it(name: str) -> None:
    found = examine(OWN[name])
    assert found.ok, str(found)
    rehearse(OWN[name])


def test_sums_of_lapack_differ_in_their_last_bits_which_is_noted_and_no_failure() -> None:
    for name in ("line", "readme"):
        notes = [finding for finding in examine(OWN[name]).findings if finding.result == "note"]
        assert "solutions in any batch" in {finding.name for finding in notes}
        assert all("to round-off, not to the bit" in finding.measured for finding in notes)


def test_an_examination_reads_as_a_table() -> None:
    finest, prices = Grid((16,)), (0.5, 0.5, 1.0)
    found = examine(
        Toy(hierarchy=hierarchy(finest, 3), valued=lambda d, g: restrict(evaluate(d, finest), to=g), costs=prices)
    )
    lines = str(found).splitlines()
    assert lines[0] == "toy: 31 passed, 1 passed with a note, 1 left out"
    assert lines[1].split() == ["ok", "grids", "4,", "8,", "16;", "cell,", "periodic"]
    row = next(line for line in lines if "stated costs" in line)
    assert row.startswith("note  stated costs") and row.endswith("0.5, 0.5, 1 solves of the finest grid")
    assert lines[lines.index(row) + 1].strip().startswith("→ level 0 is no cheaper")
    assert any(re.fullmatch(r"ok    statuses +levels 0–2  5 of 5 ok", line) for line in lines)
    assert found.ok and not found.failed


# ---- What is broken


def seen(problem: Problem, name: str, level: int | None) -> Finding:
    return next(f for f in examine(problem).findings if (f.name, f.level) == (name, level))


@pytest.mark.parametrize(("changes", "name", "level", "said"), FAILURES)
def test_a_broken_contract_is_told_in_words(changes: dict, name: str, level: int | None, said: str) -> None:
    found = seen(Toy(**changes), name, level)
    assert found.passed is False
    assert said.replace("(n,", "(5,").replace(" n ", " 5 ") in found.measured, found
    assert found.advice


@pytest.mark.parametrize(("changes", "name", "level", "said"), [*STATED, *DRAWN, *EVALUATED])
def test_a_rehearsal_refuses_what_costs_no_solve_to_see(changes: dict, name: str, level: int | None, said: str) -> None:
    place = name if level is None else f"{name} on level {level}"
    words = said.replace("(n,", "(2,").replace(" n ", " 2 ")
    with pytest.raises(ConfigError, match=re.escape(f"breaks its contract: {place}: ") + f".*{re.escape(words)}.*; "):
        rehearse(Toy(**changes))


@pytest.mark.parametrize(("changes", "level", "said"), SAME)
def test_a_rehearsal_refuses_levels_with_other_inputs(changes: dict, level: int, said: str) -> None:
    with pytest.raises(ConfigError, match=r"one function on level \d: .*the level's inputs are .*; evaluate the same"):
        rehearse(Toy(**changes))


# ---- What is noted, and is no failure


@pytest.mark.parametrize(("changes", "name", "level", "said"), NOTED)
def test_what_is_worth_knowing_is_noted(changes: dict, name: str, level: int | None, said: str) -> None:
    found = seen(Toy(**changes), name, level)
    assert found.result == "note" and said in found.measured, found


def with_reference(reference):
    problem = Toy(has_reference=True)
    problem.reference = reference
    return problem


def test_a_reference_is_looked_at_and_one_that_raises_is_a_missing_number_with_its_reason() -> None:
    def right(rows):
        return np.tanh(evaluate(rows, FINEST)) + 1.0

    found = seen(with_reference(right), "reference", None)
    assert found.result == "ok" and re.match("of 2 draws; solutions of the finest are 0.0003. away", found.measured)
    order = seen(with_reference(right), "order seen", None)
    assert re.match(r"2\.0, \d\.\d from level to level, towards the reference; 2 is stated", order.measured)
    flat = Toy(hierarchy=SQUARE, has_reference=True)
    flat.reference = lambda rows: np.tanh(evaluate(rows, SQUARE[-1])) + 1.0
    assert seen(flat, "reference", None).measured.startswith("of 1 draw; solutions of the finest are")
    for reference, said in (
        (lambda rows: right(rows)[..., 1:], "references on 48 have shape (2, 1, 47)"),
        (lambda rows: np.repeat(right(rows), 2, axis=1), "2 channels for 1"),
        (lambda rows: right(rows) * np.nan, "not finite"),
    ):
        found = seen(with_reference(reference), "reference", None)
        assert found.passed is False and said in found.measured
    found = seen(with_reference(raising), "reference", None)
    assert found.result == "note" and found.measured == "raised KeyError: 'no such file\\nat all'"
    assert seen(Toy(), "reference", None).result == "–"


# ---- Inputs that are sampled


@pytest.mark.parametrize("count", [8, 24, 64])
@pytest.mark.parametrize("ratio", [2, 8])
def test_values_of_smooth_functions_at_cell_centres_are_the_same_function(count: int, ratio: int) -> None:
    draws = draw(6, stream(0, "smooth"))
    for grid in (Grid((count,)), Grid((count, count + 2), (1.0, 1.25), periodic=False)):
        fine = Grid(tuple(n * ratio for n in grid.cells), grid.lengths, periodic=grid.periodic)
        found = same_function(evaluate(draws, grid), evaluate(draws, fine), grid)
        assert found.passed and not found.advice and "sampled" in found.measured
        for wrong in (2 * evaluate(draws, grid), evaluate(draws, grid)[:, :, ::-1], 1.3 * evaluate(draws, grid)):
            assert not same_function(wrong, evaluate(draws, fine), grid).passed


def boxes(draws, grid):
    """Values at cell centres of functions that jump."""
    fields = evaluate(draws, grid)
    return (
        np.sign(fields - evaluate(draws, Grid((256,))).mean(axis=2, keepdims=True))
        * (1 + np.arange(len(draws)))[:, None, None]
    )


def test_values_of_functions_that_jump_are_the_same_function_but_for_the_cells_of_the_jumps() -> None:
    draws, grid = draw(6, stream(0, "jumps")), Grid((64,))
    found = same_function(boxes(draws, grid), boxes(draws, Grid((256,))), grid)
    assert found.passed
    assert 0.05 < float(re.findall("sampled: (.*) away", found.measured)[0]) < 0.4
    for wrong in (1.1 * boxes(draws, grid), -boxes(draws, grid), np.roll(boxes(draws, grid), 9, -1)):
        assert not same_function(wrong, boxes(draws, Grid((256,))), grid).passed
    coarse = same_function(boxes(draws, Grid((8,))), boxes(draws, Grid((256,))), Grid((8,)))
    assert not coarse.passed or "too coarse" in coarse.advice


def test_fields_that_do_not_vary_agree_where_they_are_equal() -> None:
    grid, level = Grid((16,)), np.array([1.0, 3.0])[:, None, None]
    for constant in (np.zeros((2, 1, 8)), np.ones((2, 1, 8)), level * np.ones(8)):
        fine = np.repeat(constant, 2, axis=2)
        assert agreement(constant, restrict(fine, to=Grid((8,))), Grid((8,))).tolist() == [1.0]
        assert same_function(constant, fine, Grid((8,))).measured == "the finest's, restricted, to round-off"
        assert not same_function(constant + 0.01, fine, Grid((8,))).passed
    assert grid.cells == (16,)


def test_allowance_is_an_eighth_of_the_second_difference_of_a_cell_or_its_neighbours() -> None:
    grid = Grid((8,), periodic=False)
    means = np.array([[[0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]]])
    for cell, allowed in ((1, 1.0), (3, 2.0), (4, 2.0), (5, 1.0), (6, 0.0), (7, 0.0)):
        for change, right in ((allowed, True), (-allowed, True), (1.01 * allowed + 1e-6, False)):
            values = means.copy()
            values[..., cell] += change
            weights = (means - means.mean()) ** 2
            share = 1.0 if right else 1 - weights[..., cell].item() / weights.sum()
            np.testing.assert_allclose(agreement(values, means, grid), share)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_bend_at_one_end_allows_a_difference_at_the_other_end_of_periodic_grids_alone(periodic):
    means = np.array([0.0, 1.0, 2.0, 3.0, 3.0, 3.0, -1.0])[None, None]  # straight at cell 0, bent before it
    values = means + np.array([0.01, 0, 0, 0, 0, 0, 0])
    varies = ((means - means.mean()) ** 2).ravel()
    share = 1.0 if periodic else 1 - varies[0] / varies.sum()
    assert agreement(values, means, Grid((7,), periodic=periodic)) == pytest.approx([share])


# ---- What it costs, and that it never raises


def test_a_rehearsal_makes_no_solve_and_asks_for_no_reference() -> None:
    solves = []

    def counting(inputs, grid):
        solves.append((len(inputs), grid))
        return solve(inputs, grid)

    problem = with_reference(raising)
    problem.solving = counting
    rehearse(problem)
    assert solves == []


def begin(problem: Problem) -> None:
    """Refuse a problem by its first three solves, as a run does."""
    source = Drawn(problem, 0, "train")
    found = solve_batch(source, 0, stream="train", indices=[2, 1, 0])
    refuse_answers(problem, source.inputs(0, [2, 1, 0]), Solved(found.solutions, found.status))


def test_the_first_answers_that_are_malformed_are_refused_and_failures_are_named_by_the_run() -> None:
    for problem in (Toy(solving=raising), Toy(solving=named("lost")), small.hopeless, poisson_line.touchy):
        begin(problem)
    malformed = [row for row in SOLVED if row[1:3] == ("solutions", 0) and "wrote to" not in row[3]]
    assert len(malformed) == 7
    for changes, _, _, said in malformed:
        with pytest.raises(ConfigError, match="breaks its contract: solutions on level 0: ") as caught:
            begin(Toy(**changes))
        told = said.replace("5 samples", "3 samples").replace("(5,", "(3,")
        assert told[:20] in str(caught.value) or "raised TypeError: the solutions are complex" in str(caught.value)


def test_channels_that_are_named_otherwise_are_refused_by_the_first_answers() -> None:
    with pytest.raises(ConfigError, match="solutions on level 0: solution_channels is .*, of 1 channel; give each"):
        begin(Toy(solution_channels=("speed", "pressure")))


def test_an_examination_of_functions_that_all_raise_ends_with_findings() -> None:
    for part in ("made", "valued", "solving"):
        found = examine(Toy(**{part: raising}))
        assert not found.ok and "raised KeyError" in str(found)
    assert "they need the grids" in str(examine(Toy(hierarchy=())))
    assert "they need draws" in str(examine(Toy(made=raising)))
    assert "no solutions to compare with" in str(examine(Toy(solving=raising)))
    assert "no sample is ok on every level" in str(examine(Toy(solving=named("lost"))))
    with pytest.raises(ConfigError, match="problem toy breaks its contract: draws: raised KeyError"):
        rehearse(Toy(made=raising))
    with pytest.raises(ValueError, match="at least 2 draws, got 1"):
        examine(Toy(), draws=1)


def test_one_level_and_few_cells_leave_out_what_cannot_be_compared() -> None:
    one = examine(Toy(hierarchy=LINE[-1:]))
    assert one.ok and {f.name for f in one.findings if f.passed is None} >= {"distance to the finest", "order seen"}
    few = examine(Toy(hierarchy=hierarchy(Grid((3,)), 1)))
    assert few.ok and "3 cells a side" in str(few)


def test_a_rehearsal_and_an_examination_take_their_draws_from_the_seed() -> None:
    rows = []

    def keeping(n, generator):
        rows.append(draw(n, generator))
        return rows[-1]

    for seed in (0, 0, 1):
        examine(Toy(made=keeping), seed=seed)
    first, again, other = np.array_split(np.array([row[0, 0] for row in rows]), 3)
    assert (first == again).all() and not (first == other).any()
    assert inspect.signature(rehearse).parameters["seed"].default == 0 and contract.STREAMS == 5
