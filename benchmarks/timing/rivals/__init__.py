"""What a user would write without mlft: the obvious libraries, on the samples and the grids of mlft's problems.

A rival takes the problem, its inputs and the grid, and returns the solutions. Most solve the same discrete equations,
and are to agree with mlft to round-off or to their tolerance; py-pde, scikit-fem and `solve_ivp` bring a scheme of
their own, of the same order. Each is given its best: one factorization for all samples where the matrix is the same.
"""
