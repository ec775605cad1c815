from dataclasses import replace

import numpy as np
import pytest
import torch

from lab import LINE, SPACES, line
from mlft.diagnostics.green import likeness, probe
from mlft.diagnostics.span import span
from mlft.laboratory import POISSON, exact_pairs, polynomials, sines
from mlft.laboratory.bounds import limit
from mlft.laboratory.crossval import Setting, cross_validate
from mlft.laboratory.linear import complement_drift
from mlft.laboratory.operators import hat_operator
from mlft.laboratory.zoo import Chain, DeepONet, Dense, Fourier, NetworkLearner, zoo
from mlft.seeds import generator as stream

A = hat_operator(LINE)
FAMILIES = {
    "deep-linear": Dense((0, 0), curved=False),
    "mlp": Dense((7,)),
    "deeponet": DeepONet(width=6, products=4),
    "fno": Fourier(modes=3, width=4, depth=2),
    "pi-deeponet": DeepONet(width=6, products=4, physics=True),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def pairs_of(name, n, grid=LINE, *, purpose="zoo"):
    return exact_pairs(SPACES[name], POISSON, grid, n, generator=stream(3, purpose, name))


def relative(fitted, test):
    return float(np.mean((fitted(test.inputs) - test.outputs) ** 2) / np.mean(test.outputs**2))


@every_family
def test_a_batch_of_networks_is_the_networks_one_by_one(name):
    family, nodes = FAMILIES[name], 13
    numbers = torch.stack([family.start(nodes, stream(1, name, i)) for i in range(3)])
    fields = torch.randn(3, 5, nodes, generator=stream(2, "fields"), dtype=torch.float64)
    together = family.forward(numbers, fields)
    assert together.shape == (3, 5, nodes)
    for i in range(3):
        assert torch.allclose(family.forward(numbers[i : i + 1], fields[i : i + 1])[0], together[i], atol=1e-13)
        assert torch.allclose(
            family.forward(numbers[i : i + 1], fields[i : i + 1, 2:3])[0, 0], together[i, 2], atol=1e-13
        )
    assert not torch.equal(numbers[0], numbers[1])


@every_family
def test_a_family_learns_its_training_space_and_says_how_well(name):
    sets = [pairs_of(space, 40) for space in ("sin1", "sin2")]
    learner = NetworkLearner(name, FAMILIES[name], samples=0 if name == "deep-linear" else 24, steps=70)
    fits = learner.fit(sets, seed=5)
    tests = [pairs_of(space, 30, purpose="test") for space in ("sin1", "sin2")]
    errors = [relative(fitted, test) for fitted, test in zip(fits, tests, strict=True)]
    bars = {"deep-linear": 1e-10, "mlp": 5e-2, "deeponet": 0.1, "fno": 5e-2, "pi-deeponet": 0.4}
    assert max(errors) < bars[name], errors
    assert learner.facts(fits[0])["loss"] < bars[name]
    other = replace(learner, steps=1).fit(sets[:1], seed=6)[0]
    assert not np.array_equal(other.initial, fits[0].initial) and np.array_equal(
        replace(learner, steps=1).fit(sets[:1], seed=5)[0].initial, fits[0].initial
    )


def test_training_moves_no_first_layer_off_the_training_span():
    sets = [pairs_of(space, 40) for space in ("cos2", "fem")]
    for name in ("deep-linear", "mlp", "deeponet"):
        learner = NetworkLearner(name, FAMILIES[name], samples=30, steps=60)
        fits = learner.fit(sets, seed=1)
        assert learner.facts(fits[0])["drift"] <= 4e-12, name
        assert not np.allclose(fits[0].weights, fits[0].initial)
        assert "drift" not in learner.facts(fits[1])  # 25 dimensions of 25: nothing is left to drift in
    fno = NetworkLearner("fno", FAMILIES["fno"], samples=9, steps=2)
    assert "drift" not in fno.facts(fno.fit(sets[:1], seed=1)[0])


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda w: torch.optim.SGD([w], lr=0.05), 0.0, 1e-12),
        (lambda w: torch.optim.SGD([w], lr=0.05, momentum=0.8), 0.0, 1e-12),
        (lambda w: torch.optim.Adam([w], lr=0.01), 0.05, 10.0),
        (lambda w: torch.optim.SGD([w], lr=0.05, weight_decay=0.01), 0.05, 1.0),
    ],
    ids=["descent", "momentum", "adam", "weight decay"],
)
def test_the_drift_tells_the_optimisers_apart(make, low, high):
    pairs = pairs_of("sin3", 60)
    start = torch.randn(25, 25, generator=stream(4, "start"), dtype=torch.float64) / 5
    weights = torch.nn.Parameter(start.clone())
    inputs, outputs = (torch.tensor(field[:, 0]) for field in (pairs.inputs, pairs.outputs))
    optimiser = make(weights)
    for _ in range(400):
        optimiser.zero_grad()
        ((inputs @ weights.T - outputs) ** 2).sum(1).mean().div(2).backward()
        optimiser.step()
    known = span(pairs.inputs)
    assert low <= complement_drift(start.numpy(), weights.detach().numpy(), known) <= high


def test_a_deep_linear_map_trained_on_finite_elements_finds_the_green_function():
    learner = replace(zoo(LINE)["deep-linear"], steps=800)
    (fitted,) = learner.fit([pairs_of("fem", 400)], seed=0)
    assert likeness(probe(fitted, (1, 25)), A).relative <= 1e-2


def test_second_moments_stand_for_all_samples():
    pairs = pairs_of("cos3", 500)
    learner = NetworkLearner("deep-linear", Dense((4,), curved=False), samples=0, steps=7)
    short, whole = learner.fit([pairs], seed=2)[0], replace(learner, samples=500).fit([pairs], seed=2)[0]
    assert np.allclose(short.weights, whole.weights, atol=1e-6)


def test_the_second_derivatives_of_a_trunk_are_its_second_derivatives():
    chain = Chain((1, 5, 6, 3), spread=1.0)
    numbers = torch.stack([chain.start(stream(9, "chain", i)) for i in range(2)])
    points = torch.linspace(-1, 2, 7, dtype=torch.float64).expand(2, 7)[..., None]
    value, bent = chain.bend(numbers, points, 2.0)
    assert torch.allclose(value, chain.forward(numbers, points), atol=1e-14)
    left, right = (chain.forward(numbers, points + 2.0 * s) for s in (-1e-4, 1e-4))
    assert ((left - 2 * value + right) / 1e-8 - bent).abs().max() < 1e-5


def test_the_physics_loss_is_the_residual_of_the_equation():
    family, nodes, size = DeepONet(width=5, products=3, physics=True), 401, 2.0
    numbers = torch.stack([family.start(nodes, stream(7, "pi"))])
    inputs = torch.randn(1, 2, nodes, generator=stream(8, "pi"), dtype=torch.float64)
    outputs = family.forward(numbers, inputs)[0].numpy()
    second = np.gradient(np.gradient(outputs, 1 / 400, axis=1), 1 / 400, axis=1)[:, 4:-4]
    expected = np.mean((size * second + inputs[0, :, 4:-4].numpy()) ** 2) + 100 * np.mean(outputs[:, [0, -1]] ** 2)
    loss = family.losses(numbers, inputs, torch.full((1, 1, 1), size, dtype=torch.float64))
    assert float(loss) == pytest.approx(expected, rel=0.03)


def test_the_zoo_has_the_eight_families_and_a_matrix_can_be_made_of_each(tmp_path):
    found = zoo(line(11))
    assert list(found) == ["difference", "pinn", "linear", "deep-linear", "mlp", "deeponet", "fno", "pi-deeponet"]
    setting = Setting((sines(1), sines(2), polynomials(1)), POISSON, line(11), samples=20, test=9)
    small = {"mlp": FAMILIES["mlp"], "deeponet": FAMILIES["deeponet"]} | {"fno": FAMILIES["fno"]}
    for name, learner in found.items():
        if name in small:
            learner = replace(learner, family=small[name])
        if name not in ("difference", "linear"):
            learner = replace(learner, steps=3)
        matrix = cross_validate(learner, setting, seed=0, folder=tmp_path)
        assert matrix.mse.shape == (3, 3) and np.isfinite(matrix.mse).all() and matrix.mse.min() >= 0, name
    assert len(list(tmp_path.glob("*.csv"))) == 8


def test_a_linear_start_is_kept_off_the_span():
    setting = Setting((sines(2), sines(3)), POISSON, line(11), samples=20, test=9)
    fitted = zoo(line(11))["linear"].fit([setting.train_pairs(sines(2), 0)], seed=3)[0]
    known = span(sines(2).basis(line(11)))
    assert np.allclose(fitted.matrix, limit(hat_operator(line(11)), known, fitted.initial), atol=2e-3)
    assert np.abs(fitted.initial).max() > 0.1
