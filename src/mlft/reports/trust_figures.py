"""Pictures of trust: errors by law of inputs, by amplitude and by wave number."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.diagnostics.spectrum import RESOLVED, Spectrum
from mlft.experiment.outcome import LawFacts
from mlft.reports.drawing import NARROW, Drawing, drawn, error_axis, legend_above
from mlft.reports.figures import Dot, dot_chart
from mlft.reports.palette import BLUE, GREY, ORANGE, PALE
from mlft.reports.wording import known, number

Array = np.ndarray


def family_figure(families: Sequence[LawFacts]) -> Drawing:
    """Return a row a law of inputs with its mean error and 95% interval, the law itself first."""
    shown = [family for family in families if family.mean is not None]
    kinds = ("the law itself", *("another law",) * len(shown))
    dots = [
        Dot(family.name, kind, known(family.mean), known(family.lower), known(family.upper))
        for family, kind in zip(shown, kinds, strict=False)
    ]
    return dot_chart(dots)


@drawn
def amplitude_figure(width: float, amplitudes: Sequence[LawFacts], breaking: Sequence[float | None]) -> Figure:
    """Return the error along the amplitude with its 95% interval, and where it is twice the error at 1."""
    figure = Figure(figsize=(width, 2.9), layout="constrained")
    axes = figure.subplots()
    shown = [row for row in amplitudes if row.mean is not None]
    x, y = [known(row.amplitude) for row in shown], [known(row.mean) for row in shown]
    lower, upper = [known(row.lower) for row in shown], [known(row.upper) for row in shown]
    bar = 2 * y[x.index(1.0)]
    axes.fill_between(x, lower, upper, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(x, y, color=BLUE, marker="o", markersize=4, label="mean, 95% interval")
    axes.axhline(bar, color=ORANGE, linewidth=0.9, linestyle=(0, (4, 3)), label="twice the error at 1")
    found = [b for b in breaking if b is not None]
    axes.plot(found, [bar] * len(found), linestyle="none", marker="X", markersize=8, color=ORANGE)
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["⅛", "¼", "½", "1", "2", "4", "8"])
    axes.set_xlabel("amplitude of the inputs, the law's own = 1")
    error_axis(axes, "y", [*y, bar, *(end for end in lower if end > 0), *upper], "relative L2 error")
    legend_above(axes, 2)
    return figure


@drawn
def spectrum_figure(width: float, found: Spectrum) -> Figure:
    """Return the waves of the error beside those of the solution, and the error of all waves from each one on.

    The second is what "resolved" is read from: up to the last wave before it is above one half.
    """
    wide = width > NARROW
    figure = Figure(figsize=(width, 2.9 if wide else 5.2), layout="constrained")
    shares, rest = figure.subplots(*(1, 2) if wide else (2, 1))
    for part, colour, thick, name in ((found.solution, PALE, 3.0, "solution"), (found.error, ORANGE, 1.4, "error")):
        shares.plot(found.numbers, np.maximum(part, 1e-20), color=colour, linewidth=thick, label=name)
    _shares_axis(shares, found)
    beyond = _beyond(found)
    rest.plot(found.numbers, beyond, color=ORANGE, label="error of a wave and all finer ones")
    rest.axhline(RESOLVED, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    error_axis(rest, "y", [RESOLVED, *beyond[(beyond > 0) & (beyond < 1e3)].tolist()], "relative error")
    for axes in (shares, rest):
        if np.isfinite(found.resolved):
            axes.axvline(found.resolved, color=BLUE, linewidth=1.0, label=f"resolved up to {number(found.resolved)}")
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.3)
        axes.set(xlabel="wave number", xlim=(0, 1.1 * float(found.numbers.max())))
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.xaxis.set_minor_formatter(NullFormatter())
    legend_above(shares, 2)
    legend_above(rest, 1)
    return figure


def _shares_axis(axes: Axes, found: Spectrum) -> None:
    """Scale the axis of squares to what is seen of the error, a millionth of its largest wave at least."""
    largest = float(found.solution.max())
    seen = found.error[found.error > 1e-6 * float(found.error.max())]
    axes.set(yscale="log", ylabel="share of the solution's square")
    axes.set_ylim(max(float(seen.min()) if len(seen) else largest * 1e-8, 1e-20) / 2, 3 * largest)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _beyond(found: Spectrum) -> Float[Array, " waves"]:
    """Return the error of each wave and all finer ones, relative to the solution in them; NaN where that has none."""
    error, solution = (np.cumsum(part[::-1])[::-1] for part in (found.error, found.solution))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.where(solution > 0, error / solution, np.nan)))


def _tick(value: float, _: int) -> str:
    return number(value) if not value or 1e-3 <= value <= 1e5 else f"1e{round(np.log10(value))}"
