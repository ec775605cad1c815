"""What a benchmark ran on: one line for the head of its tables."""

import datetime
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """Return date, processor, and the versions of Python and of packages."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    processor = next(names, platform.processor() or platform.machine())
    versions = ", ".join(f"{package} {version(package)}" for package in ("mlft", *packages))
    return f"{datetime.date.today()}, {processor}, Python {platform.python_version()}, {versions}"
