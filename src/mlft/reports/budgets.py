"""The report of a comparison at several budgets: error against budget, what each strategy saves, who wins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mlft.experiment.config import budget
from mlft.experiment.outcome import BudgetComparison
from mlft.experiment.record import ROWS, read_budgets
from mlft.intervals import arithmetic
from mlft.reports.budgets_figure import budgets_figure
from mlft.reports.compare import hero, repeated
from mlft.reports.page import (
    Cell,
    Column,
    Section,
    contents,
    document,
    figure,
    link,
    paragraph,
    section,
    stacked,
    table,
    title,
)
from mlft.reports.pairing import FINEST, Standing, standings
from mlft.reports.savings import Saving, saving
from mlft.reports.wording import MISSING, amount, error, interval, known, number


@final
@dataclass(frozen=True)
class AtBudget:
    """How the strategies stand at one budget.

    Attributes:
        words: the budget, with its unit.
        solves: the budget in solves of the finest grid, the mean over runs.
        found: a standing a strategy.
    """

    words: str
    solves: float
    found: list[Standing]


def budgets_report(folder: Path) -> Section:
    """Return the page of a comparison at several budgets, and its figures by name.

    Raises:
        MlftError: if its record is missing or damaged, or has no rows.
    """
    told = read_budgets(folder)
    every = at_budgets(told)
    drawings = {"budgets": budgets_figure([one.solves for one in every], [one.found for one in every])}
    alt = "Mean relative L2 errors at the largest budget: " + ", ".join(
        f"{one.strategy} {error(one.mean.value)}" for one in every[-1].found
    )
    caption = (
        "Relative L2 error against the budget, means over the seeds with their 95% intervals (Student's t). Blue "
        "strategies use one level only; below them is better, and left of them is cheaper."
    )
    sections = [
        section("Error against budget", figure(drawings, caption, alt=alt), _errors(every, told)),
        section("What is saved", _savings(every)),
        section("Won and lost", _won(every)),
        repeated(told),
    ]
    kicker = paragraph(f"{told.problem}: strategies at equal cost", "kicker")
    lines = budgets_lines(told)
    head = [kicker, title(lines[0]), *(paragraph(line, "verdict") for line in lines[-2:]), contents(sections)]
    body = ["<header>\n" + "\n".join(head) + "\n</header>", *sections]
    page = document(f"{told.problem}: strategies at several budgets", "\n".join(body), made_by=f"mlft {told.version}")
    return page, drawings


def budgets_lines(told: BudgetComparison) -> list[str]:
    """Return a comparison at several budgets in plain lines, for a terminal: a row a strategy, and a verdict."""
    every = at_budgets(told)
    rows = [("strategy", *(one.words for one in every))]
    for place, one in enumerate(every[-1].found):
        rows.append((one.strategy, *(_short(each.found[place]) for each in every)))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in rows]
    head = f"{told.problem}: strategies at {number(len(every))} budgets, {number(len(told.seeds))} seeds each"
    return [head, *lines, _tally_words(every), _saved_words(every)]


def at_budgets(told: BudgetComparison) -> list[AtBudget]:
    """Return how the strategies stand at each budget, from the smallest on."""
    every = []
    for asked in told.budgets:
        rows = [row for row in told.rows if row.budget == asked]
        errors: dict[str, dict[int, float]] = {name: {} for name in told.strategies}
        for row in rows:
            errors.setdefault(row.strategy, {})[row.seed] = known(row.relative_l2)
        limit = budget(asked)
        solves = arithmetic([row.budget_solves for row in rows]).value
        every.append(AtBudget(amount(limit.value, limit.unit), solves, standings(errors)))
    return every


def _short(one: Standing) -> str:
    return error(one.mean.value) + " ★" * one.best_single


def _hero(every: Sequence[AtBudget]) -> int:
    """Return the place of the strategy whose comparison this is."""
    return every[-1].found.index(hero(every[-1].found))


def _tally_words(every: Sequence[AtBudget]) -> str:
    """Return at how many budgets the first strategy of several levels wins against the best single level."""
    place = _hero(every)
    name = every[-1].found[place].strategy
    if not any(one.best_single for one in every[-1].found):
        return "No single level was among the strategies; add finest-only and single-level:<l> to have that rival."
    found = [verdict(one.found[place]) for one in every]
    counts = ", ".join(f"{found.count(word)} {word}" for word in ("won", "tied", "lost"))
    same = found.count(ITSELF)
    own = f"; at {number(same)} it is that level itself" if same else ""
    return (
        f"{name} against the best single level of each budget, chosen with hindsight: {counts} (a tie: the 95% "
        f"interval of the paired ratio includes 1){own}."
    )


ITSELF = "itself"


def verdict(one: Standing) -> str:
    """Return whether a strategy won against the best single level, by its ratio paired by seed."""
    if one.best_single:
        return ITSELF
    if math.isnan(one.to_single.lower):
        return "tied"
    return "won" if one.to_single.upper < 1 else "lost" if one.to_single.lower > 1 else "tied"


def savings_of(every: Sequence[AtBudget], place: int) -> list[Saving | None]:
    """Return what a strategy saves at each budget over finest-only; None where that is not among them."""
    rivals = [next((one.errors for one in at.found if one.strategy == FINEST), None) for at in every]
    known_ones = [one for one in rivals if one is not None]
    budgets = [at.solves for at in every]
    if len(known_ones) < len(every):
        return [None] * len(every)
    return [saving(budgets, known_ones, at.found[place].errors, at.solves) for at in every]


def _saved_words(every: Sequence[AtBudget]) -> str:
    """Return what the first strategy saves, over the budgets."""
    place = _hero(every)
    one = every[-1].found[place]
    found = [each for each in savings_of(every, place) if each is not None and math.isfinite(each.value)]
    if not found or one.strategy == FINEST:
        return "What is saved is not known: finest-only is not among the strategies, or nothing is."
    mean = math.exp(arithmetic([math.log(each.value) for each in found]).value)
    most = max(found, key=lambda each: each.value)
    return (
        f"For the errors that {one.strategy} has, finest-only needs {error(mean)} times the budget in the mean over "
        f"budgets{_bounded(found)}; the most is {_saving_words(most)}."
    )


def _bounded(found: Sequence[Saving]) -> str:
    """Return in which direction a mean of savings is bounded, and why."""
    above, below = (any(one.bound == sign for one in found) for sign in (1, -1))
    if above and below:
        return ", or so, since some of them are beyond its budgets"
    return " at least, since it does not reach all of them" * above + " at most, since it does better at once" * below


def _saving_words(one: Saving) -> str:
    sign = {1: "over ", 0: "", -1: "under "}[one.bound]
    return f"{sign}{error(one.value)}"


def _errors(every: Sequence[AtBudget], told: BudgetComparison) -> str:
    columns = [Column("Strategy", text=True), *(Column(one.words) for one in every)]
    rows: list[list[Cell]] = []
    for place, name in enumerate(one.strategy for one in every[-1].found):
        cells = [at.found[place] for at in every]
        rows.append([name, *(stacked(_short(one), interval(one.mean.lower, one.mean.upper)) for one in cells)])
    pages = [link(f"{folder}/report.html", "its page") for folder in told.folders]
    rows.append(["", *pages])
    words = "Mean relative L2 errors with 95% intervals; ★ the best single level of a budget, chosen with hindsight"
    return table(words, columns, rows) + paragraph(f"The rows, one a budget, seed and strategy, are in {ROWS}.", "soft")


def _savings(every: Sequence[AtBudget]) -> str:
    columns = [Column("Strategy", text=True), *(Column(one.words) for one in every)]
    rows: list[list[Cell]] = []
    for place, one in enumerate(every[-1].found):
        if one.strategy != FINEST:
            rows.append([one.strategy, *(_saving_cell(each) for each in savings_of(every, place))])
    words = (
        "S: how many times the budget finest-only needs for the error that a strategy has, read between its own "
        "budgets (a power law from one to the next), with 95% intervals by bootstrap over the seeds. Beyond its "
        "budgets S is told as over or under a bound, where intervals end, too"
    )
    return table(words, columns, rows)


def _saving_cell(one: Saving | None) -> Cell:
    if one is None or not math.isfinite(one.value):
        return MISSING
    return stacked(_saving_words(one), interval(one.lower, one.upper))


def _won(every: Sequence[AtBudget]) -> str:
    columns = [Column("Strategy", text=True), *(Column(one.words) for one in every)]
    rows: list[list[Cell]] = []
    for place, first in enumerate(every[-1].found):
        cells = [at.found[place] for at in every]
        told = [stacked(verdict(one), "" if one.best_single else error(one.to_single.value)) for one in cells]
        rows.append([first.strategy, *told])
    words = (
        "Against the best single level of each budget, chosen with hindsight: the geometric mean of the ratio paired "
        "by seed, won or lost where its 95% interval (Student's t) does not include 1"
    )
    return table(words, columns, rows)
