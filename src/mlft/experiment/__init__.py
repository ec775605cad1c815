"""The loop of a run, its configuration and its record; comparisons at equal cost."""
