"""What was foreseen: the plan's alternatives, the rates, and the error against the budget, beside what was measured."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.reports.drawing import BLUE, ORANGE, error_axis, legend_above, style, svg
from mlft.reports.page import Column, figure, paragraph, section, table
from mlft.reports.wording import MISSING, counts, error, interval, number

Facts = dict[str, Any]
Section = tuple[str, dict[str, str]]

_NAMES = {
    "learning-curve": "the network itself, trained on nested subsets of the pilot",
    "kernel-trained": "the tangent kernel of the network at coarse-trained weights",
    "kernel-initial": "the tangent kernel of the network at its initial weights",
}


def foresight(facts: Facts) -> Section:
    """Return the section of a run that was planned from estimates; empty for one that was planned by a rule."""
    told = facts.get("foresight") or {}
    if not told:
        return "", {}
    drawings = {"budget": budget_figure(facts)}
    pilot = facts["budget"]["pilot"][facts["budget"]["unit"]]
    words = (
        f"A pilot of {counts(told['pilot'])} samples (coarsest level first; {number(pilot)} of the budget's "
        f"{number(facts['plan']['budget'])} {facts['budget']['unit']}) was solved first, and is the innermost part of "
        f"the training samples. Estimated by {_NAMES[told['estimator']]}."
    )
    warned = [paragraph(f"Warning: {text}.", "rejected") for text in told["warnings"]]
    caption = (
        "Line and band: the error predicted for the best plan of each budget, with its 95% interval, as it was seen "
        "from the pilot. Dot: this run, measured afterwards."
    )
    alt = f"Predicted error against budget; measured {error(facts['error']['relative_l2']['mean'])}"
    parts = [paragraph(words), *warned, figure(drawings, caption, alt=alt), _alternatives(facts), _rates(told)]
    return section("What was foreseen", *parts), drawings


@style()
def budget_figure(facts: Facts) -> str:
    """Return the predicted error against the budget with its interval, and the measured error of this run."""
    rows = facts["foresight"]["by_budget"]
    budgets, values, lower, upper = (list(column) for column in zip(*rows, strict=True))
    figure = Figure(figsize=(6.4, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(budgets, lower, upper, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(budgets, values, color=BLUE, marker="o", markersize=3.5, label="predicted, best plan of each budget")
    found = facts["error"]["relative_l2"]["mean"]
    axes.plot([facts["plan"]["budget"]], [found], "D", color=ORANGE, markersize=7, label="measured, this run", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"budget, {facts['budget']['unit']}, log scale")
    error_axis(axes, "y", [*lower, *upper, found], "relative L2 error")
    legend_above(axes, 2)
    return svg(figure)


def _alternatives(facts: Facts) -> str:
    plan = facts["plan"]
    columns = (Column("Plan", text=True), Column("Samples", "coarse to fine"), Column("Predicted"), Column("Interval"))
    first = facts["foresight"].get("first")
    rows = [["this run", _samples(plan), *_prediction(plan)]]
    rows += [["as planned from the pilot", _samples(first), *_prediction(first)]] if first else []
    others = (first or plan)["alternatives"]
    rows += [[_kind(other), _samples(other), *_prediction(other)] for other in others]
    kinds = ["total", *[""] * (len(rows) - 1)]
    return table("Other ways to spend the same budget, with the error predicted for each", columns, rows, kinds=kinds)


def _rates(told: Facts) -> str:
    names = {"bias": "α, fall of the bias", "variance": "β, fall of the corrections", "cost": "γ, growth of the price"}
    columns = (Column("Rate in points a side", text=True), Column("Fitted"), Column("Residual", "of logarithms"))
    rates = {name: told["rates"][f"{name}_rate"] for name in names}
    rows = [[words, number(rates[name]["value"]), number(rates[name]["residual"])] for name, words in names.items()]
    return table("Rates of the hierarchy: bias and corrections from the pilot, prices as planned with", columns, rows)


def _kind(plan: Facts) -> str:
    used = [level for level, n in enumerate(plan["samples"]) if n]
    return f"level {used[0]} alone" if len(used) == 1 else f"levels {', '.join(map(str, used))}"


def _samples(plan: Facts) -> str:
    return "/".join(map(str, plan["samples"]))


def _prediction(plan: Facts) -> list[str]:
    low, high = plan["interval"] or (None, None)
    return [error(plan["predicted"]) if plan["predicted"] is not None else MISSING, interval(low, high)]
