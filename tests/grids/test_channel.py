"""A channel between walls: grids that are periodic on one axis and bounded on the other, with an origin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import mlft
from mlft.diagnostics.spectrum import spectrum_of
from mlft.diagnostics.symmetry import candidates
from mlft.familiarity.law import INDICATORS, fit_law
from mlft.familiarity.waves import bands_of
from mlft.grids import (
    Grid,
    Symmetry,
    from_waves,
    group,
    nested,
    prolong,
    prolong_waves,
    refine,
    restrict,
    to_waves,
    wave_numbers,
)
from mlft.grids.channels import _h1
from mlft.grids.symmetry import pins
from mlft.lifts import LIFTS
from mlft.lifts.learned import Effort
from mlft.lifts.local import DilatedConvolutions, Layers, Local
from mlft.lifts.spectral import Spectral
from mlft.problems.contract.sameness import agreement
from mlft.reports.fields import image
from mlft.seeds import generator
from mlft.surrogates import FNO, Normaliser, build, load
from mlft.training.losses import RelativeH1, Scaled

CELLS = Grid((12, 8), (3.0, 2.0), "cell", (True, False), (0.5, -1.0))
NODES = replace(CELLS, centring="nodal")
ACROSS = Grid((8, 12), (2.0, 3.0), "nodal", (False, True), (-1.0, 0.5))


def sampled(grid, function):
    return function(*np.meshgrid(*grid.points, indexing="ij"))[None, None]


def wave(x, y):
    """Of period 3 in x, and of none in y."""
    return np.sin(2 * np.pi * x / 3 + 0.3) * np.exp(0.7 * y) + y**2


# ---- Grids


def test_points_weights_and_bounds_of_each_axis():
    assert NODES.shape == (12, 9) and NODES.ends == (0, 1) and NODES.wraps == (True, False)
    assert NODES.bounds == ((0.5, 3.5), (-1.0, 1.0)) and NODES.described == "nodal, periodic and bounded"
    assert NODES.points[0][[0, -1]].tolist() == [0.5, 3.25] and NODES.points[1][[0, -1]].tolist() == [-1.0, 1.0]
    assert CELLS.points[1][0] == -1 + 0.125 and CELLS.shape == (12, 8)
    for grid in (CELLS, NODES, ACROSS):
        assert grid.weights.shape == grid.shape and grid.weights.sum() == pytest.approx(6.0)
    finer = mlft.hierarchy(refine(NODES, 4), 3)
    assert finer[0] == NODES and {grid.kind for grid in finer} == {NODES.kind}


def test_one_truth_value_stands_for_axes_that_are_alike():
    assert Grid((5, 4), periodic=(False, False)) == Grid((5, 4), periodic=False)
    assert Grid((5,), periodic=(True,)).periodic is True and Grid((5, 4)).origin == (0.0, 0.0)
    assert not nested(Grid((5, 4), periodic=(True, False)), Grid((10, 8))) and not nested(
        NODES, replace(NODES, origin=(0, 0))
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"origin": (1.0,)}, "the origin of a grid is a number for each of its 2 axes, got (1.0,)"),
        ({"origin": (0.0, np.inf)}, "the origin of a grid must be finite"),
        ({"periodic": (True, False, True)}, "periodic is said of all axes or of each of 2, got (True, False, True)"),
    ],
)
def test_an_origin_and_ends_that_do_not_fit_the_axes_are_refused(changes, said):
    with pytest.raises(ValueError) as caught:
        Grid((5, 4), **changes)
    assert said in str(caught.value)


# ---- Transfers


def averaged(grid):
    """Exact averages of `wave` over cells."""
    h, k = grid.spacing
    along, growth = np.sinc(h / 3), np.sinh(0.35 * k) / (0.35 * k)
    return sampled(
        grid, lambda x, y: np.sin(2 * np.pi * x / 3 + 0.3) * np.exp(0.7 * y) * along * growth + y**2 + k**2 / 12
    )


@pytest.mark.parametrize(("grid", "order"), [(CELLS, 3), (NODES, 4)])
def test_prolongation_has_its_order_and_is_undone_by_restriction(grid, order):
    errors = []
    for ratio in (2, 4, 8, 16):
        coarse = refine(grid, ratio)
        fine = refine(coarse)
        exact = averaged(fine) if grid.centring == "cell" else sampled(fine, wave)
        lifted = prolong(restrict(exact, to=coarse), to=fine)
        np.testing.assert_allclose(restrict(lifted, to=coarse), restrict(exact, to=coarse), atol=1e-13)
        errors.append(np.abs(lifted - exact).mean())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert abs(orders[-1] - order) < 0.1, orders


def test_waves_are_prolonged_as_periodic_on_one_axis_and_as_sines_on_the_other():
    def vanishing(x, y):
        return np.cos(4 * np.pi * x / 3) * np.sin(3 * np.pi * (y + 1) / 2)

    fine = refine(NODES, 4)
    np.testing.assert_allclose(prolong_waves(sampled(NODES, vanishing), to=fine), sampled(fine, vanishing), atol=1e-13)


# ---- Waves


@pytest.mark.parametrize("grid", [CELLS, ACROSS])
def test_waves_of_a_channel_come_back_and_keep_the_norm(grid):
    fields = np.random.default_rng(0).normal(size=(3, 2, *grid.shape))
    waves = to_waves(fields, grid)
    np.testing.assert_allclose(from_waves(waves, grid), fields, atol=1e-14)
    assert np.sum(np.abs(waves) ** 2) == pytest.approx(np.sum(fields**2))


def test_wave_numbers_count_periods_on_one_axis_and_half_periods_on_the_other():
    assert wave_numbers(CELLS)[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
    assert wave_numbers(CELLS)[0].tolist() == list(range(8))
    assert wave_numbers(ACROSS)[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]
    assert wave_numbers(ACROSS)[:, 0].tolist() == list(range(9))


def test_a_wave_of_a_channel_has_its_number_in_the_spectrum_and_its_band():
    field = sampled(CELLS, lambda x, y: np.cos(2 * np.pi * 3 * x / 3) * np.cos(np.pi * 4 * (y + 1) / 2))
    squares = np.abs(to_waves(field, CELLS)[0, 0]) ** 2
    assert np.allclose(wave_numbers(CELLS)[squares > 1e-9], 5.0) and np.count_nonzero(squares > 1e-9) == 2
    found = spectrum_of(0 * field, field, CELLS)
    assert found.numbers[np.argmax(found.solution)] == 5 and found.solution.max() == pytest.approx(1.0)
    shares = bands_of(CELLS).shares(field)[0, 0]
    assert shares.argmax() == 3 and shares.max() == pytest.approx(0.0, abs=1e-9)  # 4 to 7


# ---- Differences go round one axis


def by_hand(field, grid):
    along, across = np.roll(field, -1, 2) - field, np.diff(field, axis=3)
    return along, across


def test_the_h1_norm_takes_pairs_round_the_periodic_axis_alone():
    field = sampled(CELLS, wave)
    along, across = by_hand(field, CELLS)
    (h, k) = CELLS.spacing
    exact = np.sqrt((along**2).sum() * k / h + (across**2).sum() * h / k)
    assert _h1(field, CELLS)[0, 0] == pytest.approx(exact)


def test_the_h1_loss_does_so_too():
    label = torch.tensor(sampled(CELLS, wave))
    normaliser = Normaliser(1).double()
    scaled = Scaled.of(normaliser)
    error = label.roll(2, 3) - label
    ratio = [
        (part**2).mean()
        + sum(n**2 * (step**2).mean() for n, step in zip(CELLS.cells, by_hand(part, CELLS), strict=True))
        for part in (error.numpy(), label.numpy())
    ]
    loss = RelativeH1(CELLS, scaled)(label + error, label)
    assert loss.item() / scaled.unit == pytest.approx(np.sqrt(ratio[0] / ratio[1]))


# ---- Symmetries


@pytest.mark.parametrize("grid", [CELLS, NODES, ACROSS])
def test_reflections_are_those_of_the_coordinates(grid):
    (a, b), (c, d) = grid.bounds
    periodic = grid.wraps.index(True)

    def mirrored(x, y):
        if grid.centring == "nodal":  # the first point of the periodic axis stays
            return (2 * a - x, c + d - y) if periodic == 0 else (a + b - x, 2 * c - y)
        return a + b - x, c + d - y

    def periodic_wave(x, y):
        return wave(x, y) if periodic == 0 else wave(y, x)

    both = Symmetry((True, True), pinned=pins(grid))
    known = sampled(grid, lambda x, y: periodic_wave(*mirrored(x, y)))
    np.testing.assert_allclose(both.of_inputs(sampled(grid, periodic_wave)), known, atol=1e-12)
    tensor = both.of_inputs(torch.tensor(sampled(grid, periodic_wave)))
    np.testing.assert_allclose(tensor.numpy(), known, atol=1e-12)
    assert both.fits(grid, (1, 1)) and str(both.after(both.inverse)) == "identity"


def test_axes_of_a_channel_are_not_swapped():
    square = Grid((6, 6), centring="nodal", periodic=(True, False))
    assert not any(one.swap for one in candidates(square, 1)) and any(one.swap for one in candidates(Grid((6, 6)), 1))
    with pytest.raises(ValueError, match="or says it of each and swaps none"):
        Symmetry((True, False), swap=True, pinned=pins(square))
    assert not Symmetry((True, False)).fits(square, (1, 1))


# ---- Networks


def shifted(field, points, axis):
    return torch.roll(field, points, axis + 2)


@pytest.mark.parametrize("wraps", [(True, False), (False, True)])
def test_networks_commute_with_shifts_along_the_periodic_axis_alone(wraps):
    fields = torch.randn(2, 1, 12, 14, generator=generator(0, "fields"))
    layers = Layers((1, 2, 1), width=4, kernel=3)
    made = DilatedConvolutions((1, 1), layers, generator=generator(0, "net"), wraps=wraps)
    torch.nn.init.normal_(made.weights[-1], generator=generator(0, "last"))
    fno = FNO((1, 1), (3, 4), generator=generator(0, "net"), width=4, depth=2, periodic=wraps)
    assert fno.lift.first.shape[0] == 2 and fno.options["periodic"] == list(wraps)
    for network in (made, fno):
        along, across = wraps.index(True), wraps.index(False)
        with torch.no_grad():
            off = [
                (network(shifted(fields, 4, axis)) - shifted(network(fields), 4, axis)).norm() / network(fields).norm()
                for axis in (along, across)
            ]
        assert off[0] < 1e-5 < 1e-2 < off[1]


def test_a_network_says_which_axes_are_periodic_for_each_or_for_all():
    with pytest.raises(ValueError, match="of each of 1, got"):
        FNO((1, 1), (3,), generator=generator(0, "net"), periodic=(True, False))


def test_a_surrogate_of_a_channel_is_saved_with_its_symmetries_and_loaded(tmp_path):
    surrogate = build("fno", (1, 1), NODES, generator=generator(0, "net"), options={"modes": [3, 2], "width": 4})
    surrogate.tell(group([Symmetry((True, False), pinned=pins(NODES))]), averaged=True)
    surrogate.save(tmp_path)
    again, fields = load(tmp_path), np.random.default_rng(1).normal(size=(2, 1, *NODES.shape))
    assert again.grid == NODES and again.symmetries == surrogate.symmetries
    assert np.array_equal(again.predict(fields), surrogate.eval().predict(fields))


# ---- What is known of inputs


def test_an_input_stands_out_by_its_seam_on_one_axis_and_by_its_walls_on_the_other():
    random = np.random.default_rng(2)
    phases, sizes = random.uniform(0, 6, (60, 1, 1, 1)), random.normal(size=(60, 1, 1, 1))

    def law(x, y):
        return np.sin(2 * np.pi * x / 3 + phases) + sizes * np.cos(np.pi * (y + 1) / 2)

    draws = sampled(CELLS, law)[0, 0]
    place = INDICATORS.index("boundary values")
    found = fit_law(draws[:20], draws, CELLS)
    usual = found.measure(draws)[:, place].max()
    x, y = (axis - start for axis, start in zip(np.meshgrid(*CELLS.points, indexing="ij"), CELLS.origin, strict=True))
    for odd in (np.exp(x), 9 * y**6):
        assert found.measure(draws[:1] + odd)[0, place] > usual + 0.3
    assert found.measure(draws[:1] + np.exp(1.5 * np.cos(2 * np.pi * x / 3)))[0, place] < usual + 0.3


def test_a_bend_at_the_seam_allows_a_difference_and_one_at_a_wall_does_not():
    means = sampled(CELLS, lambda x, y: np.abs(x - 2) + 3 * y)
    for place, right in (((0, 3), True), ((2, 0), False)):  # the seam; a wall
        values = means.copy()
        values[0, 0, place[0], place[1]] += 0.01
        assert (agreement(values, means, CELLS)[0] == 1.0) == right


# ---- From end to end


def draw(n, generator):
    return torch.randn(n, 4, generator=generator, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    x, y = (axis / h for axis, h in zip(np.meshgrid(*grid.points, indexing="ij"), (3.0, 2.0), strict=True))
    sides = np.sinc(1 / grid.cells[0]), np.sinc(1 / (2 * grid.cells[1]))
    out = np.zeros((len(draws), 1, *grid.shape))
    for k, part in enumerate((np.sin(2 * np.pi * x), np.cos(2 * np.pi * x))):
        out[:, 0] += draws[:, k, None, None] * part * sides[0]
        out[:, 0] += draws[:, k + 2, None, None] * part * sides[0] * np.sin(np.pi * y) * sides[1]
    return out


def solve(inputs, grid):
    """Heat in a channel with insulated walls, by the waves of the grid."""
    decay = np.exp(-0.02 * wave_numbers(grid) ** 2) * (1 + 0.5 * grid.spacing[1] ** 2)
    return from_waves(decay * to_waves(np.tanh(inputs), grid), grid) + 1.0


def test_a_problem_in_a_channel_is_checked_run_lifted_and_reported(tmp_path, monkeypatch):
    few = Effort(20, passes=0, rate=1e-2)
    monkeypatch.setitem(LIFTS, "local", Local(plane=few))
    monkeypatch.setitem(LIFTS, "spectral", Spectral(plane=few))
    channel = mlft.FunctionProblem(
        "channel", mlft.hierarchy(refine(CELLS, 2), 2), draw, evaluate, solve, cost_exponent=2.0
    )
    found = mlft.check(channel)
    assert found.ok and "cell, periodic and bounded" in str(found)
    record = mlft.run(
        channel,
        budget="48solves",
        out=tmp_path,
        workers=0,
        strategy="lift",
        training={"steps": 30, "batch": 4, "checks": 3},
        surrogate_options={"modes": [3, 3], "width": 6, "depth": 2},
        test=7,
        bias_draws=3,
    )
    assert 0 < record.error < 1 and load(tmp_path / "surrogate").grid == channel.finest
    assert "channel" in mlft.report(tmp_path).read_text()


def test_pictures_stand_where_their_box_does():
    drawing = image(Figure().subplots(), np.ones(CELLS.shape), CELLS, "viridis", (0.0, 1.0))
    assert drawing.get_extent() == [0.5, 3.5, -1.0, 1.0]
