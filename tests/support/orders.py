"""Observed orders of convergence, refusing to fit round-off."""

import numpy as np


def observed_order(spacings: list[float], errors: list[float]) -> float:
    """Return the least-squares slope of log error against log h; refuses fewer than four grids and errors < 1e-12."""
    if len(spacings) < 4 or min(errors) < 1e-12:
        raise ValueError(f"four grids and errors above 1e-12 are needed, got {errors}")
    return float(np.polyfit(np.log(spacings), np.log(errors), 1)[0])
