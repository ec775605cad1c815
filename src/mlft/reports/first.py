"""The first screen of a run's report: how far it errs, whether it is worth it, how sure it is, what it cost."""

from mlft.experiment.outcome import Outcome, Way
from mlft.reports.hidden import hidden_lines
from mlft.reports.page import Card
from mlft.reports.spending import spent
from mlft.reports.sure import LEVEL
from mlft.reports.wording import MISSING, amount, counts, duration, error, interval, known, number, share
from mlft.reports.worth import invested, name_of, rivals_of


def first_cards(facts: Outcome) -> tuple[Card, ...]:
    """Return error, worth, sureness and cost of a run, each with its unit."""
    return _error(facts), _worth(facts), _sure(facts), _cost(facts)


def _error(facts: Outcome) -> Card:
    found = facts.error.relative_l2
    lines = (
        f"95% interval {interval(found.mean_lower, found.mean_upper)}",
        f"mean of {number(facts.error.samples)} {facts.tested}; median {error(found.median)}",
        *hidden_lines(facts),
    )
    return Card("Error", error(found.mean), "relative L2", lines)


def _worth(facts: Outcome) -> Card:
    """Return whether the surrogate is the cheapest way to its error: yes, no, or only alone or in batches."""
    name = "Worth it?"
    if facts.data is not None:
        return Card(name, "not known", "", ("a data set has no solver to compare with",))
    ways = [] if facts.worth is None else rivals_of(facts)
    if facts.worth is None or not ways:
        return Card(name, "not known", "", ("no other way as accurate was timed",))
    (surrogate,) = facts.worth.of("surrogate")
    alone = min(ways, key=lambda way: known(way.alone))
    batched = min(ways, key=lambda way: known(way.batched))
    wins = surrogate.alone, surrogate.batched
    better = known(wins[0]) <= known(alone.alone), known(wins[1]) <= known(batched.batched)
    value = {(True, True): "yes", (False, True): "in batches", (True, False): "alone", (False, False): "no"}[better]
    lines = (
        f"{duration(surrogate.alone)} a prediction, {duration(surrogate.batched)} in batches of {facts.worth.batch}",
        _next(alone, facts),
    )
    return Card(name, value, "", lines)


def _next(way: Way, facts: Outcome) -> str:
    return f"{name_of(way, facts)}, as accurate or more: {duration(way.alone)}"


def _sure(facts: Outcome) -> Card:
    name = "How sure?"
    if facts.sure is None:
        return Card(name, "not measured", "", ("of this run",))
    told = facts.sure.at(LEVEL)
    held = told.errors_covered
    lines = (
        f"for {share(told.level)} of predictions",
        f"held for {share(held.value)} ({share(held.lower)} to {share(held.upper)}) of {number(facts.sure.measured)} "
        f"{facts.tested}",
    )
    return Card(name, MISSING if told.error is None else f"≤ {error(told.error)}", "relative L2", lines)


def _cost(facts: Outcome) -> Card:
    budget = facts.budget
    value, _, unit = amount(budget.of(budget.spent), budget.unit).partition(" ")
    used = [row for row in facts.levels if row.samples]
    if facts.data is not None:
        rows = (
            f"{counts([row.samples for row in used])} learned from, coarse to fine",
            f"{number(facts.data.test)} held back for the test",
            f"{number(facts.seconds.train)} s of training",
        )
        return Card("Data", number(sum(facts.data.rows)), "rows", rows)
    lines = (
        spent(facts),
        f"{counts([row.samples for row in used])} samples, coarse to fine",
        f"{number(invested(facts))} s in all, {number(facts.seconds.train)} s of it training",
    )
    return Card("Cost", value, unit, lines)
