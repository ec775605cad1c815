"""Seconds: solvers, networks, workers, with the usual libraries beside them; and how wrong a wave is for its points."""
