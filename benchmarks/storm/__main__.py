"""The storm: everything that may happen to a run, a solver and a folder, and what it breaks, which must be nothing.

Ends with 1 if anything was lost, wrong without a word, told by a traceback, or left running.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.storm import doors, full, lives, zoo
from benchmarks.storm.commands import warm_up
from benchmarks.storm.tally import BARS, COLUMNS, Tally
from benchmarks.table import Table, tabulate

BENCHMARK = Benchmark("storm", "The storm", ("numpy", "torch", "loky"))

PARTS: dict[str, Callable[..., list[Tally]]] = {
    "lives": lives.storm,
    "full": full.storm,
    "doors": doors.storm,
    "zoo": zoo.storm,
}
"""By name: from a folder, and whether the short form is asked, to what each storm broke."""


def measure(names: Sequence[str], *, short: bool) -> tuple[Table, bool]:
    """Return the table of the parts named, and whether nothing broke."""
    warm_up()
    tallies: list[Tally] = []
    started = time.perf_counter()
    for name in names:
        with tempfile.TemporaryDirectory() as base:
            tallies += PARTS[name](Path(base), short=short)
    caption = f"{BARS} {time.perf_counter() - started:.0f} s."
    return tabulate(caption, COLUMNS, (tally.row for tally in tallies)), all(tally.healthy for tally in tallies)


def main(words: Sequence[str] | None = None) -> None:
    """Storm, publish, and end with 1 if anything broke."""
    asked = parse(parser(BENCHMARK, __doc__, cases=PARTS), words)
    table, healthy = measure(asked.cases or list(PARTS), short=asked.short)
    publish(BENCHMARK, [table], asked)
    if not healthy:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
