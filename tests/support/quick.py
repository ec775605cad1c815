"""What whole runs of the tests do without, where a test is of something else: the long training of lifts."""

import pytest

from mlft.lifts import LIFTS
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local


@pytest.fixture
def quick_lifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local lift of few weights that is trained for ten steps, and no spectral one."""
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(10, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])
