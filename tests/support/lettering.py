"""The letters of a figure: their sizes, colours and places, measured with the font that lays figures out."""

import re
from dataclasses import dataclass
from html import unescape

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath


@dataclass(frozen=True)
class Word:
    """A text of a figure: its size in units of the picture, and the box that it fills."""

    text: str
    size: float
    left: float
    right: float
    top: float
    bottom: float


def size_of(picture: str) -> tuple[float, float, float, float]:
    """Width and height that a picture is shown at, in points, and those of its view box."""
    width, height = re.search(r'<svg[^>]* width="(\S+)pt" height="(\S+)pt"', picture).groups()
    box = re.search(r'viewBox="0 0 (\S+) (\S+)"', picture).groups()
    return float(width), float(height), float(box[0]), float(box[1])


def words_of(picture: str) -> list[Word]:
    """Every text of a picture that is not blank."""
    found = re.findall(r"<text style=\"([^\"]*)\" ([^>]*)>([^<]*)</text>", picture)
    assert len(found) == picture.count("<text")
    return [_word(style, place, unescape(text)) for style, place, text in found if text.strip()]


def _word(style: str, place: str, text: str) -> Word:
    size = float(re.search(r"([\d.]+)px", style).group(1))
    weight = "bold" if re.search(r"font(-weight)?: (bold|700)", style) else "normal"
    moved = re.search(r"translate\((\S+) (\S+)\)", place)  # a line of several; one that is alone is turned about x, y
    x, y = map(float, moved.groups() if moved else re.search(r'x="(\S+)" y="(\S+)"', place).groups())
    turned = re.search(r"rotate\(([-\d.]+)", place)
    turn = float(turned.group(1)) if turned else 0.0
    extent = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans", weight=weight)).get_extents()
    anchor = re.search(r"text-anchor: (\w+)", style)
    start = {"middle": -extent.width / 2, "end": -extent.width}.get(anchor.group(1) if anchor else "", 0.0)
    if turn == 0:
        return Word(text, size, x + start, x + start + extent.width, y - extent.y1, y - extent.y0)
    assert turn == -90
    return Word(text, size, x - extent.y1, x - extent.y0, y - start - extent.width, y - start)
