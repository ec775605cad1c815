"""Is the surrogate worth it? In words, as a picture of error against seconds, and as a table."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.experiment.outcome import Outcome, Way, Worth
from mlft.reports.drawing import drawn
from mlft.reports.page import Cell, Column, Section, figure, paragraph, section, table
from mlft.reports.palette import BLUE, GREY, INK, ORANGE, PAPER
from mlft.reports.wording import MISSING, duration, error, known, number

CLOSE = 2.5
"""Times that a prediction alone must take longer than in a batch, or less long, to have a label of its own."""

_OLDER = "What a prediction costs by other ways was not measured: the run was made by an older version of mlft."


def worth_lines(facts: Outcome) -> list[str]:
    """Return in sentences the cheapest way to the error reached, and after how many predictions the run has paid."""
    if facts.worth is None:
        return [_OLDER] if facts.data is None else []
    (surrogate,) = facts.worth.of("surrogate")
    ways = rivals_of(facts)
    if not ways:
        return []
    unknown = [name_of(way, facts) for way in facts.worth.ways if way.error is None]
    lost = [f"Not among the ways, for want of a measured error: {', '.join(unknown)}."] if unknown else []
    return [_cheapest(surrogate, ways, facts), _paid(surrogate, ways, facts), *lost]


def worth(facts: Outcome) -> Section:
    """Return error against seconds a sample, of every way to a prediction; a sentence for a record without them."""
    heading = "Is it worth it?"
    if facts.worth is None:
        return section(heading, paragraph(_OLDER, "soft")), {}
    drawings = {"worth": worth_figure(facts, facts.worth)}
    caption = (
        "Mean relative L2 error against seconds a sample: lower is more accurate, further left is faster. Orange: the "
        f"surrogate, alone and in batches of {facts.worth.batch}. Grey: the solver, a diamond a grid; dashed, the "
        "finest grid, against whose solutions all errors are measured."
    )
    caption += " Blue: corrected solvers, a coarse solve and its lift." if facts.worth.of("corrected") else ""
    alt = "Error and seconds a sample: " + "; ".join(
        f"{name_of(way, facts)} {error(way.error)}, {duration(way.alone)}" for way in facts.worth.ways
    )
    words = [paragraph(" ".join(worth_lines(facts)))]
    return section(
        heading, *words, figure(drawings, caption, alt=alt), _table(facts, facts.worth), _how(facts)
    ), drawings


def rivals_of(facts: Outcome) -> list[Way]:
    """Return the other ways that err no more than the surrogate; none where its error is not known."""
    if facts.worth is None or facts.worth.of("surrogate")[0].error is None:
        return []
    return [way for way in facts.worth.ways if _as_accurate(way, facts)]


def _as_accurate(way: Way, facts: Outcome) -> bool:
    """Return whether another way errs no more than the surrogate on the same draws; the finest grid always does."""
    if way.kind == "surrogate" or way.error is None or way.alone is None:
        return False
    return _finest(way, facts) or (way.beside is not None and way.error <= way.beside)


def _finest(way: Way, facts: Outcome) -> bool:
    return way.kind == "solver" and way.level == facts.levels[-1].level


def _cheapest(surrogate: Way, ways: Sequence[Way], facts: Outcome) -> str:
    """Return which way is the cheapest, alone and in batches."""
    assert facts.worth is not None
    batch = f"in batches of {facts.worth.batch}"
    alone, batched = min(ways, key=lambda way: known(way.alone)), min(ways, key=lambda way: known(way.batched))
    takes = f"{duration(surrogate.alone)} a prediction alone, {duration(surrogate.batched)} {batch}"
    reached = f"At the error reached, {error(surrogate.error)}, the cheapest way is"
    loses = known(alone.alone) < known(surrogate.alone), known(batched.batched) < known(surrogate.batched)
    if loses == (False, False):
        return f"{reached} the surrogate: {takes}; next {_rival(alone, facts, alone.alone)}."
    if all(loses):
        return f"{reached} not the surrogate ({takes}): {_rival(alone, facts, alone.alone)}: {_advice(alone, facts)}."
    if loses[0]:
        return (
            f"{reached} the surrogate {batch}, {duration(surrogate.batched)} a prediction, and not alone, "
            f"{duration(surrogate.alone)}: there {_rival(alone, facts, alone.alone)}: {_advice(alone, facts)}."
        )
    return (
        f"{reached} the surrogate alone, {duration(surrogate.alone)} a prediction, and not {batch}, "
        f"{duration(surrogate.batched)}: there {_rival(batched, facts, batched.batched)}: {_advice(batched, facts)}."
    )


def _rival(way: Way, facts: Outcome, seconds: float | None) -> str:
    """Return how another way stands, beside the surrogate on the same draws."""
    if _finest(way, facts):
        return f"{name_of(way, facts)}, against which the error is measured, takes {duration(seconds)}"
    draws = "draw" if way.draws == 1 else f"{number(way.draws)} draws"
    less = "less" if known(way.error) < known(way.beside) else "no more"
    return (
        f"{name_of(way, facts)} errs {less} ({error(way.error)}, the surrogate {error(way.beside)} on the same "
        f"{draws}) and takes {duration(seconds)}"
    )


def _advice(way: Way, facts: Outcome) -> str:
    if way.kind == "corrected":
        return "use the corrected solver"
    return "use the solver itself" if _finest(way, facts) else "use the coarser grid"


def _paid(surrogate: Way, ways: Sequence[Way], facts: Outcome) -> str:
    """Return after how many predictions the run has paid, against the cheapest plain solver as accurate."""
    assert facts.worth is not None
    solvers = [way for way in ways if way.kind == "solver"]
    if not solvers:
        return "When the run has paid is not known: no solver that is as accurate was timed."
    other = min(solvers, key=lambda way: known(way.alone))
    spent = invested(facts)
    alone = payback(spent, known(surrogate.alone), known(other.alone))
    batched = payback(spent, known(surrogate.batched), known(other.alone))
    told = f"The {number(spent)} s of solving and training"
    against = f"against {name_of(other, facts)}"
    batch = f"in batches of {facts.worth.batch}"
    if alone is None and batched is None:
        return f"{told} never pay {against}, which is faster."
    if alone is None or batched is None:
        count, where, never = (alone, "alone", batch) if batched is None else (batched, batch, "alone")
        return f"{told} have paid after {number(count)} predictions {where} {against}; {never} they never do."
    return f"{told} have paid after {number(alone)} predictions alone, {number(batched)} {batch}, {against}."


def invested(facts: Outcome) -> float:
    """Return the seconds that went into a run: its solves, its training, its planning but for the pilot's solves."""
    return facts.budget.spent.seconds + facts.seconds.train + max(0.0, facts.seconds.plan - facts.budget.pilot.seconds)


def payback(spent: float, own: float, other: float) -> int | None:
    """Return after how many predictions seconds are paid; None for never, where the other way is as fast.

    >>> payback(10.0, 0.25, 2.25), payback(10.0, 2.0, 1.0)
    (5, None)
    """
    return math.ceil(spent / (other - own)) if other > own else None


def name_of(way: Way, facts: Outcome) -> str:
    """Return what a way is called."""
    if way.level is None:
        return "the surrogate"
    grid = facts.levels[way.level].grid
    return f"the {grid}-cell solver" if way.kind == "solver" else f"the corrected solver on {grid} cells"


def _table(facts: Outcome, found: Worth) -> str:
    columns = (
        Column("", text=True),
        Column("Mean error", "relative L2"),
        Column("Measured", "draws"),
        Column("Surrogate", "on the same draws"),
        Column("Alone", "a sample"),
        Column("In batches", "a sample"),
        Column("Timed", "samples in a batch"),
    )
    rows = [_row(way, facts) for way in found.ways]
    kinds = ["strong", *[""] * (len(rows) - 1)]
    return table("Every way to a prediction: how far it errs, what it takes", columns, rows, kinds=kinds)


def _row(way: Way, facts: Outcome) -> list[Cell]:
    beside = error(way.beside) if way.kind != "surrogate" else MISSING
    draws = "by definition" if _finest(way, facts) else number(way.draws) if way.draws else "not measured"
    batched = duration(way.batched) if way.kind != "solver" else "the same"
    return [name_of(way, facts), error(way.error), draws, beside, duration(way.alone), batched, number(way.batch)]


def _how(facts: Outcome) -> str:
    assert facts.worth is not None
    found, finest = facts.worth, facts.levels[-1]
    bias = (
        f" The {finest.grid}-cell solver itself has a bias of {error(finest.bias)}." if finest.bias is not None else ""
    )
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    return paragraph(
        f"The surrogate and the lifts were timed on {found.device} with {threads}, after a call to warm up: medians. "
        "Alone, most of it is overhead. Seconds of a solve are medians over the ledger's larger batches, "
        "divided by their samples; like the surrogate's, they begin when the inputs are there. A batch that is small "
        "beside the surrogate's counts against the solver. A corrected solver's are its solves' and its lift's. The "
        "seconds of the run are of its solves, trainings and plans." + bias,
        "soft",
    )


@drawn
def worth_figure(width: float, facts: Outcome, found: Worth) -> Figure:
    """Return error against seconds a sample, on two logarithmic axes."""
    drawing = Figure(figsize=(width, 3.8), layout="constrained")
    axes = drawing.subplots()
    axes.set(xscale="log", yscale="log", xlabel="seconds a sample", ylabel="mean relative L2 error")
    shown = [way for way in found.ways if way.error and way.alone]
    solvers = [way for way in shown if way.kind == "solver"]
    axes.plot([known(w.alone) for w in solvers], [known(w.error) for w in solvers], color=GREY, linewidth=0.8)
    for way in shown:
        _dot(axes, way, facts)
    _scale(axes, shown, found)
    for way in found.ways:
        if _finest(way, facts) and way.alone:
            axes.axvline(way.alone, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
            place = (way.alone, axes.get_ylim()[1])
            _label(axes, place, f"{facts.levels[-1].grid}-cell solver: error 0", INK, (0, 3))
    return drawing


def _dot(axes: Axes, way: Way, facts: Outcome) -> None:
    """Draw a way: a solver a diamond, the others two dots, alone and in batches, and a line between them."""
    at = known(way.error)
    if way.kind == "solver":
        axes.plot([known(way.alone)], [at], color=GREY, marker="D", markersize=6, markerfacecolor=PAPER)
        _label(axes, (known(way.alone), at), name_of(way, facts).removeprefix("the "), INK, (0, -16))
        return
    colour, marker = (ORANGE, "o") if way.kind == "surrogate" else (BLUE, "s")
    axes.plot(
        [known(way.alone), known(way.batched)], [at, at], color=colour, marker=marker, markersize=7, linewidth=1.2
    )
    if way.kind == "corrected":
        _label(axes, (known(way.alone), at), f"corrected, {facts.levels[way.level or 0].grid} cells", colour, (0, 8))
        return
    if max(known(way.alone) / known(way.batched), known(way.batched) / known(way.alone)) < CLOSE:
        _label(axes, (known(way.alone), at), "surrogate, alone or in a batch", colour, (0, 8))
        return
    _label(axes, (known(way.alone), at), "surrogate, alone", colour, (0, 8))
    _label(axes, (known(way.batched), at), "surrogate, batch", colour, (0, -16))


def _label(axes: Axes, at: tuple[float, float], text: str, colour: str, offset: tuple[int, int]) -> None:
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    options: dict[str, Any] = {"ha": "center", "color": colour, "textcoords": "offset points", "bbox": box}
    axes.annotate(text, at, xytext=offset, annotation_clip=False, zorder=1.5, **options)


def _scale(axes: Axes, shown: Sequence[Way], found: Worth) -> None:
    """Set limits with room for the labels, and ticks in the units of the words."""
    across = [known(s) for way in found.ways for s in (way.alone, way.batched) if s]
    errors = [known(way.error) for way in shown]
    wide, high = (max(max(values) / min(values), 10.0) for values in (across, errors))
    axes.set_xlim(min(across) / wide**0.14, max(across) * wide**0.14)
    axes.set_ylim(min(errors) / high**0.2, max(errors) * high**0.18)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(float(value))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 else (1.0,)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
