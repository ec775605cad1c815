"""Progress on a terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mlft.experiment.progress import Progress


class Screen:
    """Progress bars on standard error, a bar for each thing that is being done."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bars = Bars(*columns, TextColumn("{task.fields[note]}"), console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Screen":
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
