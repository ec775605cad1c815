import signal
import subprocess
import sys
import threading
import time

import pytest

import mlft
from mlft.cli import STOPPED

SIGNALS = [signal.SIGINT, signal.SIGTERM]


pytestmark = pytest.mark.usefixtures("hearing")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_is_stopped_says_in_one_sentence_what_is_kept(mlft_command, monkeypatch, number):
    before = signal.getsignal(number)
    monkeypatch.setattr(mlft, "check", lambda *_, **__: signal.raise_signal(number), raising=False)
    assert mlft_command("check", "poisson") == (1, "", f"{STOPPED}\n")
    assert signal.getsignal(number) is before


class Leaving:
    """Its destructor is where the signal comes."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_a_destructor_swallows_comes_again(mlft_command, monkeypatch, number):
    def check(*_, **__):
        Leaving(number)
        time.sleep(20)

    hook = sys.unraisablehook
    monkeypatch.setattr(mlft, "check", check, raising=False)
    assert mlft_command("check", "poisson") == (1, "", f"{STOPPED}\n")
    assert sys.unraisablehook is hook


def test_a_signal_that_was_heard_does_not_disturb_the_end(mlft_command, monkeypatch):
    ended = []

    def check(*_, **__):
        try:
            Leaving(signal.SIGINT)
            time.sleep(20)
        finally:
            time.sleep(0.2)
            ended.append("in order")

    monkeypatch.setattr(mlft, "check", check, raising=False)
    assert mlft_command("check", "poisson") == (1, "", f"{STOPPED}\n")
    assert ended == ["in order"]


def test_a_signal_that_comes_again_too_soon_comes_once_more(mlft_command, monkeypatch):
    start = threading.Thread.start

    def slowly(self):
        start(self)
        time.sleep(0.2)  # a machine with other work: what sends the signal again is there before this has returned

    def check(*_, **__):
        monkeypatch.setattr(threading.Thread, "start", slowly)
        Leaving(signal.SIGINT)
        monkeypatch.undo()
        time.sleep(20)

    monkeypatch.setattr(mlft, "check", check, raising=False)
    assert mlft_command("check", "poisson") == (1, "", f"{STOPPED}\n")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("error", [ValueError, mlft.MlftError], ids=["traceback", "sentence"])
def test_a_signal_that_compiled_code_turns_into_an_error_of_its_own_is_a_stop(mlft_command, monkeypatch, number, error):
    def check(*_, **__):
        try:
            signal.raise_signal(number)
        except BaseException:
            raise error("could not determine the shape") from None  # as safetensors 0.8 says of a tensor it reads

    monkeypatch.setattr(mlft, "check", check, raising=False)
    assert mlft_command("check", "poisson") == (1, "", f"{STOPPED}\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_is_stopped_while_it_imports_says_the_same(tmp_path, number):
    code = f"import signal\n\ntry:\n    signal.raise_signal({int(number)})\nfinally:\n    raise SystemExit(3)\n"
    (tmp_path / "own.py").write_text(code)
    command = [sys.executable, "-c", "from mlft.cli import main; main()", "check", "own:problem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, STOPPED)


def test_what_was_told_to_be_deaf_stays_deaf(mlft_command, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(mlft, "check", lambda *_, **__: signal.raise_signal(signal.SIGINT) or sys.exit(0))
        assert mlft_command("check", "poisson") == (0, "", "")
    finally:
        signal.signal(signal.SIGINT, before)
