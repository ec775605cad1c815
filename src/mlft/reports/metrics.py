"""The main numbers of a run as a tidy table: metric, level, value."""

import csv
import io
from dataclasses import asdict
from typing import Any

from mlft.experiment.outcome import Outcome
from mlft.reports.norms import NORMS


def metrics_csv(facts: Outcome) -> str:
    """Return the main numbers of a run as CSV: `metric,level,value`, at full precision, empty where missing.

    The level is empty for what belongs to the whole run. A baseline's row is named `baseline_error:<name>`; a kept
    stage has `stage_kept` 1 and a rejected one 0. `solver_error` is the distance from the finest grid's solutions. What
    is stated at a level of 0.9 has `:0.9` behind its name, and the error of one channel `:channel-0`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("metric", "level", "value"))
    writer.writerows((name, level, "" if value is None else value) for name, level, value in _rows(facts))
    return text.getvalue()


def _rows(facts: Outcome) -> list[tuple[str, int | str, Any]]:
    predicted = {} if facts.plan.predicted_error is None else asdict(facts.plan.predicted_error)
    costs = {"spent": facts.budget.spent, "pilot": facts.budget.pilot, "failed": facts.budget.failed}
    rows: list[tuple[str, int | str, Any]] = [
        *[(f"relative_l2_{name}", "", value) for name, value in asdict(facts.error.relative_l2).items()],
        ("test_draws", "", facts.error.samples),
        *[
            (f"{norm}_mean:channel-{found.channel}", "", getattr(found, norm).mean)
            for found in facts.error.channels
            for norm in NORMS
        ],
        *[(f"predicted_error_{name}", "", value) for name, value in predicted.items()],
        *[
            (f"{part}_{unit}", "", getattr(cost, unit))
            for part, cost in costs.items()
            for unit in ("solves", "measured", "seconds")
        ],
        *[(f"{name}_wall_seconds", "", value) for name, value in asdict(facts.seconds).items()],
        *[(f"baseline_error:{row.name}", "", row.error) for row in facts.baselines],
        ("surrogate_parameters", "", facts.surrogate.parameters),
    ]
    for way in () if facts.worth is None else facts.worth.ways:
        told = {"error": way.error, "seconds_alone": way.alone, "seconds_batched": way.batched}
        rows += [(f"{way.kind}_{name}", "" if way.level is None else way.level, value) for name, value in told.items()]
    for band in () if facts.sure is None else facts.sure.bands:
        told = {"error_bound": band.error, "errors_covered": band.errors_covered.value}
        told |= {"points_covered": band.points_covered.value, "fields_covered": band.fields_covered.value}
        rows += [(f"{name}:{band.level:g}", "", value) for name, value in told.items()]
    if facts.familiar is not None:
        rows += [("false_alarms", "", facts.familiar.false_alarms.value), ("alarm_above", "", facts.familiar.threshold)]
    rows += [("error_on_grid", row.level, row.mean) for row in facts.grids]
    for row in facts.levels:
        rows += [(name, row.level, getattr(row, name)) for name in _OF_LEVEL]
    for stage in facts.stages:
        told = {"error_before": stage.error_before, "error_after": stage.error_after}
        told |= {"kept": int(stage.kept), "blend": stage.blend, "steps": stage.steps}
        told |= {"movement": stage.movement, "alignment": stage.alignment}
        rows += [(f"stage_{name}", stage.level, value) for name, value in told.items()]
    return rows


_OF_LEVEL = ("cost_solves", "cost_seconds", "samples", "failed", "bias")
