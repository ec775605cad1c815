"""What a record says of the processor."""

import platform
from pathlib import Path

import pytest

from mlft.machine import processor


def test_the_processor_is_named_as_linux_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor\t: 0\nvendor_id\t: Maker\nmodel name\t: Fast 3 at 2 GHz\nmodel name\t: another\n"
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert processor() == "Fast 3 at 2 GHz"


def test_a_processor_without_a_model_name_is_named_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: "processor\t: 0\n")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert processor() == "riscv64"


def test_off_linux_python_names_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert processor() == "arm"
