"""The commands. What runs is the function of `mlft` of the same name, with the fields of `mlft.Config` and a few more.

Those that only read, `predict`, `serve`, `show` and `list`, import neither the solver of a run nor a user's module.
"""

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

import mlft
from mlft.cli.options import asked_of, configured, names_of
from mlft.errors import ConfigError, printable
from mlft.experiment.config import EXECUTION
from mlft.strategies import STRATEGIES

app = typer.Typer(
    help="Turn a numerical solver and a budget of solver time into a trained surrogate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

OutOption = Annotated[Path, typer.Option(help="the run folder; a folder that holds a part of the run is continued")]
_FITTED = ("seed", "strategy", "surrogate", "surrogate_options", "training", "test", "threads", "device")
_CHECKED = ("problem", "options", "seed")
ConfigOption = Annotated[Path | None, typer.Option("--config", help="a TOML file with any of the options")]


def _tell(lines: Iterable[str]) -> None:
    """Print lines, whatever names are in them."""
    for line in lines:
        print(printable(line))


def _version(asked: bool | None) -> None:
    if asked:
        print(f"mlft {mlft.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="say the version, and end")
    ] = None,
) -> None:
    """Turn a numerical solver and a budget of solver time into a trained surrogate."""


@app.command()
def problems(
    gallery: Annotated[
        Path | None, typer.Option(help="also write gallery.html, a page of pictures, to this folder")
    ] = None,
) -> None:
    """List the problems that are shipped: equation, grids, how far each level is from the finest, and options.

    The distances are those of 8 draws, solved here and now, and over that of the mean solution: a level at 1 knows
    nothing of the input.
    """
    from mlft.problems import distances

    for name, kind in mlft.PROBLEMS.items():
        problem = kind()
        grids = ", ".join(map(str, problem.hierarchy))
        options = "  ".join(f"{key}={value}" for key, value in problem.options.items())
        print(f"{name}: {problem.equation}")
        print(f"    levels, coarse to fine: {grids}")
        prices = ", ".join(f"{cost:.2g}" for cost in problem.costs)
        print(f"    order {problem.order:g} on smooth data; a sample costs {prices} solves of the finest grid")
        own = "".join(f"; {way}: {how}" for way, how in problem.transfers.items())
        print(f"    distance of levels to the finest, over that of the mean: {distances(problem)}{own}", flush=True)
        print(f"    options (--set): {options}\n")
    if gallery is not None:
        from mlft.reports import write_gallery

        print(f"gallery: {write_gallery(gallery)}")


@app.command()
@configured()
def run(
    given: dict[str, Any],
    *,
    out: OutOption,
    more: Annotated[
        str | None,
        typer.Option(help="go on with the finished run in --out: 64solves, 10min or 1000steps on top of what it had"),
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="a plan that `mlft plan --save` wrote, to go by")] = None,
    config: ConfigOption = None,
) -> None:
    """Plan, solve, train, measure and report, within a budget. The same command continues what was stopped.

    Of a run that was begun in --out the problem and its options need not be given again.
    """
    from mlft.reports import run_lines

    asked = asked_of(given, config, plan, needed=())
    record = mlft.run(**asked, out=out, more=more, report="lines")
    _tell(run_lines(record.outcome, out))
    print(f"report: {mlft.report(out)}")


@app.command()
@configured(without=("plan", "baselines"))
def plan(
    given: dict[str, Any],
    *,
    out: Annotated[Path | None, typer.Option(help="the run folder; runs/<problem>-plan by default")] = None,
    save: Annotated[Path | None, typer.Option(help="write the plan to a file, for `mlft run --plan FILE`")] = None,
    config: ConfigOption = None,
) -> None:
    """Say how many samples to solve on which grid, with the error to expect. Solves a pilot: a tenth of the budget.

    `mlft run` with the same options and the same --out goes by this plan, and uses the pilot's samples.
    """
    asked = asked_of(given, config)
    folder = out if out is not None else Path("runs") / f"{asked['problem'].replace(':', '-')}-plan"
    forecast = mlft.plan(**asked, out=folder, save=save, report="lines")
    print(forecast)
    if save is not None:
        print(f"plan: {save}")


@app.command()
@configured(without=("plan", "strategy", "baselines"))
def compare(
    given: dict[str, Any],
    *,
    out: OutOption,
    strategies: Annotated[str, typer.Option(help=f"a,b,c of {', '.join(STRATEGIES)}")] = "finetune,finest-only",
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="runs at a time")] = 1,
    config: ConfigOption = None,
) -> None:
    """Compare strategies at equal cost and equal training effort, over several seeds, at one budget or several.

    Of several budgets, --budget 16solves,64solves,256solves, the error against the budget is told, and what is saved.
    """
    from mlft.reports import summary_lines

    asked = asked_of(given, config)
    mlft.compare(**asked, out=out, strategies=names_of(strategies), seeds=seeds, jobs=jobs, report="lines")
    mlft.report(out)
    _tell(summary_lines(out))


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="a folder that `run` or `compare` wrote")]) -> None:
    """Write report.html again, from what a run or a comparison left."""
    print(f"report: {mlft.report(folder)}")


@app.command()
@configured(EXECUTION)
def trust(
    given: dict[str, Any],
    *,
    folder: Annotated[Path, typer.Argument(help="a folder that `run` wrote")],
    samples: Annotated[int, typer.Option(help="fresh draws a law of inputs; not charged")] = 48,
    problem: Annotated[
        str | None, typer.Option(help="module:attribute of your own problem, as the run was given it: its code is run")
    ] = None,
) -> None:
    """Measure how far a run's surrogate can be trusted: other laws of inputs, amplitudes, its Green's function."""
    from mlft.reports import trust_lines, write_trust_report

    found = mlft.trust(folder, samples=samples, problem=problem, report="lines", **given)
    _tell(trust_lines(found))
    print(f"report: {write_trust_report(folder)}")


@app.command()
@configured(_CHECKED)
def check(
    given: dict[str, Any],
    *,
    draws: Annotated[int, typer.Option(min=2, help="draws that are looked at")] = 5,
    config: ConfigOption = None,
) -> None:
    """Check what a run needs of a problem: the same inputs on every level, deterministic solves, orders, references."""
    asked = asked_of(given, config, needed=("problem",))
    found = mlft.check(**{name: asked[name] for name in _CHECKED if name in asked}, draws=draws)
    print(found)
    if not found.ok:
        sys.exit(1)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a folder that `run` wrote")],
    inputs: Annotated[
        Path,
        typer.Argument(help="a .npy file, (samples, channels, *grid), of the finest grid, or one finer or coarser"),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="the file that the predictions go to, .npy; with --uncertainty, .npz")
    ],
    uncertainty: Annotated[
        float | None, typer.Option(help="a level, such as 0.9: value, half_width, band and error, in a .npz file")
    ] = None,
    unfamiliar: Annotated[
        str, typer.Option(help="what to do about inputs that are unlike the law's: ignore, warn, raise or solve them")
    ] = "warn",
    problem: Annotated[
        str | None, typer.Option(help="for --unfamiliar solve, the problem, as the run was given it: its code is run")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file that is there")] = False,
) -> None:
    """Predict the solutions of inputs in a file with a run's surrogate, into a file, in the solver's own units."""
    import numpy as np

    from mlft.experiment.arrays import read_inputs, refuse_place, write_array, write_arrays
    from mlft.uncertainty import Banded

    refuse_place(out, suffix=".npy" if uncertainty is None else ".npz", force=force)
    record, fields = mlft.Record.load(folder, problem=problem), read_inputs(inputs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", mlft.UnfamiliarWarning)
        found = _asked(record, fields, uncertainty, unfamiliar, inputs)
    told = [_predicted(record, fields, out)]
    if isinstance(found, Banded):
        write_arrays(out, {**vars(found), "solved": np.array(found.solved, dtype=np.int64)}, force=force)
        told = [f"{told[0]}; {100 * found.level:g}% of predictions err by at most {found.error:.3g}"]
    else:
        write_array(out, found, force=force)
    _tell(
        [
            *told,
            *(str(one.message) for one in caught if one.category is mlft.UnfamiliarWarning),
            *_solved(record, fields, unfamiliar),
        ]
    )


def _asked(record: "mlft.Record", fields: Any, uncertainty: float | None, unfamiliar: str, file: Path) -> Any:
    """Return what a record predicts; what is wrong with the inputs is said of their file."""
    try:
        if uncertainty is None:
            return record.predict(fields, unfamiliar=unfamiliar)
        return record.predict(fields, uncertainty, unfamiliar=unfamiliar)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from None


def _solved(record: "mlft.Record", fields: Any, unfamiliar: str) -> list[str]:
    """Return which of the predictions a solver made, in words."""
    if unfamiliar != "solve":
        return []
    from mlft.experiment.unfamiliar import told

    found = record.familiarity(fields)
    which = ", ".join(str(i) for i, rings in enumerate(found.rings) if rings)
    return [told(found), *([f"solved in their place: {which}"] if which else [])]


def _predicted(record: "mlft.Record", fields: Any, out: Path) -> str:
    from mlft.experiment.other_grids import grid_of
    from mlft.markup import in_words

    told, count, grid = record.outcome, len(fields), grid_of(fields, record.surrogate)
    some = "1 solution" if count == 1 else f"{count} solutions"
    known = [(row.mean, row.lower, row.upper) for row in told.grids if row.grid == str(grid)] or [(None, None, None)]
    found = told.error.relative_l2
    error = in_words(*((found.mean, found.mean_lower, found.mean_upper) if grid == told.grid else known[0]))
    there = "" if grid == told.grid else " there"
    return (
        f"{told.problem}: {some} on {grid} cells, in the solver's own units, in {out}; for inputs of the law that was "
        f"trained on the mean relative L2 error{there} is {error}"
    )


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a folder that `run` wrote")],
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free")] = 4242,
    host: Annotated[str, typer.Option(help="the address to listen at; by default only this machine can ask")] = (
        "127.0.0.1"
    ),
    token: Annotated[
        str | None, typer.Option(envvar="MLFT_TOKEN", help="wanted of requests, as 'Authorization: Bearer TOKEN'")
    ] = None,
    seconds: Annotated[float, typer.Option(help="a request may take")] = 30.0,
    mebibytes: Annotated[float, typer.Option(help="a request may have")] = 16.0,
    together: Annotated[int, typer.Option(min=1, help="samples that one call of the network answers, at most")] = 256,
    fast: Annotated[
        bool, typer.Option("--fast", help="ONNX Runtime runs the network (U-Nets asked one by one): needs mlft[onnx]")
    ] = False,
) -> None:
    """Answer over HTTP: a page to move the input, UM-Bridge 1.0, JSON, and their description at /docs."""
    from mlft.cli.stopping import Stopped
    from mlft.serving import Limits

    limits = Limits(body=mebibytes, seconds=seconds, rows=together)
    open_ = token is None and host not in ("127.0.0.1", "localhost", "::1")

    def ready(address: str) -> None:
        print(f"{printable(str(folder))} is served at {address} (Ctrl-C stops); its API: {address}docs", flush=True)
        if open_:
            print("Warning: whoever reaches this machine may ask: --token wants a token of them", flush=True)

    try:
        mlft.serve(folder, port=port, host=host, token=token, limits=limits, fast=fast, ready=ready)
    except Stopped:
        print("mlft: the server has stopped")


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="a folder that `run`, `compare` or `trust` wrote")]) -> None:
    """Say again what a run, a comparison or a look at trust found: error, prediction, worth, spending, what is next."""
    from mlft.reports import summary_lines

    _tell(summary_lines(folder))


@app.command("list")
def list_(folder: Annotated[Path, typer.Argument(help="a folder with runs in it, or beneath it")]) -> None:
    """List the runs beneath a folder: what was asked, the error, what was predicted and spent, finished or not."""
    from mlft.cli.table import print_runs
    from mlft.experiment.listing import list_runs

    print_runs(list_runs(folder), folder)


@app.command()
@configured(_FITTED)
def fit(
    given: dict[str, Any],
    *,
    data: Annotated[
        list[Path], typer.Argument(help="files or folders: .npz, .pt, PDEBench, The Well, netCDF, zarr; a level a grid")
    ],
    out: OutOption,
    cost: Annotated[
        list[float] | None,
        typer.Option(help="of a row of a level, in any unit, coarsest first; told, not decided by; again for more"),
    ] = None,
    length: Annotated[
        list[float] | None, typer.Option(help="a side length of the box, where files do not say; again for more")
    ] = None,
    centring: Annotated[str | None, typer.Option(help="cell (averages) or nodal (values at points)")] = None,
    periodic: Annotated[bool | None, typer.Option(help="whether the ends are periodic")] = None,
    channel_axis: Annotated[bool | None, typer.Option(help="whether tensors have an axis of channels")] = None,
    uncoupled: Annotated[bool, typer.Option("--uncoupled", help="no two levels share a draw")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="leave rows out that are not finite")] = False,
) -> None:
    """Learn from data that are there, without a solver: split the rows, train, measure, report.

    The same command continues what was stopped. No draw, and no input, is in training and in the test.
    """
    from mlft.datasets import Hints
    from mlft.reports import run_lines

    hints = Hints(tuple(length) if length else None, centring, periodic, channel_axis, not uncoupled)
    record = mlft.fit(data, out=out, costs=cost or None, hints=hints, drop=drop, report="lines", **given)
    _tell(run_lines(record.outcome, out))
    print(f"report: {mlft.report(out)}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a folder that `run` or `fit` wrote")],
    *,
    to: Annotated[
        str, typer.Option(help="npz, neuralop, pdebench, well or xarray for samples; onnx or pt2 for the surrogate")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="a folder; of a surrogate also the file")],
    stream: Annotated[str, typer.Option(help="of the samples, a,b,c")] = "train,test",
    problem: Annotated[
        str | None,
        typer.Option(help="the problem, as the run was given it, where it makes coarse inputs: its code is run"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files that are there")] = False,
) -> None:
    """Write a run's samples, a data set a level, or its surrogate, in the formats of others."""
    record = mlft.Record.load(folder, problem=problem)
    _tell(str(record.export(to, out, streams=names_of(stream), force=force)).splitlines())
