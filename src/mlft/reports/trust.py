"""The page of `mlft trust`: how far the surrogate of a run can be trusted."""

from pathlib import Path

import numpy as np

from mlft.diagnostics.spectrum import Spectrum
from mlft.experiment.outcome import LawFacts, TrustOutcome
from mlft.experiment.record import read_trust
from mlft.reports.drawing import Drawing
from mlft.reports.green import weakest_direction
from mlft.reports.green_figures import green_figure
from mlft.reports.page import (
    Cell,
    Column,
    Section,
    contents,
    document,
    figure,
    paragraph,
    section,
    stacked,
    table,
    title,
)
from mlft.reports.trust_figures import amplitude_figure, family_figure, spectrum_figure
from mlft.reports.trust_verdict import alarmed, breaking, growth, resolved, verdict
from mlft.reports.wording import MISSING, error, interval, number, share

_ON_SPAN = "what of it lies on the span of the training inputs, "


def trust_report(folder: Path) -> Section:
    """Return the page about a run that `mlft trust` has looked at, and its figures by name.

    Raises:
        MlftError: if the folder has not been looked at.
    """
    facts, arrays = read_trust(folder)
    own = facts.families[0].mean
    measured = own is not None
    pictures = {"trust-families": family_figure(facts.families)} if measured else {}
    waves = {"trust-spectrum": spectrum_figure(_spectrum(arrays))} if measured else {}
    more = {}
    if measured and facts.amplitudes and all(row.mean for row in facts.amplitudes if row.amplitude == 1):
        more["trust-amplitudes"] = amplitude_figure(facts.amplitudes, facts.breaking)
    shown = [arrays[name] for name in ("matrix", "operator", "known") if facts.green]
    green = {"trust-green": green_figure(*shown)} if shown else {}
    least, weakest = weakest_direction(facts, arrays)
    sections = [_families(facts, pictures), _amplitudes(facts, more), _waves(facts, waves), _green(facts, green), least]
    head = [
        paragraph(f"{facts.problem}: {facts.equation}", "kicker"),
        title(f"How far this surrogate can be trusted: relative L2 error {error(own)} on its own law of inputs"),
        paragraph(" ".join([verdict(facts), *alarmed(facts)]), "verdict"),
        contents(sections),
    ]
    body = ["<header>\n" + "\n".join(head) + "\n</header>", *sections]
    page = document(f"{facts.problem}: trust", "\n".join(body), made_by="mlft trust")
    return page, pictures | more | waves | green | weakest


def _spectrum(arrays: dict[str, np.ndarray]) -> Spectrum:
    return Spectrum(*(arrays[name] for name in ("numbers", "error", "solution")))


def trust_lines(facts: TrustOutcome) -> list[str]:
    """Return what was found in plain lines, for a terminal."""
    wide = max(len(family.name) for family in facts.families)
    of = "draws a law of inputs" if facts.amplitudes else "rows that were held back"
    lines = [f"{facts.problem}: mean relative L2 error over {facts.samples} {of}"]
    for family in facts.families:
        lines.append(f"  {family.name:<{wide}}  {_words(family, facts.families[0])}")
    said = [verdict(facts), *alarmed(facts), breaking(facts), resolved(facts)]
    return [*lines, *said, f"Green's function: {_green_words(facts)}"]


def _words(family: LawFacts, own: LawFacts) -> str:
    if family.refused:
        return f"refused: {family.refused}"
    failed = f", not solved: {family.failures}" if family.failed else ""
    grown = growth(family, own)
    times = "" if family is own else f", {error(grown.value)} times its own ({interval(grown.lower, grown.upper)})"
    found = f"{error(family.mean)} ({interval(family.lower, family.upper)}){times}"
    rings = "" if family.rings is None else f", the alarm rings for {share(family.rings)}"
    return f"{found}, {share(family.outside)} of the inputs off the trained span{rings}{failed}"


def _green_words(facts: TrustOutcome) -> str:
    green = facts.green
    if green is None:
        return f"refused, {facts.refusal}."
    near, far = green.by_jacobian, green.by_probing
    span = (
        ""
        if near.inside is None
        else (
            f" ({error(near.inside)} inside the span of the inputs; outside it a linear map from zero weights would "
            f"miss {error(near.predicted)})"
        )
    )
    return (
        f"relative error {error(near.relative)} by the Jacobian{span}, {error(far.relative)} by unit inputs; the "
        f"surrogate's defect of linearity is {error(green.surrogate_defect)}."
    )


def _families(facts: TrustOutcome, pictures: dict[str, Drawing]) -> str:
    columns = (
        Column("Law of inputs", text=True),
        Column("Error", "relative L2"),
        Column("95% interval", "relative L2"),
        Column("Times its own", "95% interval"),
        Column("Off the span", "share of inputs"),
        Column("Alarm rings", "share of inputs"),
        Column("Not solved", "draws"),
    )
    rows: list[list[Cell]] = []
    for family in facts.families:
        grown = growth(family, facts.families[0])
        times = "1" if family is facts.families[0] else stacked(error(grown.value), interval(grown.lower, grown.upper))
        found: list[Cell] = [error(family.mean), interval(family.lower, family.upper), times]
        rows.append([family.name, *found, share(family.outside), share(family.rings), number(family.failed)])
    solved = "the same draws in every row, solved on the finest grid" if facts.amplitudes else "rows held back"
    caption = (
        f"Mean relative L2 errors of {number(facts.samples)} fresh draws, {solved}. "
        "The first law is the one that the surrogate was trained on. Off the span: the part of the "
        f"inputs, in L2, that no combination of {number(facts.trained)} training inputs gives."
    )
    shown = figure(pictures, caption, alt="Errors by law of inputs") if pictures else ""
    return section("Other laws of inputs", shown, table("The same in numbers", columns, rows), _notes(facts))


def _notes(facts: TrustOutcome) -> str:
    refused = [f"{f.name}: {f.refused}" for f in facts.families if f.refused]
    failed = [f"{f.name}: {f.failures}" for f in facts.families if f.failures]
    kinds = (("Refused", refused), ("Not solved", failed))
    return "".join(paragraph(f"{kind}: {'; '.join(rows)}.", "soft") for kind, rows in kinds if rows)


def _amplitudes(facts: TrustOutcome, pictures: dict[str, Drawing]) -> str:
    caption = (
        "Mean relative L2 error along the amplitude of the inputs, with its 95% interval; crosses where the mean has "
        "doubled. In the words above, an interval of such an amplitude is where the interval of the growth passes two."
    )
    alt = "Error along the amplitude of the inputs"
    return section(
        "Where it breaks", paragraph(breaking(facts)), figure(pictures, caption, alt=alt) if pictures else ""
    )


def _waves(facts: TrustOutcome, pictures: dict[str, Drawing]) -> str:
    caption = (
        "On the law itself, by the waves of a field. First: squares of the error's beside the solution's. Second: the "
        "error of each wave and all finer ones, over the solution in them; as long as it is below the dashed half, the "
        "wave counts as resolved."
    )
    shown = figure(pictures, caption, alt="Spectrum of the error, and what is resolved") if pictures else ""
    return section("Which waves are right", paragraph(resolved(facts)), shown)


def _green(facts: TrustOutcome, pictures: dict[str, Drawing]) -> str:
    green = facts.green
    if green is None:
        return section("Green's function", paragraph(f"There is none: {facts.refusal}."))
    columns = (
        Column("", text=True),
        Column("Relative error", "Frobenius"),
        Column("Inside the span", "relative error"),
        Column("Theory", "linear map from zero"),
        Column("Asymmetry", "relative"),
        Column("Peaks off by", "points"),
    )
    kinds = {"Jacobian over the law's inputs": green.by_jacobian, "unit inputs": green.by_probing}
    rows: list[list[Cell]] = [
        [name, *map(_or_dash, (like.relative, like.inside, like.predicted, like.asymmetry, like.peak))]
        for name, like in kinds.items()
    ]
    known = green.by_jacobian.inside is not None
    caption = (
        f"A column is the answer to a unit input at one point: the surrogate's Jacobian, {_ON_SPAN if known else ''}"
        "and the solver's matrix. Last: three columns, cut off where they leave the solver's range."
    )
    shown = figure(pictures, caption, alt="The matrix learned beside the true one, and three columns of both")
    defects = f"Defects of superposition: {error(green.surrogate_defect)} of the surrogate, "
    defects += f"{error(green.solver_defect)} of the solver."
    advice = paragraph(" ".join(green.advice.splitlines()))
    numbers = table("How like the solver's matrix", columns, rows)
    return section("Green's function", shown, numbers, paragraph(defects), advice)


def _or_dash(value: float | None) -> str:
    return MISSING if value is None else error(value)
