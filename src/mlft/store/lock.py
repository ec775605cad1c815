"""One driver at a time in a run folder."""

import fcntl
import os
from pathlib import Path
from typing import final

from mlft.errors import StoreError


@final
class Lock:
    """An exclusive lock on a file, held until released or until the process ends, however it ends.

    Raises:
        StoreError: if another process holds it, named by its process id.
        OSError: if the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)  # not to empty a file elsewhere
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreError(
                f"{path.parent} is in use by another driver (process {holder}); wait for it, or stop it, and try again"
            ) from error
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next driver in; releasing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
