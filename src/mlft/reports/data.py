"""The data set of a fit: its rows, how they were split, and what cannot be known of it without a solver."""

from mlft.experiment.outcome import DataFacts, LevelFacts, Outcome
from mlft.reports.page import Cell, Column, Section, paragraph, section, table
from mlft.reports.wording import counts, error, number

WITHOUT = (
    "There was no solver: what a prediction is worth beside a solve, the solver's symmetries, its error on these "
    "grids, and other laws of inputs are not known."
)


def data_lines(facts: Outcome) -> list[str]:
    """Return the rows, their split and what was assumed in sentences; nothing where a solver was run."""
    return [] if facts.data is None else [_split(facts.data), *_costs(facts), *_warnings(facts.data)]


def data(facts: Outcome, told: DataFacts) -> Section:
    """Return the rows of each level, how they were split, and what is not known of them."""
    columns = (
        Column("Level"),
        Column("Grid", "cells"),
        Column("Rows", "of the data set"),
        Column("Learned from", "rows"),
        Column("Failed", "rows"),
        *([Column("Cost of one", "of the finest")] if told.priced else []),
        Column("Distance", "to the finest, relative L2"),
    )
    rows = [_row(row, told) for row in facts.levels]
    caption = "Levels from coarse to fine; the distance is that of coupled test rows from the finest level's"
    names = [f"Read from {', '.join(told.files)}."] if told.files else []
    failed = [f"{number(row.samples)} rows of level {row.level} failed: {row.status}." for row in facts.failures]
    seconds = f"Training took {number(facts.seconds.train)} s; nothing was solved."
    said = [*names, _split(told), *_costs(facts), *_warnings(told), *failed, WITHOUT, seconds]
    return section("The data", table(caption, columns, rows), *map(paragraph, said)), {}


def _row(row: LevelFacts, told: DataFacts) -> list[Cell]:
    found: list[Cell] = [number(row.level), row.grid, number(told.rows[row.level]), number(row.samples)]
    price: list[Cell] = [number(row.cost_solves)] if told.priced else []
    return [*found, number(row.failed), *price, error(row.bias)]


def _split(told: DataFacts) -> str:
    several = "; draws on several levels are on one side" if told.coupled else ""
    return (
        f"Of {counts(told.rows)} rows, {counts(told.train)} are to be learned from, and {number(told.test)} of the "
        f"finest were held back for the test, without replacement{several}."
    )


def _costs(facts: Outcome) -> list[str]:
    """Return what the rows cost, where it was said what one costs."""
    if facts.data is None or not facts.data.priced:
        return []
    spent = number(facts.budget.spent.solves)
    return [f"At the costs that were given the rows that are learned from cost as much as {spent} of the finest level."]


def _warnings(told: DataFacts) -> list[str]:
    found = []
    if told.alike:
        out = f" {number(told.left_out)} draws were left out for it." if told.left_out else ""
        found.append(
            f"{number(told.alike)} draws share their input with another: all of one input are on one side.{out}"
        )
    if told.dropped:
        found.append(f"{number(told.dropped)} rows were left out because they are not finite.")
    if told.assumed:
        found.append(f"Nobody said, and it was assumed, that {'; that '.join(told.assumed)}.")
    return found
