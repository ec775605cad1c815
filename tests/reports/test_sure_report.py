"""How sure a run is: said in a sentence, drawn as a band about a prediction, listed by level, kept in metrics.csv."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from finished import a_run, read
from lettering import size_of, words_of
from mlft.errors import MlftError
from mlft.experiment.outcome import SCHEMA
from mlft.experiment.record import BANDS, read_bands, read_outcome, write_outcome
from mlft.experiment.sure import measure_sure
from mlft.grids import Grid
from mlft.reports import report, summary_lines
from mlft.reports.sure import band_figure, sure_lines
from mlft.uncertainty import Banded


def test_the_page_says_how_sure_and_draws_a_prediction_with_its_bands(folder: Path) -> None:
    told, page = read_outcome(folder), read(folder / "report.html")
    assert told.sure is not None and told.schema == SCHEMA
    assert (told.sure.scaled, told.sure.calibrated, told.sure.measured) == (10, 30, 40)
    assert [one.level for one in told.sure.bands] == [0.5, 0.8, 0.9, 0.95] and told.sure.highest == 30 / 31
    (said,) = sure_lines(told)
    found = told.sure.at(0.9)
    assert said.startswith(
        f"Of predictions 90% err by at most {found.error:#.3g} (relative L2), calibrated on 30 fresh"
    )
    assert said in page.text and said in summary_lines(folder)
    assert "How sure?" in page.text and "support levels up to 96.8%" in page.text
    picture = (folder / "figures" / "sure.svg").read_text()
    dimension = told.grid.dimension
    assert ("90% band, whole field" in picture) == (dimension == 1)
    assert ("half-width of points, 90%" in picture) == (dimension == 2)
    assert "nan" not in picture.lower().split() and "None" not in page.text


def test_the_metrics_have_bounds_and_what_they_cover(folder: Path) -> None:
    with (folder / "metrics.csv").open() as stream:
        rows = {row["metric"]: row["value"] for row in csv.DictReader(stream)}
    told = read_outcome(folder)
    assert told.sure is not None
    for one in told.sure.bands:
        assert float(rows[f"error_bound:{one.level:g}"]) == one.error
        assert float(rows[f"fields_covered:{one.level:g}"]) == one.fields_covered.value
        assert float(rows[f"points_covered:{one.level:g}"]) == one.points_covered.value


def test_a_record_without_bands_says_so(tmp_path: Path, undrawn: None) -> None:
    page = read(report(a_run(tmp_path, sure=None)))
    assert "How sure a prediction is was not measured" in page.text and not (tmp_path / "figures" / "sure.svg").exists()
    assert not any("Of predictions" in line for line in summary_lines(tmp_path))


@pytest.mark.usefixtures("undrawn")
def test_bands_that_have_no_end_are_told_and_not_drawn(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    told = measure_sure(folder, np.full((80, 1, 45), np.nan), np.full(80, np.nan))
    write_outcome(folder, dataclasses.replace(read_outcome(folder), sure=told))
    page = read(report(folder))
    assert (
        "Of predictions 90% err by at most – (relative L2)" in page.text
        and "of 40 others 0% (0% to 9%) did" in page.text
    )
    assert not (folder / "figures" / "sure.svg").exists()


def test_the_highest_level_that_is_supported_stands_in(tmp_path: Path) -> None:
    told = read_outcome(a_run(tmp_path)).sure
    assert told is not None and told.at(0.9).level == 0.9 and told.at(0.85).level == 0.8 and told.at(0.1).level == 0.5
    few = measure_sure(tmp_path, np.random.default_rng(0).normal(size=(4, 1, 45)), np.ones(4))
    assert few is not None and (few.scaled, few.calibrated, few.measured) == (1, 1, 2)
    assert few.at(0.9).level == 0.5
    assert measure_sure(tmp_path, np.ones((3, 1, 45)), np.ones(3)) is None


HARMS = {
    "scale": lambda arrays: {"scale": arrays["scale"][:, 1:]},
    "scale that is zero": lambda arrays: {"scale": 0 * arrays["scale"]},
    "fields": lambda arrays: {"fields": arrays["fields"][1:]},
    "draws": lambda arrays: {"draws": arrays["draws"].astype(float)},
}


@pytest.mark.parametrize("harm", HARMS)
def test_bands_of_another_shape_are_refused(harm: str, tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    grid = read_outcome(folder).grid
    arrays = load_file(folder / BANDS)
    save_file(arrays | HARMS[harm](arrays), folder / BANDS)
    with pytest.raises(MlftError, match=f"bands.safetensors is of another run: {harm.split()[0]}.*another shape"):
        read_bands(folder, grid)
    (folder / BANDS).write_bytes(b"no")
    with pytest.raises(MlftError, match="bands.safetensors cannot be read"):
        read_bands(folder, grid)


def test_bands_come_back_as_they_were_written(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "a")
    bands = read_bands(folder, read_outcome(folder).grid)
    assert bands is not None and bands.scale.shape == (1, 45) and (bands.scaled, bands.calibrated) == (10, 30)
    told = read_outcome(folder).sure
    assert told is not None and [one.error for one in told.bands] == bands.errors.tolist()
    assert [one.points for one in told.bands] == bands.points.tolist()


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (1.0, 1.7), (2.0, 1.0), (1.0, 9.0), (9.0, 1.0)])
def test_titles_and_colour_bars_of_images_are_inside_the_picture(lengths: tuple[float, float]) -> None:
    grid = Grid((24, 18), lengths, periodic=False)
    field = np.linspace(0.1, 1.0, 432).reshape(1, 1, 24, 18)
    made = band_figure(Banded(field, field[0], 2 * field[0], 0.1, 0.9), 1.1 * field[0], grid)
    for picture in (made.wide, made.narrow):
        (_, _, across, down), words = size_of(picture), words_of(picture)
        assert len(words) >= 3 + 3 * 2  # three titles, and ticks of three bars
        assert all(w.left >= 0 and w.right <= across and w.top >= 0 and w.bottom <= down for w in words)
