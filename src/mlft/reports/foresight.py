"""What was foreseen: the plan's alternatives, the rates, and the error against the budget, beside what was measured."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.experiment.outcome import BoughtPlan, Foresight, Outcome, PlanFacts
from mlft.reports.drawing import NARROW, drawn, error_axis, legend_above
from mlft.reports.page import Column, Section, figure, paragraph, section, table
from mlft.reports.palette import BLUE, ORANGE
from mlft.reports.wording import MISSING, counts, error, interval, known, number

_NAMES = {
    "learning-curve": "the network itself, trained on nested subsets of the pilot",
    "kernel-trained": "the tangent kernel of the network at coarse-trained weights",
    "kernel-initial": "the tangent kernel of the network at its initial weights",
}


def foresight(facts: Outcome) -> Section:
    """Return the section of a run that was planned from estimates; empty for one that was planned by a rule."""
    told = facts.foresight
    if told is None:
        return "", {}
    drawings = {"budget": budget_figure(facts, told)}
    pilot = facts.budget.of(facts.budget.pilot)
    words = (
        f"A pilot of {counts(told.pilot)} samples (coarsest level first; {number(pilot)} of the budget's "
        f"{number(facts.plan.budget)} {facts.budget.unit}) was solved first, and is the innermost part of "
        f"the training samples. Estimated by {_NAMES.get(told.estimator, told.estimator)}."
    )
    warned = [paragraph(f"Warning: {text}.", "rejected") for text in told.warnings]
    caption = (
        f"Line and band: the error predicted for the best plan of each budget, with its {_coverage(facts.plan)} "
        "interval, as it was seen "
        f"{'after the last round' if told.rounds else 'from the pilot'}. Dot: this run, measured afterwards."
    )
    alt = f"Predicted error against budget; measured {error(facts.error.relative_l2.mean)}"
    parts = [
        paragraph(words),
        *warned,
        figure(drawings, caption, alt=alt),
        _rounds(told),
        _alternatives(facts.plan, told.first),
        _stretched(facts.plan),
        _rates(told),
    ]
    return section("What was foreseen", *parts), drawings


@drawn
def budget_figure(width: float, facts: Outcome, told: Foresight) -> Figure:
    """Return the predicted error against the budget with its interval, and the measured error of this run."""
    budgets, values, lower, upper = (list(column) for column in zip(*told.by_budget, strict=True))
    figure = Figure(figsize=(width, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(budgets, lower, upper, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(budgets, values, color=BLUE, marker="o", markersize=3.5, label="predicted, best plan of each budget")
    found = known(facts.error.relative_l2.mean)
    axes.plot([facts.plan.budget], [found], "D", color=ORANGE, markersize=7, label="measured, this run", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"budget, {facts.budget.unit}, log scale")
    error_axis(axes, "y", [*lower, *upper, found], "relative L2 error")
    legend_above(axes, 2 if width > NARROW else 1)
    return figure


def _alternatives(plan: BoughtPlan, first: PlanFacts | None) -> str:
    columns = (
        Column("Plan", text=True),
        Column("Samples", "coarse to fine"),
        Column("Predicted", "relative L2"),
        Column("Interval", _coverage(plan)),
    )
    rows = [["this run", _samples(plan), *_prediction(plan)]]
    rows += [["as planned from the pilot", _samples(first), *_prediction(first)]] if first else []
    others = (first or plan).alternatives
    rows += [[_kind(other), _samples(other), *_prediction(other)] for other in others]
    kinds = ["total", *[""] * (len(rows) - 1)]
    return table("Other ways to spend the same budget, with the error predicted for each", columns, rows, kinds=kinds)


def _rounds(told: Foresight) -> str:
    """Return what was measured before the plan was followed, and the plan after each; empty where nothing was."""
    columns = (
        Column("Round"),
        Column("Measured", text=True),
        Column("Tried by then", "coarse to fine"),
        Column("Plan then", "coarse to fine"),
        Column("Predicted", "relative L2"),
    )
    rows = [
        [str(i), str(one), counts(one.bought), counts(one.plan.samples), _prediction(one.plan)[0]]
        for i, one in enumerate(told.rounds, 1)
    ]
    caption = "What the plan rests on was bought in part and measured before it was followed, and the plan made again"
    return table(caption, columns, rows) if rows else ""


def _rates(told: Foresight) -> str:
    names = ("α, fall of the bias", "β, fall of the corrections", "γ, growth of the price")
    columns = (
        Column("Rate in points a side", text=True),
        Column("Fitted", "exponent"),
        Column("Residual", "of logarithms"),
        Column("Fitted to", text=True),
    )
    rates = (told.rates.bias_rate, told.rates.variance_rate, told.rates.cost_rate)
    rows = [
        [words, number(rate.value), number(rate.residual), rate.fitted or MISSING]
        for words, rate in zip(names, rates, strict=True)
    ]
    return table("Rates of the hierarchy: bias and corrections from the pilot, prices as planned with", columns, rows)


def _kind(plan: PlanFacts) -> str:
    used = [level for level, n in enumerate(plan.samples) if n]
    return f"level {used[0]} alone" if len(used) == 1 else f"levels {', '.join(map(str, used))}"


def _coverage(plan: PlanFacts | BoughtPlan) -> str:
    return f"{plan.coverage:.0%}"


def _stretched(plan: BoughtPlan) -> str:
    """Return what an interval rests on, in words; empty for one of older records, and of kernels."""
    if plan.stretch == 1:
        return ""
    return paragraph(
        f"Intervals reach {number(plan.stretch)} times as far, in logarithms, as the scatter of what was measured "
        f"would have it: so they would have held {_coverage(plan)} of past predictions on other problems, which are "
        "too few for more than that."
    )


def _samples(plan: PlanFacts | BoughtPlan) -> str:
    return "/".join(map(str, plan.samples))


def _prediction(plan: PlanFacts | BoughtPlan) -> list[str]:
    low, high = plan.interval or (None, None)
    return [error(plan.predicted) if plan.predicted is not None else MISSING, interval(low, high)]
