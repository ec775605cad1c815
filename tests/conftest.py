import gc
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import settings

from mlft.cli import main
from mlft.experiment import worth
from mlft.seeds import generator as stream

pytest_plugins = (
    "finished",
    "toy_problem",
    "toy_store",
    "pictures",
    "browsing",
    "quick",
)  # fixtures that several files share

settings.register_profile("ci", derandomize=True, max_examples=50, deadline=None)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def pytest_collection_finish() -> None:
    """Take what is imported out of the collector's sight: it walks through all of torch else, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> torch.Generator:
    """A stream of the test's own, named by file and test: adding a test, or moving its file, moves no other."""
    name = f"tests/{request.node.path.name}::{request.node.nodeid.partition('::')[2]}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return stream(0, "test", digest)


Ended = tuple[int, str, str]


@pytest.fixture
def mlft_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line: words to exit code, output and errors."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["mlft", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


@pytest.fixture
def hearing() -> Iterator[None]:
    """Hear Ctrl-C, which a shell takes from what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


worth.SECONDS = 0.0  # a prediction of a run that a test makes is timed once
torch.set_num_threads(1)  # small tensors; two threads wait for each other, and the more so with pytest -n
