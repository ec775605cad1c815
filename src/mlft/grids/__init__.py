"""Grids, hierarchies of ratio 2, transfers between them, and weighted norms.

Arrays are `(samples, channels, *grid)` in float64. Level 0 is the coarsest grid of a hierarchy.

Two kinds of field, told apart by the grid's centring:

* **cell**: values are averages over cells. `restrict` averages, so means are kept exactly; `prolong` reconstructs
  conservatively, so `restrict(prolong(u)) == u`.
* **nodal**: values are point values. `restrict` takes the points that both grids share; `prolong` interpolates,
  so again `restrict(prolong(u)) == u`. Means are kept only as far as the trapezoidal rule is exact.

These two know nothing of the field. Transfers that know something are for problems to choose from: `prolong_jumps`
puts a jump in its place in its cell, `prolong_waves` prolongs what a spectral solver returns, and `power_mean` coarsens
a coefficient to what a coarse solve should see.

`Symmetry` is a map of fields that a solver may commute with, and `group` is what several make together. So may
`Translation`s and `Scaling`s, of which there are any number.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
