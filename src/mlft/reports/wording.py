"""How numbers are written: three significant digits, a dash for what is missing, units in the headings."""

import math
from collections.abc import Sequence
from typing import Any

MISSING = "–"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Return a number with three significant digits; whole numbers in full, what is missing or NaN as a dash.

    >>> [number(value) for value in (None, 64.0, 63.94, 0.015625, 1.5e-5, 999.7, 87000, 12345.6)]
    ['–', '64', '63.9', '0.0156', '1.50×10⁻⁵', '1,000', '87,000', '12,346']
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value and not 1e-3 <= abs(value) < 1e7:
        return _scientific(value)
    if value == int(value) or abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def error(value: float | None) -> str:
    """Return an error or a ratio with exactly three significant digits, so that columns compare at a glance.

    >>> [error(value) for value in (None, 0.1, 0.13749, 1.0, 2.333, 123.4, 2e-5)]
    ['–', '0.100', '0.137', '1.00', '2.33', '123', '2.00×10⁻⁵']
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value and not 1e-3 <= abs(value) < 999.5:
        return number(value)
    return f"{value:#.3g}".rstrip(".") if value else "0"


def interval(lower: float | None, upper: float | None) -> str:
    """Return an interval in words, or a dash where an end is missing.

    >>> interval(0.131, 0.143), interval(None, 1.0)
    ('0.131 to 0.143', '–')
    """
    ends = error(lower), error(upper)
    return MISSING if MISSING in ends else f"{ends[0]} to {ends[1]}"


def share(part: float | None) -> str:
    """Return a share in per cent.

    >>> share(0.2456), share(None)
    ('25%', '–')
    """
    return MISSING if part is None or not math.isfinite(part) else f"{100 * part:.0f}%"


def amount(value: float | None, unit: str) -> str:
    """Return a cost with its unit, "solves" or "seconds".

    >>> amount(1, "solves"), amount(63.94, "solves"), amount(600, "seconds")
    ('1 solve', '63.9 solves', '600 s')
    """
    word = {"seconds": "s", "solves": "solve" if value == 1 else "solves"}.get(unit, unit)
    return f"{number(value)} {word}"


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that suits them.

    >>> [duration(value) for value in (None, 45.6e-6, 9e-4, 2.0, 3.2e-8)]
    ['–', '45.6 µs', '900 µs', '2 s', '32 ns']
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= 0.9995 * s), _UNITS[-1])
    return f"{number(seconds / size)} {unit}"


def counts(samples: Sequence[int] | None) -> str:
    """Return samples per level, coarsest first, as in 1,024 / 256."""
    return MISSING if samples is None else " / ".join(number(n) for n in samples)


def without_null(value: Any) -> Any:
    """Return plain values without the null ones, which TOML does not know.

    >>> without_null({"a": None, "b": [1, None]})
    {'b': [1]}
    """
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items() if item is not None}
    return [without_null(item) for item in value if item is not None] if isinstance(value, list) else value


def _scientific(value: float) -> str:
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def known(value: float | None) -> float:
    """Return a number, NaN for one that is missing."""
    return math.nan if value is None else value
