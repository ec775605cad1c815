import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

import poisson_line
import small
from doors import door
from finished import INFINITE, record
from mlft import FunctionProblem, run
from mlft.diagnostics.answers import Answers
from mlft.diagnostics.green import superposition_defect
from mlft.diagnostics.laws import breaking_amplitudes, law_error, slugs
from mlft.diagnostics.span import span
from mlft.diagnostics.spectrum import Spectrum, spectrum_of
from mlft.diagnostics.trust import AMPLITUDES, measure_trust
from mlft.errors import ConfigError, MlftError
from mlft.experiment.config import configure, write_config
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import from_plain, read_trust, write_outcome
from mlft.experiment.trust import trust
from mlft.grids import Grid
from mlft.laboratory.operators import lumped_operator
from mlft.problems import PROBLEMS, Solved
from mlft.reports import trust_lines, write_trust_report
from mlft.seeds import generator as stream
from mlft.surrogates import build
from tiny import TINY, draws_of, tiny

LINE = Grid((20,), centring="nodal", periodic=False)
TRAINING = {"steps": 160, "batch": 16, "rate": 5e-3}
NETWORK = {"modes": [5], "width": 8, "depth": 2}


def solver(problem):
    return lambda inputs: problem.solve(inputs, problem.finest).solutions


def look(predict, problem, n=9, **options):
    trained = draws_of(problem, 30, "span")
    return measure_trust(predict, problem, draws_of(problem, n), trained=trained, solve=door(problem), **options)


@pytest.fixture(scope="module")
def poisson_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("poisson") / "run"
    options = {"training": TRAINING, "surrogate_options": NETWORK, "workers": 0, "test": 20}
    run("poisson_line:problem", budget="100solves", out=folder, **options)
    return folder


def test_the_spectrum_of_a_wave_stands_at_its_number_and_adds_up():
    grid = Grid((18,))
    x = grid.points[0]
    wave, other = np.sin(2 * np.pi * 3 * x)[None, None], np.cos(2 * np.pi * 5 * x)[None, None]
    found = spectrum_of(wave + 0.1 * other, wave, grid)
    assert found.numbers[found.error.argmax()] == 5 and found.numbers[found.solution.argmax()] == 3
    assert found.error.sum() == pytest.approx(0.01) and found.solution.sum() == pytest.approx(1.0)
    square = Grid((8, 12))
    fields = np.random.default_rng(4).normal(size=(5, 2, 8, 12))
    lost = np.concatenate([fields, fields[:1] * np.nan])
    ring = spectrum_of(np.concatenate([2 * fields, fields[:1]]), lost, square)
    assert ring.error.sum() == pytest.approx(1.0) == ring.solution.sum() and len(ring.numbers) == 8


def test_the_waves_of_bounded_grids_are_cosines_in_half_periods():
    line, plane = Grid((15,), periodic=False), Grid((9, 14), periodic=False)
    (x,), (y, z) = line.points, plane.points
    cases = (
        (line, np.cos(3 * np.pi * x), np.cos(6 * np.pi * x), 3, 6),
        (
            plane,
            np.outer(np.cos(3 * np.pi * y), np.cos(4 * np.pi * z)),
            np.outer(np.ones(9), np.cos(7 * np.pi * z)),
            5,
            7,
        ),
    )
    for grid, wave, other, here, there in cases:
        found = spectrum_of((wave + 0.1 * other)[None, None], wave[None, None], grid)
        assert found.solution[found.numbers == here] == pytest.approx([1.0])
        assert found.error[found.numbers == there] == pytest.approx([found.error.sum()])


def test_the_interval_of_a_law_is_students():
    grid, factors = Grid((6,)), np.array([1.1, 1.2, 1.0, 1.5])
    inputs = np.ones((4, 1, 6))
    answers = Answers(inputs, ("ok",) * 4, ("",) * 4)
    found = law_error("flat", inputs, answers, lambda fields: fields * factors[:, None, None], grid, np.zeros((6, 0)))
    half = 3.182446 * np.std([0.1, 0.2, 0.0, 0.5], ddof=1) / 2  # t(0.975; 3)
    assert (found.mean, found.lower, found.upper) == pytest.approx((0.2, 0.2 - half, 0.2 + half), rel=1e-6)
    assert found.median == pytest.approx(0.15) and found.outside == pytest.approx(1.0)


def test_samples_that_were_not_solved_do_not_enter_the_spectrum():
    def solve(inputs, grid):
        solutions, bad = poisson_line.solve(inputs, grid), np.arange(len(inputs)) % 4 == 1
        solutions[bad] = 1e3  # anything
        return Solved(solutions, tuple("not-converged" if b else "ok" for b in bad))

    lazy = FunctionProblem("lazy", poisson_line.GRIDS, poisson_line.draw, poisson_line.evaluate, solve, 1.0)
    found = look(lambda inputs: 1.1 * poisson_line.solve(inputs, LINE), lazy, 12)
    assert found.families[0].mean == pytest.approx(0.1) and found.families[0].failures == "3 not-converged"
    assert found.spectrum.error.sum() == pytest.approx(0.01) and found.spectrum.solution.sum() == pytest.approx(1.0)


def test_the_resolved_waves_are_those_whose_tail_is_right_to_a_half():
    error = np.array([0.0, 0.04, 0.02, 0.01, 0.01, 0.001])
    solution = np.array([0.0, 0.8, 0.12, 0.04, 0.03, 0.01])
    numbers = np.array([0.0, 1, 2, 3, 5, 8])
    # the tails' sums: error .081 .081 .041 .021 .011 .001, a quarter of the solution's .25 .25 .05 .02 .01 .0025
    assert Spectrum(numbers, error, solution).resolved == 2.0
    assert Spectrum(numbers, 0.9 * error, solution).resolved == 8.0
    assert Spectrum(numbers, error + [0, 0, 0, 0, 0, 0.01], solution).resolved == 1.0
    assert math.isnan(Spectrum(numbers, error + [0.2, 0, 0, 0, 0, 0], solution).resolved)


def test_the_breaking_amplitude_is_where_the_error_has_doubled():
    amplitudes = [0.25, 0.5, 1.0, 2.0, 4.0]
    down, up = breaking_amplitudes(amplitudes, [0.1 * a**2 for a in amplitudes])
    assert math.isnan(down) and up == pytest.approx(2**0.5)
    down, up = breaking_amplitudes(amplitudes, [0.1 / a for a in amplitudes])
    assert down == pytest.approx(0.5) and math.isnan(up)
    down, up = breaking_amplitudes(amplitudes, [0.6, 0.15, 0.1, 0.15, 0.6])
    part = math.log(0.2 / 0.15) / math.log(0.6 / 0.15)
    assert down == pytest.approx(0.5 * 0.5**part) and up == pytest.approx(2 * 2**part)
    down, up = breaking_amplitudes(amplitudes, [0.1, 0.4, 0.1, 0.4, 0.1])  # the first time, seen from 1
    assert down == pytest.approx(0.5**0.5) and up == pytest.approx(2**0.5)
    assert breaking_amplitudes(amplitudes, [0.1, 0.1, 0.1, math.nan, 0.1])[1] == 2.0
    assert all(map(math.isnan, breaking_amplitudes(amplitudes, [0.0] * 5)))


def test_a_surrogate_that_is_the_solver_is_trusted_everywhere():
    found = look(solver(poisson_line.problem), poisson_line.problem)
    assert all(family.mean < 1e-13 and family.failed == 0 for family in found.families)
    assert found.families[0].outside < 1e-6 < 0.01 < found.families[2].outside
    assert found.green is not None and found.green.by_jacobian.relative < 1e-9
    assert found.green.by_probing.relative < 1e-12 and found.green.surrogate_defect < 1e-12
    assert np.abs(found.green.operator - lumped_operator(LINE)).max() < 1e-14
    assert found.green.by_probing.asymmetry < 1e-12
    advice = found.green.advice
    assert advice is not None and (advice.rank, advice.points) == (5, 21)
    assert {name for name, share in advice.outside.items() if share < 1e-6} == set(advice.outside) - {
        *("smoother", "rougher")
    }
    x = LINE.points[0]
    fifth = np.sin(5 * np.pi * x)
    assert (
        abs(advice.weakest[0, 0] @ fifth) / np.linalg.norm(fifth) > 0.85
    )  # the next sine, but for the constant that is known


def test_an_error_that_grows_with_the_amplitude_is_found_where_it_doubles():
    problem = poisson_line.problem

    def predict(inputs):
        return problem.solve(inputs, problem.finest).solutions * (
            1 + 0.01 * np.mean(inputs**2, axis=(1, 2), keepdims=True)
        )

    found = look(predict, problem, 15)
    own = found.families[0]
    inputs = problem.amplified(draws_of(problem, 15), 1.0)
    errors = 0.01 * np.mean(inputs**2, axis=(1, 2))
    assert own.mean == pytest.approx(errors.mean()) and own.median == pytest.approx(np.median(errors))
    half = 2.144787 * errors.std(ddof=1) / 15**0.5  # Student's t, 14 degrees of freedom
    assert (own.upper - own.mean, own.mean - own.lower) == pytest.approx((half, half))
    assert found.breaking[1] == pytest.approx(2**0.5) and math.isnan(found.breaking[0])
    assert found.amplitudes[4.0].mean == pytest.approx(16 * own.mean)
    assert list(found.amplitudes) == list(AMPLITUDES)


def test_inputs_that_are_refused_or_not_solved_are_named_and_the_rest_is_measured():
    found = look(lambda inputs: poisson_line.solve(inputs, LINE), poisson_line.touchy)
    large = found.amplitudes[8.0]
    assert "at most 8" in large.refused and math.isnan(large.mean)
    failed = [family for family in found.amplitudes.values() if family.failed]
    assert failed and all(not family.refused for family in failed)
    assert all(family.failures == f"{family.failed} not-finite" for family in failed)
    assert found.families[0].mean < 1e-12
    assert found.green is None and "or 0: 1 not-finite of 5 solves" in found.refusal


def test_a_problem_that_is_not_linear_has_no_green_function_and_gets_the_rest():
    for problem in (small.problem, tiny("burgers"), tiny("darcy"), tiny("schrodinger")):
        found = look(solver(problem), problem, 5)
        assert found.green is None and found.families[0].mean < 1e-12, problem.name
        words = "does not take sums" if problem.name == "darcy" else "defect of superposition is 0."
        assert words in found.refusal or "defect of superposition is 1" in found.refusal, found.refusal


@pytest.mark.parametrize(("bend", "linear"), [(0.4, True), (1.6, False)])
def test_a_solver_is_taken_for_linear_up_to_a_defect_of_a_millionth(bend, linear):
    draws = draws_of(poisson_line.problem, 9)
    inputs = poisson_line.evaluate(draws, LINE)

    def solve(fields, grid):
        return poisson_line.solve(fields, grid) + strength * fields**2

    def problem_of_strength():
        return FunctionProblem("bent", poisson_line.GRIDS, poisson_line.draw, poisson_line.evaluate, solve, 1.0)

    strength = 1e-3
    strength *= bend * 1e-6 / superposition_defect(solver(problem_of_strength()), inputs)
    bent = problem_of_strength()
    found = measure_trust(solver(bent), bent, draws, trained=draws, solve=door(bent))
    assert (found.green is not None) == linear
    if found.green is not None:
        assert found.green.solver_defect == pytest.approx(0.4e-6, rel=0.02)
    else:
        assert (
            found.refusal
            == "the solver is not linear: the defect of superposition is 1.6e-06, at most 1e-06 is allowed"
        )


@pytest.mark.parametrize(
    ("predict", "got"),
    [
        (lambda f: f[:1], r"it returned an array of shape \(1, 1, 21\)"),
        (lambda f: f[:, 0], r"it returned an array of shape \(9, 21\)"),
        (lambda f: f[..., :1], r"it returned an array of shape \(9, 1, 1\)"),
        (lambda f: f.tolist(), "it returned a list"),
    ],
)
def test_a_surrogate_of_the_wrong_shape_is_refused(predict, got):
    with pytest.raises(ValueError, match=rf"for inputs of shape \(9, 1, 21\) that is \(9, 1, 21\), {got}"):
        look(predict, poisson_line.problem)


@pytest.mark.parametrize(("n", "amplitudes"), [(3, AMPLITUDES), (9, (0.5, 2.0)), (9, (2.0, 1.0)), (9, (1.0, 1.0, 2.0))])
def test_too_few_draws_and_amplitudes_out_of_order_are_refused(n, amplitudes):
    with pytest.raises(ValueError, match="at least 4 draws and increasing amplitudes"):
        look(solver(poisson_line.problem), poisson_line.problem, n, amplitudes=amplitudes)


def test_the_solver_is_asked_for_the_same_inputs_once():
    problem, asked = poisson_line.problem, []
    draws, trained = draws_of(problem, 9), draws_of(problem, 30, "span")
    measure_trust(solver(problem), problem, draws, trained=trained, solve=door(problem, asked))
    names = [name for name, _ in asked]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) for name in names)
    contents = [fields.tobytes() for _, fields in asked]
    assert len(set(contents)) == len(contents)
    assert {"the-law-itself", "larger-2", "amplitude-2-83", "sums", "units"} <= set(names)
    assert sum(len(fields) for _, fields in asked) <= 15 * 9 + 5 + 22


def test_names_become_streams_no_two_alike():
    assert slugs(["Larger (×2)", "larger, 2", "→", "larger 2!"]) == [
        "larger-2",
        "larger-2-again-1",
        "law",
        "larger-2-again-2",
    ]


def test_a_second_look_solves_nothing_and_a_wider_one_what_is_new(tmp_path):
    counted, asked = poisson_line.solve, []

    def solve(inputs, grid):
        asked.append((grid.cells[0], len(inputs)))
        return counted(inputs, grid)

    own = FunctionProblem("own", poisson_line.GRIDS, poisson_line.draw, poisson_line.evaluate, solve, 1.0)
    options = {"training": TRAINING | {"steps": 20}, "surrogate_options": NETWORK, "workers": 0, "test": 20}
    run(own, budget="60solves", out=tmp_path, strategy="finest-only", **options)
    shutil.copytree(tmp_path, tmp_path / "fresh")
    asked.clear()
    compared = [(poisson_line.GRIDS[-1].cells[0], 1)]  # one sample of the run is made again
    first = trust(tmp_path, samples=6, problem=own)
    solved = sum(n for _, n in asked)
    assert solved > 6 * 10
    asked.clear()
    assert trust(tmp_path, samples=6, problem=own) == first and asked == compared
    wider = trust(tmp_path, samples=8, problem=own)
    laws = len({law.name for law in (*wider.families, *wider.amplitudes)})
    assert 0 < sum(n for _, n in asked) < 2 * laws + 2 * 8 + 5 + 22  # two draws a law; the shifted, sums, units anew
    fresh = trust(tmp_path / "fresh", samples=8, problem=own)
    for one, other in zip((*wider.families, *wider.amplitudes), (*fresh.families, *fresh.amplitudes), strict=True):
        assert (one.mean, one.outside) == pytest.approx((other.mean, other.outside), rel=1e-9), one.name
    asked.clear()
    trust(tmp_path, samples=8, problem=own, workers=1, timeout=60.0)
    assert asked == []  # in this process


def test_a_solver_that_answers_nothing_leaves_a_page_that_says_so(tmp_path, poisson_run):
    def nothing(inputs, grid):
        return np.full_like(inputs, np.nan)

    shutil.copytree(poisson_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "samples")
    (tmp_path / "run" / "ledger.sqlite").unlink()
    grids, given = poisson_line.GRIDS, (poisson_line.draw, poisson_line.evaluate)
    lost = FunctionProblem("poisson-line", grids, *given, nothing, poisson_line.problem.cost_exponent)
    found = trust(tmp_path / "run", samples=5, problem=lost)
    assert {law.failures for law in (*found.families, *found.amplitudes)} == {"5 not-finite"}
    assert found.families[0].mean is None and found.resolved is None and found.green is None
    page = write_trust_report(tmp_path / "run").read_text()
    assert "The law itself could not be measured." in page and "5 not-finite" in page
    assert "The law itself could not be measured." in trust_lines(found)


def test_an_option_that_is_none_of_execution_is_refused(tmp_path, poisson_run):
    with pytest.raises(ConfigError, match="unknown option of trust 'worker': did you mean 'workers'"):
        trust(poisson_run, worker=2)


def untrained(name, folder):
    """A run folder as `mlft run` leaves it, of a surrogate that has learned nothing."""
    options = {"cells": 48, "levels": 2} | TINY.get(name, {})
    asked = configure({"problem": name, "budget": "9solves", "options": options})
    problem = tiny(name)
    channels = tuple(len(part[0]) for part in example(problem))
    small_network = {"modes": [3] * problem.finest.dimension, "width": 4, "depth": 1}
    build("fno", channels, problem.finest, generator=stream(1, name), options=small_network).save(folder / "surrogate")
    write_config(folder / "config.toml", asked)
    told = from_plain(Outcome, record() | {"error": {"relative_l2": INFINITE, "samples": 1}})
    config = asked.model_dump(mode="json", exclude_none=True)
    write_outcome(folder, replace(told, problem=name, config=config, plan=replace(told.plan, samples=(7, 0, 0, 0))))


def example(problem):
    inputs = problem.evaluate(draws_of(problem, 1), problem.finest)
    return inputs, problem.solve(inputs, problem.finest).solutions


@pytest.mark.parametrize("name", PROBLEMS)
def test_one_command_answers_for_a_surrogate_of_every_problem(name, tmp_path):
    untrained(name, tmp_path)
    told = trust(tmp_path, samples=4, workers=0)
    assert [law.name for law in told.families] == ["the law itself", *tiny(name).families()]
    for law in (*told.families, *told.amplitudes):
        assert (law.mean is None) == bool(law.refused), law
    law, learned = (
        tiny(name).amplified(draws_of(tiny(name), n, purpose), 1.0) for n, purpose in ((4, "trust"), (7, "train"))
    )
    rows, known = law.reshape(4, -1), span(learned, tolerance=1e-6)
    outside = np.linalg.norm(rows - rows @ known @ known.T) / np.linalg.norm(rows)
    assert told.families[0].outside == pytest.approx(outside, abs=1e-9)
    assert told.trained == 7 and (told.green is None) == bool(told.refusal)
    assert told.green is None or "The training inputs span 7 of 49 dimensions." in told.green.advice
    page = write_trust_report(tmp_path).read_text()
    assert all(law.name in page for law in told.families) and trust_lines(told)
    assert ("There is none" in page) == (name not in ("poisson", "biharmonic"))


def test_one_command_gives_the_green_function_of_a_surrogate_of_poisson(poisson_run, mlft_command):
    code, out, err = mlft_command("trust", poisson_run, "--samples", "12", "--problem", "poisson_line:problem")
    assert code == 0, err
    assert "Green's function: relative error" in out and "the law itself" in out and "The error doubles" in out
    facts = json.loads((poisson_run / "trust.json").read_text())
    told, error = facts["green"], facts["families"][0]["mean"]
    record = json.loads((poisson_run / "record.json").read_text())["error"]["relative_l2"]
    assert error == pytest.approx(record["mean"], rel=0.6)  # the same law, other draws
    assert error < 0.2 and told["by_jacobian"]["inside"] < 2 * error
    arrays = load_file(poisson_run / "trust.safetensors")
    assert np.abs(arrays["operator"] - lumped_operator(LINE)).max() < 1e-14
    difference = np.linalg.norm(arrays["matrix"] - arrays["operator"]) / np.linalg.norm(arrays["operator"])
    assert told["by_jacobian"]["relative"] == pytest.approx(difference)
    page = (poisson_run / "trust.html").read_text()
    names = ("trust-families", "trust-amplitudes", "trust-spectrum", "trust-green", "trust-weakest")
    assert "The weakest direction" in page and arrays["weakest"].shape == (1, 1, 21)
    weakest, most = arrays["weakest"].ravel(), np.linalg.norm(arrays["operator"], 2)
    assert np.linalg.norm(weakest) == pytest.approx(1) and np.abs(weakest @ arrays["known"]).max() < 1e-10
    assert f"this one: {np.linalg.norm(arrays['operator'] @ weakest) / most:#.3g} of the most" in page
    assert all((poisson_run / "figures" / f"{name}.svg").is_file() for name in names)
    assert all(word in page for word in ("the law itself", "rougher", "Green", "poisson-line"))
    assert "The training inputs span 5 of 21 dimensions." in page and "Add inputs of" in page
    again = trust(poisson_run, samples=12, problem="poisson_line:problem")
    assert again == read_trust(poisson_run)[0] and json.loads((poisson_run / "trust.json").read_text()) == facts
    assert write_trust_report(poisson_run).read_text() == page


def test_a_run_of_a_nonlinear_problem_is_refused_that_part_and_given_the_rest(tmp_path, mlft_command):
    run("small:problem", budget="24solves", out=tmp_path / "a", **small.SMALL)
    code, out, err = mlft_command("trust", tmp_path / "a", "--samples", "6", "--problem", "small:problem")
    assert code == 0, err
    assert "Green's function: refused, the solver is not linear: the defect of superposition is" in out
    page = (tmp_path / "a" / "trust.html").read_text()
    assert "There is none: the solver is not linear" in page and "trust-green" not in page
    assert read_trust(tmp_path / "a")[0].green is None


def test_wrong_usage_says_what_to_do(tmp_path, poisson_run, mlft_command):
    code, _, err = mlft_command("trust", tmp_path)
    assert code == 1 and "run `mlft run`" in err
    with pytest.raises(ConfigError, match="at least 4 samples"):
        trust(poisson_run, samples=3)
    with pytest.raises(ConfigError, match="a run of 'poisson-line', the problem given is 'small'"):
        trust(poisson_run, problem=small.problem)
    with pytest.raises(MlftError, match="run `mlft trust`"):
        read_trust(tmp_path)
