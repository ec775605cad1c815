import dataclasses
import functools
import json
import math
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import poisson_line
import small
from mlft import run
from mlft.cli import main
from mlft.diagnostics.operators import lumped_operator
from mlft.diagnostics.trust import AMPLITUDES, breaking_amplitudes, measure_trust, spectrum_of
from mlft.errors import ConfigError, MlftError
from mlft.experiment.trust import read_trust, trust
from mlft.grids import Grid
from mlft.problems import PROBLEMS
from mlft.problems.families import filtered, largest, wave_numbers
from mlft.report import trust_lines, write_trust_report
from mlft.seeds import generator as stream

SIZES = ("cells", "finest")
every_problem = pytest.mark.parametrize("name", PROBLEMS)
LINE = Grid((20,), centring="nodal", periodic=False)
TRAINING = {"steps": 160, "batch": 16, "rate": 5e-3}
NETWORK = {"modes": [5], "width": 8, "depth": 2}


@functools.cache
def tiny(name):
    fields = {field.name for field in dataclasses.fields(PROBLEMS[name])}
    size = next(s for s in SIZES if s in fields)
    return PROBLEMS[name](**{size: 48, "levels": 2})


def draws_of(problem, n, purpose="trust"):
    return np.concatenate([problem.draw(1, stream(0, purpose, i)) for i in range(n)])


def solver(problem):
    return lambda inputs: problem.solve(inputs, problem.finest).solutions


def look(predict, problem, n=9, **options):
    return measure_trust(predict, problem, draws_of(problem, n), trained=draws_of(problem, 30, "span"), **options)


@pytest.fixture(scope="module")
def poisson_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("poisson") / "run"
    options = {"training": TRAINING, "surrogate_options": NETWORK, "workers": 0, "test": 20}
    run("poisson_line:problem", budget="100solves", out=folder, **options)
    return folder


@every_problem
def test_every_family_of_every_problem_gives_inputs_that_the_problem_solves(name):
    problem = tiny(name)
    draws = draws_of(problem, 3)
    law = problem.evaluate(draws, problem.finest)
    assert np.array_equal(problem.amplified(draws, 1.0), law)
    families = problem.families()
    assert len(families) >= 4
    solved = 0
    for family, make in families.items():
        inputs = make(draws)
        assert inputs.shape == law.shape and np.isfinite(inputs).all(), family
        assert not np.array_equal(inputs, law), family
        assert np.array_equal(make(draws), inputs), family
        try:
            status = set(problem.solve(inputs, problem.finest).status)
        except ValueError as refused:  # an input that the equation does not allow, said before any solve
            assert name in str(refused) or "must be" in str(refused), family
        else:
            solved += status == {"ok"}
    assert solved >= (len(families) if name in ("burgers", "darcy", "schrodinger", "poisson", "helmholtz") else 2)


@pytest.mark.parametrize("name", ["burgers", "darcy", "schrodinger"])
def test_smoother_is_smoother_rougher_is_rougher_and_sizes_are_kept_or_changed_as_said(name):
    problem = tiny(name)
    draws = draws_of(problem, 20)
    numbers = wave_numbers(problem.finest)

    def centre(fields):
        waves = spectrum_of(fields, 0 * fields + fields.mean(), problem.finest)
        return float(np.sum(waves.numbers * waves.error) / np.sum(waves.error))

    named = {key.split(" ")[0]: make(draws) for key, make in problem.families().items()}
    law = problem.amplified(draws, 1.0)
    assert numbers.shape == problem.finest.shape
    assert centre(named["smoother"]) < centre(law) < centre(named["rougher"])
    size = np.log(law) if name == "darcy" else law
    larger, smaller = (np.log(named[k]) if name == "darcy" else named[k] for k in ("larger", "smaller"))
    assert larger == pytest.approx(2 * size) and smaller == pytest.approx(size / 2)
    shift = named["shifted"] / law if name == "darcy" else named["shifted"] - law
    assert np.ptp(shift) < 1e-9 and abs(shift.mean()) > 0.5


def test_the_default_families_change_fields_as_they_say():
    problem = poisson_line.problem
    draws = draws_of(problem, 12)
    found = {key: make(draws) for key, make in problem.families().items()}
    law = problem.evaluate(draws, problem.finest)
    assert found["larger (×2)"] == pytest.approx(2 * law) and found["smaller (×½)"] == pytest.approx(law / 2)
    kept = largest(draws)
    assert np.all((kept != 0).sum(axis=1) == 1) and np.linalg.norm(kept, axis=1) == pytest.approx(
        np.linalg.norm(draws, axis=1)
    )
    assert np.sign(kept.sum(axis=1)) == pytest.approx(np.sign(draws[np.arange(12), np.abs(draws).argmax(axis=1)]))
    roughness = {key: np.mean(np.diff(fields) ** 2) for key, fields in found.items()}
    assert roughness["smoother"] < np.mean(np.diff(law) ** 2) < roughness["rougher"]
    assert found["shifted"] - law == pytest.approx(
        np.broadcast_to(problem.evaluate(draws.std(axis=0)[None], problem.finest), law.shape)
    )


@pytest.mark.parametrize(
    "grid", [Grid((18,)), LINE, Grid((8, 12), centring="nodal"), Grid((9, 14), periodic=False)], ids=repr
)
def test_filtering_keeps_the_mean_and_the_mean_square(grid):
    fields = np.random.default_rng(3).normal(size=(4, 2, *grid.shape)) + 5
    axes = tuple(range(2, fields.ndim))
    for power in (-1.0, 1.0):
        new = filtered(fields, grid, power)
        assert new.mean(axis=axes) == pytest.approx(fields.mean(axis=axes))
        assert new.var(axis=axes) == pytest.approx(fields.var(axis=axes))
    back = filtered(filtered(fields, grid, 1.0), grid, -1.0)
    assert back == pytest.approx(fields)


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


def test_the_breaking_amplitude_is_where_the_error_has_doubled():
    amplitudes = [0.25, 0.5, 1.0, 2.0, 4.0]
    down, up = breaking_amplitudes(amplitudes, [0.1 * a**2 for a in amplitudes])
    assert math.isnan(down) and up == pytest.approx(2**0.5)
    down, up = breaking_amplitudes(amplitudes, [0.1 / a for a in amplitudes])
    assert down == pytest.approx(0.5) and math.isnan(up)
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
    assert own.upper - own.lower == pytest.approx(2 * 1.96 * errors.std(ddof=1) / 15**0.5)
    assert found.breaking[1] == pytest.approx(2**0.5) and math.isnan(found.breaking[0])
    assert found.amplitudes[4.0].mean == pytest.approx(16 * own.mean)
    assert list(found.amplitudes) == list(AMPLITUDES)


def test_inputs_that_are_refused_or_not_solved_are_named_and_the_rest_is_measured():
    found = look(lambda inputs: poisson_line.solve(inputs, LINE), poisson_line.touchy)
    large = found.amplitudes[8.0]
    assert "at most 8" in large.refused and math.isnan(large.mean)
    failed = [family for family in found.amplitudes.values() if family.failed]
    assert failed and all(not family.refused for family in failed)
    assert found.families[0].mean < 1e-12
    assert found.green is None and ("at most 8" in found.refusal or "not finite" in found.refusal)


def test_a_problem_that_is_not_linear_has_no_green_function_and_gets_the_rest():
    for problem in (small.problem, tiny("burgers"), tiny("darcy"), tiny("schrodinger")):
        found = look(solver(problem), problem, 5)
        assert found.green is None and found.families[0].mean < 1e-12, problem.name
        words = "does not take sums" if problem.name == "darcy" else "defect of superposition is 0."
        assert words in found.refusal or "defect of superposition is 1" in found.refusal, found.refusal


@pytest.mark.parametrize(("n", "amplitudes"), [(3, AMPLITUDES), (9, (0.5, 2.0)), (9, (2.0, 1.0)), (9, (1.0, 1.0, 2.0))])
def test_too_few_draws_and_amplitudes_out_of_order_are_refused(n, amplitudes):
    with pytest.raises(ValueError, match="at least 4 draws and increasing amplitudes"):
        look(solver(poisson_line.problem), poisson_line.problem, n, amplitudes=amplitudes)


def command(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["mlft", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
        raise SystemExit(0)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_one_command_gives_the_green_function_of_a_surrogate_of_poisson(poisson_run, monkeypatch, capsys):
    code, out, err = command(monkeypatch, capsys, "trust", poisson_run, "--samples", "12")
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
    names = ("trust-families", "trust-amplitudes", "trust-spectrum", "trust-green")
    assert all((poisson_run / "figures" / f"{name}.svg").is_file() for name in names)
    assert all(word in page for word in ("the law itself", "rougher", "Green", "poisson-line"))
    again = trust(poisson_run, samples=12)
    assert again == facts == read_trust(poisson_run)[0]
    assert write_trust_report(poisson_run).read_text() == page


def test_a_run_of_a_nonlinear_problem_is_refused_that_part_and_given_the_rest(tmp_path, monkeypatch, capsys):
    run("small:problem", budget="24solves", out=tmp_path / "a", **small.SMALL)
    code, out, err = command(monkeypatch, capsys, "trust", tmp_path / "a", "--samples", "6")
    assert code == 0, err
    assert "Green's function: refused, the solver is not linear: the defect of superposition is" in out
    page = (tmp_path / "a" / "trust.html").read_text()
    assert "There is none: the solver is not linear" in page and "trust-green" not in page
    assert read_trust(tmp_path / "a")[0]["green"] is None


def test_wrong_usage_says_what_to_do(tmp_path, poisson_run, monkeypatch, capsys):
    code, _, err = command(monkeypatch, capsys, "trust", tmp_path)
    assert code == 1 and "run `mlft run`" in err
    with pytest.raises(ConfigError, match="at least 4 samples"):
        trust(poisson_run, samples=3)
    with pytest.raises(ConfigError, match="a run of 'poisson-line', the problem given is 'small'"):
        trust(poisson_run, problem=small.problem)
    with pytest.raises(MlftError, match="run `mlft trust`"):
        read_trust(tmp_path)


def test_the_lines_of_the_terminal_name_refusals_and_failures():
    family = {"name": "a", "mean": 0.1, "lower": 0.05, "upper": 0.15, "outside": 0.25, "failed": 2, "refused": ""}
    other = dict.fromkeys(("mean", "lower", "upper", "outside"))
    told = {
        "problem": "p",
        "samples": 5,
        "families": [family, {"name": "bc", "failed": 0, "refused": "too big", **other}],
        "amplitudes": [{"amplitude": 0.5}, {"amplitude": 4.0}],
        "breaking": [None, 1.5],
        "green": None,
        "refusal": "no",
    }
    lines = trust_lines(told)
    assert lines[1] == "  a   0.100 (0.0500 to 0.150), 25% of the inputs outside the trained span, 2 not solved"
    assert lines[2] == "  bc  refused by the problem: too big"
    assert lines[3] == "The error doubles nowhere down to amplitude 0.5, and above amplitude 1.5."
    assert lines[4] == "Green's function: refused, no."
