"""The colours of pages and figures: each has a name, a value on a light page, and one on a dark page."""

import re
from typing import NamedTuple


class Colour(NamedTuple):
    """A colour on a light page and on a dark one."""

    light: str
    dark: str


PALETTE: dict[str, Colour] = {
    "paper": Colour("#ffffff", "#14181f"),
    "ink": Colour("#1c2430", "#e6eaf0"),
    "soft": Colour("#566170", "#a9b4c2"),
    "line": Colour("#d9dee5", "#38414d"),
    "panel": Colour("#f5f7f9", "#1c222b"),
    "grey": Colour("#677182", "#9aa6b5"),
    "pale": Colour("#a4afbb", "#667385"),
    "mesh": Colour("#e3e7ec", "#2a313b"),
    "blue": Colour("#0072b2", "#4db4f5"),
    "orange": Colour("#bf4f00", "#ff9448"),
    "green": Colour("#00845f", "#30c999"),
}
"""By name. Blue, orange and green are Wong's, whom colour-blind readers can tell apart, made to be read as text too.

Source: Wong (2011), Nature Methods 8, 441; contrasts as in WCAG 2.1, 1.4.3 and 1.4.11.
"""

PAPER, INK, GREY, PALE, MESH, BLUE, ORANGE, GREEN = (
    PALETTE[name].light for name in ("paper", "ink", "grey", "pale", "mesh", "blue", "orange", "green")
)

_NAMED = {colour.light: name for name, colour in PALETTE.items()}


def declared(dark: bool) -> str:
    """Return the colours as CSS variables, `--ink: #1c2430` and so on, for a light or a dark page."""
    return "; ".join(f"--{name}: {colour.dark if dark else colour.light}" for name, colour in PALETTE.items())


def themed(text: str) -> str:
    """Return SVG text with every colour of the palette as its variable: it then follows the page that it is in."""
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found.group()), text)


def _variable(value: str) -> str:
    return f"var(--{_NAMED[value]})" if value in _NAMED else value
