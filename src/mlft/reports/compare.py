"""A comparison's report: every strategy over the seeds, and its error as a ratio to the rivals', paired by seed."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import tomli_w

from mlft.experiment.config import budget
from mlft.experiment.outcome import BudgetComparison, Comparison, ComparisonRow
from mlft.experiment.record import ROWS, read_comparison
from mlft.intervals import Middle, arithmetic
from mlft.reports.comparison_figure import STAR, comparison_figure
from mlft.reports.drawing import Drawing
from mlft.reports.page import (
    Cell,
    Column,
    Section,
    code,
    contents,
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
from mlft.reports.pairing import FINEST, Standing, between, includes_one, single_level, standings
from mlft.reports.wording import MISSING, amount, counts, error, interval, known, number, without_null


def compare_report(folder: Path) -> Section:
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
    sections = [_errors(found, told.rows, drawings), _seeds(folder, told, errors), repeated(told)]
    head = [kicker, title(_outcome(found)), paragraph(_beside_single(found), "verdict"), contents(sections)]
    body = [
        "<header>\n" + "\n".join(head) + "\n</header>",
        *sections,
    ]
    page = document(f"{told.problem}: strategies at equal cost", "\n".join(body), made_by=f"mlft {told.version}")
    return page, drawings


def comparison_lines(told: Comparison) -> list[str]:
    """Return a comparison in plain lines, for a terminal: how the first strategy stands, and a row a strategy."""
    found, asked = standings(_errors_of(told)), budget(told.budget)
    rows = [("strategy", "mean error (95% interval)", "to finest-only", "seeds")]
    for one in found:
        mean, ratio = one.mean, one.to_finest
        ratios = "1" if one.strategy == FINEST else _ratio_words(ratio) if one.ratios else MISSING
        name = f"{one.strategy} ★" if one.best_single else one.strategy
        rows.append((name, _words(mean), ratios, number(len(one.errors))))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  " + "  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in rows]
    head = f"{told.problem}, {amount(asked.value, asked.unit)}: strategies at equal cost"
    return [head, *table, f"{_outcome(found)}.", _beside_single(found)]


def _words(middle: Middle) -> str:
    return error(middle.value) + (f" ({interval(middle.lower, middle.upper)})" if middle.lower < middle.upper else "")


def _ratio_words(ratio: Middle) -> str:
    return f"{error(ratio.value)} ({between(ratio)})" if ratio.lower < ratio.upper else error(ratio.value)


def _errors_of(told: Comparison) -> dict[str, dict[int, float]]:
    """Return the error of each strategy by seed."""
    errors: dict[str, dict[int, float]] = {}
    for row in told.rows:
        errors.setdefault(row.strategy, {})[row.seed] = known(row.relative_l2)
    return errors


def _outcome(found: list[Standing]) -> str:
    one = hero(found)
    seeds = f"mean of {number(len(one.errors))} seeds, 95% interval {interval(one.mean.lower, one.mean.upper)}"
    text = f"{one.strategy}: relative L2 error {error(one.mean.value)} ({seeds})"
    if one.strategy == FINEST or not one.ratios:
        return text
    ratio = one.to_finest
    return f"{text}, {error(ratio.value)} times that of finest-only ({between(ratio)})"


def _beside_single(found: list[Standing]) -> str:
    """Return how the first strategy stands beside the best single level, which is the rival to watch."""
    one, best = hero(found), next((s for s in found if s.best_single), None)
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
    if includes_one(ratio):
        return f"{stands}, which includes 1; these seeds do not show a difference."
    return f"{stands}, {'a gain' if ratio.upper < 1 else 'a loss'} beyond the spread of the seeds."


def hero(found: Sequence[Standing]) -> Standing:
    """Return the first strategy of several levels in the order asked, whose comparison this is."""
    return next((one for one in found if not single_level(one.strategy)), found[0])


def _errors(found: list[Standing], rows: Sequence[ComparisonRow], drawings: dict[str, Drawing]) -> str:
    caption = (
        "First: relative L2 error of each strategy; large dots are means over the seeds, bars their 95% intervals "
        "(Student's t), small open dots the seeds. Second: the error divided by that of finest-only of the same "
        "seed; left of the dashed line is better. Blue strategies use one level only" + _star(found)
    )
    alt = "Mean relative L2 errors: " + ", ".join(f"{one.strategy} {error(one.mean.value)}" for one in found)
    columns = (
        Column("Strategy", text=True),
        Column("Samples", "coarse to fine"),
        Column("Spent", "solves"),
        Column("Measured", "solves"),
        Column("Training", "s"),
        Column("Seeds"),
        Column("Error", "relative L2"),
        Column("Ratio", "to finest-only"),
        Column("Ratio", "to single level ★"),
    )
    cells = [_cells(one, [row for row in rows if row.strategy == one.strategy]) for one in found]
    words = (
        "Means with 95% intervals below: Student's t over the seeds. Ratios are paired by seed, their means geometric; "
        "below 1 is better than the rival, and an interval that includes 1 shows no difference. Measured: what was "
        "spent, at measured prices."
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
        "1" if one.strategy == FINEST else stacked(error(one.to_finest.value), between(one.to_finest)),
        "1" if one.best_single else stacked(error(one.to_single.value), between(one.to_single)),
    ]


def _middle(middle: Middle) -> Cell:
    return stacked(error(middle.value), interval(middle.lower, middle.upper))


def _mean(values: Sequence[float | None]) -> float:
    return arithmetic([value for value in map(known, values) if math.isfinite(value)]).value


def _seeds(folder: Path, told: Comparison, errors: dict[str, dict[int, float]]) -> str:
    seeds = sorted({seed for found in errors.values() for seed in found})
    written = {place for place in runs_of(told) if (folder / place / "report.html").is_file()}
    columns = [Column("Strategy", text=True), *[Column(f"Seed {seed}") for seed in seeds]]
    cells = [
        [name, *[_run(_place(name, seed), found.get(seed, math.nan), written) for seed in seeds]]
        for name, found in errors.items()
    ]
    words = "Relative L2 error by seed; a link leads to that run's own report"
    where = f"The rows, one a seed and strategy, are in {ROWS}; the figure is in figures/."
    return section("Every run", table(words, columns, cells), paragraph(where, "soft"))


def runs_of(told: Comparison) -> list[Path]:
    """Return the folder of each run of a comparison, within its own; a strategy that names another one has none."""
    places = [_place(row.strategy, row.seed) for row in told.rows]
    return [place for place in places if len(place.parts) == 2 and ".." not in place.parts]


def _place(strategy: str, seed: int) -> Path:
    return Path(f"seed-{seed}", strategy.replace(":", "-"))


def _run(place: Path, value: float, written: Collection[Path]) -> Cell:
    return link((place / "report.html").as_posix(), error(value)) if place in written else error(value)


def repeated(told: Comparison | BudgetComparison) -> str:
    """Return the section that says how to repeat a comparison."""
    shared = {k: v for k, v in told.config.items() if k not in ("seed", "strategy", "baselines")}
    about = [("mlft", str(told.version)), *[(k, str(v)) for k, v in told.machine.items() if k != "mlft"]]
    return section(
        "How to repeat it",
        code(told.command),
        paragraph("The configuration that the runs share:"),
        code(tomli_w.dumps(without_null(shared)).strip()),
        terms([("seeds", ", ".join(map(str, told.seeds)) or MISSING), *about]),
    )
