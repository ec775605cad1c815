"""What the numbers of the gallery are compared with, made without mlft's solvers and references.

| module | what it holds |
|---|---|
| `schemes` | the same discrete equations, assembled anew and solved directly: dense, banded, sparse, or in NumPy |
| `exact` | the solutions of the equations: Green's functions, characteristics, fine spectral grids, quadrature |
| `settings` | extreme options of every problem |
"""
