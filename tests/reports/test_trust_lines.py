"""What `mlft trust` found, in plain lines for a terminal."""

import math
from dataclasses import replace

import pytest

from mlft.experiment.outcome import GreenFacts, LawFacts, LikenessFacts, TrustOutcome
from mlft.reports import trust_lines
from mlft.reports.trust_verdict import growth


def family(name, mean, *, refused="", failures="", amplitude=None):
    """A row of trust.json."""
    ends = (mean, 0.9 * mean, 1.1 * mean, mean, 0.25) if mean is not None else (None,) * 5
    return LawFacts(name, *ends, int(bool(failures)), refused, failures, amplitude)


TOLD = TrustOutcome(
    problem="p",
    equation="e",
    samples=5,
    trained=7,
    families=(
        family("a", 0.1),
        family("bc", 0.25),
        family("d", 0.15),
        family("g", 0.21),
        family("e", None, refused="too big"),
    ),
    amplitudes=(family("x", 0.1, amplitude=0.5), family("x", 0.3, amplitude=4.0)),
    breaking=(None, 1.5),
    resolved=7.0,
    green=None,
    refusal="no",
)


def test_the_lines_of_the_terminal_name_the_law_its_rivals_and_the_refused():
    lines = trust_lines(TOLD)
    assert lines[0] == "p: mean relative L2 error over 5 draws a law of inputs"
    assert lines[1] == "  a   0.100 (0.0900 to 0.110), 25% of the inputs off the trained span"
    half = math.exp(math.hypot(0.1, 0.1))
    times = f"2.50 times its own ({2.5 / half:.2f} to {2.5 * half:.2f})"
    assert lines[2] == f"  bc  0.250 (0.225 to 0.275), {times}, 25% of the inputs off the trained span"
    assert lines[5] == "  e   refused: too big"
    assert lines[6] == (
        "The error at least doubles on: bc. It stays below twice its own on: d. 5 draws do not tell on: g (2.10 times, "
        "1.82 to 2.42). Not measured: e."
    )
    assert lines[7] == "The error doubles nowhere down to amplitude 0.5, and above amplitude 1.5."
    assert lines[8] == "Waves up to number 7 are resolved; all finer ones, taken together, are off by more than half."
    assert lines[9:] == ["Green's function: refused, no."]
    lost = trust_lines(replace(TOLD, families=(family("a", 0.1, failures="1 degenerate, 2 not-finite"),)))
    assert lost[1].endswith("trained span, not solved: 1 degenerate, 2 not-finite")
    assert lost[3].startswith("The error doubles")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"breaking": (0.3, None)}, "The error doubles below amplitude 0.3, and nowhere up to amplitude 4."),
        ({"resolved": None}, "All waves together are off by more than half."),
        ({"finest_wave": 7.0}, "All waves, up to number 7, are resolved."),
        ({"finest_wave": 8.0}, "all finer ones, taken together, are off by more than half."),
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


def swept(*rows):
    return tuple(family("x", mean, amplitude=a) for a, mean in rows)


def test_the_amplitude_where_the_error_doubles_has_an_interval():
    told = replace(TOLD, amplitudes=swept((0.25, 0.4), (1.0, 0.1), (2.0, 0.15), (4.0, 0.6)), breaking=(0.5, 2.3))
    half = math.exp(math.hypot(0.1, 0.1))  # a growth of 4 at ¼ is one of 4/half to 4 half
    down = [0.25 ** (math.log(2) / math.log(4 * side)) for side in (1 / half, half)]
    up = [2 * 2 ** (math.log(2 / (1.5 * side)) / math.log(4)) for side in (half, 1 / half)]
    (line,) = [line for line in trust_lines(told) if "doubles below" in line]
    assert line == (
        f"The error doubles below amplitude 0.5 ({down[0]:.3g} to {down[1]:.3g}), and above amplitude 2.3 "
        f"({up[0]:.3g} to {up[1]:.3g})."
    )


def test_an_end_of_the_interval_beyond_what_was_tested_is_open():
    told = replace(TOLD, amplitudes=swept((0.5, 0.2), (1.0, 0.1), (2.0, 0.2)), breaking=(0.5, 2.0))
    (line,) = [line for line in trust_lines(told) if "doubles below" in line]
    assert "(from beyond the range to 0.5" in line and "to beyond the range)." in line


def test_the_growth_of_an_error_adds_relative_half_widths_as_squares():
    own, other = family("a", 0.1), LawFacts("b", 0.3, 0.21, 0.39, 0.3, 0.0, 0, "", "")
    found, half = growth(other, own), math.exp(math.hypot(0.1, 0.3))
    assert (found.value, found.lower, found.upper) == pytest.approx((3.0, 3 / half, 3 * half), rel=1e-12)
    assert growth(own, own).upper == 1.0 and math.isnan(growth(family("e", None), own).value)
