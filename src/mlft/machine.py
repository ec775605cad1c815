"""What this process runs on, for the records of runs and of benchmarks."""

import platform
from pathlib import Path


def processor() -> str:
    """Return the name of the processor, as Linux knows it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
