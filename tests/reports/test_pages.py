"""What every page has: a list of contents, a first screen, both themes, a sheet for paper."""

import re
from pathlib import Path

import pytest

from finished import INFINITE, SEEDS, Page, a_comparison, a_run, read, record
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import from_plain, read_outcome
from mlft.reports import report
from mlft.reports.first import first_cards
from mlft.reports.page import contents, section
from mlft.reports.palette import PALETTE
from mlft.reports.sheet import SHEET


def test_every_section_is_in_the_contents_and_every_link_leads_to_one(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    nav = text[text.index("<nav") : text.index("</nav>")]
    links = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', nav)
    sections = re.findall(r'<section id="([^"]+)">\n<h2>([^<]+)</h2>', text)
    assert links == sections and len(links) >= 9 and text.count("<section") == len(sections)
    assert [name for _, name in links][:4] == ["Predictions", "How sure?", "May I ask it?", "Is it worth it?"]
    assert text.index("</nav>") < text.index("<section")


def test_contents_keep_what_was_escaped() -> None:
    made = contents([section("a & b", "x"), "", section("Is it <so>?")])
    assert Page(made).text.split() == ["Contents", "a", "&", "b", "Is", "it", "<so>?"]
    assert re.findall(r'href="([^"]+)"', made) == ["#a-b", "#is-it-so"]


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_has_contents_too(tmp_path: Path) -> None:
    page = read(report(a_comparison(tmp_path, SEEDS)))
    assert {"#errors-over-the-seeds", "#every-run", "#how-to-repeat-it"} <= set(page.values("href"))


def test_the_first_screen_is_error_worth_sureness_and_cost(tmp_path: Path) -> None:
    told = read_outcome(a_run(tmp_path))
    error, worth, sure, cost = first_cards(told)
    found, mean = told.error.relative_l2, told.error.relative_l2.mean
    assert mean is not None and (error.value, error.unit) == (f"{mean:#.3g}", "relative L2")
    assert error.lines[0] == f"95% interval {found.mean_lower:#.3g} to {found.mean_upper:#.3g}"
    assert worth.value == "in batches" and worth.lines[0] == "900 µs a prediction, 45 µs in batches of 256"
    assert worth.lines[1] == "the 64-cell solver, as accurate or more: 308 µs"
    assert told.sure is not None and sure.value == f"≤ {told.sure.at(0.9).error:#.3g}" and sure.unit == "relative L2"
    assert sure.lines[0] == "for 90% of predictions" and "of 40 fresh draws" in sure.lines[1]
    assert (cost.value, cost.unit) == ("63.9", "solves") and cost.lines[0] == "63.9 solves spent of 64"


def _told(**changes: object) -> Outcome:
    facts = record(**changes)
    facts["error"] = facts["error"] | {
        "relative_l2": {"mean": 0.137, "median": 0.1, "q90": 0.2, "mean_lower": 0.1, "mean_upper": 0.2}
    }
    return from_plain(Outcome, facts)


@pytest.mark.parametrize(
    ("alone", "batched", "value"),
    [(1e-6, 1e-6, "yes"), (1e-3, 1e-3, "no"), (1e-6, 1e-3, "alone"), (1e-3, 1e-6, "in batches")],
)
def test_worth_it_is_yes_only_where_nothing_as_accurate_is_faster(alone: float, batched: float, value: str) -> None:
    worth = record()["worth"]
    worth["ways"][0] |= {"alone": alone, "batched": batched}
    assert first_cards(_told(worth=worth))[1].value == value


def test_what_a_record_does_not_know_is_said_on_the_first_screen() -> None:
    told = from_plain(Outcome, record(worth=None, sure=None, error={"relative_l2": INFINITE, "samples": 3}))
    assert [card.value for card in first_cards(told)] == ["–", "not known", "not measured", "63.9"]


def _rules(sheet: str, media: str) -> str:
    """What a sheet says within its media queries of one kind."""
    found, at = "", 0
    while (at := sheet.find(f"@media {media}", at)) >= 0:
        begin, depth = sheet.index("{", at), 0
        for end in range(begin, len(sheet)):
            depth += {"{": 1, "}": -1}.get(sheet[end], 0)
            if not depth:
                break
        found, at = found + sheet[begin : end + 1], end
    return found


def test_dark_is_for_screens_alone_and_gives_every_colour_anew() -> None:
    dark = _rules(SHEET, "screen and (prefers-color-scheme: dark)")
    assert all(f"--{name}: {colour.dark}" in dark for name, colour in PALETTE.items())
    root = SHEET[: SHEET.index("@media")]
    assert all(f"--{name}: {colour.light}" in root for name, colour in PALETTE.items())
    assert "dark" not in SHEET.replace(dark, "").replace("(prefers-color-scheme: dark)", "")
    used = set(re.findall(r"var\(--([a-z]+)\)", SHEET))
    assert used <= set(PALETTE) and not re.search(r"[^-\w]#[0-9a-f]{3,6}\b", SHEET[SHEET.index("* {") :])


def test_paper_gets_the_wide_figures_whole_and_no_contents() -> None:
    paper = _rules(SHEET, "print")
    assert ".wide { display: block !important } .narrow { display: none !important }" in paper
    assert "nav { display: none }" in paper and ".scroll { overflow: visible" in paper
    assert "figure { margin: 1.1rem 0; break-inside: avoid }" in SHEET and "max-height: 24cm" in paper


def test_a_page_has_both_drawings_of_every_figure_and_shows_one(folder: Path) -> None:
    kinds = read(folder / "report.html").values("class")
    assert kinds.count("wide") == kinds.count("narrow") == 6
    assert ".wide { display: none !important }" in SHEET  # on a narrow page


@pytest.mark.usefixtures("undrawn")
def test_other_norms_are_told_by_channel_with_intervals(tmp_path: Path) -> None:
    page = read(report(a_run(tmp_path)))
    row = "0 0.137 0.121 to 0.153 0.0915 0.0802 to 0.103 0.311 0.274 to 0.348 0.652 0.603 to 0.701"
    assert f"{row} 4.10×10⁻³" in page.text or f"{row} 0.00410" in page.text
    metrics = (tmp_path / "metrics.csv").read_text()
    assert "relative_h1_mean:channel-0,,0.652\n" in metrics and "vrmse_mean:channel-0,,0.149\n" in metrics
    bare = read(report(a_run(tmp_path / "bare", error={"relative_l2": None, "samples": 37})))
    assert "Other norms were not measured: an older version of mlft made the run." in bare.text
