"""What is measured of mlft, and how: each module is a benchmark, run from the root of the repository.

    python -m benchmarks.plans.equal_cost            # whole: writes benchmarks/results/equal_cost.json
    python -m benchmarks.plans.equal_cost euler-64   # a part: printed, not written
    python -m benchmarks.plans.equal_cost --short    # seconds: what the tests run
    python -m benchmarks.render                      # docs/results.md, from benchmarks/results

| folder | what is measured |
|---|---|
| `timing` | seconds of solvers, networks and workers, with the usual libraries beside; pollution |
| `plans` | strategies at equal cost; plans and predicted errors against real trainings |
| `storm` | what is lost in a storm: kills of drivers and workers |
| `laboratory` | how far surrogates generalize |
| `numbers.py` | whether what says `ok` is right: every problem beside the references of `truths` |
"""
