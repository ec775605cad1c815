"""Folders with little room, or that cannot be written: real file systems where the machine lets us mount them."""

import contextlib
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import final

MOUNTS = os.geteuid() == 0 and Path("/proc/mounts").exists()
"""Whether file systems can be mounted; elsewhere files have a largest size, and folders lose their write permission."""

PAGE = 4096
ENOUGH = 2**26


@final
class Room:
    """A folder with some bytes of room in all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._most = ENOUGH

    def resize(self, size: int) -> None:
        """Give it so much room, in whole pages."""
        self._most = size
        if MOUNTS:
            _mount(f"remount,rw,size={size}", self.folder)

    def close_for_writing(self) -> None:
        """Make it read-only, with all that is in it."""
        if MOUNTS:
            _mount("remount,ro", self.folder)
            return
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP))
        self.folder.chmod(0o500)

    def enter(self) -> None:
        """Let this process live in it: where nothing is mounted, no file may be larger than the room."""
        if not MOUNTS:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._most, self._most))


@contextlib.contextmanager
def room(folder: Path) -> Iterator[Room]:
    """Make a folder with enough room, which goes with the block where it is mounted."""
    folder.mkdir()
    if not MOUNTS:
        yield Room(folder)
        return
    _mount(f"size={ENOUGH}", folder)
    try:
        yield Room(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _mount(how: str, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", folder], check=True, capture_output=True)
