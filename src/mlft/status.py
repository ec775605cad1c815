"""How a solve may end, by name. A problem may add names of its own; what is not `OK` is a failure."""

OK = "ok"

NOT_CONVERGED = "not-converged"
"""An iteration that did not meet its tolerance."""

NOT_FINITE = "not-finite"
"""A solution, or an input, with a value that is not finite."""

ZERO = "zero"
"""A solution that is zero everywhere: errors relative to it do not exist."""

UNRESOLVED = "unresolved"
"""A grid too coarse for what is asked of it."""

DEGENERATE = "degenerate"
"""An eigenvalue so near to the next that its eigenvector is not determined."""

OUT_OF_RANGE = "out-of-range"
"""A solution whose largest value is over 1e100, or under 1e-100: its squares would be no numbers any more."""

WRONG_SHAPE = "wrong-shape"
"""Arrays, statuses or scalars of another shape than the level's."""

RAISED = "raised-"
"""Followed by the name of the exception that the solver raised."""

EXIT = "exit-"
"""Followed by the exit code of a command, which is not 0."""

KILLED = "killed-"
"""Followed by the signal that ended a command, such as SIGSEGV."""

NO_OUTPUT = "no-output"
"""A command that ended well and left no file."""

BAD_OUTPUT = "bad-output"
"""A file, or an answer, that is not of the kind it should be."""

REFUSED = "refused"
"""A server that answered with an error of its own."""

TIMEOUT = "timeout"
"""A sample that took longer than was allowed; its process was killed."""

WORKER_DIED = "worker-died"
"""A sample whose process died, alone, as often as it was tried."""

NO_SOLVER = "no-solver"
"""A given input of a data set, which has samples and no solver."""
