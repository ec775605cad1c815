import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from mlft.errors import ConfigError, MlftError
from mlft.grids import Grid
from mlft.surrogates import BundleError, export_onnx, load
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
    with pytest.raises(ConfigError, match=r"unknown network '.*Yours'.*Known: auto, .*fno.*load\(folder, network\)"):
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
        ("mlft-surrogate-2", "mlft-surrogate-9", "format 'mlft-surrogate-9'; this version reads 'mlft-surrogate-2'"),
        ('"width": 5', '"width": 6', "does not match its digest: it is damaged or was edited"),
        ('"periodic": true', '"periodic": false', "does not match its digest"),
        ('"digest"', '"digset"', "does not match its digest"),
        (text, "[1]", "it holds a list"),
        (text, "[" * 100_000, "damaged"),
        (text, "\udcff", "damaged"),
        (text, "{" + " " * 2**20, "and 1048576 at most are read"),
        ("{", "[", "damaged"),
    ):
        assert old in text
        content = text.replace(old, new, 1).encode("utf-8", "surrogateescape")
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(MlftError, match=message):
            load(tmp_path)
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"there is no model\.safetensors"):
        load(tmp_path)


FORGED = [
    ({"network": "fnos"}, "unknown network 'fnos': did you mean 'fno'"),
    ({"network": 3}, "network: Input should be a valid string"),
    ({"channels": [2, 3, 4]}, "channels: List should have at most 2 items"),
    ({"channels": [2, -3]}, "channels.1: Input should be greater than or equal to 1"),
    ({"channels": None}, "channels: Input should be a valid list"),
    ({"grid": {"cells": [22.5], "lengths": [1.0], "centring": "cell", "periodic": True}}, "grid.cells.0: Input"),
    ({"grid": {"cells": [1], "lengths": [1.0], "centring": "cell", "periodic": True}}, "at least 2 cells"),
    ({"grid": {"cells": [22], "lengths": [1.0], "centring": "face", "periodic": True}}, "grid.centring"),
    ({"options": {"widht": 5}}, "unknown option of fno 'widht'"),
    ({"options": {"width": 6}}, "do not fit the network"),
    ({"options": {"width": 100_000}}, "do not fit the network"),  # 40 GB, if it were made before it is compared
    ({"options": {"width": 10**30}}, "describes no network"),
    ({"options": {"width": "5"}}, "describes no network"),
    ({"options": {"depth": 10**7}}, "an FNO has 1000 layers at most"),
    ({"options": {"modes": [4] * 3}}, "describes no network"),
    ({"options": {"modes": None}}, "describes no network"),
    ({"options": {"width": 2**40}}, "describes no network: [^\n]*$"),  # torch says more, in many lines
    ({"sha256": "a" * 5000}, "states no SHA-256"),
    ({"sha256": "../" * 8 + "dev/zero"}, "states no SHA-256"),
    ({"sha256": None}, "states no SHA-256"),
]


@pytest.mark.parametrize(("changes", "message"), FORGED)
def test_a_forged_configuration_is_refused_before_room_is_made(
    changes: dict[str, object], message: str, tmp_path: Path, generator: torch.Generator
) -> None:
    small(GRIDS[0], generator).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["digest"]
    for name, value in changes.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) and name == "options" else value
    forge(tmp_path, config)
    with pytest.raises(MlftError, match=message):
        load(tmp_path)


def test_weights_that_are_larger_than_their_numbers_are_refused_before_they_are_opened(
    tmp_path: Path, generator: torch.Generator
) -> None:
    small(GRIDS[0], generator).save(tmp_path)
    os.truncate(tmp_path / "model.safetensors", 40 * 10**9)  # sparse: it takes no room
    with pytest.raises(BundleError, match="it has 40000000000 bytes, and its numbers take"):
        load(tmp_path)


def forge(folder: Path, config: dict[str, object]) -> None:
    """Write a configuration with its digest, as one does who means to."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config | {"digest": digest}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda tensors: {**tensors, "network.lift.first": tensors["network.lift.first"] * np.nan},
            "what is no number, first",
        ),
        (lambda tensors: {**tensors, "network.lift.first": tensors["network.lift.first"].int()}, "do not fit"),
        (lambda tensors: {**tensors, "network.lift.first": tensors["network.lift.first"][:1]}, "do not fit"),
        (lambda tensors: {**tensors, "other": torch.ones(2)}, "1 differ, first 'other'"),
        (lambda tensors: dict(list(tensors.items())[1:]), "1 differ"),
        (lambda tensors: b"nothing", "is damaged"),
        (lambda tensors: (2**40).to_bytes(8, "little") + b"{}", "is damaged"),
    ],
)
def test_forged_weights_are_refused(
    content: Callable[..., object], message: str, tmp_path: Path, generator: torch.Generator
) -> None:
    small(GRIDS[0], generator).save(tmp_path)
    made = content(load_file(tmp_path / "model.safetensors"))
    weights = made if isinstance(made, bytes) else save(made)
    (tmp_path / "model.safetensors").write_bytes(weights)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["digest"]
    forge(tmp_path, config | {"sha256": hashlib.sha256(weights).hexdigest()})
    with pytest.raises(BundleError, match=message):
        load(tmp_path)


def test_a_bundle_of_the_older_format_which_had_no_digest_still_opens(
    tmp_path: Path, generator: torch.Generator
) -> None:
    surrogate = small(GRIDS[0], generator)
    surrogate.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["digest"]
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": "mlft-surrogate-1"}))
    inputs = normal(3, 2, 22, generator=generator)
    np.testing.assert_array_equal(load(tmp_path).predict(inputs), surrogate.predict(inputs))


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
    surrogate.export(tmp_path / "surrogate.pt2")
    exported = torch.export.load(tmp_path / "surrogate.pt2").module()
    for shape in ((1, 2, 12 * patch, 12 * patch), (5, 2, *other)):
        inputs = torch.from_numpy(7 + normal(*shape, generator=generator)).float()
        torch.testing.assert_close(exported(inputs), surrogate(inputs), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("grid", [GRIDS[1], pytest.param(GRIDS[3], marks=pytest.mark.slow)], ids=str)
def test_an_onnx_export_takes_any_batch_and_grid(grid: Grid, tmp_path: Path, generator: torch.Generator) -> None:
    import onnxruntime

    surrogate = small(grid, generator, depth=1)
    surrogate.input_normaliser.fit(1e4 + normal(6, 2, *grid.shape, generator=generator))
    surrogate.output_normaliser.fit(3 * normal(6, 3, *grid.shape, generator=generator))
    surrogate.export(str(tmp_path / "surrogate.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["surrogate.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "surrogate.onnx", providers=["CPUExecutionProvider"])
    for samples, longer in ((1, 0), (5, 8)):
        inputs = 1e4 + normal(samples, 2, *(n + longer for n in grid.shape), generator=generator).astype(np.float32)
        (outputs,) = session.run(["outputs"], {"inputs": inputs})
        expected = surrogate(torch.from_numpy(inputs)).detach().numpy()
        assert np.abs(outputs - expected).max() / np.abs(expected).max() < 1e-5


def test_an_export_to_another_kind_of_file_is_refused(tmp_path: Path, generator: torch.Generator) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.pt2 \(PyTorch\) or \.onnx, got .*surrogate\.h5"):
        small(GRIDS[0], generator).export(tmp_path / "surrogate.h5")
    assert not list(tmp_path.iterdir())


def test_a_missing_onnx_is_named(tmp_path: Path, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    with pytest.raises(ImportError, match=r"ONNX export needs onnx: pip install 'mlft\[onnx\]'"):
        export_onnx(small(GRIDS[0], generator), tmp_path / "surrogate.onnx")
