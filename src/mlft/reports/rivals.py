"""This run beside its rivals: strategies trained at equal cost, predictors without training, the solver itself."""

from mlft.experiment.outcome import Baseline, Outcome
from mlft.reports.figures import Dot, dot_chart
from mlft.reports.page import Column, Section, figure, paragraph, section, table
from mlft.reports.wording import MISSING, counts, error, known, number
from mlft.reports.worth import worth_lines

_KINDS = {"trained": "trained, equal cost", "free": "no training"}
_HOW = "No trained rival was run at equal cost; to have one, run again with `--baselines finest-only`."
_SEEDS = (
    "Each was trained with one seed: a small difference between two of them may be chance. `mlft compare` runs several."
)

_OF_DATA = (
    "Mean relative L2 error on the same test rows, smaller is better; the dashed line is this fit. Open circles use "
    "this fit's rows without training. Diamonds are no surrogates: the rows of that grid, against the finest's."
)


def rivals(facts: Outcome) -> Section:
    """Return the baselines at equal cost and the solver's own errors, as a chart and a table."""
    dots = _dots(facts)
    caption = (
        "Mean relative L2 error on the same test draws, smaller is better; the dashed line is this run. Squares were "
        "trained with the same solver cost and by the same rule for optimizer steps; open circles use this run's "
        "samples without training. Diamonds are no surrogates: the solver itself on that grid, against the reference."
    )
    if facts.data is not None:
        caption = _OF_DATA
    alt = "Mean relative L2 errors: " + ", ".join(f"{dot.label} {error(dot.value)}" for dot in dots)
    trained = any(row.kind == "trained" for row in facts.baselines)
    how = paragraph(_SEEDS if trained else _HOW) if facts.data is None else ""
    name = "Rivals at equal cost" if facts.data is None else "Rivals on the same rows"
    if len(dots) == 1:
        return section(name, how), {}
    drawings = {"rivals": dot_chart(dots)}
    return section(name, figure(drawings, caption, alt=alt), _table(facts), how), drawings


def verdict(facts: Outcome) -> str:
    """Return in a sentence or two how the run stands beside its rivals, and what is the cheapest way to its error."""
    mean = facts.error.relative_l2.mean
    if mean is None:
        return "The error is not finite: the surrogate is of no use."
    told = []
    for kind, words in (("trained", "trained rival at equal cost"), ("free", "predictor without training")):
        rows = [row for row in _measured(facts) if row.kind == kind]
        if rows:
            best = rows[0]
            told.append(_against(mean, best.name, known(best.error), words))
    if facts.data is None and not any(row.kind == "trained" for row in _measured(facts)):
        told.append("No trained rival was run.")
    return " ".join([*told, *worth_lines(facts)])


def _against(mean: float, name: str, rival: float, words: str) -> str:
    stands = f"The best {words}, {name}, has {error(rival)}"
    if rival == 0 or mean == 0:
        return f"{stands}."
    if rival < mean:
        return f"{stands}, which is better: this run's error is {error(mean / rival)} times that."
    return f"{stands}: {error(rival / mean)} times the error of this run."


def _dots(facts: Outcome) -> list[Dot]:
    found = facts.error.relative_l2
    own = Dot(
        f"{facts.strategy} (this run)",
        "this run",
        known(found.mean),
        known(found.mean_lower),
        known(found.mean_upper),
    )
    others = [Dot(row.name, _KINDS.get(row.kind, "no training"), known(row.error)) for row in _measured(facts)]
    grids = [row for row in facts.levels if row.bias is not None]
    solver = [Dot(_other(facts, row.grid), "the solver itself", known(row.bias)) for row in grids]
    return [own, *others, *solver]


def _measured(facts: Outcome) -> list[Baseline]:
    """Return the baselines that have an error: the trained ones first, then the best first."""
    rows = [row for row in facts.baselines if row.error is not None]
    return sorted(rows, key=lambda row: (row.kind != "trained", known(row.error)))


def _table(facts: Outcome) -> str:
    columns = (
        Column("", text=True),
        Column("What it is", text=True),
        Column("Samples", "coarse to fine"),
        Column("Spent", "solves"),
        Column("Mean error", "relative L2"),
        Column("Ratio", "this run = 1"),
    )
    mean = facts.error.relative_l2.mean
    samples = counts(facts.plan.samples)
    priced = facts.data is None or facts.data.priced
    spent = number(facts.budget.spent.solves) if priced else MISSING
    rows = [[facts.strategy, "this run", samples, spent, error(mean), "1" if mean else MISSING]]
    for row in (*_measured(facts), *(row for row in facts.baselines if row.error is None)):
        kind, used = _KINDS.get(row.kind, row.kind), counts(row.samples) if row.samples else "this run's"
        rows.append([row.name, kind, used, number(row.spent_solves) if priced else MISSING, error(row.error)])
        rows[-1].append(_ratio(row.error, mean))
    for level in facts.levels:
        if level.bias is not None:
            cost = f"{number(level.cost_solves)} a prediction" if priced else MISSING
            name, ratio = _other(facts, level.grid), _ratio(level.bias, mean)
            kind = "the solver itself" if facts.data is None else "the rows themselves"
            rows.append([name, kind, MISSING, cost, error(level.bias), ratio])
    kinds = ["strong", *[""] * (len(rows) - 1)]
    return table("This run, its rivals and the solver, from the same test draws", columns, rows, kinds=kinds)


def _other(facts: Outcome, grid: str) -> str:
    return f"{'solver' if facts.data is None else 'rows'} on grid {grid}"


def _ratio(value: float | None, mean: float | None) -> str:
    return error(value / mean) if value is not None and mean else MISSING
