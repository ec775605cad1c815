"""The command line: `mlft problems`, `plan`, `run`, `compare`, `report` and `trust`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mlft.errors import ConfigError, MlftError
from mlft.experiment import (
    Config,
    Forecast,
    Progress,
    compare_config,
    configure,
    plan_config,
    read_config,
    read_plan,
    run_config,
    write_plan,
)
from mlft.experiment.trust import trust as measure_trust
from mlft.problems import PROBLEMS
from mlft.reports import trust_lines, write_gallery, write_report, write_trust_report
from mlft.training import STRATEGIES

app = typer.Typer(
    help="Turn a numerical solver and a budget of solver time into a trained surrogate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ProblemArgument = Annotated[
    str | None, typer.Argument(help="a name that `mlft problems` lists, or module:attribute for your own")
]
BudgetOption = Annotated[
    str | None, typer.Option(help="solver cost allowed: 100solves (prices of the cost table), 30s, 10min or 2h")
]
SeedOption = Annotated[int | None, typer.Option(help="root of every random stream; the first seed of a comparison")]
OutOption = Annotated[Path, typer.Option(help="the run folder; a folder that holds a part of the run is continued")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="a TOML file with any of the options")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="an option of the problem, as in cells=256; again for more"),
]
TrainOption = Annotated[
    list[str] | None,
    typer.Option("--train", metavar="NAME=VALUE", help="an option of the training, as in steps=3000; again for more"),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="NAME=VALUE", help="an option of the network, as in width=32; again for more"),
]
CostsOption = Annotated[
    str | None, typer.Option(help="stated or measured; by default stated for solves, measured for time")
]
WorkersOption = Annotated[int | None, typer.Option(help="processes that solve; 0 solves in this one")]
SchedulerOption = Annotated[str | None, typer.Option(help="a Dask scheduler that solves instead, tcp://host:port")]
DeviceOption = Annotated[str | None, typer.Option(help="where the network runs, such as cpu or cuda")]
TestOption = Annotated[int | None, typer.Option(help="fresh draws that measure the error; not charged")]
StrategyOption = Annotated[
    str | None, typer.Option(help=f"{', '.join(STRATEGIES)}; finetune alone is planned from estimates")
]
EstimatorOption = Annotated[
    str | None, typer.Option(help="what a plan is estimated from: learning-curve, kernel-trained or kernel-initial")
]
TimeoutOption = Annotated[float | None, typer.Option(help="seconds allowed for one sample")]
RetriesOption = Annotated[int | None, typer.Option(help="tries after a dead worker, a time-out or an exception")]
FailureOption = Annotated[float | None, typer.Option(help="share of failed samples at which the run stops")]


@app.command()
def problems(
    gallery: Annotated[
        Path | None, typer.Option(help="also write gallery.html, a page of pictures, to this folder")
    ] = None,
) -> None:
    """List the problems that are shipped, with their equations, grids and options."""
    for name, kind in PROBLEMS.items():
        problem = kind()
        grids = ", ".join(map(str, problem.hierarchy))
        options = "  ".join(f"{key}={value}" for key, value in problem.options.items())
        print(f"{name}: {problem.equation}")
        print(f"    levels, coarse to fine: {grids}")
        print(f"    order {problem.order:g} on smooth data; cost ∝ (points a side)^{problem.cost_exponent:.2g}")
        print(f"    options (--set): {options}\n")
    if gallery is not None:
        print(f"gallery: {write_gallery(gallery)}")


@app.command()
def run(
    out: OutOption,
    problem: ProblemArgument = None,
    budget: BudgetOption = None,
    seed: SeedOption = None,
    strategy: StrategyOption = None,
    estimator: EstimatorOption = None,
    plan: Annotated[Path | None, typer.Option(help="a plan that `mlft plan --save` wrote, to go by")] = None,
    baselines: Annotated[str | None, typer.Option(help="rival strategies to train at equal cost, a,b,c")] = None,
    config: ConfigOption = None,
    options: SetOption = None,
    training: TrainOption = None,
    surrogate_options: NetworkOption = None,
    costs: CostsOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    device: DeviceOption = None,
    test: TestOption = None,
    timeout: TimeoutOption = None,
    retries: RetriesOption = None,
    max_failure_rate: FailureOption = None,
) -> None:
    """Plan, solve, train, measure and report, within a budget. The same command continues what was stopped."""
    asked = _asked(locals())
    with _Screen() as screen:
        record = run_config(asked, out, report=screen.tell)
    print(record)
    print(f"report: {write_report(out)}")


@app.command()
def plan(
    problem: ProblemArgument = None,
    budget: BudgetOption = None,
    out: Annotated[Path | None, typer.Option(help="the run folder; runs/<problem>-plan by default")] = None,
    save: Annotated[Path | None, typer.Option(help="write the plan to a file, for `mlft run --plan FILE`")] = None,
    seed: SeedOption = None,
    strategy: StrategyOption = None,
    estimator: EstimatorOption = None,
    config: ConfigOption = None,
    options: SetOption = None,
    training: TrainOption = None,
    surrogate_options: NetworkOption = None,
    costs: CostsOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    device: DeviceOption = None,
) -> None:
    """Say how many samples to solve on which grid, with the error to expect. Solves a pilot: a tenth of the budget.

    `mlft run` with the same options and the same --out goes by this plan, and uses the pilot's samples.
    """
    asked = _asked(locals())
    folder = out if out is not None else Path("runs") / f"{asked.problem.replace(':', '-')}-plan"
    with _Screen() as screen:
        forecast = plan_config(asked, folder, report=screen.tell)
    print(_told(forecast))
    if save is not None:
        write_plan(save, forecast, asked)
        print(f"plan: {save}")


@app.command()
def compare(
    out: OutOption,
    problem: ProblemArgument = None,
    budget: BudgetOption = None,
    strategies: Annotated[str, typer.Option(help="a,b,c")] = "finetune,finest-only",
    seeds: Annotated[int, typer.Option(min=1, help="how many seeds")] = 5,
    seed: SeedOption = None,
    config: ConfigOption = None,
    options: SetOption = None,
    training: TrainOption = None,
    surrogate_options: NetworkOption = None,
    costs: CostsOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    device: DeviceOption = None,
    test: TestOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="runs at a time")] = 1,
) -> None:
    """Compare strategies at equal cost and equal training effort, over several seeds."""
    asked = _asked(locals())
    with _Screen() as screen:
        rows = compare_config(
            asked, out, strategies=_names(strategies) or (), seeds=seeds, jobs=jobs, report=screen.tell
        )
    for row in rows:
        print(
            "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{value}" for name, value in row.items())
        )
    print(f"report: {write_report(out)}")


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="a folder that `run` or `compare` wrote")]) -> None:
    """Write report.html again, from what a run or a comparison left."""
    print(f"report: {write_report(folder)}")


@app.command()
def trust(
    folder: Annotated[Path, typer.Argument(help="a folder that `run` wrote")],
    samples: Annotated[int, typer.Option(help="fresh draws a law of inputs; not charged")] = 48,
) -> None:
    """Measure how far a run's surrogate can be trusted: other laws of inputs, amplitudes, its Green's function."""
    with _Screen() as screen:
        facts = measure_trust(folder, samples=samples, report=screen.tell)
    print("\n".join(trust_lines(facts)))
    print(f"report: {write_trust_report(folder)}")


def main() -> None:
    """Run the command line: exit code 0 when done, 1 for a named failure, 2 for wrong usage."""
    try:
        app()
    except MlftError as error:
        print(f"mlft: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except KeyboardInterrupt:
        print("mlft: stopped; what is solved is kept, and the same command continues", file=sys.stderr)
        sys.exit(1)


def _asked(given: dict[str, Any]) -> Config:
    """Return the configuration of a file, overridden by that of a plan, and by the options that were given.

    Args:
        given: a command's parameters; those that are a part of the configuration have the names of its fields.
    """
    file, plan = given.get("config"), given.get("plan")
    values = read_config(file) if file is not None else {}
    values |= read_plan(plan) if plan is not None else {}
    for name, value in given.items():
        if name == "plan" or name not in Config.model_fields:
            continue
        if name in ("options", "training", "surrogate_options"):
            values[name] = values.get(name, {}) | _pairs(value)
        elif value is not None:
            values[name] = _names(value) if name == "baselines" else value
    for name in ("problem", "budget"):
        if name not in values:
            where = "as the first argument" if name == "problem" else "with --budget 100solves"
            raise ConfigError(f"a {name} is needed: give it {where}, or in a file with --config")
    return configure(values)


def _told(forecast: Forecast) -> str:
    """Return a plan as text: its table, the alternatives at the same budget, rates, pilot and warnings."""
    plan, facts = forecast.plan, forecast.facts
    lines = [str(plan)]
    if plan.alternatives:
        lines.append("\nat the same budget:")
    for other in plan.alternatives:
        low, high = other.interval or (float("nan"), float("nan"))
        samples = "/".join(map(str, other.samples))
        lines.append(f"  {samples:>20}  predicted {other.predicted:.3g} ({low:.3g} to {high:.3g})")
    if facts:
        rates = {name: facts["rates"][f"{name}_rate"]["value"] for name in ("bias", "variance", "cost")}
        told = ", ".join(f"{name} {'unknown' if r is None else format(r, '.2g')}" for name, r in rates.items())
        lines += [f"\nrates in points per side: {told}", f"pilot: {'/'.join(map(str, facts['pilot']))} samples"]
        lines += [f"warning: {words}" for words in facts["warnings"]]
    return "\n".join(lines)


def _pairs(words: list[str] | None) -> dict[str, Any]:
    for word in words or []:
        if "=" not in word:
            raise ConfigError(f"an option is given as NAME=VALUE, got '{word}'")
    return {name: _value(text) for name, text in (word.split("=", 1) for word in words or [])}


def _value(text: str) -> Any:
    """Return a number or truth value where the text is one, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


class _Screen:
    """Progress bars on standard error, a bar for each thing that is being done."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bars = Bars(*columns, TextColumn("{task.fields[note]}"), console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Screen":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def tell(self, progress: Progress) -> None:
        """Show how far something is."""
        name = f"{progress.phase} {progress.label}"
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=progress.total, note=progress.note)
        self._bars.update(self._tasks[name], completed=progress.done, total=progress.total, note=progress.note)
