"""A comparison at several budgets: what is saved, who wins, and its page."""

import math
from pathlib import Path

import numpy as np
import pytest

from finished import budgets_compared, read
from mlft.errors import MlftError
from mlft.experiment.record import BUDGETS, read_budgets
from mlft.reports import budgets_lines, report, summary_lines
from mlft.reports.savings import Errors, saving

BUDGETS_OF = [16.0, 64.0, 256.0]
HALVING: list[Errors] = [{0: 0.4, 1: 0.4}, {0: 0.2, 1: 0.2}, {0: 0.1, 1: 0.1}]
"""The error falls as B^(-1/2)."""


@pytest.mark.parametrize(
    ("error", "budget", "expected", "bound"),
    [
        (0.2, 16.0, 4.0, 0),  # what the rival has at 64
        (0.4 / math.sqrt(2), 16.0, 2.0, 0),  # at 32, between its budgets, where the error is a power of the budget
        (0.1, 256.0, 1.0, 0),
        (0.4, 16.0, 1.0, 0),
        (0.05, 64.0, 4.0, 1),  # over 256/64
        (0.8, 64.0, 0.25, -1),  # under 16/64
    ],
)
def test_a_saving_is_the_budget_that_the_rival_needs_over_that_spent(error, budget, expected, bound):
    found = saving(BUDGETS_OF, HALVING, {0: error, 1: error}, budget)
    assert found.value == pytest.approx(expected, rel=1e-9) and found.bound == bound
    assert (found.lower, found.upper) == pytest.approx((expected, expected), rel=1e-9)  # seeds that agree


def test_where_the_rival_gains_nothing_its_first_budget_counts():
    flat: list[Errors] = [{0: 0.4}, {0: 0.2}, {0: 0.2}, {0: 0.3}]
    found = saving([8.0, 16.0, 32.0, 64.0], flat, {0: 0.2}, 16.0)
    assert found.value == pytest.approx(1.0, rel=1e-9) and found.bound == 0
    assert math.isnan(found.lower) and math.isnan(found.upper)  # one seed
    assert saving([8.0, 16.0, 32.0, 64.0], flat, {0: 0.25}, 16.0).value == pytest.approx(0.5 * 2**0.678072, rel=1e-5)


def test_the_interval_of_a_saving_is_that_of_resampled_seeds():
    """With S = c e⁻², log S is a mean over seeds: its bootstrap deviation is s √((n − 1)/n) / √n."""
    logs = np.random.default_rng(3).normal(math.log(0.2), 0.1, 40)
    found = saving(
        BUDGETS_OF, [{i: e for i in range(40)} for e in (0.4, 0.2, 0.1)], dict(enumerate(np.exp(logs))), 16.0
    )
    middle, half = 4.0 * math.exp(-2 * (logs.mean() - math.log(0.2))), 1.96 * 2 * logs.std() / math.sqrt(40)
    assert found.value == pytest.approx(middle, rel=1e-9)
    assert math.log(found.lower / middle) == pytest.approx(-half, rel=0.08)
    assert math.log(found.upper / middle) == pytest.approx(half, rel=0.08)


def test_only_seeds_that_all_have_count_and_none_tells_nothing():
    rival: list[Errors] = [{0: 0.4, 1: 0.4, 2: math.nan}, {0: 0.2, 1: 0.2, 2: 0.2}, {0: 0.1, 1: 0.1, 2: 9.0}]
    assert saving(BUDGETS_OF, rival, {0: 0.2, 1: 0.2, 2: 1e-9, 3: 1e-9}, 16.0).value == pytest.approx(4.0, rel=1e-9)
    assert math.isnan(saving(BUDGETS_OF, rival, {7: 0.2}, 16.0).value)


def compared(folder: Path) -> Path:
    rival = {"16solves": 0.4, "64solves": 0.2, "256solves": 0.1}
    ours = {"16solves": (0.2, 0.21, 0.2), "64solves": (0.05, 0.3, 0.2), "256solves": (0.2, 0.2, 0.21)}
    return budgets_compared(
        folder,
        {
            text: {
                "lift": dict(enumerate(ours[text])),
                "finest-only": {0: e, 1: e, 2: 1.01 * e},
                "single-level:1": {0: 2 * e, 1: 2 * e, 2: 2 * e},
            }
            for text, e in rival.items()
        },
    )


def test_a_comparison_at_several_budgets_says_who_wins_and_what_is_saved(tmp_path: Path) -> None:
    page = read(report(compared(tmp_path)))
    assert (
        "lift against the best single level of each budget, chosen with hindsight: 1 won, 1 tied, 1 lost" in page.text
    )
    assert "strategies at 3 budgets, 3 seeds each" in page.text and "64 solves" in page.text
    assert "lift won 0.507 tied 0.719 lost 2.03" in page.text
    assert (
        "finest-only itself itself itself" in page.text and "single-level:1 lost 1.99 lost 1.99 lost 1.99" in page.text
    )
    assert "finest-only needs 1.22 times the budget in the mean over budgets; the most is 3.90." in page.text
    pages = [link for link in page.values("href") if not link.startswith("#")]
    assert pages == [f"{n}solves/report.html" for n in (16, 64, 256)]
    assert all((tmp_path / name).is_file() for name in [*pages, "figures/budgets.svg"])
    assert summary_lines(tmp_path) == [*budgets_lines(read_budgets(tmp_path)), f"report: {tmp_path / 'report.html'}"]


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ((0.1, 0.05), "2.00 times the budget in the mean over budgets at least, since it does not reach all of them"),
        ((0.8, 0.2), "1.00 times the budget in the mean over budgets at most, since it does better at once"),
        ((0.8, 0.05), "1.00 times the budget in the mean over budgets, or so, since some of them are beyond its"),
    ],
)
def test_a_mean_of_savings_says_in_which_direction_it_is_bounded(errors, words, tmp_path: Path) -> None:
    found = {
        text: {"lift": {0: ours, 1: ours}, "finest-only": {0: rival, 1: rival}}
        for text, ours, rival in zip(("16solves", "64solves"), errors, (0.4, 0.2), strict=True)
    }
    assert words in budgets_lines(read_budgets(budgets_compared(tmp_path, found)))[-1]


@pytest.mark.usefixtures("undrawn")
def test_without_finest_only_nothing_is_said_of_savings(tmp_path: Path) -> None:
    errors = {text: {"lift": {0: 0.2, 1: 0.3}} for text in ("16solves", "64solves")}
    page = read(report(budgets_compared(tmp_path, errors)))
    assert "What is saved is not known" in page.text and "No single level was among the strategies" in page.text


@pytest.mark.parametrize("name", ["../16solves", "/etc", "..", "."])
def test_a_folder_that_is_not_within_is_refused(name: str, tmp_path: Path) -> None:
    file = compared(tmp_path) / BUDGETS
    file.write_text(file.read_text().replace('"folders": [\n    "16solves"', f'"folders": [\n    "{name}"'))
    with pytest.raises(MlftError, match="is damaged: folders"):
        report(tmp_path)
