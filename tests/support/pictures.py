"""Reports without pictures: drawing is most of their time, and tests of runs and commands do not look at them.

The tests of reports draw, and so do commands that are processes of their own.
"""

from collections.abc import Iterator

import pytest

from mlft.reports import drawing

EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt" viewBox="0 0 9 9"></svg>'


@pytest.fixture(autouse=True, scope="module")
def _pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is drawn is empty, but in the folder of reports."""
    with pytest.MonkeyPatch.context() as changed:
        if request.path.parent.name != "reports":
            changed.setattr(drawing, "at_both_widths", lambda draw: drawing.Drawing(EMPTY, EMPTY))
        yield
