import numpy as np
import pytest
import torch
from torch import nn

from mlft.errors import ConfigError
from mlft.grids import Grid, Symmetry, group
from mlft.surrogates import FNO, Normaliser, Surrogate, build
from mlft.surrogates import normaliser as normaliser_module
from small_networks import GRIDS, normal, small, yours

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


def test_a_surrogate_in_float32_makes_outputs_far_from_zero_in_the_precision_of_its_inputs() -> None:
    """A million plus a hundredth: float32 has steps of 0.06 there."""
    inputs = np.linspace(-1.0, 1.0, 3 * 22).reshape(3, 1, 22)
    surrogate = Surrogate(nn.Identity(), (1, 1), GRIDS[0])
    surrogate.output_normaliser.fit(1e6 + 0.01 * inputs)
    shift, scale = surrogate.output_normaliser.shift.numpy(), surrogate.output_normaliser.scale.numpy()
    np.testing.assert_allclose(surrogate.predict(inputs), shift + scale * inputs, rtol=0, atol=1e-8)
    assert surrogate(torch.from_numpy(inputs).float()).dtype == torch.float32


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
    assert FNO.defaults(Grid((256,))) == {
        "modes": [16],
        "width": 32,
        "depth": 4,
        "periodic": True,
        "patch": 1,
        "stencil": 0,
    }
    assert FNO.defaults(Grid((64, 64), periodic=False)) == {
        "modes": [12, 12],
        "width": 24,
        "depth": 4,
        "periodic": False,
        "patch": 1,
        "stencil": 0,
    }
    assert [FNO.defaults(Grid((n, n)))["patch"] for n in (95, 96, 190, 192, 256, 512)] == [1, 2, 2, 4, 4, 8]
    assert FNO.defaults(Grid((99, 198)))["patch"] == 1  # what no patch divides
    assert FNO.defaults(Grid((9, 64)))["modes"] == [4, 12]
    assert FNO.defaults(Grid((8, 192)))["modes"] == [1, 12]  # of the points that patches of 4 leave
    with pytest.raises(ConfigError, match="unknown network 'fn0': did you mean 'fno'"):
        build("fn0", (2, 1), GRIDS[0], generator=generator)
    with pytest.raises(ConfigError, match="unknown option of fno 'witdh': did you mean 'width'"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"witdh": 3})
    with pytest.raises(ValueError, match="12 modes need at least 24 points on their axis, got 22"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"modes": [12]})
    with pytest.raises(ValueError, match="2 channels on 2 axes"):
        build("fno", (2, 1), GRIDS[0], generator=generator, options={"modes": [3, 4]})


def test_a_surrogate_is_told_in_a_line(generator):
    surrogate = small(Grid((12, 9), periodic=False), generator)
    assert repr(surrogate) == "Surrogate(fno, channels (2, 3), 12x9 cells)"
    surrogate.tell(group([Symmetry((True, False), inputs=(1, 1), outputs=(1, 1, 1))]))
    assert repr(surrogate) == "Surrogate(fno, channels (2, 3), 12x9 cells, averaged over 2 symmetries)"
