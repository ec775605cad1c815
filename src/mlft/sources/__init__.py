"""Sources of samples, below the problem: where inputs come from, and how they are solved. One stream, one source."""

from mlft.sources.base import Inputs, Source, fingerprint
from mlft.sources.drawn import Drawn, Reference
from mlft.sources.rows import Rows, sampled
from mlft.sources.stored import Stored
from mlft.sources.taken import Taken

__all__ = ["Drawn", "Inputs", "Reference", "Rows", "Source", "Stored", "Taken", "fingerprint", "sampled"]
