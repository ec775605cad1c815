"""Options that a problem refuses."""

import re

import pytest


def refuses(kind: type, options: dict, message: str) -> None:
    """Expect a ValueError that says `message`, or jaxtyping to be the first to refuse what is none of a Literal."""
    with pytest.raises((ValueError, TypeError)) as caught:
        kind(**options)
    if isinstance(caught.value, ValueError):
        assert re.search(message, str(caught.value)), caught.value
    else:
        assert f"Actual value: {next(iter(options.values()))!r}" in str(caught.value)
