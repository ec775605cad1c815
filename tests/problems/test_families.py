"""Laws of inputs near the law of each problem: which there are, which are solved, and what they change."""

import numpy as np
import pytest

import poisson_line
from doors import door
from mlft.diagnostics.spectrum import spectrum_of
from mlft.diagnostics.trust import measure_trust
from mlft.grids import Grid
from mlft.problems import PROBLEMS, Schrodinger
from mlft.problems.families import filtered, largest, square_wells
from tiny import VARIANTS, draws_of, tiny

LINE = Grid((20,), centring="nodal", periodic=False)
SIZES = ("larger (×2)", "smaller (×½)")
FIELDS = ("smoother", "rougher", *SIZES, "shifted")
ANY = (*FIELDS, "other family: one coefficient")
FAMILIES = {
    "advection": (*FIELDS, "other family: waves"),
    "biharmonic": ANY,
    "burgers": (
        *("smoother (decay + 1)", "rougher (decay − 1)", *SIZES),
        *("shifted (mean 1)", "other family: jumps"),
    ),
    "darcy": (
        *("smoother (+½)", "rougher (−¼)", "larger (contrast squared)", "smaller (root of contrast)"),
        *("shifted (×2)", "other family: lognormal"),
    ),
    "elliptic1d": ANY,
    "euler": (*FIELDS, "other family: a block"),
    "helmholtz": ANY,
    "kohn-sham": (*FIELDS, "other family: square wells"),
    "navier-stokes": ANY,
    "poisson": ANY,
    "radiative-transfer": ("smoother (variance ×2)", "rougher (variance ×½)", *SIZES, "shifted (+ 0.5)"),
    "schrodinger": (
        *("smoother (ripple ×¼)", "rougher (ripple ×2)", *SIZES),
        *("shifted (+ depth)", "other family: square wells"),
    ),
    "wkb": ANY,
    "darcy with channels": ANY,
    "gross-pitaevskii": (*FIELDS, "other family: square wells"),
    "poisson in 2D": ANY,
}
POSITIVE = "the coefficient must be positive everywhere, got a minimum of -"
REFUSED = {
    "euler": {"rougher": "the density of euler must be positive everywhere"},
    "darcy with channels": {"smoother": POSITIVE, "rougher": POSITIVE},
}
NEGATIVE = "the coefficient of {} must be above 0 everywhere"
AMPLITUDES_REFUSED = {
    "elliptic1d": {"×4": NEGATIVE.format("elliptic1d")},
    "wkb": {"×4": NEGATIVE.format("wkb")},
}
NOT_LINEAR = "the solver is not linear: the defect of superposition is "
NO_SUMS = "the solver does not take sums of its inputs, or 0: "
NO_GREEN = {
    "advection": NOT_LINEAR,
    "burgers": NOT_LINEAR,
    "darcy with channels": NO_SUMS + "the coefficient must be positive",
    "gross-pitaevskii": NOT_LINEAR,
    "darcy": NO_SUMS + "the coefficient must be positive",
    "elliptic1d": NO_SUMS + "the coefficient of elliptic1d must be above 0",
    "euler": NO_SUMS + "the density of euler must be positive",
    "helmholtz": NO_SUMS + "the squared refractive index of helmholtz must be above 0",
    "kohn-sham": NO_SUMS + "1 degenerate of 3 solves",
    "navier-stokes": NOT_LINEAR,
    "radiative-transfer": NOT_LINEAR,
    "schrodinger": NOT_LINEAR,
    "wkb": NO_SUMS + "the coefficient of wkb must be above 0",
}
every_problem = pytest.mark.parametrize("name", [*PROBLEMS, *VARIANTS])


def named(problem, draws):
    """The inputs of each family, by the first word of its name; and those of the law."""
    return {key.split(" ")[0]: make(draws) for key, make in problem.families().items()}, problem.amplified(draws, 1.0)


@every_problem
def test_every_family_of_every_problem_is_another_law_that_is_solved_or_refused_by_name(name):
    problem = tiny(name)
    draws = draws_of(problem, 4)
    law = problem.evaluate(draws, problem.finest)
    assert np.array_equal(problem.amplified(draws, 1.0), law)
    assert tuple(problem.families()) == FAMILIES[name]
    for family, make in problem.families().items():
        inputs = make(draws)
        assert inputs.shape == law.shape and np.isfinite(inputs).all(), family
        assert not np.array_equal(inputs, law), family
        assert np.array_equal(make(draws), inputs), family
        assert np.abs(inputs).max(axis=tuple(range(1, inputs.ndim))).min() > 0, family  # nothing is no input


@every_problem
def test_trust_measures_each_family_of_each_problem_or_says_why_not(name):
    problem = tiny(name)

    def predict(inputs):
        return 1.1 * problem.solve(inputs, problem.finest).solutions

    draws, trained = draws_of(problem, 4), draws_of(problem, 9, "train")
    found = measure_trust(predict, problem, draws, trained=trained, solve=door(problem), amplitudes=(0.5, 1.0, 4.0))
    rows = {family.name: family for family in (*found.families, *found.amplitudes.values())}
    refused = REFUSED.get(name, {}) | AMPLITUDES_REFUSED.get(name, {})
    assert {row for row, family in rows.items() if family.refused} == set(refused)
    assert all(words in rows[row].refused for row, words in refused.items())
    for row in set(rows) - set(refused):
        assert rows[row].mean == pytest.approx(0.1) and not rows[row].failures, row
    linear = name in ("poisson", "poisson in 2D", "biharmonic")
    assert (found.green is not None) == linear and found.refusal.startswith("" if linear else NO_GREEN[name])
    assert (found.refusal == "") == linear
    if found.green is not None:
        assert found.green.by_jacobian.relative == pytest.approx(0.1) == found.green.by_probing.relative


@pytest.mark.parametrize("name", ["burgers", "darcy", "schrodinger"])
def test_smoother_is_smoother_rougher_is_rougher_and_sizes_are_kept_or_changed_as_said(name):
    problem = tiny(name)
    families, law = named(problem, draws_of(problem, 20))

    def centre(fields):
        waves = spectrum_of(fields, 0 * fields + fields.mean(), problem.finest)
        return float(np.sum(waves.numbers * waves.error) / np.sum(waves.error))

    assert centre(families["smoother"]) < centre(law) < centre(families["rougher"])
    size = np.log(law) if name == "darcy" else law
    larger, smaller = (np.log(families[k]) if name == "darcy" else families[k] for k in ("larger", "smaller"))
    assert larger == pytest.approx(2 * size) and smaller == pytest.approx(size / 2)
    shift = families["shifted"] / law if name == "darcy" else families["shifted"] - law
    assert np.ptp(shift) < 1e-9 and abs(shift.mean()) > 0.5


@pytest.mark.parametrize("name", ["advection", "kohn-sham", "euler", "navier-stokes"])
def test_larger_and_smaller_inputs_are_the_inputs_times_a_number(name):
    families, law = named(tiny(name), draws_of(tiny(name), 5))
    assert families["larger"] == pytest.approx(2 * law) and families["smaller"] == pytest.approx(law / 2)


@pytest.mark.parametrize("name", ["helmholtz", "wkb"])
def test_larger_coefficients_are_those_of_a_larger_fluctuation(name):
    families, law = named(tiny(name), draws_of(tiny(name), 5))
    assert families["larger"] - 1 == pytest.approx(2 * (law - 1)) and families["smaller"] == pytest.approx(
        (1 + law) / 2
    )


def test_a_larger_oscillating_coefficient_keeps_its_fast_part():
    problem = tiny("elliptic1d")
    draws = draws_of(problem, 5)
    fast = problem.evaluate(draws * np.array([0, 0, 0, 0, 1.0]), problem.finest)
    families, law = named(problem, draws)
    assert families["larger"] - fast == pytest.approx(2 * (law - fast)) and np.abs(fast - 1).max() > 0.5


def test_the_ripple_of_the_schrodinger_equation_is_weakened_and_strengthened_and_its_wells_are_kept():
    problem = Schrodinger(cells=64, levels=2, wells=3, first=8, last=20)
    families, law = named(problem, draws_of(problem, 6))

    def waves(fields):
        return np.fft.rfft(fields[:, 0], axis=1)

    for family, factor in (("smoother", 0.25), ("rougher", 2.0), ("law", 1.0)):
        found = waves(families.get(family, law))
        assert found[:, 1:4] == pytest.approx(waves(law)[:, 1:4]), family
        assert found[:, 8:21] == pytest.approx(factor * waves(law)[:, 8:21]), family
        assert np.abs(np.delete(found, [1, 2, 3, *range(8, 21)], axis=1)).max() < 1e-9, family
    wells = waves(law).copy()
    wells[:, 8:] = 0
    assert families["other"][:, 0] == pytest.approx(200 * np.sign(np.fft.irfft(wells, axis=1)))


def test_the_waves_of_burgers_decay_by_one_order_more_or_less_at_the_same_variance():
    problem = tiny("burgers")
    draws = draws_of(problem, 7)
    families, law = named(problem, draws)
    numbers = np.arange(1, 9.0)
    for family, power in (("smoother", -1.0), ("rougher", 1.0)):
        ratio = np.fft.rfft(families[family][:, 0])[:, 1:9] / np.fft.rfft(law[:, 0])[:, 1:9]
        assert ratio / ratio[:, :1] == pytest.approx(np.tile(numbers**power, (7, 1)))
    many = draws_of(problem, 400)
    smoother, law = named(problem, many)[0]["smoother"], problem.amplified(many, 1.0)
    # 400 draws of about two modes' worth of variance: a standard error of 5% to 7% each
    assert np.var(smoother) == pytest.approx(np.var(law), rel=0.2)
    assert set(np.unique(families["other"])) <= {-1.0, 0.0, 1.0}


def test_scatterers_are_widened_and_strengthened():
    problem = tiny("radiative-transfer")
    draws = draws_of(problem, 5)
    families, law = named(problem, draws)
    assert families["larger"] == pytest.approx(2 * law) and families["shifted"] == pytest.approx(law + 0.5)
    assert np.all(families["smoother"].max(axis=2) < law.max(axis=2)) and np.all(
        law.max(axis=2) < families["rougher"].max(axis=2)
    )
    # the mass of narrow Gaussians away from the ends does not feel their width
    assert families["smoother"].mean() == pytest.approx(law.mean(), rel=0.02)


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


def test_square_wells_have_the_depth_of_their_sample_and_stand_where_it_is_half_as_deep():
    potentials = np.array([[[0.0, -1.0, -3.0, -4.0, -1.9]], [[-1.0, -0.4, 0.2, -0.6, 0.0]]])
    expected = np.array([[[0.0, 0.0, -4.0, -4.0, 0.0]], [[-1.0, 0.0, 0.0, -1.0, 0.0]]])
    assert np.array_equal(square_wells(potentials), expected)
    wells = Schrodinger(cells=48, levels=2, law="wells", wells=2)
    families, law = named(wells, draws_of(wells, 4))
    assert families["other"] == pytest.approx(square_wells(law)) and families["larger"] == pytest.approx(2 * law)


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


def test_filtering_multiplies_a_wave_by_one_plus_its_number():
    for grid, waves in (
        (Grid((18,)), [np.cos(2 * np.pi * k * Grid((18,)).points[0]) for k in (1, 5)]),
        (Grid((15,), periodic=False), [np.cos(np.pi * k * Grid((15,), periodic=False).points[0]) for k in (1, 5)]),
    ):
        field = (waves[0] + waves[1])[None, None]
        new = filtered(field, grid, 1.0)[0, 0]
        first, last = (new @ wave / (wave @ wave) for wave in waves)
        assert last / first == pytest.approx(3.0) and new == pytest.approx(first * waves[0] + last * waves[1])
