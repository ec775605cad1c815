"""The page: one file that needs nothing else, its tables and figures. Every piece of text is escaped here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import final

from mlft.reports.drawing import Drawing, inline
from mlft.reports.sheet import SHEET

Section = tuple[str, dict[str, Drawing]]
"""A part of a page: HTML, and its figures by name."""


@final
@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: the heading.
        unit: written small below it.
        text: whether the cells are words, to the left, or numbers, to the right.
    """

    title: str
    unit: str = ""
    text: bool = False


@final
@dataclass(frozen=True)
class Markup:
    """HTML that is already escaped; any other cell of a table is text, and is escaped."""

    html: str


Cell = str | Markup


@final
@dataclass(frozen=True)
class Card:
    """A main number of a page.

    Attributes:
        name: what it is.
        value: the number, with its sign or in a word.
        unit: small behind it.
        lines: what else is to be known of it, a line each.
    """

    name: str
    value: str
    unit: str
    lines: Sequence[str]


def document(name: str, body: str, *, made_by: str) -> str:
    """Return the page. Its policy forbids the browser to load anything from anywhere."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{SHEET}</style>\n</head>\n<body>\n{body}\n"
        f'<footer><p class="kicker">Written by {escape(made_by)}.</p></footer>\n</body>\n</html>\n'
    )


def section(heading: str, *parts: str) -> str:
    """Return a section with a heading, which a list of contents leads to."""
    opened = f'<section id="{_anchor(heading)}">'
    return "\n".join([opened, f"<h2>{escape(heading)}</h2>", *[part for part in parts if part], "</section>"])


def contents(parts: Sequence[str]) -> str:
    """Return the list of the sections among the parts of a page, each a link to it."""
    found = re.findall(r'<section id="([^"]+)">\n<h2>(.*?)</h2>', "\n".join(parts))
    links = "".join(f'<li><a href="#{anchor}">{heading}</a></li>' for anchor, heading in found)
    return f'<nav aria-label="The sections of this page"><h2>Contents</h2><ol>{links}</ol></nav>'


def cards(shown: Sequence[Card]) -> str:
    """Return the main numbers of a page, beside each other."""
    return '<dl class="cards">' + "".join(map(_card, shown)) + "</dl>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of text; what stands between back quotes is code."""
    marked = re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))
    return f"<p{_class(kind)}>{marked}</p>"


def title(text: str) -> str:
    """Return the heading of the page."""
    return f"<h1>{escape(text)}</h1>"


def code(text: str) -> str:
    """Return text to be copied."""
    return f"<pre>{escape(text)}</pre>"


def terms(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and values, a line each."""
    return (
        '<dl class="terms">'
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
        + "</dl>"
    )


def link(target: str, text: str) -> Markup:
    """Return a link to a file beside the page."""
    return Markup(f'<a href="{escape(target)}">{escape(text)}</a>')


def part_of(part: float | None, text: str) -> Markup:
    """Return a share as a small bar and in words."""
    width = 0.0 if part is None else 100 * min(max(part, 0.0), 1.0)
    bar = f'<rect width="100" height="10"/><rect width="{width:.1f}" height="10"/>'
    picture = f'<svg class="part" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'
    return Markup(f'{picture}<span class="words">{escape(text)}</span>')


def stacked(value: str, below: str) -> Markup:
    """Return a number with its interval below."""
    return Markup(f"{escape(value)}<small>{escape(below)}</small>")


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, kinds: Sequence[str] = ()) -> str:
    """Return a table that scrolls sideways where it does not fit.

    Args:
        caption: what it holds.
        columns: the headings.
        rows: the cells, a row each.
        kinds: a style for each row, "strong", "total" or "".
    """
    head = "".join(
        f'<th scope="col"{_class("text" if c.text else "")}>{escape(c.title)}'
        + (f"<small>{escape(c.unit)}</small>" if c.unit else "")
        + "</th>"
        for c in columns
    )
    kinds = kinds or [""] * len(rows)
    body = "\n".join(
        f"<tr{_class(kind)}>{''.join(_cell(c, cell) for c, cell in zip(columns, row, strict=True))}</tr>"
        for kind, row in zip(kinds, rows, strict=True)
    )
    words = f"<caption><span>{escape(caption)}</span></caption>"
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
    return f"{scroll}<table>{words}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"


def figure(drawings: dict[str, Drawing], caption: str, *, alt: str) -> str:
    """Return drawings as a figure, below each other: each for a wide page, and for a narrow one.

    Args:
        drawings: by name.
        caption: what to see.
        alt: the same for those who do not see it, in a sentence.
    """
    inside = "".join(
        inline(drawing.wide, name, alt, kind="wide") + inline(drawing.narrow, f"{name}-narrow", alt, kind="narrow")
        for name, drawing in drawings.items()
    )
    return f"<figure>\n{inside}<figcaption>{escape(caption)}</figcaption>\n</figure>"


def _card(shown: Card) -> str:
    unit = f" <small>{escape(shown.unit)}</small>" if shown.unit else ""
    value = f'<dd class="value">{escape(shown.value)}{unit}</dd>'
    lines = "".join(f"<dd>{escape(line)}</dd>" for line in shown.lines)
    return f'<div class="card"><dt>{escape(shown.name)}</dt>{value}{lines}</div>'


def _anchor(heading: str) -> str:
    """Return the name of a section, to be linked to: its letters and digits, in lower case.

    >>> _anchor("Is it worth it?"), _anchor("schrodinger, Gross–Pitaevskii in 2D")
    ('is-it-worth-it', 'schrodinger-gross-pitaevskii-in-2d')
    """
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


def _cell(column: Column, cell: Cell) -> str:
    return f"<td{_class('text' if column.text else '')}>{cell.html if isinstance(cell, Markup) else escape(cell)}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
