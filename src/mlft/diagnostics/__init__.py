"""How far the surrogate of a run can be trusted: other laws of inputs, amplitudes, spectra, Green's functions.

Measures what Queiruga, Gutman-Solo and Jiang propose (2025, arXiv 2506.15199) on any surrogate and problem.
"""

from mlft.diagnostics.answers import Answers, Door
from mlft.diagnostics.laws import BREAKS, FamilyError
from mlft.diagnostics.trust import Trust, measure_trust

__all__ = ["BREAKS", "Answers", "Door", "FamilyError", "Trust", "measure_trust"]
