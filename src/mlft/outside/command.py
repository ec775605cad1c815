"""A solver that is a program in any language: one command a sample, in a folder of its own."""

import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.errors import last_lines
from mlft.grids import Grid
from mlft.outside import formats
from mlft.outside.running import ERR, OUT, run
from mlft.problems import Solved
from mlft.status import BAD_OUTPUT, EXIT, KILLED, NO_OUTPUT, NOT_FINITE, OK, TIMEOUT, WRONG_SHAPE

Array = np.ndarray


@final
@dataclass(frozen=True)
class CommandSolver:
    """A solver that is a program: for each sample a folder, the input in a file, a command, the solution in a file.

    It is a `solve_function` of a `FunctionProblem`. The command is a list of words, and no shell reads it. In each
    word, and in a template, these are filled in: `{level}`, 0 the coarsest; `{cells}`, as in 64 or 64x32, and
    `{cells[0]}`; `{lengths}`, `{origin}` and `{spacing}` alike; `{input}` and `{output}`, the paths of the two files;
    `{number[k]}`, the first number of channel k, for a parameter, which is a channel that is constant; `{values}` and
    `{values[k]}`, all numbers and those of channel k, one below the other. Other braces, and `${...}`, stay.

    It runs in the folder of its sample, so that programs that write where they stand do not meet; a word that is the
    path of a file that is there when the solver is made is made absolute. Its environment is that of the worker, on one
    thread. When it ends, or its time is up, all that it started is ended with it.

    A sample fails by name, with the last lines that the program wrote in the ledger: "exit-<code>", "killed-<signal>",
    "timeout", "no-output" (no file), "bad-output" (not what its ending says), "wrong-shape", "not-finite". A command
    that cannot be started at all stops the run instead, and the same call continues it.

    Attributes:
        command: the program and its arguments, as in `["./heat", "{input}", "{output}", "{cells}"]`.
        input: the name of the file that is written, `.npy`, `.json`, or `.txt`, `.csv` or `.dat` for text; any name
            with a template.
        output: the name of the file that is read: `.npy` and `.json`, (channels, *grid), or text, a line of numbers for
            each line of the grid's last axis, channel after channel, or all numbers one below the other. The axis of
            channels may be missing where there is one.
        template: the text of the input file with the places above, or the path of a file that has it.
        timeout: seconds that one command may take; unless given, for ever.
        folder: where the folders of the samples are made, and those of failures stay; unless given, a temporary one,
            and none stays.

    Raises:
        ValueError: for an empty command, an ending that is not known, a place that nothing fills, or a time-out that is
            not above 0.
    """

    command: Sequence[str]
    input: str = "input.npy"
    output: str = "output.npy"
    template: str | Path | None = None
    timeout: float | None = None
    folder: str | Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.command, str) or not self.command:
            raise ValueError(f"a command is a list of words, as in ['./heat', '{{input}}'], got {self.command!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"a time-out is more than 0 seconds, or None, got {self.timeout}")
        template = self.template
        if template is not None and os.path.isfile(template):
            template = Path(template).read_text()
        for name, free in ((self.input, template is not None), (self.output, False)):
            if Path(name).name != name or not (free or Path(name).suffix in formats.FORMATS):
                known = ", ".join(formats.FORMATS)
                raise ValueError(f"a file of a sample is a name that ends in one of {known}, got {name!r}")
        for word in self.command:
            formats.refuse_unknown_places(word, f"the word {word!r} of the command")
        formats.refuse_unknown_places(str(template or ""), "the template")
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "command", tuple(self._absolute(word) for word in self.command))
        if self.folder is not None:
            object.__setattr__(self, "folder", Path(self.folder).absolute())

    def _absolute(self, word: str) -> str:
        return os.path.abspath(word) if os.path.isfile(word) and word not in (self.input, self.output) else word

    def __call__(self, inputs: Float[Array, "n c *grid"], grid: Grid, level: int) -> Solved:
        """Return the solutions of some samples on a level, one command after the other.

        Raises:
            UnreachableError: if the command cannot be started at all.
        """
        ended = [self._one(sample, grid, level) for sample in inputs]
        channels = next((len(field) for field, _, _ in ended if field is not None), 1)
        solutions = np.full((len(inputs), channels, *grid.shape), np.nan)
        status, notes = [], []
        for row, (field, name, note) in zip(solutions, ended, strict=True):
            if field is not None and len(field) != channels:
                name, note = WRONG_SHAPE, f"it has {len(field)} channels, and others have {channels}"
            elif field is not None:
                row[:] = field
            status.append(name)
            notes.append(note)
        return Solved(solutions, tuple(status), notes=tuple(notes))

    def _one(self, sample: Array, grid: Grid, level: int) -> tuple[Array | None, str, str]:
        """Return the solution of one sample, how it ended, and why."""
        if self.folder is not None:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
        folder, stays = Path(tempfile.mkdtemp(prefix=f"level-{level}-", dir=self.folder)), False
        try:
            field, name, note = self._in(folder, sample, grid, level)
            if name == OK:
                return field, name, note
            stays = self.folder is not None
            place = f"; its files are in {folder}" if stays else ""
            return None, name, note + place + last_lines("\n".join(_tail(folder / part) for part in (OUT, ERR)))
        finally:
            if not stays:
                shutil.rmtree(folder, ignore_errors=True)

    def _in(self, folder: Path, sample: Array, grid: Grid, level: int) -> tuple[Array | None, str, str]:
        given, made = folder / self.input, folder / self.output
        paths = {"input": formats.Filling(str(given)), "output": formats.Filling(str(made))}
        places = formats.fillings(sample, grid, level) | paths
        if self.template is None:
            formats.write(sample, grid, level, given)
        else:
            given.write_text(formats.fill(str(self.template), places))
        ended = run([formats.fill(word, places) for word in self.command], folder, self.timeout)
        if ended.overdue:
            return None, TIMEOUT, f"took longer than {self.timeout:g} s"
        if ended.code:
            return None, _name(ended.code), f"the command {Path(self.command[0]).name} ended so"
        return _read(made, grid)


def _read(file: Path, grid: Grid) -> tuple[Array | None, str, str]:
    if not file.is_file():
        return None, NO_OUTPUT, f"the command ended well and left no {file.name}"
    try:
        field = formats.read(file, grid)
    except formats.ShapeError as error:
        return None, WRONG_SHAPE, str(error)
    except formats.FormatError as error:
        return None, BAD_OUTPUT, f"{file.name}: {error}"
    return field, OK if np.isfinite(field).all() else NOT_FINITE, ""


def _name(code: int) -> str:
    """Return the status of an exit code that is not 0."""
    if code > 0:
        return f"{EXIT}{code}"
    return KILLED + next((one.name for one in signal.Signals if one == -code), str(-code))


def _tail(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 4000))
        return opened.read().decode(errors="replace")
