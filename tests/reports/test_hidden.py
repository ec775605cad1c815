"""A mean relative error that hides a small channel, or that solutions hardly vary, says so on the first screen."""

from dataclasses import replace
from pathlib import Path

import pytest

from finished import INFINITE, record
from mlft.experiment.outcome import ChannelErrors, Outcome, Summary
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
