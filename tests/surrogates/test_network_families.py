"""What each family of networks is, against references that share no code with it."""

from math import erf, pi, sqrt

import numpy as np
import pytest
import torch

from mlft.grids import Grid
from mlft.surrogates import (
    FNO,
    MNNH2,
    SURROGATES,
    Average,
    DeepONet,
    PODDeepONet,
    Surrogate,
    UNet,
    build,
)
from mlft.surrogates.layers import Convolution, Perceptron, extended
from mlft.surrogates.patches import from_patches, to_patches
from mlft.surrogates.spectral import SpectralLayer, differences, transform
from small_networks import FAMILIES, MIXED, normal

NODAL = [Grid((128,), centring="nodal", periodic=False), Grid((16, 11), centring="nodal", periodic=(False, True))]


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(erf)(x / sqrt(2))) / 2


def numbers(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("grid", [MIXED, *NODAL], ids=repr)
def test_every_family_takes_mixed_axes_and_nodal_ones_with_a_point_more(
    name: str, grid: Grid, generator: torch.Generator
) -> None:
    network = build(name, (2, 3), grid, generator=generator).network
    assert network(torch.randn(4, 2, *grid.shape, generator=generator)).shape == (4, 3, *grid.shape)


@pytest.mark.parametrize(
    ("network", "shape", "by"),
    [
        (lambda g: UNet((2, 3), generator=g, width=3, depth=2), (20,), (4,)),
        (lambda g: UNet((2, 3), generator=g, width=3, depth=1, periodic=(True, False), axes=2), (12, 7), (2, 0)),
        (lambda g: MNNH2((2, 3), generator=g, patch=3, levels=2, rank=2, layers=2), (18,), (6,)),
        (
            lambda g: MNNH2((2, 3), generator=g, patch=2, levels=2, rank=2, layers=1, periodic=(False, True), axes=2),
            (11, 16),
            (0, 4),
        ),
        (lambda g: FNO((2, 3), (3,), generator=g, width=4, depth=2, stencil=2), (15,), (1,)),
        (lambda g: FNO((2, 3), (2, 3), generator=g, width=4, periodic=(True, False), stencil=1), (9, 14), (1, 0)),
    ],
)
def test_along_periodic_axes_a_network_commutes_with_shifts_by_its_boxes(network, shape, by, generator) -> None:  # type: ignore[no-untyped-def]
    made = network(generator).double()
    inputs = torch.from_numpy(normal(2, 2, *shape, generator=generator))
    axes = tuple(range(2, inputs.ndim))
    with torch.no_grad():
        gap = made(inputs.roll(by, axes)) - made(inputs).roll(by, axes)
        other = made(inputs.flip(2)) - made(inputs).flip(2)  # it is no constant
    assert float(gap.abs().max()) < 1e-12
    assert float(other.abs().max()) > 1e-3


# The layers


@pytest.mark.parametrize("zero", [True, False])
def test_a_convolution_continues_each_axis_in_its_way(zero: bool, generator: torch.Generator) -> None:
    layer = Convolution((2, 3), 5, (True, False), generator=generator, zero=zero).double()
    field = normal(2, 2, 6, 7, generator=generator)
    found = numbers(layer)
    sides = ((0, 0), (0, 0), (2, 2), (0, 0))
    padded = np.pad(field, sides, mode="wrap")
    ends = ((0, 0), (0, 0), (0, 0), (2, 2))
    padded = np.pad(padded, ends) if zero else np.pad(padded, ends, mode="edge")
    expected = sum(
        np.einsum("dc,ncxy->ndxy", found["weight"][:, :, i, j], padded[:, :, i : i + 6, j : j + 7])
        for i in range(5)
        for j in range(5)
    )
    np.testing.assert_allclose(layer(torch.from_numpy(field)).detach(), expected, atol=1e-13)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("window", [1, 3])
def test_on_a_line_a_convolution_is_the_same_with_gradients_and_without(
    wraps: bool, window: int, generator: torch.Generator
) -> None:
    layer = Convolution((2, 3), window, (wraps,), generator=generator).double()
    field = normal(4, 2, 7, generator=generator)
    reach = window // 2
    padded = np.pad(field, ((0, 0), (0, 0), (reach, reach)), mode="wrap" if wraps else "edge")
    weight = numbers(layer)["weight"]
    expected = sum(np.einsum("dc,ncx->ndx", weight[:, :, i], padded[:, :, i : i + 7]) for i in range(window))
    with torch.no_grad():
        np.testing.assert_allclose(layer(torch.from_numpy(field)), expected, atol=1e-13)
    inputs = torch.from_numpy(field).requires_grad_()
    found = layer(inputs)
    np.testing.assert_allclose(found.detach(), expected, atol=1e-13)
    found.square().sum().backward()
    slopes = [np.einsum("ndx,ncx->dc", 2 * expected, padded[:, :, i : i + 7]) for i in range(window)]
    np.testing.assert_allclose(layer.weight.grad, np.stack(slopes, axis=-1), atol=1e-12)
    assert torch.autograd.gradcheck(layer, inputs)


def test_a_window_wider_than_a_periodic_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches 3 points beyond a periodic axis that has 2 in all"):
        extended(torch.zeros(1, 1, 2), 2, (3, 3), wraps=True)


def perceptron(rows: np.ndarray, layer: Perceptron) -> np.ndarray:
    for i, (weight, bias) in enumerate(zip(layer.weights, layer.biases, strict=True)):
        rows = (gelu(rows) if i else rows) @ weight.detach().numpy() + bias.detach().numpy()
    return rows


@pytest.mark.parametrize("wraps", [True, False])
def test_a_stencil_adds_a_convolution_that_does_not_see_constants(wraps: bool, generator: torch.Generator) -> None:
    layer = SpectralLayer(3, (2,), generator=generator, stencil=2, wraps=(wraps,)).double()
    plain = SpectralLayer(3, (2,), generator=generator).double()
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name != "local"})
    field = normal(9, 2, 3, generator=generator)
    axes = (transform(torch.from_numpy(field), 0, modes=2, period=(1, 1)),)
    added = (layer(torch.from_numpy(field), axes) - plain(torch.from_numpy(field), axes)).detach().numpy()
    padded = np.pad(field, ((2, 2), (0, 0), (0, 0)), mode="wrap" if wraps else "edge")
    kernel = layer.local.detach().numpy().reshape(4, 3, 3)
    offsets = (-2, -1, 1, 2)
    expected = sum((padded[2 + o : 11 + o] - field) @ kernel[i] for i, o in enumerate(offsets))
    np.testing.assert_allclose(added, expected, atol=1e-13)
    assert float(differences(torch.ones(5, 4, 1, 2), 1, (wraps, not wraps)).abs().max()) == 0


# The U-Net


def test_a_unet_of_one_halving_is_its_formula(generator: torch.Generator) -> None:
    network = UNet((1, 2), generator=generator, width=2, depth=1).double()
    found = numbers(network)
    field = normal(3, 1, 8, generator=generator)

    def convolve(name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = found[f"{name}.weight"], found[f"{name}.bias"]
        reach = weight.shape[2] // 2
        moved = [np.roll(x, reach - i, axis=2) for i in range(weight.shape[2])]
        return sum(np.einsum("dc,ncx->ndx", weight[:, :, i], one) for i, one in enumerate(moved)) + bias[:, None]

    def block(name: str, x: np.ndarray) -> np.ndarray:
        return convolve(f"{name}.1", gelu(convolve(f"{name}.0", gelu(x))))

    top = block("descend.0", convolve("lift", field))
    pairs = np.stack([top[:, :, ::2], top[:, :, 1::2]], axis=2).reshape(3, 4, 4)
    low = block("descend.1", convolve("down.0", pairs))
    up = convolve("up.0", low).reshape(3, 2, 2, 4)
    doubled = np.empty((3, 2, 8))
    doubled[:, :, ::2], doubled[:, :, 1::2] = up[:, :, 0], up[:, :, 1]
    expected = convolve("project", gelu(block("ascend.0", np.concatenate([top, doubled], axis=1))))
    np.testing.assert_allclose(network(torch.from_numpy(field)).detach(), expected, atol=1e-12)


def test_a_unet_sees_a_point_across_the_halvings_and_of_a_crop_only_the_points_asked_for(
    generator: torch.Generator,
) -> None:
    network = UNet((1, 1), generator=generator, width=3, depth=3, periodic=False).double()
    inputs = torch.zeros(1, 1, 17, dtype=torch.float64)
    moved = inputs.clone()
    moved[..., 0] = 1
    with torch.no_grad():
        change = (network(moved) - network(inputs)).abs().flatten()
    assert len(change) == 17 and float(change[-1]) > 0
    assert float(change[:9].max()) > 3 * float(change[9:].max())  # the crop is at the far end


def test_a_patched_unet_is_one_of_the_patches(generator: torch.Generator) -> None:
    patched = UNet((2, 3), generator=generator, width=2, depth=1, axes=2, patch=2).double()
    plain = UNet((8, 12), generator=generator, width=2, depth=1, axes=2).double()
    plain.load_state_dict(patched.state_dict())
    inputs = torch.from_numpy(normal(3, 2, 11, 8, generator=generator))
    found = from_patches(plain(to_patches(inputs, 2)), 2, inputs)
    assert torch.equal(patched(inputs), found)
    assert found.shape == (3, 3, 11, 8)


def test_the_unet_of_a_large_plane_has_the_patches_of_a_fourier_operator() -> None:
    for cells in ((64, 64), (96, 128), (256, 256), (250, 250)):
        grid = Grid(cells)
        known = UNet.defaults(grid)
        assert known["patch"] == SURROGATES["fno"].defaults(grid)["patch"]
        assert min(cells) // known["patch"] >= 4 * 2 ** known["depth"]
    assert UNet.defaults(Grid((256, 256)))["patch"] == 4
    assert UNet.defaults(Grid((2048,)))["patch"] == 1


# The MNN-H²


def boxed(kernel: np.ndarray, boxes: int, wraps: bool) -> np.ndarray:
    """The matrix of a convolution over boxes: (out, in, window) to (boxes·out, boxes·in)."""
    out, inside, window = kernel.shape
    matrix = np.zeros((boxes, out, boxes, inside))
    for box in range(boxes):
        for i in range(window):
            other = box + i - window // 2
            if wraps or 0 <= other < boxes:
                matrix[box, :, other % boxes] += kernel[:, :, i]
    return matrix.reshape(boxes * out, boxes * inside)


@pytest.mark.parametrize("wraps", [True, False])
def test_without_activations_an_mnn_h2_is_an_h2_matrix(wraps: bool, generator: torch.Generator) -> None:
    """Positive weights and inputs: no ReLU cuts anything. 24 points: 12 boxes of 2, then 6, then 3."""
    network = MNNH2(
        (1, 1), generator=generator, patch=2, levels=3, rank=2, layers=1, activation="relu", periodic=wraps
    ).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    found = numbers(network)

    for i in (1, 2):  # the points of a patch are the inner index of its channels; of a matrix the outer one
        for name, axis in ((f"restrict.{i}.weight", 1), (f"interpolate.{i}.weight", 0)):
            found[name] = found[name].take([0, 2, 1, 3], axis)

    def matrix(name: str, boxes: int) -> np.ndarray:
        return boxed(found[f"{name}.weight"], boxes, wraps)

    v0, v1, v2 = (matrix(f"restrict.{i}", n) for i, n in enumerate((12, 6, 3)))
    u0, u1, u2 = (matrix(f"interpolate.{i}", n) for i, n in enumerate((12, 6, 3)))
    m0, m1, m2 = (matrix(f"interact.{i}.0", n) for i, n in enumerate((12, 6, 3)))
    whole = u0 @ (m0 + u1 @ (m1 + u2 @ m2 @ v2) @ v1) @ v0 + matrix("adjacent.0", 12)
    inputs = np.abs(normal(3, 1, 24, generator=generator))
    expected = inputs[:, 0] @ whole.T
    np.testing.assert_allclose(network(torch.from_numpy(inputs)).detach()[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("points", "patch", "levels"), [(128, 4, 4), (160, 5, 4), (129, 4, 5), (96, 4, 4), (22, 4, 2), (3, 1, 1)]
)
def test_an_mnn_h2_halves_its_boxes_down_to_four(points: int, patch: int, levels: int) -> None:
    known = MNNH2.defaults(Grid((points,), periodic=True))
    assert (known["patch"], known["levels"]) == (patch, levels)


def test_boxes_of_the_coarsest_level_see_two_to_either_side_those_of_others_three_and_neighbours_one(
    generator: torch.Generator,
) -> None:
    network = MNNH2((1, 1), generator=generator, patch=2, levels=3, rank=2, layers=2)
    levels: list[torch.nn.Module] = list(network.interact)
    windows = [{one.weight.shape[2] for one in level.children()} for level in levels]
    assert windows == [{7}, {7}, {5}]
    assert {one.weight.shape[2] for one in network.adjacent.children()} == {3}


# The DeepONets


def test_a_deeponet_is_its_formula(generator: torch.Generator) -> None:
    network = DeepONet(
        (2, 3), (4, 5), generator=generator, width=6, depth=2, terms=7, waves=2, periodic=(True, False)
    ).double()
    torch.nn.init.normal_(network.constant, generator=generator)
    inputs = normal(3, 2, 4, 5, generator=generator)
    weights = perceptron(inputs.reshape(3, -1), network.branch).reshape(3, 3, 7)
    rows = []
    for i in range(4):
        for j in range(5):
            x, y = (i + 0.5) / 4, (j + 0.5) / 5
            rows.append(
                [np.cos(2 * pi * x), np.cos(4 * pi * x), np.sin(2 * pi * x), np.sin(4 * pi * x)]
                + [np.cos(pi * y), np.cos(2 * pi * y), np.sin(pi * y), np.sin(2 * pi * y), 2 * y - 1]
            )
    functions = perceptron(np.array(rows), network.trunk).reshape(4, 5, 3, 7)
    expected = np.einsum("ndj,xydj->ndxy", weights, functions) / sqrt(7)
    expected += network.constant.detach().numpy()[:, None, None]
    np.testing.assert_allclose(network(torch.from_numpy(inputs)).detach(), expected, atol=1e-12)


def test_the_trunk_of_a_pod_deeponet_spans_its_labels_and_nothing_else(generator: torch.Generator) -> None:
    network = PODDeepONet((1, 2), (9,), generator=generator, width=3, depth=1, terms=6).double()
    inputs = torch.from_numpy(normal(2, 1, 9, generator=generator))
    assert not network(inputs).any()
    labels = torch.from_numpy(normal(3, 4, generator=generator) @ normal(4, 18, generator=generator)).view(3, 2, 9)
    network.fit_labels(labels)
    modes = network.components.numpy()
    assert not modes[3:].any()  # three labels have two directions; the third is round-off
    gram = modes @ modes.T
    centred = (labels - labels.mean(dim=0)).flatten(1).numpy()
    sizes = np.linalg.svd(centred, compute_uv=False)
    np.testing.assert_allclose(np.diag(gram)[:2], sizes[:2] ** 2 / 3, rtol=1e-12)
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
    weights = np.linalg.lstsq(modes[:2].T, centred.T, rcond=None)[0].T
    with torch.no_grad():  # a branch that says the coefficients of label 1, whatever it is given
        network.branch.weights[-1].zero_()
        network.branch.biases[-1].copy_(torch.from_numpy(np.pad(weights[1], (0, 4))))
    np.testing.assert_allclose(network(inputs).detach()[1], labels[1], atol=1e-12)


def test_more_labels_than_terms_leave_the_strongest_and_a_second_fit_leaves_nothing_of_the_first(
    generator: torch.Generator,
) -> None:
    network = PODDeepONet((1, 1), (7,), generator=generator, terms=3).double()
    labels = torch.from_numpy(normal(20, 1, 7, generator=generator))
    network.fit_labels(labels)
    sizes = torch.linalg.svdvals((labels - labels.mean(dim=0)).flatten(1))[:3] / 20**0.5
    torch.testing.assert_close(network.components.norm(dim=1), sizes, rtol=1e-12, atol=0)
    network.fit_labels(labels[:2])
    assert float(network.components[1:].abs().max()) < 1e-14


def test_a_surrogate_and_an_average_hand_their_scaled_labels_on(generator: torch.Generator) -> None:
    grid = Grid((22,))
    row = {"network": "pod-deeponet", "options": SURROGATES["pod-deeponet"].defaults(grid)}
    network = Average((2, 3), generator=generator, members=[row, {**row, "name": "other"}])
    surrogate = Surrogate(network, (2, 3), grid)
    labels = 40 + 3 * normal(6, 3, 22, generator=generator)
    surrogate.fit_normalisers(normal(6, 2, 22, generator=generator), labels)
    scaled = surrogate.output_normaliser.encode(torch.from_numpy(labels)).flatten(1)
    one, two = network.members
    torch.testing.assert_close(one.mean, scaled.mean(dim=0).float(), rtol=1e-6, atol=1e-6)
    assert torch.equal(one.components, two.components)
    assert float(one.components[4].norm()) > 0.1
