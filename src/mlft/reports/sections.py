"""Sections of a run's report: plan, ledger, training, test errors, how to repeat; each is HTML and its figures."""

import numpy as np
import tomli_w
from jaxtyping import Float

from mlft.experiment.outcome import BoughtPlan, LevelFacts, Outcome, StageFacts
from mlft.reports.figures import histogram, stage_figure
from mlft.reports.page import Cell, Column, Markup, Section, code, figure, paragraph, part_of, section, table, terms
from mlft.reports.spending import spending_lines
from mlft.reports.target import target_lines
from mlft.reports.unspent import unspent_lines
from mlft.reports.wording import MISSING, error, interval, number, share, without_null


def plan(facts: Outcome) -> Section:
    """Return what was bought on which grid, why, and the predicted error beside the measured one."""
    told = facts.plan
    columns = (
        Column("Level"),
        Column("Grid", "cells"),
        Column("Cost of one", "solves"),
        Column("Cost of one", "seconds"),
        Column("Samples", "solved"),
        Column("Failed", "samples"),
        Column("Share", "of the budget"),
        Column("Bias", "relative L2"),
    )
    rows = [_level(row, told) for row in facts.levels]
    samples, failed = sum(row.samples for row in facts.levels), sum(row.failed for row in facts.levels)
    shares = [_share(row, told) for row in facts.levels]
    whole = part_of(sum(shares), share(sum(shares)))
    total: list[Cell] = ["all", "", "", "", number(samples), number(failed), whole, ""]
    kinds = [""] * len(rows) + ["total"]
    caption = "Levels from coarse to fine; the cost of one sample in solves of the finest grid"
    reason = paragraph(f"Why ({told.rule}): {told.reason.rstrip('.')}.")
    levels = table(caption, columns, [*rows, total], kinds=kinds)
    return section("The plan", levels, reason, _predicted(facts), _bias(facts)), {}


def ledger(facts: Outcome) -> Section:
    """Return what was spent, and the failures by name."""
    budget, seconds = facts.budget, facts.seconds
    columns = (
        Column("", text=True),
        Column("Cost", "solves, at the run's prices"),
        Column("Cost", "solves, at measured prices"),
        Column("Cost", "solver seconds"),
    )
    parts = {"spent in all": budget.spent, "of it, the pilot": budget.pilot, "of it, failed samples": budget.failed}
    rows = [[words, *map(number, (cost.solves, cost.measured, cost.seconds))] for words, cost in parts.items()]
    charged = table("What was charged to the budget", columns, rows)
    spent = "\n".join([charged, *map(paragraph, [*spending_lines(facts), *unspent_lines(facts)])])
    times = f"Training took {number(seconds.train)} s, planning {number(seconds.plan)} s; neither is charged."
    if not facts.failures:
        return section("The ledger", spent, paragraph(f"No sample failed. {times}")), {}
    grids = {row.level: row.grid for row in facts.levels}
    failed = table(
        "Failures by name; a failed sample is paid for and not trained on",
        (Column("Level"), Column("Grid", "cells"), Column("Failure", text=True), Column("Samples"), _EXAMPLE),
        [
            [number(row.level), grids[row.level], row.status, number(row.samples), row.note or MISSING]
            for row in facts.failures
        ],
    )
    return section("The ledger", spent, failed, paragraph(times)), {}


_ALL_DRAWS = (
    "In the end all samples were trained on, the {held_out} that were held out among them (optimizer steps: {steps}): "
    "nothing was left to decide by them. No error above is of what came of it; that on fresh draws is."
)


def training(facts: Outcome) -> Section:
    """Return the held-out error along the stages, with what the guard kept and rejected."""
    stages, grids = facts.stages, [row.grid for row in facts.levels]
    if not stages:
        return section("Error by stage", paragraph("No stage was trained.")), {}
    moved = all(stage.movement is not None for stage in stages)
    columns = (
        Column("Level"),
        Column("Grid", "cells"),
        Column("Trained on", "samples"),
        Column("Held out", "samples"),
        Column("Steps", "of the optimizer"),
        Column("Before", "held out, relative L2"),
        Column("After", "held out, relative L2"),
        *([Column("Kernel moved", "relative")] if moved else []),
        Column("Guard", text=True),
    )
    rows = [
        [
            *[number(stage.level), grids[stage.level], number(stage.samples), number(stage.held_out)],
            *[number(stage.steps), error(stage.error_before), error(stage.error_after)],
            *([number(stage.movement)] if moved else []),
            _guard(stage),
        ]
        for stage in stages
    ]
    rejected = "; dashed, orange and crossed: a stage that was rejected and left no trace."
    caption = (
        "Relative L2 error on samples kept out of the training, along the optimizer steps; dotted lines part the "
        "stages. Every stage is judged on samples of its own grid, so the line may jump between two. Open dot: the "
        "weights before the stage. Full dot: the weights that were kept"
        + (rejected if any(not stage.kept for stage in stages) else ".")
    )
    regime = (
        "Kernel moved: ‖K_after − K_before‖ / ‖K_before‖ of the network's tangent kernel over the stage, on fresh "
        "draws. Far below 1 the network stays in the kernel regime, where the theory of the plan holds; above, it "
        "learns features."
    )
    told = _candidates(facts) + table("Stages in the order of training", columns, rows)
    ends = [stage for stage in stages if stage.all_draws]
    told += paragraph(_ALL_DRAWS.format(steps=number(ends[0].all_draws), held_out=ends[0].held_out)) if ends else ""
    told += paragraph(regime, "soft") if moved else ""
    if not any(e is not None for stage in stages for e in (stage.error_before, stage.error_after)):
        return section("Error by stage", paragraph("Nothing was held out, so no stage could be judged."), told), {}
    drawings = {"stages": stage_figure(stages, grids)}
    alt = "Held-out relative L2 error along the optimizer steps: " + "; ".join(
        f"grid {grids[s.level]} from {error(s.error_before)} to {error(s.error_after)}, "
        + ("kept" if s.kept else "rejected")
        for s in stages
    )
    return section("Error by stage", figure(drawings, caption, alt=alt), told), drawings


def _candidates(facts: Outcome) -> str:
    """Return a table of the networks that were tried; nothing where there was nothing to choose."""
    columns = (
        Column("Network"),
        Column("Held out", "relative L2"),
        Column("Weight", "share"),
        Column("CPU", "s"),
        Column("", text=True),
    )
    rows = [
        [row.name, error(row.error), number(row.weight), number(row.cpu_seconds), row.verdict]
        for row in facts.surrogate.candidates
    ]
    return (
        table("Networks tried on the same samples; the stages are those of the one taken", columns, rows)
        if rows
        else ""
    )


def measured(facts: Outcome, errors: Float[np.ndarray, " n"]) -> Section:
    """Return how the error is spread over the test draws."""
    found = facts.error.relative_l2
    drawings = {"histogram": histogram(errors, found)}
    lost = int((~np.isfinite(errors)).sum())
    caption = (
        f"Relative L2 errors of {number(len(errors))} {facts.tested}: mean {error(found.mean)}, median "
        f"{error(found.median)}; nine draws in ten stay below {error(found.q90)}."
    )
    caption += f" {number(lost)} draws have no finite error and are not drawn." if lost else ""
    grid = facts.levels[-1].grid
    limits = (
        f"Measured against the solver on the finest grid, {grid}, for inputs of the distribution that was trained on. "
        "It says nothing of other inputs, nor of the solver's own error on that grid."
    )
    if facts.data is not None:
        limits = (
            f"Measured against rows on the finest grid, {grid}, that were held back from the training. It says nothing "
            "of inputs unlike those of the data set, nor of the error of the data themselves."
        )
    words = f"Histogram of test errors with mean {error(found.mean)} and median {error(found.median)}"
    html = section("Error over the test draws", figure(drawings, caption, alt=words), paragraph(limits, "soft"))
    return html, drawings


def repeat(facts: Outcome) -> Section:
    """Return the command, the configuration, the network and the machine."""
    network = facts.surrogate
    options = ", ".join(f"{name}={value}" for name, value in network.options.items())
    about = [
        ("surrogate", network.name + (f" ({options})" if options else "")),
        ("parameters", number(network.parameters)),
        ("mlft", facts.version),
        *[(name, str(value)) for name, value in facts.machine.items() if name != "mlft"],
    ]
    return section(
        "How to repeat it",
        code(facts.command),
        paragraph("The configuration, complete (config.toml in the run folder):"),
        code(tomli_w.dumps(without_null(facts.config)).strip()),
        terms(about),
        paragraph("The numbers of this page are in metrics.csv, its figures in figures/.", "soft"),
    ), {}


_EXAMPLE = Column("Example", text=True)


def _level(row: LevelFacts, told: BoughtPlan) -> list[Cell]:
    part = _share(row, told)
    costs = number(row.cost_solves), number(row.cost_seconds)
    found = number(row.samples), number(row.failed)
    return [number(row.level), row.grid, *costs, *found, part_of(part, share(part)), error(row.bias)]


def _share(row: LevelFacts, told: BoughtPlan) -> float:
    """Return the share of the budget that a level's samples took, failed ones included."""
    return float(told.costs[row.level] * (row.samples + row.failed) / told.budget)


def _predicted(facts: Outcome) -> str:
    predicted, found = facts.plan.predicted_error, facts.error.relative_l2
    if predicted is None:
        return ""
    rows = [
        [
            f"predicted, {predicted.made or 'before'}",
            error(predicted.value),
            interval(predicted.lower, predicted.upper),
            f"{predicted.coverage:.0%}",
        ],
        ["measured, after", error(found.mean), interval(found.mean_lower, found.mean_upper), "95%"],
    ]
    columns = (
        Column("", text=True),
        Column("Error", "relative L2"),
        Column("Interval", "relative L2"),
        Column("Probability"),
    )
    return table("Predicted before the samples were bought, measured afterwards", columns, rows)


def _bias(facts: Outcome) -> str:
    """Return what bias is and, where references failed or it could not be measured, why."""
    measure = facts.measure
    why = "" if measure is None else measure.reason.rstrip(".")
    if not any(row.bias is not None for row in facts.levels):
        return paragraph(f"The bias of the levels was not measured: {why}.", "soft") if why else ""
    words = (
        "Bias is the error of the solver itself on that grid: the mean relative L2 distance of its solutions from the "
        "reference (the problem's own, or else the finest grid), on a few test draws."
    )
    if measure is not None and why:
        words += f" Here {number(measure.draws)} {'draw' if measure.draws == 1 else 'draws'}: {why}."
    return "\n".join([paragraph(words, "soft"), *map(paragraph, target_lines(facts))])


def _guard(stage: StageFacts) -> Cell:
    if not stage.kept:
        return Markup('<span class="rejected">✗ rejected</span>: the weights before it stay')
    if stage.error_after is None:
        return "kept unjudged: no held-out error"
    if stage.blend is not None and stage.blend < 1:
        return f"✓ kept in part: {number(stage.blend)} of the way"
    return "✓ kept"
