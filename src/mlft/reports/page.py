"""The page: one file that needs nothing else, its tables and figures. Every piece of text is escaped here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import final

from mlft.reports.drawing import inline

_CSS = """
:root { color-scheme: light; --ink: #1c2430; --soft: #566170; --line: #d9dee5; --orange: #b84f00; --blue: #0072b2 }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.2rem 1.2rem 4rem; max-width: 60rem; background: #fff; color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
header { border-bottom: 2px solid var(--ink); padding-bottom: 1rem }
h1 { font-size: 1.65rem; line-height: 1.28; margin: .2rem 0 .7rem; letter-spacing: -.01em; text-wrap: balance }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .5rem; padding-top: .4rem; break-after: avoid }
p { max-width: 46rem; margin: .5rem 0 }
.kicker { color: var(--soft); font-size: .92rem; margin: 0 }
.verdict { font-size: 1.08rem }
.soft { color: var(--soft); font-size: .95rem }
.rejected { color: var(--orange); font-weight: 600 }
figure { margin: 1.1rem 0; break-inside: avoid }
figure svg { display: block; width: 100%; height: auto }
figure svg * { stroke-linejoin: round; stroke-linecap: butt }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif !important }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; margin-top: .45rem }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .8rem }
.scroll { overflow-x: auto }
.scroll > svg { min-width: 34rem }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; margin: .3rem 0;
  min-width: min(100%, 30rem) }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .3rem }
th, td { padding: .32rem .8rem .32rem 0; text-align: right; vertical-align: baseline;
  border-bottom: 1px solid var(--line) }
th { font-weight: 600; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); line-height: 1.3 }
th small, td small { display: block; white-space: nowrap; color: var(--soft); font-weight: 400 }
th.text, td.text { text-align: left }
td, td.text:first-child { white-space: nowrap } td.text { white-space: normal; min-width: 7rem }
tr.strong td { font-weight: 650 }
tr.total td { border-bottom: 0; border-top: 1.5px solid var(--ink) }
.part { display: inline-block; width: 4.5rem; height: .62rem; margin-right: .5rem; vertical-align: baseline }
.words { display: inline-block; min-width: 2.6rem }
.part rect:first-child { fill: #e9edf1 } .part rect:last-child { fill: var(--blue) }
pre, code { font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
pre { background: #f5f7f9; border: 1px solid var(--line); border-radius: 4px; padding: .7rem .9rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }
code { overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; font-size: .92rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
a { color: var(--blue) }
@media (max-width: 40rem) { body { padding: 1.2rem .9rem 3rem } h1 { font-size: 1.35rem } dl { display: block }
  dd { margin-bottom: .4rem } }
@media print { body { max-width: none; padding: 0; font-size: 9.5pt } h2 { margin-top: 1.4rem }
  .scroll { overflow: visible } .scroll > svg { min-width: 0 } .row { grid-template-columns: repeat(3, 1fr) }
  table, tr, pre, .part { break-inside: avoid } figure svg { max-height: 15.5cm } .part { print-color-adjust: exact } }
"""


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


def document(name: str, body: str, *, made_by: str) -> str:
    """Return the page. Its policy forbids the browser to load anything from anywhere."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n{body}\n"
        f'<footer><p class="kicker">Written by {escape(made_by)}.</p></footer>\n</body>\n</html>\n'
    )


def section(heading: str, *parts: str) -> str:
    """Return a section with a heading."""
    return "\n".join(["<section>", f"<h2>{escape(heading)}</h2>", *[part for part in parts if part], "</section>"])


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
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


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
    words = f"<caption>{escape(caption)}</caption>"
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
    return f"{scroll}<table>{words}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"


def figure(drawings: dict[str, str], caption: str, *, alt: str) -> str:
    """Return SVG files as a figure: one over the whole width, several side by side where there is room.

    Args:
        drawings: SVG texts by name.
        caption: what to see.
        alt: the same for those who do not see it, in a sentence.
    """
    kind = "row" if len(drawings) > 1 else "scroll"
    inside = "\n".join(inline(text, name, alt) for name, text in drawings.items())
    return f'<figure>\n<div class="{kind}">\n{inside}</div>\n<figcaption>{escape(caption)}</figcaption>\n</figure>'


def _cell(column: Column, cell: Cell) -> str:
    return f"<td{_class('text' if column.text else '')}>{cell.html if isinstance(cell, Markup) else escape(cell)}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
