"""Small tables of HTML for notebooks, every text in them escaped."""

import math
from collections.abc import Sequence
from html import escape


def html_table(caption: str, rows: Sequence[Sequence[str]], *, head: Sequence[str] = ()) -> str:
    """Return a table: a caption, a row of headings where there are some, and rows whose first cells name them.

    >>> html_table("a < b", [("x", "1")])
    '<table><caption>a &lt; b</caption><tbody><tr><th scope="row">x</th><td>1</td></tr></tbody></table>'
    """
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(_row(row) for row in rows)
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    return f"<table><caption>{escape(caption)}</caption>{top}<tbody>{body}</tbody></table>"


def _row(cells: Sequence[str]) -> str:
    name, *others = cells
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in others)}</tr>'


def in_words(value: float | None, lower: float | None = None, upper: float | None = None) -> str:
    """Return a number with three digits and its interval, "not known" where it is missing.

    >>> in_words(0.12345), in_words(0.12345, 0.1, 0.15), in_words(None)
    ('0.123', '0.123 (0.1 to 0.15)', 'not known')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    if lower is None or upper is None or not math.isfinite(lower + upper):
        return f"{value:.3g}"
    return f"{value:.3g} ({lower:.3g} to {upper:.3g})"
