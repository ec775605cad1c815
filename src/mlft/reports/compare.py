"""A comparison's report: every strategy over the seeds, and its error as a ratio to the rivals', paired by seed."""

import math
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from mlft.experiment.config import budget
from mlft.experiment.outcome import Comparison, ComparisonRow
from mlft.experiment.record import ROWS, read_comparison
from mlft.intervals import Middle, arithmetic
from mlft.reports.comparison_figure import STAR, comparison_figure
from mlft.reports.page import (
    Cell,
    Column,
    code,
    document,
    figure,
    link,
    paragraph,
    section,
    stacked,
    table,
    terms,
    title,
)
from mlft.reports.pairing import FINEST, Standing, single_level, standings
from mlft.reports.wording import MISSING, amount, counts, error, interval, known, number, without_null


def compare_report(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the page of a comparison, and its figures by name.

    Raises:
        MlftError: if compare.csv or compare.json is missing or damaged, or has no rows.
    """
    told = read_comparison(folder)
    errors = _errors_of(told)
    found = standings(errors)
    drawings = {"comparison": comparison_figure(found)}
    asked = budget(told.budget)
    kicker = paragraph(f"{told.problem}, {amount(asked.value, asked.unit)}: strategies at equal cost", "kicker")
    head = [kicker, title(_outcome(found)), paragraph(_beside_single(found), "verdict")]
    body = [
        "<header>\n" + "\n".join(head) + "\n</header>",
        _errors(found, told.rows, drawings),
        _seeds(folder, errors),
        _repeat(told),
    ]
    page = document(f"{told.problem}: strategies at equal cost", "\n".join(body), made_by=f"mlft {told.version}")
    return page, drawings


def comparison_lines(told: Comparison) -> list[str]:
    """Return a comparison in plain lines, for a terminal: how the first strategy stands, and a row a strategy."""
    found, asked = standings(_errors_of(told)), budget(told.budget)
    rows = [("strategy", "mean error (95% interval)", "to finest-only", "seeds")]
    for one in found:
        mean, ratio = one.mean, one.to_finest
        ratios = "1" if one.strategy == FINEST else _words(ratio) if one.ratios else MISSING
        name = f"{one.strategy} ★" if one.best_single else one.strategy
        rows.append((name, _words(mean), ratios, number(len(one.errors))))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  " + "  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in rows]
    head = f"{told.problem}, {amount(asked.value, asked.unit)}: strategies at equal cost"
    return [head, *table, f"{_outcome(found)}.", _beside_single(found)]


def _words(middle: Middle) -> str:
    return error(middle.value) + (f" ({interval(middle.lower, middle.upper)})" if middle.lower < middle.upper else "")


def _errors_of(told: Comparison) -> dict[str, dict[int, float]]:
    """Return the error of each strategy by seed."""
    errors: dict[str, dict[int, float]] = {}
    for row in told.rows:
        errors.setdefault(row.strategy, {})[row.seed] = known(row.relative_l2)
    return errors


def _outcome(found: list[Standing]) -> str:
    one = _hero(found)
    seeds = f"mean of {number(len(one.errors))} seeds, 95% interval {interval(one.mean.lower, one.mean.upper)}"
    text = f"{one.strategy}: relative L2 error {error(one.mean.value)} ({seeds})"
    if one.strategy == FINEST or not one.ratios:
        return text
    ratio = one.to_finest
    return f"{text}, {error(ratio.value)} times that of finest-only ({interval(ratio.lower, ratio.upper)})"


def _beside_single(found: list[Standing]) -> str:
    """Return how the first strategy stands beside the best single level, which is the rival to watch."""
    one, best = _hero(found), next((s for s in found if s.best_single), None)
    if best is None:
        return "No single level was among the strategies; add finest-only and single-level:<l> to have that rival."
    if best is one:
        return f"{one.strategy} is itself the best single level of this comparison."
    ratio = one.to_single
    stands = (
        f"The best single level, chosen with hindsight, is {best.strategy} with {error(best.mean.value)}: "
        f"{one.strategy} has {error(ratio.value)} times its error (95% interval {interval(ratio.lower, ratio.upper)})"
    )
    if math.isnan(ratio.lower):
        return f"{stands}; one seed does not tell chance from merit."
    if ratio.lower <= 1 <= ratio.upper:
        return f"{stands}; these seeds do not show a difference."
    return f"{stands}, {'a gain' if ratio.upper < 1 else 'a loss'} beyond the spread of the seeds."


def _hero(found: list[Standing]) -> Standing:
    """Return the first strategy of several levels in the order asked, whose comparison this is."""
    return next((one for one in found if not single_level(one.strategy)), found[0])


def _errors(found: list[Standing], rows: Sequence[ComparisonRow], drawings: dict[str, str]) -> str:
    caption = (
        "Left: relative L2 error of each strategy; large dots are means over the seeds, bars their 95% intervals "
        "(Student's t), small open dots the seeds. Right: the error divided by that of finest-only with the same seed; "
        "left of the dashed line is better. Blue strategies use one level only" + _star(found)
    )
    alt = "Mean relative L2 errors: " + ", ".join(f"{one.strategy} {error(one.mean.value)}" for one in found)
    columns = (
        Column("Strategy", text=True),
        Column("Samples", "coarse to fine"),
        Column("Spent", "solves, mean"),
        Column("Spent", "at measured prices"),
        Column("Training", "seconds, mean"),
        Column("Seeds"),
        Column("Error", "relative L2, mean"),
        Column("Ratio", "to finest-only"),
        Column("Ratio", "to best single level"),
    )
    cells = [_cells(one, [row for row in rows if row.strategy == one.strategy]) for one in found]
    words = (
        "Means with 95% intervals below: Student's t over the seeds. Ratios are paired by seed, their means geometric; "
        "below 1 is better than the rival."
    )
    return section("Errors over the seeds", figure(drawings, caption, alt=alt), table(words, columns, cells))


def _star(found: list[Standing]) -> str:
    if not any(one.best_single for one in found):
        return "."
    return "; the star marks the best of them, chosen with hindsight."


def _cells(one: Standing, rows: Sequence[ComparisonRow]) -> list[Cell]:
    samples = {row.samples for row in rows}
    told = counts([int(n) for n in samples.pop().split("/")]) if len(samples) == 1 else "varies by seed"
    lost = one.seeds - len(one.errors)
    columns = (
        [row.spent_solves for row in rows],
        [row.spent_measured for row in rows],
        [r.train_seconds for r in rows],
    )
    return [
        one.strategy + STAR * one.best_single,
        *[told, *(number(_mean(column)) for column in columns)],
        number(one.seeds) + (f", {number(lost)} without an error" if lost else ""),
        _middle(one.mean),
        "1" if one.strategy == FINEST else _middle(one.to_finest),
        "1" if one.best_single else _middle(one.to_single),
    ]


def _middle(middle: Middle) -> Cell:
    return stacked(error(middle.value), interval(middle.lower, middle.upper))


def _mean(values: Sequence[float | None]) -> float:
    return arithmetic([value for value in map(known, values) if math.isfinite(value)]).value


def _seeds(folder: Path, errors: dict[str, dict[int, float]]) -> str:
    seeds = sorted({seed for found in errors.values() for seed in found})
    columns = [Column("Strategy", text=True), *[Column(f"Seed {seed}") for seed in seeds]]
    cells = [
        [name, *[_run(folder, name, seed, found.get(seed, math.nan)) for seed in seeds]]
        for name, found in errors.items()
    ]
    words = "Relative L2 error by seed; a link leads to that run's own report where it was written"
    where = f"The rows, one a seed and strategy, are in {ROWS}; the figure is in figures/."
    return section("Every run", table(words, columns, cells), paragraph(where, "soft"))


def _run(folder: Path, strategy: str, seed: int, value: float) -> Cell:
    page = Path(f"seed-{seed}", strategy.replace(":", "-"), "report.html")
    return link(page.as_posix(), error(value)) if (folder / page).is_file() else error(value)


def _repeat(told: Comparison) -> str:
    shared = {k: v for k, v in told.config.items() if k not in ("seed", "strategy", "baselines")}
    about = [("mlft", str(told.version)), *[(k, str(v)) for k, v in told.machine.items() if k != "mlft"]]
    return section(
        "How to repeat it",
        code(told.command),
        paragraph("The configuration that the runs share:"),
        code(tomli_w.dumps(without_null(shared)).strip()),
        terms([("seeds", ", ".join(map(str, told.seeds)) or MISSING), *about]),
    )
