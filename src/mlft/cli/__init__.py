"""The command line: `mlft problems`, `plan`, `run`, `compare`, `report`, `trust`, `check`, `predict`, `serve`, ...

The commands are in `mlft.cli.app`.
"""

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from typer import rich_utils

from mlft.cli.stopping import Stopped, stoppable
from mlft.errors import ConfigError, MlftError, printable

STOPPED = "mlft: stopped; what is solved is kept, and the same command continues"


def main() -> None:
    """Run the command line: exit code 0 when done, 1 for a named failure or when stopped, 2 for wrong usage."""
    try:
        with stoppable(STOPPED), _written():
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")  # a terminal that knows no Greek letters gets question marks
            _refuse_nowhere()
            from mlft.cli.app import app

            rich_utils.MAX_WIDTH = max(40, shutil.get_terminal_size().columns)  # in less, nothing is left of an error
            app()
    except MlftError as error:
        _end(f"mlft: {error}", 2 if isinstance(error, ConfigError) else 1)
    except Stopped:
        _end(STOPPED)
    except BrokenPipeError:  # nobody reads any more
        sys.exit(1)
    except OSError as error:
        _end(f"mlft: the system refused: {error}")
    except MemoryError as error:
        _end(f"mlft: there is not enough memory: {error}")


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Write out what the block printed while a full disk, or a reader who left, can still be told of."""
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:  # None where it was closed before
                sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter would try again
            raise


def _refuse_nowhere() -> None:
    """Refuse to stand in a folder that is no more: libraries that are loaded later end the process then."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise MlftError("the folder that you stand in was deleted: change to one that is there") from None


def _end(told: str, code: int = 1) -> None:
    """Say why in one line, whatever names are in it, and exit."""
    print(printable(told), file=sys.stderr)
    sys.exit(code)
