"""This run beside its rivals: strategies trained at equal cost, predictors without training, the solver itself."""

import math
from typing import Any

from mlft.reports.figures import Dot, dot_chart
from mlft.reports.page import Column, figure, paragraph, section, table
from mlft.reports.wording import MISSING, counts, error, number

Facts = dict[str, Any]
_KINDS = {"trained": "trained, equal cost", "free": "no training"}
_HOW = "No trained rival was run at equal cost; to have one, run again with `--baselines finest-only`."
_SEEDS = (
    "Each was trained with one seed: a small difference between two of them may be chance. `mlft compare` runs several."
)


def rivals(facts: Facts) -> tuple[str, dict[str, str]]:
    """Return the baselines at equal cost and the solver's own errors, as a chart and a table."""
    dots = _dots(facts)
    caption = (
        "Mean relative L2 error on the same test draws, smaller is better; the dashed line is this run. Squares were "
        "trained with the same solver cost and the same optimizer steps; open circles use this run's samples without "
        "training. Diamonds are no surrogates: the solver itself on that grid, against the reference."
    )
    alt = "Mean relative L2 errors: " + ", ".join(f"{dot.label} {error(dot.value)}" for dot in dots)
    trained = any(row["kind"] == "trained" for row in facts["baselines"])
    how = paragraph(_SEEDS if trained else _HOW)
    if len(dots) == 1:
        return section("Rivals at equal cost", how), {}
    drawings = {"rivals": dot_chart(dots)}
    return section("Rivals at equal cost", figure(drawings, caption, alt=alt), _table(facts), how), drawings


def verdict(facts: Facts) -> str:
    """Return in a sentence or two how the run stands beside its rivals and the solver's own grids."""
    mean = facts["error"]["relative_l2"]["mean"]
    known = [row for row in facts["baselines"] if row["error"] is not None]
    if mean is None:
        return "The error is not finite: the surrogate is of no use."
    told = []
    for kind, words in (("trained", "trained rival at equal cost"), ("free", "predictor without training")):
        rows = [row for row in known if row["kind"] == kind]
        if rows:
            told.append(_against(mean, min(rows, key=lambda row: float(row["error"])), words))
    if not any(row["kind"] == "trained" for row in known):
        told.append("No trained rival was run.")
    return " ".join([*told, _among_grids(mean, facts["levels"])]).strip()


def _against(mean: float, row: Facts, words: str) -> str:
    stands = f"The best {words}, {row['name']}, has {error(row['error'])}"
    if row["error"] == 0 or mean == 0:
        return f"{stands}."
    if row["error"] < mean:
        return f"{stands}, which is better: this run's error is {error(mean / row['error'])} times that."
    return f"{stands}: {error(row['error'] / mean)} times the error of this run."


def _among_grids(mean: float, levels: list[Facts]) -> str:
    """Return between which grids' own errors the surrogate's stands."""
    known = [row for row in levels if row["bias"] is not None]
    worse = [row for row in known if row["bias"] > mean]
    better = [row for row in known if row["bias"] <= mean]
    if worse and better:
        one, other = worse[-1], better[0]
        return (
            f"The solver itself errs by {error(one['bias'])} on grid {one['grid']} and by {error(other['bias'])} "
            f"on grid {other['grid']}; the surrogate stands between."
        )
    if better:
        one = better[0]
        return (
            f"The solver itself does better even on its coarsest grid, {one['grid']}: it errs by {error(one['bias'])}."
        )
    return ""


def _dots(facts: Facts) -> list[Dot]:
    found = facts["error"]["relative_l2"]
    ends = _float(found["mean_lower"]), _float(found["mean_upper"])
    own = Dot(f"{facts['strategy']} (this run)", "this run", _float(found["mean"]), *ends)
    order = sorted(_with_error(facts), key=lambda row: (row["kind"] != "trained", row["error"]))
    others = [Dot(row["name"], _KINDS.get(row["kind"], "no training"), float(row["error"])) for row in order]
    grids = [row for row in facts["levels"] if row["bias"] is not None]
    solver = [Dot(f"solver on grid {row['grid']}", "the solver itself", float(row["bias"])) for row in grids]
    return [own, *others, *solver]


def _with_error(facts: Facts) -> list[Facts]:
    return [row for row in facts["baselines"] if row["error"] is not None]


def _table(facts: Facts) -> str:
    columns = (
        Column("", text=True),
        Column("What it is", text=True),
        Column("Samples", "coarse to fine"),
        Column("Spent", "solves"),
        Column("Mean error", "relative L2"),
        Column("Ratio", "this run = 1"),
    )
    mean = facts["error"]["relative_l2"]["mean"]
    samples = counts(facts["plan"]["samples"])
    spent = number(facts["budget"]["spent"]["solves"])
    own = [facts["strategy"], "this run", samples, spent, error(mean), "1" if mean else MISSING]
    lost = [row for row in facts["baselines"] if row["error"] is None]
    order = sorted(_with_error(facts), key=lambda row: (row["kind"] != "trained", row["error"])) + lost
    rows = [own]
    for row in order:
        kind, used = _KINDS.get(row["kind"], row["kind"]), counts(row["samples"]) if row["samples"] else "this run's"
        cost = number(row["spent_solves"])
        rows.append([row["name"], kind, used, cost, error(row["error"]), _ratio(row["error"], mean)])
    for row in facts["levels"]:
        if row["bias"] is not None:
            cost = f"{number(row['cost_solves'])} a prediction"
            ratio = _ratio(row["bias"], mean)
            rows.append(
                [f"solver on grid {row['grid']}", "the solver itself", MISSING, cost, error(row["bias"]), ratio]
            )
    kinds = ["strong", *[""] * (len(rows) - 1)]
    return table("This run, its rivals and the solver, from the same test draws", columns, rows, kinds=kinds)


def _ratio(value: float | None, mean: float | None) -> str:
    return error(value / mean) if value is not None and mean else MISSING


def _float(value: float | None) -> float:
    return math.nan if value is None else value
