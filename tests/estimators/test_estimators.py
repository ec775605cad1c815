"""Error curves from a few measured points, and the estimators that make the points."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlft.estimators import ESTIMATORS, PilotError, Task, fit_curve, kernel_curve, network_curve, subset_sizes
from mlft.estimators.curve import NETWORKS, REGRESSIONS
from mlft.grids import Grid
from mlft.kernels import KernelError, Linearised
from mlft.surrogates import SURROGATES, Surrogate, build

POINTS = 12


def power_law(sizes, scale, exponent, generator, scatter=0.3, tests=40):
    noise = torch.randn(len(sizes), tests, generator=generator, dtype=torch.float64).numpy()
    return [scale * n**-exponent * np.exp(scatter * z - scatter**2 / 2) for n, z in zip(sizes, noise, strict=True)]


def surrogate(generator):
    options = {"modes": [3], "width": 6, "depth": 2}
    return build("fno", (1, 1), Grid((POINTS,)), generator=generator, options=options).double()


def task(n, generator, targets):
    x = torch.randn(n, 1, POINTS, generator=generator, dtype=torch.float64).numpy()
    return Task(surrogate(generator), x, targets(x), np.ones(n))


def test_the_curve_of_a_power_law_is_found_where_the_points_are_many(generator):
    sizes = [2**k for k in range(2, 12)]
    curve = fit_curve(sizes, power_law(sizes, 3.0, 0.7, generator, 1e-3), cap=9.0, generator=generator)
    assert curve.exponent == pytest.approx(0.7, abs=0.02) and curve.scale == pytest.approx(3.0, rel=0.1)
    found = curve(100)
    assert found.lower < found.value < found.upper and found.value == pytest.approx(3.0 * 100**-0.7, rel=0.05)


def test_one_point_gives_the_believed_exponent_and_no_samples_give_the_cap(generator):
    curve = fit_curve([16], [np.full(8, 0.25)], cap=0.9, generator=generator)
    assert curve.exponent == pytest.approx(0.45) and curve(16).value == pytest.approx(0.25)
    assert curve(0) == curve(-1) and curve(0).value == curve(0).upper == 0.9
    assert curve(1e-9).value == 0.9


def test_of_a_regression_three_points_say_how_fast_it_learns_and_of_a_network_what_is_believed(generator):
    sizes = [8, 16, 24]
    for exponent in (0.05, 2.5):
        errors = power_law(sizes, 3.0, exponent, generator, 0.01)
        found = [
            fit_curve(sizes, errors, cap=9.0, generator=generator, belief=each) for each in (REGRESSIONS, NETWORKS)
        ]
        assert found[0].exponent == pytest.approx(exponent, abs=0.12)
        assert abs(found[1].exponent - exponent) > 3 * abs(found[0].exponent - exponent)
        lower, upper = found[0](240).lower, found[0](240).upper
        assert lower < 3.0 * 240**-exponent < upper


@pytest.mark.parametrize(("weights", "steeper"), [((0.6, 0.4), True), ((0.4, 0.6), False)])
def test_a_choice_that_regressions_won_learns_as_they_do_where_that_is_faster(weights, steeper, generator):
    """Errors that fall with n⁻¹ count as those of a regression or of a network, and flat ones as of a network."""
    kinds = {"linear": SURROGATES["linear"].defaults(Grid((POINTS,))), "fno": {"modes": [3], "width": 6, "depth": 2}}
    members = [{"network": name, "options": options, "name": "", "training": {}} for name, options in kinds.items()]

    def curve(made, error):
        tried = build("auto", (1, 1), Grid((POINTS,)), generator=generator, options={"members": made})
        given = replace(task(16, generator, np.sin), surrogate=tried)

        def train(net, inputs, labels):  # noqa: ARG001
            net.network.keep(list(weights)[: len(made)])
            net.predict = lambda x: given.surrogate.predict(x) + np.sin(x) + error(len(inputs))

        return network_curve(given, torch.Generator().manual_seed(2), train=train)

    falling = curve(members, lambda n: 1.0 / n)
    assert (falling.exponent > 0.95) == steeper and falling.exponent > 0.8
    assert falling.replicates[0] != falling.replicates[1]
    assert curve(members, lambda _: 0.1).exponent == curve(members[1:], lambda _: 0.1).exponent > 0.05


def test_the_curve_of_a_regression_is_fitted_as_one(generator):
    made = build("linear", (1, 1), Grid((POINTS,)), generator=generator)
    given = replace(task(16, generator, np.sin), surrogate=made)

    def train(net, inputs, labels):  # noqa: ARG001
        net.predict = lambda x: given.surrogate.predict(x) + np.sin(x) + 1.0 / len(inputs) ** 2

    assert network_curve(given, generator, train=train).exponent > 1.9


@pytest.mark.parametrize("belief", [NETWORKS, REGRESSIONS])
def test_after_one_point_the_exponents_of_an_interval_scatter_as_is_believed(belief, generator):
    curve = fit_curve([16], [np.full(8, 0.25)], cap=0.9, generator=generator, belief=belief)
    found = np.array([a for _, a in curve.replicates])
    wanted = np.maximum(0.02, belief[0] + belief[1] * np.random.default_rng(0).standard_normal(10_000))
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.25)
    assert found.std() == pytest.approx(wanted.std(), rel=0.25)


def test_points_that_have_learned_nothing_count_as_the_cap(generator):
    curve = fit_curve([8, 16], [np.full(9, 2.0), np.full(9, 3.0)], cap=0.5, generator=generator)
    assert curve(4).value == 0.5 and curve(8).value > 0.45 and curve(10**4).value < 0.4


def test_the_interval_of_a_curve_covers_at_its_rate(generator):
    # Truth drawn from the belief, points with the scatter that is assumed: 300 intervals of 95% hold the truth in 285
    # of them on average, with a standard deviation of 3.8; fewer than 268 has a chance below 1e-5.
    inside = 0
    for _ in range(300):
        a = max(0.05, 0.4 + 0.2 * float(torch.randn(1, generator=generator)))
        sizes = [16, 32, 48]
        noise = 0.1 * torch.randn(3, generator=generator).numpy()
        errors = [np.array([2.0 * n**-a * math.exp(z)] * 9) for n, z in zip(sizes, noise, strict=True)]
        found = fit_curve(sizes, errors, cap=99.0, generator=generator)(400)
        inside += found.lower <= 2.0 * 400**-a <= found.upper
    assert 268 <= inside <= 299


def test_a_curve_without_points_or_with_bad_ones_is_refused(generator):
    for sizes, errors in (([], []), ([0], [np.ones(3)]), ([4], [np.full(3, math.nan)]), ([4], [np.zeros(3)])):
        with pytest.raises(ValueError, match="errors"):
            fit_curve(sizes, errors, cap=1.0, generator=generator)


def test_a_kernel_estimate_predicts_the_regression_of_a_teacher_from_the_same_kernel(generator):
    # The teacher moves with the features: u = J v for a random v, so kernel regression has no model error.
    net = surrogate(generator)
    x = torch.randn(72, 1, POINTS, generator=generator, dtype=torch.float64)
    linear = Linearised(net, x[:2])
    u = linear.push(x, torch.randn(linear.size, generator=generator, dtype=torch.float64)).view(72, 1, POINTS).numpy()
    scale = np.full(72, float(np.sqrt((u**2).mean())))
    few = kernel_curve(Task(net, x.numpy()[:48], u[:48], scale[:48]), generator, points=POINTS)
    many = kernel_curve(Task(net, x.numpy(), u, scale), generator, points=POINTS, samples=72)
    measured = dict(many.points)[54]  # 54 of 72: regressions tested on the 18 that are left
    assert few(54).lower < measured < few(54).upper
    assert measured < 0.8 * few.cap


def test_a_kernel_estimate_of_pure_noise_learns_nothing(generator):
    noise = lambda x: np.random.default_rng(3).normal(size=x.shape)  # noqa: E731
    curve = kernel_curve(task(24, generator, noise), generator)
    assert curve(20).value > 0.8 * curve.cap


def test_a_kernel_estimate_is_the_same_for_any_memory(generator):
    given = task(12, generator, np.sin)
    one, other = (
        kernel_curve(given, torch.Generator().manual_seed(5), memory=memory) for memory in (2**31, 8 * 96**2 + 10**6)
    )
    np.testing.assert_allclose(one.points, other.points, rtol=1e-6)
    with pytest.raises(KernelError, match="GiB"):
        kernel_curve(given, generator, memory=1000)


def test_the_learning_curve_trains_on_nested_subsets_and_tests_on_the_rest(generator):
    given, seen = task(16, generator, np.sin), []

    def train(net: Surrogate, inputs, labels):
        seen.append(inputs)
        np.testing.assert_allclose(labels, given.surrogate.predict(inputs) + np.sin(inputs), atol=1e-12)
        with torch.no_grad():
            net.network.project.last_bias += 1.0 / len(inputs)

    before = given.surrogate.predict(given.inputs)
    curve = network_curve(given, generator, train=train)
    assert [len(x) for x in seen] == subset_sizes(16) == [4, 8, 12] and [n for n, _ in curve.points] == [4, 8, 12]
    for small, large in zip(seen, seen[1:], strict=False):
        np.testing.assert_array_equal(small, large[-len(small) :])
    np.testing.assert_array_equal(given.surrogate.predict(given.inputs), before)  # copies were trained
    expected = np.sqrt(((1.0 / 12 - np.sin(given.inputs[:4])) ** 2).mean(axis=(1, 2))).mean()
    assert curve.points[-1][1] == pytest.approx(expected)


def test_a_learning_curve_goes_on_by_one_training_more(generator):
    """Of the largest subset, tested on the first quarter."""
    given, seen = task(16, generator, np.sin), []

    def train(net: Surrogate, inputs, labels):
        seen.append(inputs)
        with torch.no_grad():
            net.network.project.last_bias += 0.5

    known = fit_curve([3], [np.full(9, 0.7)], cap=0.9, generator=generator)
    curve = network_curve(given, generator, train=train, nested=False, known=known)
    assert [len(x) for x in seen] == [12] and [n for n, _ in curve.points] == [3, 12]
    fresh = np.sqrt(((0.5 - np.sin(given.inputs[:4])) ** 2).mean(axis=(1, 2)))
    assert [e for _, e in curve.points] == [0.7, pytest.approx(fresh.mean())]
    assert curve.scatters[0] == known.scatters[0]


def test_points_one_after_the_other_give_the_curve_of_all_at_once(generator):
    sizes, stream = [8, 32, 128], lambda: torch.Generator().manual_seed(3)
    errors = power_law(sizes, 2.0, 0.6, generator)
    once = fit_curve(sizes, errors, cap=9.0, generator=stream())
    known = fit_curve(sizes[:2], errors[:2], cap=9.0, generator=generator)
    assert fit_curve(sizes[2:], errors[2:], cap=9.0, generator=stream(), known=known) == once


def test_too_few_samples_are_refused_with_the_number_needed(generator):
    given = task(3, generator, np.sin)
    for estimate in (kernel_curve, lambda t, g: network_curve(t, g, train=lambda *_: None)):
        with pytest.raises(PilotError, match="at least 4") as caught:
            estimate(given, generator)
        assert (caught.value.needed, caught.value.got) == (4, 3)


def test_the_cap_is_the_smaller_of_nothing_and_the_mean(generator):
    flat = task(6, generator, lambda x: np.full_like(x, 2.0) + 0.01 * x)
    assert flat.cap < 0.05
    assert task(6, generator, lambda x: x - x.mean(axis=0)).cap > 0.5
    assert len(ESTIMATORS) == 3
