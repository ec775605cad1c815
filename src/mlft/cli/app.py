"""The commands. Each is the function of `mlft` of the same name, with the fields of `mlft.Config` and a few options."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import mlft
from mlft.cli.options import asked_of, configured, names_of
from mlft.cli.screen import Screen
from mlft.experiment.config import EXECUTION
from mlft.strategies import STRATEGIES

app = typer.Typer(
    help="Turn a numerical solver and a budget of solver time into a trained surrogate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

OutOption = Annotated[Path, typer.Option(help="the run folder; a folder that holds a part of the run is continued")]
_CHECKED = ("problem", "options", "seed")
ConfigOption = Annotated[Path | None, typer.Option("--config", help="a TOML file with any of the options")]


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
        print(f"    order {problem.order:g} on smooth data; cost ∝ (points a side)^{problem.cost_exponent:.2g}")
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
    plan: Annotated[Path | None, typer.Option(help="a plan that `mlft plan --save` wrote, to go by")] = None,
    config: ConfigOption = None,
) -> None:
    """Plan, solve, train, measure and report, within a budget. The same command continues what was stopped."""
    from mlft.reports import spending_lines, target_lines, worth_lines

    asked = asked_of(given, config, plan)
    with Screen() as screen:
        record = mlft.run(**asked, out=out, report=screen.tell)
    told = record.outcome
    print("\n".join([str(record), *worth_lines(told), *target_lines(told), *spending_lines(told)]))
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
    with Screen() as screen:
        forecast = mlft.plan(**asked, out=folder, save=save, report=screen.tell)
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
    """Compare strategies at equal cost and equal training effort, over several seeds."""
    asked = asked_of(given, config)
    with Screen() as screen:
        found = mlft.compare(
            **asked, out=out, strategies=names_of(strategies), seeds=seeds, jobs=jobs, report=screen.tell
        )
    for row in found.rows:
        told = ((name, getattr(row, name)) for name in row.__dataclass_fields__)
        print("  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{value}" for name, value in told))
    print(f"report: {mlft.report(out)}")


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

    with Screen() as screen:
        found = mlft.trust(folder, samples=samples, problem=problem, report=screen.tell, **given)
    print("\n".join(trust_lines(found)))
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
