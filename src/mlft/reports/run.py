"""A run's report: the outcome, a picture, then what it was made of."""

from pathlib import Path

import numpy as np

from mlft.experiment.outcome import Outcome
from mlft.experiment.record import read_bands, read_evaluation, read_outcome
from mlft.reports.familiar import familiar
from mlft.reports.fields import Shown, sample_figures
from mlft.reports.foresight import foresight
from mlft.reports.lifts import lifts
from mlft.reports.page import document, figure, paragraph, section, title
from mlft.reports.rivals import rivals, verdict
from mlft.reports.sections import ledger, measured, plan, repeat, training
from mlft.reports.spending import spent
from mlft.reports.sure import sure
from mlft.reports.symmetry import symmetry
from mlft.reports.wording import counts, error, interval, number
from mlft.reports.worth import worth


def run_report(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the page of a finished run, and its figures by name.

    Raises:
        MlftError: if the record or the evaluation is missing or damaged.
    """
    facts, evaluation = read_outcome(folder), read_evaluation(folder)
    shown = _shown(facts, evaluation)
    samples = sample_figures(shown)
    parts = [
        (_header(facts), {}),
        (_story(shown, samples), samples),
        sure(facts, shown, read_bands(folder, facts.grid)),
        familiar(facts),
        worth(facts),
        plan(facts),
        symmetry(facts),
        lifts(facts, evaluation),
        foresight(facts),
        ledger(facts),
        training(facts),
        measured(facts, evaluation["errors"].astype(np.float64)),
        rivals(facts),
        repeat(facts),
    ]
    body = "\n".join(html for html, _ in parts)
    name = f"{facts.problem}: relative L2 error {error(facts.error.relative_l2.mean)}"
    page = document(name, body, made_by=f"mlft {facts.version}")
    return page, {name: text for _, figures in parts for name, text in figures.items()}


def outcome(facts: Outcome) -> str:
    """Return the outcome of a run in words: error, interval, cost."""
    found, budget = facts.error.relative_l2, facts.budget
    between = interval(found.mean_lower, found.mean_upper)
    of = number(facts.plan.budget) + (" s" if budget.unit == "seconds" else "")
    return (
        f"Relative L2 error {error(found.mean)} (mean of {number(facts.error.samples)} fresh draws, "
        f"95% interval {between}), {spent(facts)} of {of}"
    )


def _header(facts: Outcome) -> str:
    used = [row for row in facts.levels if row.samples]
    grids = " → ".join(row.grid for row in used)
    samples = counts([row.samples for row in used])
    told = (
        f"Strategy {facts.strategy}: {samples} samples on {'grid' if len(used) == 1 else 'grids'} {grids}, "
        f"seed {facts.seed}."
    )
    head = paragraph(f"{facts.problem}: {facts.equation}", "kicker")
    parts = [head, title(outcome(facts)), paragraph(verdict(facts), "verdict"), paragraph(told, "soft")]
    return "<header>\n" + "\n".join(parts) + "\n</header>"


def _shown(facts: Outcome, evaluation: dict[str, np.ndarray]) -> Shown:
    errors = evaluation["errors"][evaluation["chosen"].astype(int)]
    return Shown(errors, evaluation["inputs"], evaluation["solutions"], evaluation["predictions"], facts.grid)


def _story(shown: Shown, samples: dict[str, str]) -> str:
    if shown.grid.dimension == 1:
        caption = (
            "Each column is one fresh draw that the surrogate had not seen: one that is easy for it, the median one "
            "and one that is hard. Where the thin orange line leaves the thick grey one, the prediction is wrong. "
            "Each row has one scale."
        )
    else:
        caption = (
            "Each row is one fresh draw that the surrogate had not seen: one that is easy for it, the median one and "
            "one that is hard. Solutions and predictions share one colour scale; blue and red in the last column show "
            "where the prediction is too low and too high."
        )
    channels = shown.inputs.shape[1], shown.solutions.shape[1]
    lines = channels[0] if shown.grid.dimension == 2 else max(1, channels[0] - 3)
    if lines > 1 or channels[1] > 1:
        caption += f" The first channels are shown, of {channels[0]} of the input and {channels[1]} of the solution."
    alt = "Input, solution, prediction and their difference for three test draws, with relative L2 errors " + ", ".join(
        error(float(e)) for e in shown.errors
    )
    return section("Three predictions", figure(samples, caption, alt=alt))
