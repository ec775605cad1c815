"""A run's report: the outcome, a picture, then what it was made of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlft.experiment.outcome import Outcome
from mlft.experiment.record import read_bands, read_evaluation, read_outcome
from mlft.reports.data import data
from mlft.reports.familiar import familiar
from mlft.reports.fields import Shown, sample_figure
from mlft.reports.first import first_cards
from mlft.reports.foresight import foresight
from mlft.reports.lifts import lifts
from mlft.reports.norms import norms
from mlft.reports.page import Section, cards, contents, document, figure, paragraph, section, title
from mlft.reports.parts import parts as so_far
from mlft.reports.rivals import rivals, verdict
from mlft.reports.sections import ledger, measured, plan, repeat, training
from mlft.reports.sure import sure
from mlft.reports.symmetry import symmetry
from mlft.reports.wording import amount, counts, error, number
from mlft.reports.worth import worth


def run_report(folder: Path) -> Section:
    """Return the page of a finished run, and its figures by name.

    Raises:
        MlftError: if the record or the evaluation is missing or damaged.
    """
    facts, evaluation = read_outcome(folder), read_evaluation(folder)
    shown = _shown(facts, evaluation)
    told = facts.data
    parts = [
        _story(shown),
        sure(facts, shown, read_bands(folder, facts.grid)),
        familiar(facts),
        *([worth(facts), so_far(facts), plan(facts)] if told is None else [data(facts, told)]),
        symmetry(facts),
        lifts(facts, evaluation),
        foresight(facts),
        *([ledger(facts)] if told is None else []),
        training(facts),
        measured(facts, evaluation["errors"].astype(np.float64)),
        norms(facts),
        rivals(facts),
        repeat(facts),
    ]
    sections = [html for html, _ in parts]
    body = "\n".join([_header(facts, sections), *sections])
    name = f"{facts.problem}: relative L2 error {error(facts.error.relative_l2.mean)}"
    page = document(name, body, made_by=f"mlft {facts.version}")
    return page, {name: text for _, figures in parts for name, text in figures.items()}


def _header(facts: Outcome, sections: Sequence[str]) -> str:
    """Return the first screen: error, worth, sureness, cost; how it stands beside its rivals; what there is below."""
    used = [row for row in facts.levels if row.samples]
    grids = " → ".join(row.grid for row in used)
    samples = counts([row.samples for row in used])
    told = (
        f"Strategy {facts.strategy}: {samples} samples on {'grid' if len(used) == 1 else 'grids'} {grids}, "
        f"seed {facts.seed}."
    )
    head = paragraph(f"{facts.problem}: {facts.equation}", "kicker")
    parts = [head, title(f"{facts.problem}: a surrogate from {_bought(facts)}"), cards(first_cards(facts))]
    parts += [paragraph(verdict(facts), "verdict"), paragraph(told, "soft"), contents(sections)]
    return "<header>\n" + "\n".join(parts) + "\n</header>"


def _bought(facts: Outcome) -> str:
    if facts.data is not None:
        return f"{number(sum(row.samples for row in facts.levels))} rows of a data set"
    return amount(facts.budget.of(facts.budget.spent), facts.budget.unit)


def _shown(facts: Outcome, evaluation: dict[str, np.ndarray]) -> Shown:
    errors = evaluation["errors"][evaluation["chosen"].astype(int)]
    return Shown(errors, evaluation["inputs"], evaluation["solutions"], evaluation["predictions"], facts.grid)


def _story(shown: Shown) -> Section:
    count = len(shown.errors)
    if shown.grid.dimension == 1:
        caption = (
            f"{_COLUMNS[count]} Where the thin orange line leaves the thick grey one, the prediction is wrong. Each "
            "row has one scale. x and the fields are in the problem's own units."
        )
    else:
        caption = (
            f"{_COLUMNS[count]} Solutions and predictions share one colour scale; blue and red show where the "
            "prediction is too low and too high. Fields are in the problem's own units."
        )
    channels = shown.inputs.shape[1], shown.solutions.shape[1]
    lines = channels[0] if shown.grid.dimension == 2 else max(1, channels[0] - 3)
    if lines > 1 or channels[1] > 1:
        caption += f" The first channels are shown, of {channels[0]} of the input and {channels[1]} of the solution."
    errors = ", ".join(error(float(e)) for e in shown.errors)
    alt = f"Input, solution, prediction and their difference for {count} test draws, with relative L2 errors {errors}"
    drawings = {"samples": sample_figure(shown)}
    return section("Predictions", figure(drawings, caption, alt=alt)), drawings


_EASY = "Each column is one fresh draw that the surrogate had not seen: one that is easy for it, the median one"
_COLUMNS = {3: f"{_EASY} and one that is hard.", 4: f"{_EASY}, one that is hard, and the worst of all."}
"""What is shown, by how many draws a record keeps."""
