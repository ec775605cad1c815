"""A mean relative error that hides a small channel, or that solutions hardly vary, says so on the first screen."""

from dataclasses import replace
from pathlib import Path

import pytest

from finished import INFINITE, record
from mlft.experiment.outcome import ChannelErrors, DataFacts, Outcome, Summary
from mlft.experiment.record import from_plain
from mlft.reports.first import first_cards
from mlft.reports.hidden import hidden_lines
from mlft.reports.norms import NORMS
from mlft.reports.summary import run_lines


def summary(mean: float | None) -> Summary:
    return Summary(mean, mean, mean, mean, mean)


def told(together: float | None, *channels: tuple[float | None, float | None]) -> Outcome:
    facts: Outcome = from_plain(Outcome, record(error={"relative_l2": INFINITE, "samples": 9}))
    rows = [
        ChannelErrors(c, **(dict.fromkeys(NORMS, summary(own)) | {"vrmse": summary(spread)}))
        for c, (own, spread) in enumerate(channels)
    ]
    named = {"solutions": ("density [kg/m3]", "trace gas", "third")[: len(rows)]}
    return replace(
        facts, error=replace(facts.error, relative_l2=summary(together), channels=tuple(rows)), channels=named
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (told(0.002, (0.002, 0.02), (0.84, 1.2)), "channel 1 (trace gas), which is small: relative to its own size"),
        (told(1e-8, (1e-8, 0.053)), "relative to that variation (VRMSE) the error is 0.0530, where"),
    ],
)
def test_what_is_hidden_is_told_beside_it(facts: Outcome, said: str) -> None:
    (line,) = hidden_lines(facts)
    assert said in line and line in run_lines(facts, Path("runs/x")) and line in first_cards(facts)[0].lines


@pytest.mark.parametrize(
    "facts",
    [
        told(0.05, (0.05, 0.2), (0.06, 0.4), (0.03, 0.04)),
        told(0.05),
        told(None, (None, None)),
        told(0.05, (None, None), (0.05, 0.1)),
    ],
)
def test_nothing_is_said_where_nothing_is_hidden(facts: Outcome) -> None:
    assert hidden_lines(facts) == []


def scattered(reach: float) -> Outcome:
    facts = told(0.1, (0.1, 0.1))
    whole = Summary(0.1, 0.061, 0.234, 0.1 * (1 - reach), 0.1 * (1 + reach))
    return replace(facts, error=replace(facts.error, relative_l2=whole, samples=200))


def test_a_mean_that_a_few_draws_decide_says_so_and_how_many_more_settle_it() -> None:
    """From ±11% with 200 draws to ±5%: (11 / 5)² times as many, 968."""
    (line,) = hidden_lines(scattered(0.11))
    assert line == (
        "Few draws decide that mean: half err by at most 0.0610, a tenth by more than 0.234, and 200 others may give "
        "±11% of it (95%); --test 970 narrows that to about ±5%."
    )
    assert hidden_lines(scattered(0.09)) == []


def test_a_fit_of_a_data_set_has_no_more_draws_to_ask_for() -> None:
    rows = DataFacts(("a.npz",), (9, 7), (8, 5), 2, True, 0, 0, 0, (), False)
    (line,) = hidden_lines(replace(scattered(0.2), data=rows))
    assert line.endswith("±20% of it (95%).")
