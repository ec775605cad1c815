"""Every way of breaking the contract of a problem, one at a time: changes of `broken.Toy`, and what is said of them."""
# ruff: noqa: E501

import numpy as np
import torch

from broken import LINE, SQUARE, draw, evaluate, solve, unchecked, waves
from mlft.grids import Grid, hierarchy
from mlft.problems import Solved

COARSEST = LINE[0]


def noisy(draws, grid):
    """Unrelated white noise on every level, from one seed a draw."""
    return np.array([np.random.default_rng(int(1e6 * abs(row[0]))).standard_normal((1, *grid.shape)) for row in draws])


def changed(change, cells=COARSEST.cells):
    """Evaluate, with a change on one level: (fields, draws, grid) → fields."""
    return lambda draws, grid: (
        change(evaluate(draws, grid), draws, grid) if grid.cells == cells else evaluate(draws, grid)
    )


def points(move):
    """Evaluate at points that are moved: points of an axis, grid → points."""
    return lambda draws, grid: waves(draws, [2 * np.pi * move(x, grid) for x in grid.points])[:, None, :, 0]


def twice_second_channel(draws, grid):
    fields = np.concatenate([evaluate(draws, grid), 1e6 * evaluate(draws[:, ::-1], grid)], axis=1)
    fields[:, 1] *= 2 if grid.cells == COARSEST.cells else 1
    return fields


def writing(function):
    def changing(array, grid):
        made = function(array, grid)
        array[:, 0] = 0.0
        return made

    return changing


def counted():
    calls = []

    def counting(inputs, grid):
        calls.append(len(inputs))
        return solve(inputs, grid) + 1e-6 * len(calls)

    return counting


def named(*names):
    return lambda inputs, grid: Solved(solve(inputs, grid), tuple(names[i % len(names)] for i in range(len(inputs))))


def of_one_seed(n, _):
    return np.random.default_rng(0).standard_normal((n, 4))


GLOBAL = np.random.default_rng(1)


def of_no_seed(n, _):
    return GLOBAL.standard_normal((n, 4))


def of_few_values(n, generator):
    return torch.randint(2, (n, 1), generator=generator).double().numpy() + np.zeros(4)


def growing(n, generator):
    return draw(n, generator)[:, : 2 + int(generator.initial_seed() % 3)]


def swapped(draws, grid):
    return evaluate(draws, grid).swapaxes(2, 3) if grid == SQUARE[0] else evaluate(draws, grid)


def broken_on(level, function, broken):
    return lambda array, grid: (broken if grid == LINE[level] else function)(array, grid)


def raising(*_):
    raise KeyError("no such file\nat all")


# A row: what is changed, which check sees it on which level, and what it says.

STATED = [
    ({"hierarchy": ()}, "grids", None, "the hierarchy is ()"),
    ({"hierarchy": (Grid((3,)), Grid((6,)))}, "coarsest grid", 0, "3 cells a side"),
    ({"hierarchy": (24, 48)}, "grids", None, "the hierarchy is (24, 48)"),
    ({"hierarchy": LINE[::-1]}, "grids", None, "24 follows 48"),
    ({"hierarchy": (Grid((16,)), Grid((48,)))}, "grids", None, "48 follows 16"),
    ({"hierarchy": (Grid((12, 24)), Grid((24, 24)))}, "grids", None, "24x24 follows 12x24"),
    ({"hierarchy": (Grid((24,), centring="nodal"), Grid((48,)))}, "grids", None, "centrings or ends differ"),
    ({"hierarchy": (Grid((24,), (2.0,)), Grid((48,)))}, "grids", None, "boxes, centrings"),
    ({"order": 0.0}, "name, equation, order", None, "order 0.0"),
    ({"order": float("nan")}, "name, equation, order", None, "order nan"),
    ({"equation": "two\nlines"}, "name, equation, order", None, "name and equation are"),
    ({"name": ""}, "name, equation, order", None, "name and equation are"),
    ({"costs": (0.5, 1.0)}, "stated costs", None, "2 for 3 levels"),
    ({"costs": (-0.1, 0.5, 1.0)}, "stated costs", None, "-0.1, 0.5, 1 solves"),
    ({"costs": (0.0, 0.5, 1.0)}, "stated costs", None, "0, 0.5, 1 solves"),
    ({"costs": (0.1, float("inf"), 1.0)}, "stated costs", None, "0.1, inf, 1"),
    ({"costs": (0.5, 1.0, 2.0)}, "stated costs", None, "0.5, 1, 2 solves"),
    ({"options": {"solver": len}}, "options", None, "raised TypeError: Object of type builtin_function"),
]
DRAWN = [
    ({"made": lambda n, g: draw(n, g)[0]}, "draws", None, "an array of float64 of shape (4,)"),
    ({"made": lambda n, g: draw(n, g).tolist()}, "draws", None, "draw(1, generator) returned a list"),
    ({"made": lambda n, g: draw(2, g)}, "draws", None, "draw(1, generator) returned an array"),
    (
        {"made": lambda n, g: draw(1, g)},
        "draws",
        None,
        "draw(3, generator) returned an array of float64 of shape (1, 4)",
    ),
    ({"made": growing}, "draws", None, "rows have ["),
    ({"made": lambda n, g: draw(n, g) * np.nan}, "draws", None, "not all of them finite"),
    ({"made": lambda n, g: np.ones((n, 4), dtype=complex)}, "draws", None, "complex128"),
    ({"made": raising}, "draws", None, "raised KeyError: 'no such file"),
    ({"made": of_no_seed}, "draws told by their streams", None, "5 of 5 draws came out differently when drawn again"),
    ({"made": of_one_seed}, "draws told by their streams", None, "5 streams gave the same draw"),
]
EVALUATED = [
    ({"valued": changed(lambda f, d, g: f[:, 0])}, "inputs", 0, "inputs on 12 have shape (n, 12)"),
    ({"valued": changed(lambda f, d, g: f[..., 1:])}, "inputs", 0, "inputs on 12 have shape (n, 1, 11)"),
    (
        {"valued": changed(lambda f, d, g: np.ma.masked_greater(f, 0))},
        "inputs",
        0,
        "inputs are a masked array of float64",
    ),
    ({"valued": changed(lambda f, d, g: f[:1])}, "inputs", 0, "inputs on 12 have shape (1, 1, 12)"),
    ({"valued": changed(lambda f, d, g: torch.tensor(f))}, "inputs", 0, "inputs are a Tensor"),
    ({"valued": changed(lambda f, d, g: f * 1j)}, "inputs", 0, "inputs are an array of complex128"),
    ({"valued": changed(lambda f, d, g: f > 0)}, "inputs", 0, "inputs are an array of bool"),
    (
        {"valued": changed(lambda f, d, g: np.where(f > f.min(), f, np.nan))},
        "inputs",
        0,
        "inputs of 1 of n draws are not finite",
    ),
    ({"valued": changed(lambda f, d, g: np.repeat(f, 2, axis=1), (24,))}, "inputs", 1, "levels have [1, 2] channels"),
    ({"valued": writing(evaluate)}, "inputs", 0, "evaluate wrote to the draws it was given"),
    ({"valued": broken_on(1, evaluate, raising)}, "inputs", 1, "raised KeyError: 'no such file"),
]
SAME = [
    ({"valued": changed(lambda f, d, g: 2 * f)}, 0, "are 2 times those of the finest, restricted"),
    ({"valued": changed(lambda f, d, g: 0.5 * f, (24,))}, 1, "are 0.5 times those of the finest, restricted"),
    ({"valued": changed(lambda f, d, g: 0.9 * f, (24,))}, 1, "are 0.9 times those of the finest, restricted"),
    ({"valued": changed(lambda f, d, g: -f, (24,))}, 1, "are -1 times those"),
    ({"valued": changed(lambda f, d, g: f + 0.75, (24,))}, 1, "are those of the finest, restricted, plus 0.75"),
    ({"valued": changed(lambda f, d, g: f[..., ::-1], (24,))}, 1, "restricted, with axis 0 reversed"),
    ({"valued": changed(lambda f, d, g: np.roll(f, 1, -1), (24,))}, 1, "restricted, moved by 1 cell along axis 0"),
    ({"valued": changed(lambda f, d, g: np.roll(f, -3, -1), (24,))}, 1, "away from the finest's, restricted"),
    ({"valued": points(lambda x, g: x - g.spacing[0] / 2)}, 1, "away from the finest's, restricted"),
    ({"valued": points(lambda x, g: np.linspace(0, 1, len(x)))}, 1, "away from the finest's, restricted"),
    ({"valued": noisy}, 0, "have a correlation of"),
    ({"valued": noisy}, 1, "have a correlation of"),
    ({"valued": noisy, "hierarchy": SQUARE}, 0, "have a correlation of"),
    ({"valued": noisy, "hierarchy": hierarchy(Grid((48,), centring="nodal"), 2)}, 0, "have a correlation of"),
    ({"valued": swapped, "hierarchy": SQUARE}, 0, "restricted, with axes swapped"),
    ({"valued": twice_second_channel}, 0, "channel 1 of the level's inputs are 2.1 times those of the finest"),
    ({"valued": lambda d, g: np.full((len(d), 1, *g.shape), float(g.cells[0]))}, 0, "are 0.25 times those"),
]
BATCHED = [
    (
        {"valued": lambda d, g: evaluate(d - 0.1 * d.mean(axis=0), g)},
        "inputs in any batch",
        2,
        "in another batch differ by",
    ),
    (
        {"valued": lambda d, g: evaluate(d, g) + 1e-9 * GLOBAL.random()},
        "inputs in any batch",
        0,
        "computed again, differ",
    ),
]
SOLVED = [
    ({"solving": lambda f, g: solve(f, g)[:, 0]}, "solutions", 0, "solutions on 12 have shape (5, 12)"),
    ({"solving": lambda f, g: solve(f, g)[:1]}, "solutions", 0, "solutions on 12 have shape (1, 1, 12)"),
    ({"solving": lambda f, g: solve(f, g).tolist()}, "solutions", 0, "solve returned a list"),
    ({"solving": lambda f, g: unchecked(solve(f, g) * 1j, ("ok",) * len(f))}, "solutions", 0, "solutions are an array of comp"),
    ({"solving": lambda f, g: unchecked(solve(f, g), ("ok",))}, "solutions", 0, "5 samples have the statuses ('ok',)"),
    ({"solving": lambda f, g: unchecked(solve(f, g), (True,) * len(f))}, "solutions", 0, "have the statuses (True,"),
    ({"solving": lambda f, g: unchecked(solve(f, g), ("ok",) * len(f), {"steps": np.ones(2)})}, "solutions", 0, "{'steps': (2,)}"),
    ({"solving": writing(solve)}, "solutions", 0, "solve wrote to the inputs it was given"),
    ({"solving": broken_on(1, solve, lambda f, g: np.repeat(solve(f, g), 2, axis=1))}, "solutions", 1, "levels have [1, 2] ch"),
    ({"solving": broken_on(2, solve, raising)}, "solutions", 2, "raised KeyError: 'no such file"),
    ({"solving": lambda f, g: Solved(solve(f, g) * np.nan, ("ok",) * len(f))}, "statuses", 0, "5 solutions are ok and not finite"),
    ({"solving": named("lost", "stalled")}, "statuses", 0, "0 of 5 ok, else lost, stalled"),
    ({"solving": lambda f, g: solve(f, g) + 1e-9 * f.mean(axis=0)}, "solutions in any batch", 0, "in another batch differ by"),
    ({"solving": lambda f, g: solve(f, g) + 1e-9 * GLOBAL.random()}, "solutions in any batch", 0, "computed again, differ by"),
    ({"solving": counted()}, "solutions in any batch", 0, "computed again, differ by"),
    ({"solving": named("ok", "lost")}, "solutions in any batch", 0, "in another batch differ in status"),
    ({"solving": broken_on(0, solve, lambda f, g: solve(f, g)[..., ::-1])}, "axes of solutions", 0, "with axis 0 reversed"),
    (
        {"solving": lambda f, g: solve(f, g).swapaxes(2, 3) if g == SQUARE[0] else solve(f, g), "hierarchy": SQUARE},
        "axes of solutions", 0, "with axes swapped",
    ),
]  # fmt: skip
NOTED = [
    ({"costs": (1.0, 1.0, 1.0)}, "stated costs", None, "1, 1, 1 solves"),
    ({"made": of_few_values}, "draws told by their streams", None, "2 of 5 are different"),
    ({"valued": lambda d, g: evaluate(d, g).astype(np.float32)}, "inputs", 0, "1 channel of float32"),
    ({"valued": lambda d, g: evaluate(d, g) * (1 + 1e-15 * len(d))}, "inputs in any batch", 0, "round-off, not to the bit"),
    ({"solving": named("ok", "ok", "lost")}, "statuses", 0, "4 of 5 ok, else lost"),
    ({"solving": lambda f, g: solve(f, g) * (1 + 1e-15 * len(f))}, "solutions in any batch", 0, "round-off"),
    ({"solving": lambda f, g: np.tanh(f) - 2 * (g.cells[0] < 48)}, "distance to the finest", None, "(relative L2"),
    ({"solving": broken_on(1, solve, lambda f, g: solve(f, g) + 1)}, "distance to the finest", None, "(relative L2"),
]  # fmt: skip

FAILURES = [
    *STATED,
    *DRAWN,
    *EVALUATED,
    *[(c, "one function", level, said) for c, level, said in SAME],
    *BATCHED,
    *SOLVED,
]
