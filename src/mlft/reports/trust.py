"""The page of `mlft trust`: how far the surrogate of a run can be trusted."""

from pathlib import Path

from mlft.diagnostics.laws import BREAKS
from mlft.experiment.outcome import LawFacts, TrustOutcome
from mlft.experiment.record import read_trust
from mlft.reports.page import Cell, Column, document, figure, paragraph, section, table, title
from mlft.reports.trust_figures import amplitude_figure, family_figure, green_figure, spectrum_figure
from mlft.reports.wording import MISSING, error, interval, known, number, share

_ON_SPAN = "what of it lies on the span of the training inputs, "


def trust_report(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the page about a run that `mlft trust` has looked at, and its figures by name.

    Raises:
        MlftError: if the folder has not been looked at.
    """
    facts, arrays = read_trust(folder)
    own = facts.families[0].mean
    measured = own is not None
    pictures = {"trust-families": family_figure(facts.families)} if measured else {}
    more = {"trust-spectrum": spectrum_figure(arrays)} if measured else {}
    if measured and facts.amplitudes and all(row.mean for row in facts.amplitudes if row.amplitude == 1):
        more["trust-amplitudes"] = amplitude_figure(facts.amplitudes, facts.breaking)
    shown = [arrays[name] for name in ("matrix", "operator", "known") if facts.green]
    green = {"trust-green": green_figure(*shown)} if shown else {}
    parts = [
        paragraph(f"{facts.problem}: {facts.equation}", "kicker"),
        title(f"How far this surrogate can be trusted: relative L2 error {error(own)} on its own law of inputs"),
        paragraph(" ".join([_verdict(facts), *_alarmed(facts)]), "verdict"),
        _families(facts, pictures),
        _amplitudes(facts, more),
        _green(facts, green),
    ]
    page = document(f"{facts.problem}: trust", "\n".join(parts), made_by="mlft trust")
    return page, pictures | more | green


def trust_lines(facts: TrustOutcome) -> list[str]:
    """Return what was found in plain lines, for a terminal."""
    wide = max(len(family.name) for family in facts.families)
    lines = [f"{facts.problem}: mean relative L2 error over {facts.samples} draws a law of inputs"]
    for family in facts.families:
        lines.append(f"  {family.name:<{wide}}  {_words(family, facts.families[0].mean)}")
    return [
        *lines,
        _verdict(facts),
        *_alarmed(facts),
        _breaking(facts),
        _resolved(facts),
        f"Green's function: {_green_words(facts)}",
    ]


def _verdict(facts: TrustOutcome) -> str:
    own, others = facts.families[0].mean, facts.families[1:]
    if own is None:
        return "The law itself could not be measured."
    kinds = {
        "The error at least doubles on": [f for f in others if f.mean is not None and f.mean >= BREAKS * own],
        "It stays below twice its own on": [f for f in others if f.mean is not None and f.mean < BREAKS * own],
        "Not measured": [f for f in others if f.mean is None],
    }
    return " ".join(f"{words}: {', '.join(f.name for f in found)}." for words, found in kinds.items() if found)


def _alarmed(facts: TrustOutcome) -> list[str]:
    """Return in a sentence whether the alarm rings where the error at least doubles; none where it was not asked."""
    own = facts.families[0]
    if own.mean is None or own.rings is None:
        return []
    bad = [f for f in (*facts.families[1:], *facts.amplitudes) if f.mean is not None and f.mean >= BREAKS * own.mean]
    if not bad:
        return [f"The alarm for unfamiliar inputs rings for {share(own.rings)} of the law's own."]
    least = min(bad, key=lambda f: known(f.rings))
    return [
        f"The alarm for unfamiliar inputs rings for {share(own.rings)} of the law's own, and, of laws and amplitudes "
        f"on which the error doubles, for at least {share(least.rings)} ({least.name})."
    ]


def _words(family: LawFacts, own: float | None) -> str:
    if family.refused:
        return f"refused: {family.refused}"
    failed = f", not solved: {family.failures}" if family.failed else ""
    times = "" if family.mean == own else f", {_times(family, own)} times its own"
    found = f"{error(family.mean)} ({interval(family.lower, family.upper)}){times}"
    rings = "" if family.rings is None else f", the alarm rings for {share(family.rings)}"
    return f"{found}, {share(family.outside)} of the inputs off the trained span{rings}{failed}"


def _times(family: LawFacts, own: float | None) -> str:
    return MISSING if not own or family.mean is None else error(family.mean / own)


def _breaking(facts: TrustOutcome) -> str:
    down, up = facts.breaking
    tested = [known(row.amplitude) for row in facts.amplitudes]
    below = (
        f"below amplitude {number(down)}" if down is not None else f"nowhere down to amplitude {number(min(tested))}"
    )
    above = f"above amplitude {number(up)}" if up is not None else f"nowhere up to amplitude {number(max(tested))}"
    lost = [row for row in facts.amplitudes if row.mean is None]
    if not lost:
        return f"The error doubles {below}, and {above}."
    which = ", ".join(number(row.amplitude) for row in lost)
    why = lost[0].refused or lost[0].failures
    return f"The error doubles {below}, and {above}; not measured, and counted as broken: {which} ({why})."


def _resolved(facts: TrustOutcome) -> str:
    if facts.resolved is None:
        return "All waves together are off by more than half."
    return f"Waves up to number {number(facts.resolved)} are resolved; those beyond are off by more than half."


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


def _families(facts: TrustOutcome, pictures: dict[str, str]) -> str:
    columns = (
        Column("Law of inputs", text=True),
        Column("Error", "relative L2"),
        Column("95% interval"),
        Column("Its own", "times"),
        Column("Off the span", "share of inputs"),
        Column("Alarm rings", "share of inputs"),
        Column("Not solved", "draws"),
    )
    rows: list[list[Cell]] = []
    own = facts.families[0].mean
    for family in facts.families:
        found = error(family.mean), interval(family.lower, family.upper), _times(family, own)
        rows.append([family.name, *found, share(family.outside), share(family.rings), number(family.failed)])
    caption = (
        f"Mean relative L2 errors of {number(facts.samples)} fresh draws, the same draws in every row, solved on "
        "the finest grid. The first law is the one that the surrogate was trained on. Off the span: the part of the "
        f"inputs, in L2, that no combination of {number(facts.trained)} training inputs gives."
    )
    shown = figure(pictures, caption, alt="Errors by law of inputs") if pictures else ""
    return section("Other laws of inputs", shown, table("The same in numbers", columns, rows), _notes(facts))


def _notes(facts: TrustOutcome) -> str:
    refused = [f"{f.name}: {f.refused}" for f in facts.families if f.refused]
    failed = [f"{f.name}: {f.failures}" for f in facts.families if f.failures]
    kinds = (("Refused", refused), ("Not solved", failed))
    return "".join(paragraph(f"{kind}: {'; '.join(rows)}.", "soft") for kind, rows in kinds if rows)


def _amplitudes(facts: TrustOutcome, pictures: dict[str, str]) -> str:
    caption = (
        "Left to right: the squares of the waves of the error beside those of the solution, on the law itself; and the "
        "error along the amplitude of the inputs, with crosses where it has doubled."
    )
    alt = "Spectrum of the error, and error along the amplitude"
    words = paragraph(f"{_breaking(facts)} {_resolved(facts)}")
    return section("Where it breaks", words, figure(pictures, caption, alt=alt) if pictures else "")


def _green(facts: TrustOutcome, pictures: dict[str, str]) -> str:
    green = facts.green
    if green is None:
        return section("Green's function", paragraph(f"There is none: {facts.refusal}."))
    columns = (
        Column("", text=True),
        Column("Relative error", "Frobenius"),
        Column("Inside the span"),
        Column("Theory", "a linear map from zero"),
        Column("Asymmetry"),
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
        "and the solver's matrix. Right: three columns, cut off where they leave the solver's range."
    )
    shown = figure(pictures, caption, alt="The matrix learned beside the true one, and three columns of both")
    defects = f"Defects of superposition: {error(green.surrogate_defect)} of the surrogate, "
    defects += f"{error(green.solver_defect)} of the solver."
    advice = paragraph(" ".join(green.advice.splitlines()))
    numbers = table("How like the solver's matrix", columns, rows)
    return section("Green's function", shown, numbers, paragraph(defects), advice)


def _or_dash(value: float | None) -> str:
    return MISSING if value is None else error(value)
