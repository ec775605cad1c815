"""The figure of a run for a notebook: what is in it, in one dimension and in two."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import mlft
from finished import a_run
from mlft.errors import ConfigError
from mlft.experiment.record import read_bands, read_evaluation, read_outcome, write_bands


def opened(folder: Path) -> mlft.Record:
    told = read_outcome(folder)
    return mlft.Record(told, mlft.Surrogate(torch.nn.Identity(), (1, 1), told.grid), folder)


def test_a_line_shows_the_draws_with_their_bands(tmp_path: Path) -> None:
    record = opened(a_run(tmp_path))
    figure, kept = record.plot(), read_evaluation(tmp_path)
    assert isinstance(figure, Figure) and len(figure.axes) == 12
    for i in range(4):
        left, middle, right = figure.axes[3 * i : 3 * i + 3]
        solution, prediction = (line.get_ydata() for line in middle.lines)
        assert np.array_equal(left.lines[0].get_ydata(), kept["inputs"][i, 0])
        assert np.array_equal(solution, kept["solutions"][i, 0])
        assert np.array_equal(prediction, kept["predictions"][i, 0])
        assert np.array_equal(right.lines[0].get_ydata(), prediction - solution)
        (band,) = middle.collections
        bands = read_bands(tmp_path, record.outcome.grid)
        assert bands is not None
        upper = prediction + bands.about(kept["predictions"], 0.9).half_width[0]
        assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(upper.max())
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["90% band", "solution", "prediction"]
    figure.savefig(io.BytesIO(), format="pdf")


def test_the_plane_shows_images_and_the_half_width(tmp_path: Path) -> None:
    figure = mlft.plot(opened(a_run(tmp_path, dimension=2)), 0.8)
    titles = [axes.get_title(loc="left") for axes in figure.axes[:5]]
    assert titles == ["input", "solution", "prediction", "prediction − solution", "half-width of the 80% band"]
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_a_run_without_bands_is_drawn_without(tmp_path: Path) -> None:
    record = opened(a_run(tmp_path))
    (tmp_path / "bands.safetensors").unlink()
    figure = record.plot()
    assert not figure.axes[1].collections and len(figure.legends[0].get_texts()) == 2


def test_the_highest_level_that_is_supported_is_drawn_by_default(tmp_path: Path) -> None:
    record = opened(a_run(tmp_path))
    bands = read_bands(tmp_path, record.outcome.grid)
    assert bands is not None
    few = {name: getattr(bands, name)[:2] for name in ("levels", "points", "fields", "errors")}
    write_bands(tmp_path, replace(bands, **few))
    assert record.plot().legends[0].get_texts()[0].get_text() == "80% band"


def test_a_level_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the bands are known at the levels"):
        opened(a_run(tmp_path)).plot(0.123)
