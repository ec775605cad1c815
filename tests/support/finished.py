"""Finished runs and comparisons made up for the tests of reports, and what their pages are made of."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG

from mlft.experiment.outcome import BudgetComparison, Comparison, ComparisonRow, Outcome
from mlft.experiment.record import (
    from_plain,
    read_comparison,
    to_plain,
    write_comparison,
    write_evaluation,
    write_outcome,
)
from mlft.experiment.sure import measure_sure
from mlft.reports import report

NASTY = "<script>alert('x')</script> & \"quoted\""
DRAWS = 37


def record(*, dimension: int = 1, **changes: Any) -> dict[str, Any]:
    """A finished run in plain values, for `run_folder` to type: four levels, the last stage rejected, one failure."""
    facts: dict[str, Any] = json.loads((Path(__file__).parent / "record.json").read_text(encoding="utf-8"))
    if dimension == 2:
        facts |= {"problem": "darcy", "equation": "−∇·(a ∇u) = 1, u = 0 at the edge"}
        facts["grid"] |= {"cells": [18, 26], "lengths": [1.0, 1.5], "periodic": False}
        for level, grid in zip(facts["levels"], ["8x10", "16x20", "32x40", "64x80"], strict=True):
            level["grid"] = grid
    return facts | changes


def fields(dimension: int) -> dict[str, np.ndarray]:
    """Four samples: a travelling step and its smoothed prediction, or a product of sines."""
    if dimension == 1:
        x = (np.arange(45) + 0.5) / 45
        inputs = np.stack([[np.sin(2 * np.pi * (x + s))] for s in (0.0, 0.2, 0.5, 0.9)])
        solutions = np.stack([[np.tanh(30 * (x - s))] for s in (0.3, 0.5, 0.7, 0.8)])
        return {"inputs": inputs, "solutions": solutions, "predictions": 0.93 * solutions + 0.02 * inputs}
    x, y = np.meshgrid(np.linspace(0, 1, 18), np.linspace(0, 1.5, 26), indexing="ij")
    inputs = np.stack([[np.cos(s * x) + y, x] for s in (1.0, 2.0, 4.0, 3.0)])
    solutions = np.stack([[np.sin(s * x) * np.sin(2 * y)] for s in (1.0, 2.0, 4.0, 3.0)])
    return {"inputs": inputs, "solutions": solutions, "predictions": solutions + 0.05 * x * y}


def run_folder(folder: Path, facts: dict[str, Any], arrays: dict[str, np.ndarray], errors: np.ndarray) -> Path:
    """A finished run: its record, and its evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    finite = errors[np.isfinite(errors)]
    if facts["error"]["relative_l2"] is None:
        half = 1.96 * finite.std(ddof=1) / len(finite) ** 0.5
        summary = {"mean": finite.mean(), "median": np.median(finite), "q90": np.quantile(finite, 0.9)}
        summary |= {"mean_lower": finite.mean() - half, "mean_upper": finite.mean() + half}
        facts = facts | {"error": facts["error"] | {"relative_l2": summary, "samples": len(errors)}}
    write_outcome(folder, from_plain(Outcome, facts))
    order = np.argsort(errors, kind="stable")
    chosen = order[[int(q * (len(order) - 1)) for q in (0.1, 0.5, 0.9, 1.0)]]
    write_evaluation(folder, {"errors": errors, "chosen": chosen} | arrays)
    return folder


def a_run(folder: Path, *, dimension: int = 1, **changes: Any) -> Path:
    """A finished run with log-normal errors about 0.13."""
    errors = 0.13 * np.exp(0.5 * np.sin(np.arange(DRAWS) * 2.4))
    facts = record(dimension=dimension, **({"sure": sure(folder, dimension)} | changes))
    return run_folder(folder, facts, fields(dimension), errors)


def sure(folder: Path, dimension: int) -> Any:
    """How sure a run is in plain values, from 80 made up draws of residuals; its bands go into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = fields(dimension)
    residuals = np.tensordot(
        np.random.default_rng(0).normal(size=(80, 4)), shown["solutions"] - shown["predictions"], 1
    )
    return to_plain(measure_sure(folder, residuals, 0.13 * np.exp(0.5 * np.sin(np.arange(80) * 2.4))))


def a_comparison(folder: Path, errors: dict[str, dict[int, float | None]]) -> Path:
    """A finished comparison of strategies with the given errors by seed."""
    samples = {"finetune": "1024/256/64/16", "finest-only": "0/0/0/64", "single-level:1": "0/1024/0/0"}
    rows = [
        ComparisonRow("burgers", 64.0, name, seed, samples.get(name, "1/2"), 64.0, e, 103.25, 97.5)
        for name, found in errors.items()
        for seed, e in found.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    made = Comparison(
        problem="burgers",
        budget="64solves",
        strategies=tuple(errors),
        seeds=tuple(sorted({row.seed for row in rows})),
        rows=tuple(rows),
        config=record()["config"],
        machine=record()["machine"],
        command="mlft compare burgers --budget 64solves --seeds 3 --out runs/compare",
        version="0.1.0",
    )
    write_comparison(folder, made)
    return folder


def budgets_compared(folder: Path, errors: dict[str, dict[str, dict[int, float | None]]]) -> Path:
    """Finished comparisons at several budgets, in solves, with the given errors by budget, strategy and seed."""
    parts = {text: read_comparison(a_comparison(folder / text, found)) for text, found in errors.items()}
    rows = [
        replace(row, budget_solves=float(text.removesuffix("solves")), budget=text)
        for text, part in parts.items()
        for row in part.rows
    ]
    first = next(iter(parts.values()))
    told = {name: getattr(first, name) for name in ("problem", "strategies", "seeds", "config", "machine", "version")}
    command = f"mlft compare burgers --budget {','.join(errors)} --out runs/compare"
    made = BudgetComparison(budgets=tuple(errors), folders=tuple(errors), rows=tuple(rows), command=command, **told)
    write_comparison(folder, made)
    return folder


SEEDS: dict[str, dict[int, float | None]] = {
    "finetune": {0: 0.2, 1: 0.2, 2: 0.3},
    "single-level:1": {0: 0.25, 1: 0.2, 2: 0.3},
    "finest-only": {0: 0.4, 1: 0.8, 2: 0.6},
}
INFINITE = {"mean": None, "median": None, "q90": None, "mean_lower": None, "mean_upper": None}


class Page(HTMLParser):
    """What a page is made of; fails on a tag that is closed without being open, or left open."""

    VOID = frozenset(["meta", "br", "hr", "img", "link", "input"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def read(page: Path) -> Page:
    return Page(page.read_text(encoding="utf-8"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of words: figures are put together and not drawn, which takes nine tenths of the time."""
    monkeypatch.setattr(FigureCanvasSVG, "print_svg", lambda _, buffer, **options: buffer.write(b"<svg></svg>"))


@pytest.fixture(scope="session", params=[1, 2], ids=["1D", "2D"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose report is written."""
    made = a_run(tmp_path_factory.mktemp("run"), dimension=request.param)
    report(made)
    return made
