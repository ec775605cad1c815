"""Every figure of the pages: one size of letters, none outside of the picture, colours that follow the page."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from test_lifted_labels import lifted_facts

from finished import SEEDS, a_run, fields
from lettering import size_of, words_of
from mlft.diagnostics.spectrum import Spectrum
from mlft.experiment.outcome import LawFacts
from mlft.experiment.record import read_bands, read_evaluation, read_outcome
from mlft.grids import Grid
from mlft.problems import PROBLEMS
from mlft.reports.comparison_figure import comparison_figure
from mlft.reports.drawing import NARROW, SIZE, WIDE, Drawing, inline
from mlft.reports.fields import Shown, sample_figure
from mlft.reports.figures import Dot, dot_chart, histogram, stage_figure
from mlft.reports.foresight import foresight
from mlft.reports.gallery import thumbnail
from mlft.reports.green_figures import green_figure, weakest_figure
from mlft.reports.lifts import lifts
from mlft.reports.pairing import standings
from mlft.reports.palette import PALETTE
from mlft.reports.rivals import rivals
from mlft.reports.sure import sure
from mlft.reports.trust_figures import amplitude_figure, family_figure, spectrum_figure
from mlft.reports.worth import worth

PLANE = Grid((18, 26), (1.0, 1.5), periodic=False)
GOLDEN = Path(__file__).parent / "golden" / "run-v1"


def _shown(grid: Grid, channels: int = 1) -> Shown:
    arrays = fields(grid.dimension)
    arrays["inputs"] = np.concatenate([arrays["inputs"][:, :1]] * channels, axis=1)
    return Shown(np.array([0.1, 0.2, 0.3, 0.9]), **arrays, grid=grid)


def _lifted(grid: Grid) -> Drawing:
    evaluation = {f"lift-{level}": np.random.default_rng(0).normal(size=(3, 1, *grid.shape)) for level in (0, 1)}
    return lifts(lifted_facts(grid), evaluation)[1]["lift-0"]


def _laws() -> list[LawFacts]:
    means = {0.5: 0.12, 1.0: 0.1, 2.0: 0.15, 4.0: 0.9, 8.0: None}
    return [
        LawFacts(f"×{a:g}", m, m and 0.8 * m, m and 1.2 * m, m, 0.1, 0, "", "", amplitude=a) for a, m in means.items()
    ]


def _weakest(grid: Grid) -> Drawing:
    field = np.sin(np.arange(float(np.prod(grid.shape)))).reshape(1, *grid.shape)
    return weakest_figure(field[None], {"solver": field, "surrogate": 1.5 * field}, grid)


def _of_a_run(tmp: Path, dimension: int) -> dict[str, Drawing]:
    folder = a_run(tmp / str(dimension), dimension=dimension)
    facts, kept = read_outcome(folder), read_evaluation(folder)
    shown = Shown(kept["errors"][:4], kept["inputs"], kept["solutions"], kept["predictions"], facts.grid)
    found = sure(facts, shown, read_bands(folder, facts.grid))[1] | worth(facts)[1] | rivals(facts)[1]
    return found | {"stages": stage_figure(facts.stages, [row.grid for row in facts.levels])}


def _spectrum() -> Spectrum:
    k = np.arange(17.0)
    return Spectrum(k, 1e-3 / (1 + k) ** 2, 1.0 / (1 + k) ** 4)


MADE: dict[str, Callable[[], Drawing]] = {
    "samples on a line": lambda: sample_figure(_shown(Grid((45,)))),
    "samples of three channels": lambda: sample_figure(_shown(Grid((45,)), 3)),
    "samples on a plane": lambda: sample_figure(_shown(PLANE)),
    "samples on a ribbon": lambda: sample_figure(_shown(Grid((18, 26), (9.0, 1.0)))),
    "samples on a tower": lambda: sample_figure(_shown(Grid((18, 26), (1.0, 9.0)))),
    "lifts on a line": lambda: _lifted(Grid((10,))),
    "lifts on a plane": lambda: _lifted(Grid((6, 9))),
    "histogram": lambda: histogram(0.1 + 0.1 * np.arange(37) / 37, read_outcome(GOLDEN).error.relative_l2),
    "rivals with long names": lambda: dot_chart(
        [Dot("x" * 40, "this run", 0.1, 0.09, 0.11), Dot("y", "no training", 9.0)]
    ),
    "budget": lambda: foresight(read_outcome(GOLDEN))[1]["budget"],
    "comparison": lambda: comparison_figure(
        standings({k: {s: e or 1.0 for s, e in v.items()} for k, v in SEEDS.items()})
    ),
    "families": lambda: family_figure(_laws()),
    "amplitudes": lambda: amplitude_figure(_laws(), (None, 2.3)),
    "spectrum": lambda: spectrum_figure(_spectrum()),
    "Green's function": lambda: green_figure(np.eye(9, 7), np.eye(9, 7) + 0.1, np.eye(7)[:, :3]),
    "weakest on a line": lambda: _weakest(Grid((20,))),
    "weakest on a plane": lambda: _weakest(PLANE),
    "gallery on a line": lambda: thumbnail(PROBLEMS["euler"](cells=32, levels=2)),
    "gallery on a plane": lambda: thumbnail(PROBLEMS["darcy"](cells=32, levels=2)),
}


@cache
def made(name: str) -> Drawing:
    return MADE[name]()


@pytest.fixture(scope="module", params=[1, 2], ids=["1D", "2D"])
def of_a_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawing]:
    return _of_a_run(tmp_path_factory.mktemp("run"), request.param)


def both(drawing: Drawing) -> Iterator[tuple[float, str]]:
    yield from ((WIDE, drawing.wide), (NARROW, drawing.narrow))


def check(drawing: Drawing) -> None:
    """One size of letters, 12 px as the figure is shown; every one of them in the picture; no colour but by name."""
    for width, picture in both(drawing):
        shown, high, across, down = size_of(picture)
        assert (shown, high) == (across, down) and across == pytest.approx(72 * width)
        words = words_of(picture)
        assert len(words) >= 3 and {word.size for word in words} == {SIZE}
        out = [w for w in words if not (w.left >= 0 and w.right <= across and w.top >= 0 and w.bottom <= down)]
        assert out == []
        assert re.findall("#[0-9a-f]{6}(?![0-9a-f])", inline(picture, "x", "words")) == []


@pytest.mark.parametrize("name", MADE)
def test_letters_are_of_one_size_and_inside_and_colours_follow_the_page(name: str) -> None:
    check(made(name))


def test_the_figures_of_a_run_are_so_too(of_a_run: dict[str, Drawing]) -> None:
    assert {"sure", "worth", "rivals", "stages"} <= set(of_a_run)
    for drawing in of_a_run.values():
        check(drawing)


def test_a_narrow_chart_names_its_rows_above_them_and_shows_the_dots_of_all(of_a_run: dict[str, Drawing]) -> None:
    picture = of_a_run["rivals"].narrow
    names = [word for word in words_of(picture) if word.text in ("finetune (this run)", "finest-only", "kernel ridge")]
    dots = [word for word in words_of(picture) if re.fullmatch(r"0\.\d{3,4}", word.text)]
    assert len(names) == 3 and len(dots) >= 7
    assert all(word.left < 30 for word in names)
    for name in names:  # its value is below it, and above the next name
        below = min((dot for dot in dots if dot.top > name.top), key=lambda dot: dot.top)
        assert below.top >= name.bottom - 1 and below.top - name.bottom < 15


@pytest.mark.parametrize("name", ["spectrum", "comparison", "weakest on a line", "gallery on a line"])
def test_what_stands_beside_each_other_stands_below_each_other_on_a_narrow_page(name: str) -> None:
    (_, wide, *_), (_, narrow, *_) = size_of(made(name).wide), size_of(made(name).narrow)
    assert narrow > 1.3 * wide


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_lines_can_be_read_on_both_pages(theme: str) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    paper, panel = (getattr(PALETTE[name], theme) for name in ("paper", "panel"))
    for name in ("ink", "soft", "grey", "blue", "orange", "green"):  # of words: WCAG 2.1, level AA
        assert contrast(getattr(PALETTE[name], theme), paper) >= 4.5, name
    for name in ("ink", "soft"):
        assert contrast(getattr(PALETTE[name], theme), panel) >= 4.5, name
    assert contrast(getattr(PALETTE["pale"], theme), paper) >= 2.2  # a thick line that another one follows


def test_the_picture_of_waves_marks_the_wave_that_the_words_name() -> None:
    found = _spectrum()
    assert found.resolved == 13.0
    picture = made("spectrum").wide
    assert picture.count("resolved up to 13") == 2
    other = spectrum_figure(dataclasses.replace(found, error=found.solution)).wide
    assert np.isnan(dataclasses.replace(found, error=found.solution).resolved) and "resolved up to" not in other
