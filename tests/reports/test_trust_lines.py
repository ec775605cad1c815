"""What `mlft trust` found, in plain lines for a terminal."""

from dataclasses import replace

import pytest

from mlft.experiment.outcome import GreenFacts, LawFacts, LikenessFacts, TrustOutcome
from mlft.reports import trust_lines


def family(name, mean, *, refused="", failures="", amplitude=None):
    """A row of trust.json."""
    ends = (mean, 0.05, 0.15, mean, 0.25) if mean is not None else (None,) * 5
    return LawFacts(name, *ends, int(bool(failures)), refused, failures, amplitude)


TOLD = TrustOutcome(
    problem="p",
    equation="e",
    samples=5,
    trained=7,
    families=(family("a", 0.1), family("bc", 0.2), family("d", 0.199), family("e", None, refused="too big")),
    amplitudes=(family("x", 0.1, amplitude=0.5), family("x", 0.3, amplitude=4.0)),
    breaking=(None, 1.5),
    resolved=7.0,
    green=None,
    refusal="no",
)


def test_the_lines_of_the_terminal_name_the_law_its_rivals_and_the_refused():
    lines = trust_lines(TOLD)
    assert lines[0] == "p: mean relative L2 error over 5 draws a law of inputs"
    assert lines[1] == "  a   0.100 (0.0500 to 0.150), 25% of the inputs off the trained span"
    assert lines[2] == "  bc  0.200 (0.0500 to 0.150), 2.00 times its own, 25% of the inputs off the trained span"
    assert lines[4] == "  e   refused: too big"
    assert lines[5] == "The error at least doubles on: bc. It stays below twice its own on: d. Not measured: e."
    assert lines[6] == "The error doubles nowhere down to amplitude 0.5, and above amplitude 1.5."
    assert lines[7] == "Waves up to number 7 are resolved; those beyond are off by more than half."
    assert lines[8:] == ["Green's function: refused, no."]
    lost = trust_lines(replace(TOLD, families=(family("a", 0.1, failures="1 degenerate, 2 not-finite"),)))
    assert lost[1].endswith("trained span, not solved: 1 degenerate, 2 not-finite")
    assert lost[3].startswith("The error doubles")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"breaking": (0.3, None)}, "The error doubles below amplitude 0.3, and nowhere up to amplitude 4."),
        ({"resolved": None}, "All waves together are off by more than half."),
        ({"families": (family("a", None), family("b", 0.2))}, "The law itself could not be measured."),
        (
            {"amplitudes": (family("x", 0.1, amplitude=0.5), family("x", None, refused="so", amplitude=4.0))},
            "above amplitude 1.5; not measured, and counted as broken: 4 (so).",
        ),
    ],
    ids=lambda told: next(iter(told)) if isinstance(told, dict) else None,
)
def test_each_number_has_its_own_wording(change, words):
    assert any(line.endswith(words) for line in trust_lines(replace(TOLD, **change)))


def test_the_line_about_the_green_function_names_its_errors_and_the_defect():
    likeness = LikenessFacts(relative=0.5, predicted=0.02, inside=0.01, asymmetry=0.3, peak=1.0)
    green = GreenFacts(1e-9, 0.03, 21, likeness, replace(likeness, relative=0.7), "")
    assert trust_lines(replace(TOLD, green=green))[-1] == (
        "Green's function: relative error 0.500 by the Jacobian (0.0100 inside the span of the inputs; outside it a "
        "linear map from zero weights would miss 0.0200), 0.700 by unit inputs; the surrogate's defect of linearity is "
        "0.0300."
    )
    green = replace(green, by_jacobian=replace(likeness, inside=None))
    assert "by the Jacobian, 0.700 by unit inputs" in trust_lines(replace(TOLD, green=green))[-1]
