"""Whether the finest grid is what should be learned: said where a cheaper one is nearer to the reference."""

from mlft.experiment.outcome import Outcome
from mlft.reports.wording import error, number

NEARER = 0.8
"""Of the finest grid's bias that a coarser one's is under, to be told: a few draws do not tell closer ones apart."""


def target_lines(facts: Outcome) -> list[str]:
    """Return a warning where solutions of a coarser grid are nearer to the reference than the finest grid's."""
    finest, measure = facts.levels[-1], facts.measure
    if measure is None or measure.kind != "reference" or finest.bias is None:
        return []
    known = [(row.bias, row) for row in facts.levels[:-1] if row.bias is not None]
    best, row = min(known, key=lambda one: one[0], default=(finest.bias, finest))
    if not best < NEARER * finest.bias:
        return []
    away = f"{error(best)} and {error(finest.bias)} away, on {number(measure.draws)} draws"
    return [
        f"Warning: solutions on {row.grid} cells are nearer to the reference than those on the finest grid, "
        f"{finest.grid} ({away}). All errors here are distances from the finest grid's: learn from a hierarchy that "
        f"ends with {row.grid} cells, or a finer one."
    ]
