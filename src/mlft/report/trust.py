"""The page of `mlft trust`: how far the surrogate of a run can be trusted."""

from pathlib import Path
from typing import Any

from mlft.experiment.trust import read_trust
from mlft.report.page import Cell, Column, document, figure, paragraph, section, table, title
from mlft.report.trust_figures import amplitude_figure, family_figure, green_figure, spectrum_figure
from mlft.report.wording import MISSING, error, interval, number, share

Facts = dict[str, Any]


def trust_report(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the page about a run that `mlft trust` has looked at, and its figures by name.

    Raises:
        MlftError: if the folder has not been looked at.
    """
    facts, arrays = read_trust(folder)
    own = facts["families"][0]["mean"]
    measured = own is not None
    pictures = {"trust-families": family_figure(facts["families"])} if measured else {}
    more = {"trust-spectrum": spectrum_figure(arrays)}
    if facts["amplitudes"] and all(row["mean"] for row in facts["amplitudes"] if row["amplitude"] == 1):
        more["trust-amplitudes"] = amplitude_figure(facts["amplitudes"], facts["breaking"])
    green = {"trust-green": green_figure(arrays["matrix"], arrays["operator"])} if facts["green"] else {}
    parts = [
        paragraph(f"{facts['problem']}: {facts['equation']}", "kicker"),
        title(f"How far this surrogate can be trusted: relative L2 error {error(own)} on its own law of inputs"),
        _families(facts, pictures),
        _amplitudes(facts, more),
        _green(facts, green),
    ]
    page = document(f"{facts['problem']}: trust", "\n".join(parts), made_by="mlft trust")
    return page, pictures | more | green


def trust_lines(facts: Facts) -> list[str]:
    """Return what was found in plain lines, for a terminal."""
    wide = max(len(family["name"]) for family in facts["families"])
    lines = [f"{facts['problem']}: mean relative L2 error over {facts['samples']} draws a law of inputs"]
    for family in facts["families"]:
        lines.append(f"  {family['name']:<{wide}}  {_words(family)}")
    lines.append(_breaking(facts))
    return [*lines, _green_words(facts)]


def _words(family: Facts) -> str:
    if family["refused"]:
        return f"refused by the problem: {family['refused']}"
    failed = f", {family['failed']} not solved" if family["failed"] else ""
    found = f"{error(family['mean'])} ({interval(family['lower'], family['upper'])})"
    return f"{found}, {share(family['outside'])} of the inputs outside the trained span{failed}"


def _breaking(facts: Facts) -> str:
    down, up = facts["breaking"]
    tested = [row["amplitude"] for row in facts["amplitudes"]]
    below = (
        f"below amplitude {number(down)}" if down is not None else f"nowhere down to amplitude {number(min(tested))}"
    )
    above = f"above amplitude {number(up)}" if up is not None else f"nowhere up to amplitude {number(max(tested))}"
    return f"The error doubles {below}, and {above}."


def _green_words(facts: Facts) -> str:
    green = facts["green"]
    if green is None:
        return f"Green's function: refused, {facts['refusal']}."
    near, far = green["by_jacobian"], green["by_probing"]
    inside = "" if near["inside"] is None else f" ({error(near['inside'])} inside the span of the inputs)"
    return (
        f"Green's function: relative error {error(near['relative'])} by the Jacobian{inside}, {error(far['relative'])} "
        f"by unit inputs; the surrogate's defect of linearity is {error(green['surrogate_defect'])}."
    )


def _families(facts: Facts, pictures: dict[str, str]) -> str:
    columns = (
        Column("Law of inputs", text=True),
        Column("Error", "relative L2"),
        Column("95% interval"),
        Column("Off the span", "share of inputs"),
        Column("Not solved", "draws"),
    )
    rows: list[list[Cell]] = []
    for family in facts["families"]:
        found = error(family["mean"]), interval(family["lower"], family["upper"])
        rows.append([family["name"], *found, share(family["outside"]), number(family["failed"])])
    refused = [f"{f['name']}: {f['refused']}" for f in facts["families"] if f["refused"]]
    caption = (
        f"Mean relative L2 errors of {number(facts['samples'])} fresh draws, the same draws in every row, solved on "
        "the finest grid. The first law is the one that the surrogate was trained on."
    )
    shown = figure(pictures, caption, alt="Errors by law of inputs") if pictures else ""
    notes = paragraph("Refused by the problem: " + "; ".join(refused) + ".", "soft") if refused else ""
    return section("Other laws of inputs", shown, table("The same in numbers", columns, rows), notes)


def _amplitudes(facts: Facts, pictures: dict[str, str]) -> str:
    caption = (
        "Left to right: the waves of the error beside those of the solution, on the law itself; and the error along "
        "the amplitude of the inputs, with crosses where it has doubled."
    )
    alt = "Spectrum of the error, and error along the amplitude"
    return section("Where it breaks", paragraph(_breaking(facts)), figure(pictures, caption, alt=alt))


def _green(facts: Facts, pictures: dict[str, str]) -> str:
    if not pictures:
        return section("Green's function", paragraph(f"There is none: {facts['refusal']}."))
    columns = (
        Column("", text=True),
        Column("Relative error", "Frobenius"),
        Column("Inside the span"),
        Column("Asymmetry"),
        Column("Peaks off by", "points"),
    )
    kinds = (("Jacobian over the law's inputs", "by_jacobian"), ("unit inputs", "by_probing"))
    keys = ("relative", "inside", "asymmetry", "peak")
    rows: list[list[Cell]] = [[name, *(_or_dash(facts["green"][key][k]) for k in keys)] for name, key in kinds]
    caption = "Columns are answers to a unit input at one point: the surrogate's Jacobian, and the solver's matrix."
    shown = figure(pictures, caption, alt="The matrix learned beside the true one, and three columns of both")
    numbers = table("How like the solver's matrix", columns, rows)
    return section("Green's function", shown, numbers, paragraph(_green_words(facts), "soft"))


def _or_dash(value: float | None) -> str:
    return MISSING if value is None else error(value)
