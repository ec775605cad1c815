import hashlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mlft.errors import ConfigError, MlftError
from mlft.grids import Grid
from mlft.surrogates import BundleError, export_onnx, export_torch, load
from small_networks import GRIDS, Yours, normal, small, yours

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


@pytest.mark.parametrize(("patch", "other"), [(1, (9, 14)), (2, (24, 24))])
def test_a_torch_export_takes_any_batch_and_without_patches_any_grid(
    patch: int, other: tuple[int, int], tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(Grid((12 * patch, 12 * patch)), generator, depth=1, patch=patch)
    export_torch(surrogate, tmp_path / "surrogate.pt2")
    exported = torch.export.load(tmp_path / "surrogate.pt2").module()
    for shape in ((1, 2, 12 * patch, 12 * patch), (5, 2, *other)):
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
