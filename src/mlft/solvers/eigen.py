"""Ground states of −u″ + V u = E u on a periodic interval: second-order differences, many samples at once.

Scaled by h² and shifted by the smallest potential the scheme is A = tridiag(−1, 2 + q_i, −1) with −1 in two corners and
q_i = h² (V_i − min V) ≥ 0. Off its diagonal A has no positive entry, and all here rests on that: A − s is positive
definite, which is to say s < λ₁, if and only if (A − s) w = u has a solution w > 0 for a u > 0; and then
λ₁ ≥ s + min_i u_i / w_i (Barta 1937, Collatz 1942). So a solve with a positive u either proves its own shift to lie
below the *smallest* eigenvalue and improves it, or shows by a sign that it does not. No eigenvalues are counted, and
no excited state can pass for the ground state.

`LANES` samples are solved side by side, one in each SIMD lane; a lane that is done takes the next sample. A lane sees
nothing of the others, and only + − × ÷ and square roots are used, so that a result does not depend on the batch.
"""

from dataclasses import dataclass
from typing import final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

Array = np.ndarray

BAR = 1e-10  # of the certificate: residual and bracket, in units of a bound of ‖H − min V‖
ANGLE = 1e-5  # by which round-off may turn a state that is determined

LANES = 16

# `points` has a record for each grid point, and in it a slot with one number for each lane.
Q, W, E, G, Y = (slot * LANES for slot in range(5))
RECORD = 5 * LANES

# `lanes` has the numbers of each lane: those of the sweeps, and the state of the iteration.
SHIFT, SCALE, EXCESS, LOAD, LAST, UW, WW = (slot * LANES for slot in range(7))
BASE, LOW, THETA, CHANGE, FLOOR, STEPS = (slot * LANES for slot in range(7, 13))
SLOTS = 13

TINY = 1e-150  # keeps what is positive positive where it would underflow
VECTOR_TOLERANCE = 1e-13
SHIFT_TOLERANCE = 1e-7
STILL = 0.5
ROUND_OFF, MOST_ROUND_OFF = 4e-15, 1e-9

_kernel = njit(cache=True, nogil=True, error_model="numpy")  # in a lane, a division by 0 must not raise


@final
@dataclass(frozen=True)
class GroundStates:
    """Ground states of a batch.

    Attributes:
        states: positive, with h Σ u² = 1; NaN where the potential is not finite.
        energies: E = h Σ ((u_{i+1} − u_i)²/h² + V_i u_i²), in the unit of V.
        brackets: |E − E_low|, E_low being a lower bound of the smallest eigenvalue, proven up to round-off.
        residuals: ‖Hu − Eu‖ / (‖u‖ ‖H − min V‖), with the bound 4/h² + max V − min V for the last norm. Rounding u to
            float64 costs 1e-16 by this measure, which is some 1e-16 · 4/h² in the unit of V.
        iterations: linear solves.
        converged: done within the limit of iterations, with residual and bracket at most 1e-10 of that bound.
        determined: the gap to the next energy is proven to be over 4e-10 (E − min V + 1/length²), so that the round-off
            of a solve, 4e-15 by that measure, turns the state by 1e-5 at most.
    """

    states: Float[Array, "n points"]
    energies: Float[Array, " n"]
    brackets: Float[Array, " n"]
    residuals: Float[Array, " n"]
    iterations: Int[Array, " n"]
    converged: Bool[Array, " n"]
    determined: Bool[Array, " n"]


def ground_states(potentials: Float[Array, "n points"], length: float = 1.0, *, limit: int = 60) -> GroundStates:
    """Return the ground states of (u_{i−1} − 2 u_i + u_{i+1}) / h² = (V_i − E) u_i, periodic, h = length / points.

    Noda's iteration, (A − s) w = u and s ← s + min_i u_i / w_i, from u = 1 and s = min V − 1/length²: the shift rises
    to the smallest eigenvalue without ever passing it, quadratically in the end. O(points) a solve, 2 to 9 solves.

    It stops when the vector's predicted error is at most 1e-13 with (E − s) ≤ 1e-7 (E − min V + 1/length²), or when s
    has met λ₁ to round-off. Of two states whose energies are nearer than that a mixture comes out, which no residual
    can tell from the ground state: so the gap is bounded too, by Sturm's count. Far below 1e-16 of its maximum u is
    positive but not accurate.

    Raises:
        ValueError: fewer than 3 points, a length that is not positive, or a limit under 1.

    Source: Noda, Numer. Math. 17, 382 (1971).

    >>> ground = ground_states(np.full((1, 5), 7.0))
    >>> ground.energies.round(12).tolist(), ground.states.round(12).tolist()
    ([7.0], [[1.0, 1.0, 1.0, 1.0, 1.0]])
    """
    n, points = potentials.shape
    if points < 3:
        raise ValueError(f"a periodic difference scheme needs at least 3 points, got {points}")
    if not 0 < length < np.inf or limit < 1:
        raise ValueError(f"length must be positive and finite, and limit at least 1, got {length=}, {limit=}")
    potentials = np.ascontiguousarray(potentials, dtype=np.float64)
    finite = np.isfinite(potentials).all(axis=1)
    states, numbers = np.empty((n, points)), np.zeros((n, 6))
    states[~finite], numbers[~finite, :3] = np.nan, np.nan
    if finite.any():
        _solve(potentials, np.flatnonzero(finite), length / points, limit, states, numbers)
    energy, bracket, residual, steps, converged, determined = numbers.T
    return GroundStates(states, energy, bracket, residual, steps.astype(np.int64), converged > 0, determined > 0)


@_kernel
@no_type_check
def _solve(potentials, chosen, h, limit, states, numbers):
    """Give each lane a sample, and the next one when it is done, until none is left."""
    n = potentials.shape[1]
    points, lanes, sample = np.ones(n * RECORD), np.ones(SLOTS * LANES), np.full(LANES, -1)
    begun, ended = min(LANES, chosen.size), 0
    for k in range(LANES):  # a lane without a sample idles on a copy of another
        i = chosen[k % chosen.size]
        _load(points, lanes, k, potentials[i], h)
        sample[k] = i if k < begun else -1
    while ended < chosen.size:
        _eliminate(points, lanes, n)
        _substitute(points, lanes, n)
        for k in range(LANES):
            done = _judge(points, lanes, k, n)
            i = sample[k]
            if i < 0 or not (done or lanes[STEPS + k] >= limit):
                continue
            _store(points, lanes, k, h, states[i], numbers[i])
            numbers[i, 4] *= done
            ended += 1
            sample[k] = -1
            if begun < chosen.size:
                sample[k] = chosen[begun]
                _load(points, lanes, k, potentials[sample[k]], h)
                begun += 1


@_kernel
@no_type_check
def _load(points, lanes, k, potential, h):
    """Put a sample into lane k: u = 1, and the shift 1/length² below the potential."""
    n, lowest = potential.size, potential.min()
    for i in range(n):
        points[i * RECORD + Q + k] = h**2 * (potential[i] - lowest)
        points[i * RECORD + W + k] = 1.0
    lanes[BASE + k], lanes[SCALE + k] = lowest, 1.0 / np.sqrt(n)
    lanes[SHIFT + k] = lanes[LOW + k] = -1.0 / n**2
    lanes[THETA + k], lanes[CHANGE + k] = TINY, 1.0  # nothing to predict from yet
    lanes[FLOOR + k], lanes[STEPS + k] = ROUND_OFF / n**2, 0.0


@_kernel
@no_type_check
def _eliminate(points, lanes, n):
    """Eliminate all points but the last from (A − s) w = u, in every lane; u = |w| · scale.

    Point i is left with the couplings 1 to point i+1 and g to the last point, and an excess e of its diagonal over
    them; both neighbours inherit their share of e and of the right side. With e carried instead of the pivot 1 + g + e
    nothing large cancels, and λ has no error of size ε / h².

    Source: the idea is that of Grassmann, Taksar, Heyman, Oper. Res. 33, 1107 (1985).
    """
    for k in range(LANES):
        points[E + k] = points[Q + k] - lanes[SHIFT + k]
        points[G + k] = 1.0
        points[Y + k] = abs(points[W + k]) * lanes[SCALE + k] + TINY
        lanes[EXCESS + k] = 0.0
        lanes[LOAD + k] = 0.0
    for i in range(n - 1):
        pair = points[i * RECORD : (i + 2) * RECORD]  # point i and, RECORD further on, point i+1
        for k in range(LANES):
            g = pair[G + k]
            inverse = 1.0 / (1.0 + g + pair[E + k])
            e, y = pair[E + k] * inverse, pair[Y + k] * inverse
            pair[E + k] = inverse
            pair[RECORD + E + k] = pair[RECORD + Q + k] - lanes[SHIFT + k] + e
            pair[RECORD + G + k] = g * inverse + TINY
            pair[RECORD + Y + k] = abs(pair[RECORD + W + k]) * lanes[SCALE + k] + TINY + y
            lanes[EXCESS + k] += g * e
            lanes[LOAD + k] += g * y


@_kernel
@no_type_check
def _substitute(points, lanes, n):
    """Find w from the last point to the first, in every lane, with u·w, w·w and, left in slot E, min_i u_i / w_i."""
    last = points[(n - 1) * RECORD :]
    for k in range(LANES):
        u = abs(last[W + k]) * lanes[SCALE + k] + TINY
        w = (last[Y + k] + lanes[LOAD + k]) / (last[E + k] + lanes[EXCESS + k])
        last[W + k] = w
        last[E + k] = u / w
        lanes[LAST + k] = w
        lanes[UW + k] = u * w
        lanes[WW + k] = w * w
    for i in range(n - 2, -1, -1):
        pair = points[i * RECORD : (i + 2) * RECORD]
        for k in range(LANES):
            u = abs(pair[W + k]) * lanes[SCALE + k] + TINY
            w = (pair[Y + k] + pair[RECORD + W + k] + pair[G + k] * lanes[LAST + k]) * pair[E + k]
            pair[W + k] = w
            pair[E + k] = min(pair[RECORD + E + k], u / w)
            lanes[UW + k] += u * w
            lanes[WW + k] += w * w


@_kernel
@no_type_check
def _judge(points, lanes, k, n):
    """Judge the solve of lane k and choose its next shift; return whether the lane is done."""
    shift, uw, ww, ratio = lanes[SHIFT + k], lanes[UW + k], lanes[WW + k], points[E + k]
    lanes[STEPS + k] += 1
    lanes[SCALE + k] = 1.0 / np.sqrt(ww)
    if not (ratio > 0.0 and uw < np.inf and ww < np.inf):
        _retreat(points, lanes, k, n)
        return False
    theta = uw / ww
    change = np.sqrt(max(1.0 - theta * uw, TINY))  # of the vector, in this step
    error = change**2 / lanes[CHANGE + k] * (theta / lanes[THETA + k])  # it shrinks by θ / (gap + θ) a step
    rho, low = shift + theta, max(lanes[LOW + k], shift + ratio)
    size = rho + 1.0 / n**2
    floor = ROUND_OFF * size
    if lanes[FLOOR + k] < MOST_ROUND_OFF * size:  # more is no round-off: the shift was truly too high
        floor = max(floor, lanes[FLOOR + k])
    lanes[SHIFT + k] = min(low, rho - floor)
    lanes[LOW + k], lanes[FLOOR + k] = low, floor
    lanes[THETA + k], lanes[CHANGE + k] = theta, change
    settled = error <= VECTOR_TOLERANCE and theta <= SHIFT_TOLERANCE * size
    return settled or (theta <= 2.0 * floor and change <= STILL)


@_kernel
@no_type_check
def _retreat(points, lanes, k, n):
    """Lower a shift that round-off has put above λ₁, and go on from |w|, which is the ground state all the same."""
    lanes[FLOOR + k] *= 8.0
    lanes[SHIFT + k] -= lanes[FLOOR + k]
    lanes[LOW + k] = lanes[SHIFT + k]
    lanes[THETA + k], lanes[CHANGE + k] = TINY, 1.0
    if not lanes[WW + k] < np.inf:
        lanes[SCALE + k] = 1.0 / np.sqrt(n)
        for i in range(n):
            points[i * RECORD + W + k] = 1.0


@_kernel
@no_type_check
def _store(points, lanes, k, h, state, numbers):
    """Take the vector out of lane k, with its energy by squares, which do not cancel, and its certificate."""
    n = state.size
    for i in range(n):
        state[i] = abs(points[i * RECORD + W + k]) * lanes[SCALE + k] + TINY
    square, energy, bound, least = 0.0, 0.0, 0.0, np.inf
    for i in range(n):
        q, jump = points[i * RECORD + Q + k], state[i] - state[i - 1]
        square += state[i] ** 2
        energy += jump**2 + q * state[i] ** 2
        bound, least = max(bound, 4.0 + q), min(least, state[i])
    energy /= square
    residual = 0.0
    for i in range(n):
        right = state[i + 1] if i < n - 1 else state[0]
        jumps = (state[i] - state[i - 1]) - (right - state[i])
        residual += (jumps + (points[i * RECORD + Q + k] - energy) * state[i]) ** 2
    residual = np.sqrt(residual / square) / bound
    bracket = abs(energy - lanes[LOW + k])
    needed = ROUND_OFF / ANGLE * (energy + 1.0 / n**2)
    state *= 1.0 / np.sqrt(square * h)
    numbers[0], numbers[1], numbers[2] = lanes[BASE + k] + energy / h**2, bracket / h**2, residual
    numbers[3], numbers[4] = lanes[STEPS + k], residual <= BAR and bracket <= BAR * bound
    crude = least**2 / (n * square)  # of the gap, by Hardy's inequality as in `mlft.solvers.hardy`
    numbers[5] = crude >= needed or _is_alone(points[Q + k :: RECORD], state.argmin(), energy + needed)


@_kernel
@no_type_check
def _is_alone(q, cut, level):
    """Return whether one eigenvalue at most is below a level, of the ring without its edge from `cut` on.

    That edge adds a square to the form, so of the ring there are no more. By Sturm's count of negative pivots.
    """
    n, below, inverse = q.size, 0, 1.0
    for step in range(1, n + 1):
        pivot = q[(cut + step) % n] - level + (2.0 if step < n else 1.0) - inverse
        below += pivot < 0.0
        inverse = 1.0 / pivot
    return below <= 1
