import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from mlft.errors import ConfigError, MlftError
from mlft.grids import Grid
from mlft.surrogates import (
    FNO,
    SURROGATES,
    BundleError,
    Network,
    Normaliser,
    Surrogate,
    build,
    export_onnx,
    export_torch,
    load,
)
from mlft.surrogates import normaliser as normaliser_module
from mlft.surrogates.spectral import SpectralLayer, analyse, mix, synthesise, transform

GRIDS = [Grid((22,)), Grid((20,), centring="nodal", periodic=False), Grid((10, 12)), Grid((12, 9), periodic=False)]
SMALL = {"width": 5, "depth": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads, and far slower where other processes want the second core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def normal(*shape: int, generator: torch.Generator) -> np.ndarray:
    return torch.randn(*shape, generator=generator, dtype=torch.float64).numpy()


def small(grid: Grid, generator: torch.Generator, name: str = "fno", **options: object) -> Surrogate:
    """A fitted surrogate from 2 channels to 3."""
    modes = [4] if grid.dimension == 1 else [3, 4]
    surrogate = build(name, (2, 3), grid, generator=generator, options={"modes": modes, **SMALL, **options})
    inputs = 7 + 3 * normal(6, 2, *grid.shape, generator=generator)
    surrogate.fit_normalisers(inputs, 40 + normal(6, 3, *grid.shape, generator=generator))
    return surrogate


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


# Every network of the registry, on every kind of grid


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_registered_network_keeps_its_contract(name: str, grid: Grid, generator: torch.Generator) -> None:
    state = torch.get_rng_state()
    one, two = (build(name, (2, 3), grid, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    other = build(name, (2, 3), grid, generator=generator)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
    assert all(p.dtype == torch.float32 for p in one.parameters())
    options = json.loads(json.dumps(one.network.options))
    assert set(options) == set(SURROGATES[name].defaults(grid))
    again = SURROGATES[name]((2, 3), generator=torch.Generator().manual_seed(5), **options)
    assert isinstance(again, Network)
    inputs = normal(4, 2, *grid.shape, generator=generator)
    np.testing.assert_array_equal(Surrogate(again, (2, 3), grid).predict(inputs), one.predict(inputs))
    assert one.predict(inputs[:0]).shape == (0, 3, *grid.shape)
    assert one.predict(inputs[:1]).shape == (1, 3, *grid.shape)


@pytest.mark.parametrize("name", SURROGATES)
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


@pytest.mark.parametrize("name", SURROGATES)
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


@pytest.mark.parametrize("wrong", [{"modes": ()}, {"modes": (2, 2, 2)}, {"modes": (0,)}, {"width": 0}, {"depth": 0}])
def test_an_fno_refuses_sizes_that_are_not_positive(wrong: dict[str, object], generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="one or two axes and needs positive numbers"):
        FNO((1, 1), **{"modes": (3,), **wrong}, generator=generator)


# The normaliser


@pytest.fixture
def fields(generator: torch.Generator) -> np.ndarray:
    """Three channels: near zero, far from zero, and small."""
    shift, scale = np.array([0.5, 1e4, -3e-6]), np.array([2.0, 0.25, 1e-6])
    return normal(40, 3, 7, generator=generator) * scale[:, None] + shift[:, None]


def test_scaled_fields_have_mean_zero_and_deviation_one(fields: np.ndarray) -> None:
    normaliser = Normaliser(3)
    normaliser.fit(fields)
    scaled = normaliser.encode(torch.from_numpy(fields)).numpy()
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=(0, 2)), 1, rtol=1e-6)


def test_batches_are_merged_as_if_they_were_one(fields: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts, chunks = Normaliser(3), Normaliser(3), Normaliser(3)
    whole.fit(fields)
    parts.fit(fields[:1], fields[1:1], fields[1:30], fields[30:, :, :4], fields[30:, :, 4:])
    monkeypatch.setattr(normaliser_module, "_CHUNK", 50)
    chunks.fit(fields)
    for normaliser in (parts, chunks):
        torch.testing.assert_close(normaliser.shift, whole.shift, rtol=1e-6, atol=0)
        torch.testing.assert_close(normaliser.scale, whole.scale, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_decode_undoes_encode_in_both_precisions(fields: np.ndarray, dtype: torch.dtype) -> None:
    normaliser = Normaliser(3)
    normaliser.fit(fields.astype(np.float32))
    normaliser.to(dtype)
    values = torch.from_numpy(fields).to(dtype)
    again = normaliser.decode(normaliser.encode(values))
    assert again.dtype == dtype
    terms = values.abs() + normaliser.shift.abs()[:, None]
    assert ((again - values).abs() <= 2 * torch.finfo(dtype).eps * terms).all()


def test_both_precisions_encode_alike_far_from_zero(fields: np.ndarray) -> None:
    double, single = Normaliser(3), Normaliser(3)
    for normaliser in (double, single):
        normaliser.fit(fields)
    values = torch.from_numpy(fields).float()
    torch.testing.assert_close(single.float().encode(values), double.encode(values).float(), rtol=1e-6, atol=1e-6)


def test_tiny_variation_on_a_large_offset_is_scaled_and_none_at_all_is_left(generator: torch.Generator) -> None:
    tiny = 1e4 + 1e-6 * normal(50, 1, 9, generator=generator)
    constant = np.full((50, 2, 9), 12345.678) * np.array([[1.0], [0.0]])  # its computed mean is off by round-off
    normaliser = Normaliser(3)
    normaliser.fit(np.concatenate([tiny, constant], axis=1))
    scaled = normaliser.encode(torch.from_numpy(tiny.repeat(3, axis=1)))[:, 0]
    assert abs(float(scaled.mean())) < 1e-3
    assert float(scaled.std(correction=0)) == pytest.approx(1, rel=1e-4)
    assert normaliser.scale[1:].tolist() == [1, 1]
    np.testing.assert_allclose(normaliser.shift[1:], [12345.678, 0], rtol=1e-7)


def test_a_normaliser_is_the_identity_until_it_is_fitted(fields: np.ndarray) -> None:
    assert torch.equal(Normaliser(3).encode(torch.from_numpy(fields)), torch.from_numpy(fields))


def test_a_normaliser_refuses_what_it_cannot_fit(fields: np.ndarray) -> None:
    normaliser = Normaliser(3)
    with pytest.raises(ValueError, match="no values at all"):
        normaliser.fit(fields[:0])
    with pytest.raises(ValueError, match=r"takes fields \(samples, 3, \*grid\), got shape \(40, 2, 7\)"):
        normaliser.fit(fields[:, :2])
    fields[3, 1, 4] = np.nan
    with pytest.raises(ValueError, match=r"not finite: see channels \[1\]"):
        normaliser.fit(fields)
    with pytest.raises(ValueError, match=r"got shape \(4, 1, 7\)"):
        normaliser.encode(torch.zeros(4, 1, 7))
    with pytest.raises(ValueError, match="at least 1 channel"):
        Normaliser(0)


# The surrogate


class Yours(nn.Module):
    """A network of a user: not of the registry, with dropout, batch statistics and tied weights."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, width, 3, padding=1)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Conv1d(width, width, 1)
        self.again = self.hidden
        self.last = nn.Conv1d(width, 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.again(self.drop(self.hidden(self.norm(self.first(inputs))))))


def yours(generator: torch.Generator) -> Surrogate:
    network = Yours()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=generator)
    surrogate = Surrogate(network, (2, 3), GRIDS[0])
    surrogate.fit_normalisers(5 + normal(6, 2, 22, generator=generator), 2 + 3 * normal(6, 3, 22, generator=generator))
    return surrogate


def test_prediction_is_decode_network_encode(generator: torch.Generator) -> None:
    surrogate = small(GRIDS[1], generator).double()
    inputs = 7 + 3 * normal(5, 2, 21, generator=generator)
    shift, scale = surrogate.input_normaliser.shift[:, None], surrogate.input_normaliser.scale[:, None]
    raw = surrogate.network((torch.from_numpy(inputs) - shift) / scale).detach()
    expected = raw * surrogate.output_normaliser.scale[:, None] + surrogate.output_normaliser.shift[:, None]
    np.testing.assert_allclose(surrogate.predict(inputs), expected, rtol=1e-12)
    assert abs(float(expected.mean()) - 40) < 10


def test_predictions_are_float64_and_do_not_depend_on_how_samples_are_batched(generator: torch.Generator) -> None:
    grid = Grid((2**14,), periodic=False)
    surrogate = small(grid, generator, width=2, depth=1).double()
    inputs = normal(5, 2, 2**14, generator=generator)
    together = surrogate.predict(inputs)
    assert together.dtype == np.float64
    alone = np.concatenate([surrogate.predict(inputs[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_a_network_in_single_precision_takes_and_gives_the_precision_of_the_caller(generator: torch.Generator) -> None:
    surrogate = small(GRIDS[0], generator)
    inputs = torch.from_numpy(normal(4, 2, 22, generator=generator))
    assert surrogate.dtype == torch.float32
    assert surrogate(inputs).dtype == torch.float64
    assert surrogate(inputs.float()).dtype == torch.float32
    torch.testing.assert_close(surrogate(inputs.float()), surrogate(inputs).float(), rtol=1e-5, atol=1e-4)
    double = surrogate(inputs).detach(), surrogate.double()(inputs).detach()
    torch.testing.assert_close(*double, rtol=1e-6, atol=1e-6)
    assert not torch.equal(*double)


def test_a_large_offset_costs_a_single_precision_network_nothing(generator: torch.Generator) -> None:
    surrogate = small(GRIDS[0], generator)
    inputs = normal(4, 2, 22, generator=generator)
    surrogate.input_normaliser.fit(inputs)
    near = surrogate.predict(inputs)
    surrogate.input_normaliser.fit(inputs + 2.0**20)
    np.testing.assert_allclose(surrogate.predict(inputs + 2.0**20), near, rtol=1e-6)


def test_a_network_of_yours_predicts_in_evaluation_mode_and_is_left_as_it_was(generator: torch.Generator) -> None:
    surrogate = yours(generator)
    surrogate.network.norm.eval()
    inputs = normal(4, 2, 22, generator=generator)
    np.testing.assert_array_equal(surrogate.predict(inputs), surrogate.predict(inputs))
    assert surrogate.training and surrogate.network.drop.training and not surrogate.network.norm.training
    assert all(p.requires_grad and p.grad is None for p in surrogate.parameters())


def test_prediction_refuses_wrong_shapes_and_values_that_are_not_finite(generator: torch.Generator) -> None:
    surrogate = small(GRIDS[2], generator)
    inputs = normal(4, 2, 10, 12, generator=generator)
    for wrong in (inputs[:, :1], inputs[:, :, :, :11], inputs[:, :, :, 0]):
        with pytest.raises(ValueError, match=r"shape \(samples, 2, 10, 12\), got \(4, "):
            surrogate.predict(wrong)
    inputs[2, 1, 3, 4] = np.inf
    with pytest.raises(ValueError, match="1 of 4 are not, first sample 2"):
        surrogate.predict(inputs)


def test_a_network_that_returns_another_grid_is_refused(generator: torch.Generator) -> None:
    surrogate = Surrogate(nn.Conv1d(2, 3, 22), (2, 3), GRIDS[0])
    with pytest.raises(ValueError, match=r"made shape \(4, 3, 1\) of inputs \(4, 2, 22\)"):
        surrogate.predict(normal(4, 2, 22, generator=generator))
    assert Surrogate(nn.Identity(), (2, 2), GRIDS[0]).predict(np.ones((4, 2, 22))).mean() == 1


def test_build_chooses_options_that_the_grid_can_carry(generator: torch.Generator) -> None:
    assert FNO.defaults(Grid((256,))) == {"modes": [16], "width": 32, "depth": 4, "periodic": True}
    assert FNO.defaults(Grid((64, 64), periodic=False)) == {
        "modes": [12, 12],
        "width": 24,
        "depth": 4,
        "periodic": False,
    }
    assert FNO.defaults(Grid((9, 64)))["modes"] == [4, 12]
    with pytest.raises(ConfigError, match="unknown network 'fn0': did you mean 'fno'"):
        build("fn0", (2, 1), GRIDS[0], generator=generator)
    with pytest.raises(ConfigError, match="unknown option of fno 'witdh': did you mean 'width'"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"witdh": 3})
    with pytest.raises(ValueError, match="12 modes need at least 24 points on their axis, got 22"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"modes": [12]})
    with pytest.raises(ValueError, match="2 channels on 2 axes"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"modes": [3, 4]})


# Bundles


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_loaded_surrogate_predicts_the_same_bits(
    grid: Grid, double: bool, tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(grid, generator)
    surrogate = surrogate.double() if double else surrogate
    surrogate.save(tmp_path / "deep" / "folder")
    again = load(tmp_path / "deep" / "folder")
    inputs = normal(4, 2, *grid.shape, generator=generator)
    np.testing.assert_array_equal(again.predict(inputs), surrogate.predict(inputs))
    assert (again.dtype, again.grid, again.channels) == (surrogate.dtype, grid, (2, 3))
    assert not again.training and all(p.requires_grad for p in again.parameters())


def test_a_bundle_holds_weights_with_their_hash_a_configuration_and_a_card(
    tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(GRIDS[0], generator)
    surrogate.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["sha256"] == hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert config["network"] == "fno" and config["options"]["width"] == 5
    assert "22 cells" in (tmp_path / "README.md").read_text()
    surrogate.save(tmp_path, card="# Mine\n")
    assert (tmp_path / "README.md").read_text() == "# Mine\n"


def test_a_network_of_yours_is_loaded_into_an_instance(tmp_path: Path, generator: torch.Generator) -> None:
    surrogate = yours(generator)
    surrogate(torch.ones(4, 2, 22))  # moves the batch statistics
    surrogate.save(tmp_path)
    inputs = normal(4, 2, 22, generator=generator)
    again = load(tmp_path, Yours().double())
    np.testing.assert_array_equal(again.predict(inputs), surrogate.predict(inputs))
    assert again.network.again.weight is again.network.hidden.weight
    with pytest.raises(ConfigError, match=r"unknown network '.*Yours'.*Known: fno.*load\(folder, network\)"):
        load(tmp_path)
    with pytest.raises(
        BundleError, match=r"11 differ.*'network.again.bias', saved with shape \(4,\), in the network \(5,\)"
    ):
        load(tmp_path, Yours(width=5))
    with pytest.raises(BundleError, match="15 differ.*in the network none"):
        load(tmp_path, nn.Linear(2, 3))


def test_a_flipped_bit_in_the_weights_is_seen(tmp_path: Path, generator: torch.Generator) -> None:
    small(GRIDS[0], generator).save(tmp_path)
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-100] ^= 4
    (tmp_path / "model.safetensors").write_bytes(bytes(content))
    with pytest.raises(BundleError, match="damaged"):
        load(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path: Path, generator: torch.Generator) -> None:
    with pytest.raises(BundleError, match=r"there is no config\.json"):
        load(tmp_path)
    small(GRIDS[0], generator).save(tmp_path)
    text = (tmp_path / "config.json").read_text()
    for old, new, message in (
        ('"fno"', '"fnos"', "unknown network 'fnos': did you mean 'fno'"),
        ("mlft-surrogate-1", "mlft-surrogate-9", "format 'mlft-surrogate-9'; this version reads 'mlft-surrogate-1'"),
        ('"channels"', '"chanels"', "damaged: KeyError"),
        ('"width": 5', '"width": 6', "do not fit the network"),
        ('"width"', '"widht"', "unknown option of fno 'widht'"),
        (text, "[1]", "format None"),
        ("{", "[", "damaged"),
    ):
        assert old in text
        (tmp_path / "config.json").write_text(text.replace(old, new, 1))
        with pytest.raises(MlftError, match=message):
            load(tmp_path)
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"there is no model\.safetensors"):
        load(tmp_path)


class Killed(BaseException):
    """What a test raises in place of a killed process."""


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_save_interrupted_anywhere_leaves_the_old_surrogate_or_the_new_one(
    call: str, tmp_path: Path, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrogates = [small(GRIDS[0], generator) for _ in range(2)]
    inputs = normal(3, 2, 22, generator=generator)
    predictions = [surrogate.predict(inputs) for surrogate in surrogates]
    surrogates[0].save(tmp_path)
    current, new = 0, 1
    outcomes = set()
    for survived in range(20):  # two saves in turn, so that one interrupted save meets the leftovers of another
        with monkeypatch.context() as patch:
            interrupt(patch, call, after=survived)
            try:
                surrogates[new].save(tmp_path)
                finished = True
            except Killed:
                finished = False
        seen = load(tmp_path).predict(inputs)
        matches = [np.array_equal(seen, prediction) for prediction in predictions]
        assert sum(matches) == 1
        outcomes.add((finished, matches[new] or current == new))
        current = matches.index(True)
        new = 1 - current
        if finished:
            break
    assert outcomes == {(False, False), (False, True), (True, True)} or call == "open"
    assert finished and sorted(path.suffix for path in tmp_path.iterdir() if path.suffix != ".tmp") == [
        ".json",
        ".md",
        ".safetensors",
    ]


def interrupt(patch: pytest.MonkeyPatch, call: str, *, after: int) -> None:
    """Let `call` work `after` times, then die in its stead."""
    owner = Path if call == "open" else os
    original = getattr(owner, call)
    left = [after]

    def dying(*args: object, **kwargs: object) -> object:
        if call == "open" and "w" not in str(args[1:]):
            return original(*args, **kwargs)
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return original(*args, **kwargs)

    patch.setattr(owner, call, dying)


# Exports


def test_a_torch_export_takes_any_batch_and_grid(tmp_path: Path, generator: torch.Generator) -> None:
    surrogate = small(Grid((12, 12)), generator, depth=1)
    export_torch(surrogate, tmp_path / "surrogate.pt2")
    exported = torch.export.load(tmp_path / "surrogate.pt2").module()
    for shape in ((1, 2, 12, 12), (5, 2, 9, 14)):
        inputs = torch.from_numpy(7 + normal(*shape, generator=generator)).float()
        torch.testing.assert_close(exported(inputs), surrogate(inputs), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("grid", [GRIDS[1], pytest.param(GRIDS[3], marks=pytest.mark.slow)], ids=str)
@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_an_onnx_export_takes_any_batch_and_grid(grid: Grid, tmp_path: Path, generator: torch.Generator) -> None:
    import onnxruntime

    surrogate = small(grid, generator, depth=1)
    surrogate.input_normaliser.fit(1e4 + normal(6, 2, *grid.shape, generator=generator))
    surrogate.output_normaliser.fit(3 * normal(6, 3, *grid.shape, generator=generator))
    export_onnx(surrogate, tmp_path / "surrogate.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["surrogate.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "surrogate.onnx", providers=["CPUExecutionProvider"])
    for samples, longer in ((1, 0), (5, 8)):
        inputs = 1e4 + normal(samples, 2, *(n + longer for n in grid.shape), generator=generator).astype(np.float32)
        (outputs,) = session.run(["outputs"], {"inputs": inputs})
        expected = surrogate(torch.from_numpy(inputs)).detach().numpy()
        assert np.abs(outputs - expected).max() / np.abs(expected).max() < 1e-5


def test_a_missing_onnx_is_named(tmp_path: Path, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    with pytest.raises(ImportError, match=r"ONNX export needs onnx: pip install 'mlft\[onnx\]'"):
        export_onnx(small(GRIDS[0], generator), tmp_path / "surrogate.onnx")
