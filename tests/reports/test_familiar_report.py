"""What the page and the last lines say of inputs that may be asked, and of other grids."""

import csv
import dataclasses
import io
from pathlib import Path

from finished import a_run, read
from mlft.experiment.outcome import Familiar, GridError, Interval, LawFacts, TrustOutcome
from mlft.experiment.record import read_outcome, write_outcome
from mlft.reports import report, trust_lines
from mlft.reports.familiar import familiar_lines
from mlft.reports.metrics import metrics_csv

FAMILIAR = Familiar(64, 200, 400, 200, 0.9725, Interval(0.03, 0.0111, 0.0642))
TAKEN = (GridError(0, "8", 0.3, 0.2, 0.4, 37, ""), GridError(1, "16", None, None, None, 0, "too few points"))
SAID = (
    "An alarm rings for inputs that are unlike those that were trained on: falsely for 3% (1% to 6%) of 200 fresh "
    "draws, with 5% allowed."
)


def with_alarm(folder: Path, grids: tuple[GridError, ...]) -> Path:
    """A run with an alarm, and what it says of other grids."""
    made = a_run(folder)
    write_outcome(made, dataclasses.replace(read_outcome(made), familiar=FAMILIAR, grids=grids))
    return made


def test_the_page_says_how_often_the_alarm_is_false_and_the_error_on_other_grids(tmp_path: Path, undrawn: None) -> None:
    folder = with_alarm(tmp_path / "run", TAKEN)
    page = read(report(folder)).text
    assert "May I ask it?" in page and SAID in page and "score of 0.9725" in page
    assert "8 0.300 0.200 to 0.400 37" in page and "16 –" not in page and "trained on 0." in page
    told = read_outcome(folder)
    assert familiar_lines(told) == [SAID]
    rows = list(csv.reader(io.StringIO(metrics_csv(told))))
    assert ["false_alarms", "", "0.03"] in rows and ["error_on_grid", "0", "0.3"] in rows


def test_a_network_that_takes_no_other_grid_is_told_of(tmp_path: Path, undrawn: None) -> None:
    folder = with_alarm(tmp_path / "run", (dataclasses.replace(TAKEN[1], refused="linear takes no other grid"),))
    assert "On other grids it does not predict: linear takes no other grid." in read(report(folder)).text


def test_a_record_without_an_alarm_says_so(tmp_path: Path, undrawn: None) -> None:
    folder = a_run(tmp_path / "run")
    assert familiar_lines(read_outcome(folder)) == []
    assert "Which inputs are familiar was not asked" in read(report(folder)).text


def test_trust_says_whether_the_alarm_rings_where_the_error_doubles() -> None:
    def law(name: str, mean: float, rings: float | None) -> LawFacts:
        return LawFacts(name, mean, mean / 2, 2 * mean, mean, 0.1, 0, "", "", None, rings)

    families = (law("own", 0.1, 0.03), law("a", 0.15, 0.5), law("b", 0.4, 0.9), law("c", 0.5, 0.8))
    same = dataclasses.replace(families[0], name="×1", amplitude=1.0)
    told = TrustOutcome("p", "u = 0", 48, 20, families, (same,), (None, None), 3.0, None, "none")
    lines = trust_lines(told)
    assert lines[3].endswith("10% of the inputs off the trained span, the alarm rings for 90%")
    assert (
        "The alarm for unfamiliar inputs rings for 3% of the law's own, and, of laws and amplitudes on which"
        in lines[6]
    )
    assert lines[6].endswith("for at least 80% (c).")
    quiet = dataclasses.replace(told, families=families[:2])
    assert trust_lines(quiet)[4] == "The alarm for unfamiliar inputs rings for 3% of the law's own."
    old = dataclasses.replace(told, families=tuple(dataclasses.replace(row, rings=None) for row in families))
    assert not any("alarm" in line for line in trust_lines(old))
