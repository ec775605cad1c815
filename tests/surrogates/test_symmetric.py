"""A surrogate that is told of symmetries: its predictions commute, it is saved with them, and exported with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mlft.files import digest
from mlft.grids import Grid, Symmetry, group
from mlft.kernels import Linearised
from mlft.surrogates import BundleError, Surrogate, load
from small_networks import normal, small

CASES = [
    (Grid((22,)), [Symmetry((True,), inputs=(-1, 1), outputs=(1, -1, -1))]),
    (Grid((22,), centring="nodal"), [Symmetry((True,), inputs=(1, 1), outputs=(1, 1, -1), pinned=True)]),
    (
        Grid((10, 12)),
        [Symmetry((True, False), False, (1, -1), (1, 1, 1)), Symmetry((False, True), False, (1, 1), (1,) * 3)],
    ),
    (
        Grid((11, 11), periodic=False),
        [Symmetry((True, False), False, (1, 1), (1, 1, 1)), Symmetry((False, False), True, (1, -1), (1, -1, 1))],
    ),
]


def told(grid: Grid, generators: list[Symmetry], generator: torch.Generator, **options: bool) -> Surrogate:
    surrogate = small(grid, generator).double()
    surrogate.tell(group(generators), **options)
    return surrogate


@pytest.mark.parametrize(("grid", "generators"), CASES)
def test_predictions_commute_with_the_group_to_round_off(
    grid: Grid, generators: list[Symmetry], generator: torch.Generator
) -> None:
    surrogate = told(grid, generators, generator)
    inputs = normal(3, 2, *grid.shape, generator=generator)
    plain = surrogate.predict(inputs)
    for element in surrogate.symmetries:
        np.testing.assert_allclose(
            surrogate.predict(element.of_inputs(inputs)),
            element.of_outputs(plain),
            rtol=0,
            atol=1e-13 * np.abs(plain).max(),
        )
    surrogate.averaged = False
    other = generators[0]
    off = surrogate.predict(other.of_inputs(inputs)) - other.of_outputs(surrogate.predict(inputs))
    assert np.abs(off).max() > 1e-3


def test_a_prediction_is_the_average_and_a_training_sees_one_evaluation(generator: torch.Generator) -> None:
    grid, generators = CASES[3]
    surrogate = told(grid, generators, generator)
    x = torch.from_numpy(normal(3, 2, *grid.shape, generator=generator))
    once = surrogate.train()(x)
    surrogate.averaged = False
    assert torch.equal(surrogate.eval()(x), once)
    parts = [e.inverse.of_outputs(surrogate(e.of_inputs(x))) for e in surrogate.symmetries]
    surrogate.averaged = True
    torch.testing.assert_close(surrogate(x), torch.stack(parts).mean(0), rtol=1e-13, atol=1e-13)
    assert torch.equal(surrogate.train()(x), once)


@pytest.mark.parametrize(("grid", "generators"), CASES)
def test_elements_that_are_evaluated_together_average_as_one_by_one(
    grid: Grid, generators: list[Symmetry], generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrogate = told(grid, generators, generator)
    inputs = normal(2, 2, *grid.shape, generator=generator)
    sizes: list[int] = []
    surrogate.network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    found, points = [], 2 * int(np.prod(grid.shape))
    for most in (1, 3 * points, 100 * points):
        monkeypatch.setattr("mlft.surrogates.surrogate._POINTS_AT_ONCE", most)
        found.append(surrogate.predict(inputs))
    elements = len(surrogate.symmetries)
    assert sizes[: 2 * elements] == [1] * (2 * elements) and sizes[-1] == 2 * elements
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-13 * np.abs(found[0]).max())


@pytest.mark.parametrize("averaged", [True, False])
def test_a_loaded_surrogate_has_its_symmetries_and_predicts_the_same_bits(
    averaged: bool, tmp_path: Path, generator: torch.Generator
) -> None:
    grid, generators = CASES[3]
    surrogate = told(grid, generators, generator, averaged=averaged)
    surrogate.save(tmp_path)
    again = load(tmp_path)
    assert (again.symmetries, again.averaged) == (surrogate.symmetries, averaged)
    inputs = normal(3, 2, *grid.shape, generator=generator)
    np.testing.assert_array_equal(again.predict(inputs), surrogate.predict(inputs))


def test_a_bundle_without_symmetries_says_nothing_of_them(tmp_path: Path, generator: torch.Generator) -> None:
    small(Grid((22,)), generator).save(tmp_path)
    assert "symmetry" not in json.loads((tmp_path / "config.json").read_text())
    assert load(tmp_path).symmetries == ()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda told: told["elements"].pop(0), "they make 2"),
        (lambda told: told["elements"].clear(), "at least 1 item"),
        (lambda told: told["elements"][1].update(inputs=[1, 2]), "are 1 or −1"),
        (lambda told: told["elements"][1].update(inputs=[1, 1, 1]), "no symmetry of Grid"),
        (lambda told: told["elements"][1].update(flips=[1]), "valid boolean"),
        (lambda told: told["elements"][1].update(pinned=True), "no symmetry of Grid"),
        (lambda told: told["elements"][1].update(turn=True), "not permitted"),
        (lambda told: told.update(averaged=1), "valid boolean"),
        (lambda told: told.update(averaged=False), "are not those of its weights"),
        (lambda told: told["elements"][1].update(outputs=[-1, 1, 1]), "are not those of its weights"),
    ],
)
def test_symmetries_that_cannot_be_are_refused_by_what_is_wrong(spoil, words, tmp_path: Path, generator) -> None:  # type: ignore[no-untyped-def]
    told(*CASES[0], generator).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    spoil(config["symmetry"])
    config.pop("digest")
    (tmp_path / "config.json").write_text(json.dumps(config | {"digest": digest(config)}))
    with pytest.raises(BundleError, match=words):
        load(tmp_path)


def test_a_surrogate_is_told_of_groups_that_live_on_its_grid(generator: torch.Generator) -> None:
    surrogate = small(Grid((22,)), generator)
    with pytest.raises(ValueError, match="no symmetry of Grid"):
        surrogate.tell(group([Symmetry((True,))]))
    with pytest.raises(ValueError, match="are none: together they make 2"):
        surrogate.tell(CASES[0][1])
    surrogate.tell(())
    assert surrogate.symmetries == ()


TURNS = [Symmetry((True, False), swap=True, inputs=(1, -1), outputs=(1, -1, 1))]


@pytest.mark.parametrize(("grid", "generators"), [CASES[0], (CASES[3][0], TURNS)], ids=["flips", "turns"])
def test_exports_have_the_average_in_them(
    grid: Grid, generators: list[Symmetry], tmp_path: Path, generator: torch.Generator
) -> None:
    import onnxruntime

    surrogate = small(grid, generator, depth=1)
    surrogate.tell(group(generators))
    surrogate.double().network.float()  # ONNX Runtime has no erf of doubles
    for kind in ("pt2", "onnx"):
        surrogate.export(tmp_path / f"model.{kind}")
    exported = torch.export.load(tmp_path / "model.pt2").module()
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 5):
        inputs = normal(n, 2, *grid.shape, generator=generator).astype(np.float32)
        expected = surrogate.predict(inputs)
        found = exported(torch.from_numpy(inputs)).detach().numpy(), session.run(None, {"inputs": inputs})[0]
        for one in found:
            np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_tangent_kernel_is_that_of_the_average(generator: torch.Generator) -> None:
    """Features at a mirrored input are the mirrored features: J(g x) = g J(x)."""
    grid, generators = CASES[0]
    surrogate = told(grid, generators, generator)
    x = torch.from_numpy(normal(2, 2, *grid.shape, generator=generator))
    linear, element = Linearised(surrogate, x), generators[0]
    probes = torch.randn(2, 4, 3, 22, generator=generator, dtype=torch.float64)
    mirrored = torch.stack([element.inverse.of_outputs(one) for one in probes])
    here = linear.features(element.of_inputs(x), probes.flatten(2))
    torch.testing.assert_close(here, linear.features(x, mirrored.flatten(2)), rtol=1e-10, atol=1e-10)
    assert linear.mapped
