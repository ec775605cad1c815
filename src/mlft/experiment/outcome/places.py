"""Whether a record that was read names levels that it has, and has a number for each of them."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from mlft.experiment.outcome.run import Outcome

_LEVEL = {"level", "target", "origin"}
_EACH = {"samples", "costs", "corrections", "errors", "bias", "wasted", "pilot", "bought"}


def misplaced(told: Outcome) -> str | None:
    """Return where a record names a level that it does not have, or has no number for each; None where it is sound."""
    count = len(told.levels)
    if not count:
        return "levels: there are none"
    for i, row in enumerate(told.levels):
        if row.level != i:
            return f"levels.{i}.level: it is {row.level}"
    for where, value in _named("", told):
        name = where.rpartition(".")[2]
        if name in _LEVEL and isinstance(value, int) and not 0 <= value < count:
            return f"{where}: there is no level {value} of {count}"
        if name in _EACH and isinstance(value, tuple) and len(value) not in (0, count):
            return f"{where}: {len(value)} numbers for {count} levels"
    return None


def _named(where: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field of a record, and of the records in it, with its place."""
    if is_dataclass(thing):
        for field in fields(thing):
            value = getattr(thing, field.name)
            place = f"{where}.{field.name}" if where else field.name
            yield place, value
            yield from _named(place, value)
    elif isinstance(thing, tuple):
        for i, value in enumerate(thing):
            yield from _named(f"{where}.{i}", value)
