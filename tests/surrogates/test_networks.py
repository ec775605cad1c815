import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from mlft.errors import ConfigError
from mlft.grids import Grid
from mlft.surrogates import FNO, SURROGATES, Average, Network, Regression, Surrogate, build
from mlft.surrogates.spectral import SpectralLayer, _traced, analyse, mix, synthesise, transform
from small_networks import GRIDS, normal, small

DESCENDED = [name for name in SURROGATES if not issubclass(SURROGATES[name], Regression | Average)]
"""Networks of initial weights; how the others depend on what they are fitted to, `tests/training` knows."""

# The spectral layer


def convolve_by_fft(field: Tensor, weight: Tensor, modes: tuple[int, ...]) -> Tensor:
    """Σ_k Re(R_k û_k e^{iθ_k}) by torch.fft, for a field (*grid, n, c)."""
    width = field.shape[-1]
    axes = tuple(range(len(modes)))
    spectrum = torch.fft.rfftn(field, dim=axes, norm="forward")
    matrices = torch.complex(weight[..., :width], weight[..., width:])
    kept = torch.zeros_like(spectrum)
    if len(modes) == 1:
        waves = [(k,) for k in range(modes[0])]
    else:
        rows = [*range(modes[0]), *range(-1, -modes[0], -1)]
        waves = [(k, m) for k in rows for m in range(modes[1])]
    for wave, matrix in zip(waves, matrices, strict=True):
        kept[wave] = spectrum[wave] @ matrix
    return torch.fft.irfftn(kept, s=field.shape[: len(modes)], dim=axes, norm="forward")


def convolve(field: Tensor, weight: Tensor, modes: tuple[int, ...], period: tuple[int, int] = (1, 1)) -> Tensor:
    axes = tuple(transform(field, i, modes=m, period=period) for i, m in enumerate(modes))
    return synthesise(mix(analyse(field, axes), weight), axes, onto=torch.zeros_like(field))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize(
    ("grid", "modes"),
    [
        ((256,), (24,)),
        ((11,), (5,)),
        ((12,), (6,)),
        ((12,), (1,)),
        ((9, 14), (4, 7)),
        ((16, 10), (8, 3)),
        ((64, 7), (1, 3)),
    ],
)
def test_a_convolution_is_that_of_the_truncated_fft(
    grid: tuple[int, ...], modes: tuple[int, ...], dtype: torch.dtype, tolerance: float, generator: torch.Generator
) -> None:
    weight = SpectralLayer(3, modes, generator=generator).weight.detach().to(dtype)
    field = torch.randn(*grid, 2, 3, generator=generator, dtype=torch.float64).to(dtype)
    expected = convolve_by_fft(field.double(), weight.double(), modes)
    assert float((convolve(field, weight, modes) - expected).abs().max() / expected.abs().max()) < tolerance


@pytest.mark.parametrize(("grid", "modes"), [((20,), (7,)), ((12, 16), (4, 5))])
def test_a_bounded_convolution_is_that_of_the_field_padded_by_a_quarter_with_zeros(
    grid: tuple[int, ...], modes: tuple[int, ...], generator: torch.Generator
) -> None:
    weight = SpectralLayer(3, modes, generator=generator).weight.detach().double()
    field = torch.randn(*grid, 2, 3, generator=generator, dtype=torch.float64)
    longer = tuple(5 * n // 4 for n in grid)
    padded = torch.zeros(*longer, 2, 3, dtype=torch.float64)
    inside = tuple(slice(0, n) for n in grid)
    padded[inside] = field * np.prod(longer) / np.prod(grid)  # means over the box, not over the padded box
    expected = convolve_by_fft(padded, weight, modes)[inside]
    assert torch.allclose(convolve(field, weight, modes, period=(5, 4)), expected, atol=1e-13, rtol=0)


def test_a_layer_adds_the_convolution_the_pointwise_map_and_the_bias(generator: torch.Generator) -> None:
    layer = SpectralLayer(3, (4, 2), generator=generator).double()
    nn.init.normal_(layer.bias, generator=generator)
    field = torch.randn(9, 8, 2, 3, generator=generator, dtype=torch.float64)
    axes = tuple(transform(field, i, modes=m, period=(1, 1)) for i, m in enumerate((4, 2)))
    expected = convolve(field, layer.weight, (4, 2)) + field @ layer.skip + layer.bias
    assert torch.allclose(layer(field, axes), expected, atol=1e-13, rtol=0)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="6 modes need at least 12 points on their axis, got 11"):
        transform(torch.zeros(11, 2, 3), 0, modes=6, period=(1, 1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize(("points", "modes"), [(11, 5), (20, 10), (256, 16)])
@pytest.mark.parametrize("period", [(1, 1), (5, 4)])
@pytest.mark.parametrize("axis", [0, 1])
def test_kept_matrices_are_those_of_the_operations_that_are_exported(
    points: int, modes: int, period: tuple[int, int], axis: int, dtype: torch.dtype, tolerance: float
) -> None:
    field = torch.zeros(points, points, 2, 3, dtype=dtype)
    traced = _traced(field, axis, modes=modes, period=period)
    for one, other in zip(transform(field, axis, modes=modes, period=period), traced, strict=True):
        assert one.dtype == dtype and torch.allclose(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize(
    ("grid", "periodic"), [((19,), True), ((19,), False), ((13, 11), (True, False)), ((13, 11), False)]
)
def test_without_gradients_a_network_gives_the_same_and_leaves_its_inputs(
    grid: tuple[int, ...], periodic: bool | tuple[bool, ...], generator: torch.Generator
) -> None:
    network = FNO((2, 3), (4,) * len(grid), width=6, periodic=periodic, generator=generator)
    for layer in network.layers:
        nn.init.normal_(layer.bias, generator=generator)
    for points in (grid, tuple(2 * n for n in grid)):
        inputs = torch.randn(5, 2, *points, generator=generator)
        before, expected = inputs.clone(), network(inputs).detach()
        for without in (torch.no_grad, torch.inference_mode):
            with without():
                assert torch.allclose(network(inputs), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert torch.equal(inputs, before)


def test_a_network_that_was_first_used_in_inference_mode_trains(generator: torch.Generator) -> None:
    network = FNO((1, 1), (3,), width=4, generator=generator)
    inputs = torch.randn(2, 1, 4321, generator=generator)  # points of no other test: nothing is kept of them yet
    with torch.inference_mode():
        network(inputs)
    network(inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


# Every network of the registry, on every kind of grid


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_registered_network_keeps_its_contract(name: str, grid: Grid, generator: torch.Generator) -> None:
    state = torch.get_rng_state()
    one, two = (build(name, (2, 3), grid, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = build(name, (2, 3), grid, generator=generator)
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    assert not pairs or not all(torch.equal(a, b) for a, b in pairs)
    assert all(p.dtype == torch.float32 for p in one.parameters())
    options = json.loads(json.dumps(one.network.options))
    assert set(options) == set(SURROGATES[name].defaults(grid))
    again = SURROGATES[name]((2, 3), generator=torch.Generator().manual_seed(5), **options)
    assert isinstance(again, Network)
    inputs = normal(4, 2, *grid.shape, generator=generator)
    np.testing.assert_array_equal(Surrogate(again, (2, 3), grid).predict(inputs), one.predict(inputs))
    assert one.predict(inputs[:0]).shape == (0, 3, *grid.shape)
    assert one.predict(inputs[:1]).shape == (1, 3, *grid.shape)


@pytest.mark.parametrize("name", DESCENDED)
@pytest.mark.parametrize("grid", [GRIDS[0], GRIDS[3]], ids=str)
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, in jvp
def test_jacobians_in_the_weights_agree_forward_backward_batched_and_one_by_one(
    name: str, grid: Grid, generator: torch.Generator
) -> None:
    surrogate = small(grid, generator, name, width=3).double()
    weights = dict(surrogate.named_parameters())
    inputs = torch.from_numpy(normal(4, 2, *grid.shape, generator=generator))

    def probe(weights: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(surrogate, weights, (sample[None],))[0, :, 1].flatten()[:2]

    features = vmap(jacrev(probe), in_dims=(None, 0))(weights, inputs)
    for i, sample in enumerate(inputs):
        grads = torch.autograd.grad(probe(weights, sample)[1], list(weights.values()))
        for key, grad in zip(weights, grads, strict=True):
            assert torch.allclose(features[key][i, 1], grad, atol=1e-12, rtol=1e-10)
        step = {key: torch.cos(weight) for key, weight in weights.items()}
        along = jvp(lambda w, x=sample: probe(w, x), (weights,), (step,))[1]
        expected = sum((features[key][i] * step[key]).flatten(1).sum(dim=1) for key in weights)
        assert torch.allclose(along, expected, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("name", DESCENDED)
def test_a_surrogate_is_differentiable_in_its_inputs(name: str, generator: torch.Generator) -> None:
    surrogate = small(Grid((9,), periodic=False), generator, name, width=3, depth=1).double()
    inputs = torch.randn(2, 2, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(surrogate, (inputs,))


def test_a_network_learns_boundary_values_that_are_not_periodic(generator: torch.Generator) -> None:
    grid = Grid((24,), periodic=False)
    network = FNO((1, 1), (6,), width=8, depth=2, periodic=False, generator=generator)
    inputs = torch.from_numpy(normal(4, 1, 3, generator=generator)).float().repeat_interleave(8, dim=2)
    targets = inputs.cumsum(2) / 24 + torch.from_numpy(grid.points[0]).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.mean((network(inputs) - targets) ** 2) / torch.mean(targets**2)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3


# The FNO


@pytest.mark.parametrize(("shift", "exact"), [((3, 6), True), ((3, 5), False)])
def test_with_patches_an_fno_commutes_with_shifts_by_patches(
    shift: tuple[int, int], exact: bool, generator: torch.Generator
) -> None:
    network = FNO((2, 3), (2, 3), generator=generator, width=6, depth=2, patch=3).double()
    inputs = torch.from_numpy(normal(2, 2, 12, 18, generator=generator))
    assert network(inputs).shape == (2, 3, 12, 18)
    assert torch.allclose(network(inputs.roll(shift, (2, 3))), network(inputs).roll(shift, (2, 3)), atol=1e-12) is exact


def test_patches_take_bounded_grids_that_they_do_not_divide(generator: torch.Generator) -> None:
    network = FNO((1, 2), (2, 2), generator=generator, width=4, depth=1, periodic=False, patch=4)
    assert network(torch.randn(3, 1, 17, 21, generator=generator)).shape == (3, 2, 17, 21)


@pytest.mark.parametrize(("grid", "shift"), [((15,), (4,)), ((9, 14), (2, 5))])
def test_a_periodic_fno_commutes_with_shifts_and_a_bounded_one_does_not(
    grid: tuple[int, ...], shift: tuple[int, ...], generator: torch.Generator
) -> None:
    inputs = torch.randn(3, 2, *grid, generator=generator, dtype=torch.float64)
    axes = tuple(range(2, 2 + len(grid)))
    moved = inputs.roll(shift, axes)
    for periodic, exact in ((True, True), (False, False)):
        network = FNO((2, 1), (4,) * len(grid), width=5, periodic=periodic, generator=generator).double()
        network.lift.first.data[2:] = 0  # deaf to the coordinates: the convolutions themselves know the boundary
        assert torch.allclose(network(moved), network(inputs).roll(shift, axes), atol=1e-12, rtol=0) is exact


@pytest.mark.parametrize("periodic", [True, False])
def test_the_same_weights_give_the_same_function_on_a_finer_grid(periodic: bool, generator: torch.Generator) -> None:
    network = FNO((1, 2), (5,), width=8, depth=3, periodic=periodic, generator=generator).double()
    coefficients = 0.5 * torch.randn(3, 1, 4, generator=generator, dtype=torch.float64)

    def evaluate(points: int, ratio: int) -> Tensor:
        x = (torch.arange(points, dtype=torch.float64) + 0.5) / points
        inputs = coefficients @ torch.cos(2 * torch.pi * torch.arange(4)[:, None] * x)
        return network(inputs).detach()[..., ratio // 2 :: ratio]

    coarse, fine = evaluate(64, 1), evaluate(192, 3)
    tolerance = 1e-5 if periodic else 2e-2  # the midpoint rule: spectral accuracy against order 2 at best
    assert float((coarse - fine).norm() / fine.norm()) < tolerance


def test_waves_on_the_first_axis_run_both_ways(generator: torch.Generator) -> None:
    network = FNO((1, 1), (3, 2), width=4, depth=1, generator=generator).double()
    with torch.no_grad():
        network.layers[0].weight[3 * 2 :] = 0  # the waves with k₁ < 0
    x, y = torch.meshgrid(torch.arange(9).double() / 9, torch.arange(8).double() / 8, indexing="ij")

    def response(sign: int) -> Tensor:
        wave = torch.cos(2 * torch.pi * (sign * 2 * x + y))[:, :, None, None].expand(-1, -1, 1, 4)
        axes = tuple(transform(wave, i, modes=m, period=(1, 1)) for i, m in enumerate((3, 2)))
        return mix(analyse(wave, axes), network.layers[0].weight)

    assert response(-1).abs().max() < 1e-12 < 0.01 < response(1).abs().max()


def test_an_fno_names_what_is_wrong_with_its_inputs(generator: torch.Generator) -> None:
    network = FNO((2, 1), (4, 3), generator=generator)
    with pytest.raises(ValueError, match=r"2 channels on 2 axes.*got shape \(5, 3, 9, 8\)"):
        network(torch.zeros(5, 3, 9, 8))
    with pytest.raises(ValueError, match=r"got shape \(5, 2, 9\)"):
        network(torch.zeros(5, 2, 9))
    with pytest.raises(ValueError, match="4 modes need at least 8 points on their axis, got 7"):
        network(torch.zeros(5, 2, 7, 9))


@pytest.mark.parametrize(
    "wrong",
    [
        {"modes": ()},
        {"modes": (2, 2, 2)},
        {"modes": (0,)},
        {"width": 0},
        {"depth": 0},
    ],
)
def test_an_fno_refuses_sizes_that_are_no_positive_whole_numbers(
    wrong: dict[str, object], generator: torch.Generator
) -> None:
    with pytest.raises(ValueError, match="one or two axes and needs positive whole numbers"):
        FNO((1, 1), **{"modes": (3,), **wrong}, generator=generator)


@pytest.mark.parametrize("options", [{"modes": [2**31]}, {"width": 10**5}, {"depth": 1000, "width": 700}])
def test_a_network_too_large_to_be_made_is_refused_before_room_is_made(
    options: dict[str, Any], generator: torch.Generator
) -> None:
    with pytest.raises(ConfigError, match=r"has .*e\+\d+ parameters; at most 1e\+09 are made: give fewer modes"):
        build("fno", (1, 1), Grid((64,)), generator=generator, options=options)
