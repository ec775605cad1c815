"""The command line: `mlft problems`, `plan`, `run`, `compare`, `report`, `trust` and `check`; see `mlft.cli.app`."""

import io
import sys

from mlft.cli.stopping import Stopped, stoppable
from mlft.errors import ConfigError, MlftError

STOPPED = "mlft: stopped; what is solved is kept, and the same command continues"


def main() -> None:
    """Run the command line: exit code 0 when done, 1 for a named failure or when stopped, 2 for wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no Greek letters gets question marks
    try:
        with stoppable(STOPPED):
            from mlft.cli.app import app

            app()
    except MlftError as error:
        print(f"mlft: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except Stopped:
        print(STOPPED, file=sys.stderr)
        sys.exit(1)
