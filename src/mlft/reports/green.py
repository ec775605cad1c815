"""The input that training inputs say least of, and what is answered to it: a section of the page of trust."""

import numpy as np

from mlft.experiment.outcome import TrustOutcome
from mlft.grids import Grid
from mlft.reports.green_figures import weakest_figure
from mlft.reports.page import Section, figure, paragraph, section
from mlft.reports.wording import error

HEADING = "The weakest direction"


def weakest_direction(facts: TrustOutcome, arrays: dict[str, np.ndarray]) -> Section:
    """Return the weakest direction of a linear problem; nothing where there is none.

    Args:
        facts: what was found.
        arrays: of its pictures: "weakest", where all columns of the Green's function were taken, "matrix", "operator".
    """
    weakest = arrays.get("weakest")
    if facts.green is None or weakest is None:
        return "", {}
    if not weakest.any():
        words = "Nothing is left: the training inputs span all inputs that the solver answers to."
        return section(HEADING, paragraph(words)), {}
    answers = {
        name: (arrays[key] @ weakest.ravel()).reshape(-1, *weakest.shape[2:])
        for name, key in (("solver", "operator"), ("surrogate", "matrix"))
    }
    off = np.linalg.norm(answers["surrogate"] - answers["solver"]) / np.linalg.norm(answers["solver"])
    carried = np.linalg.norm(answers["solver"]) / np.linalg.norm(arrays["operator"], 2)
    words = (
        f"Of the inputs of norm 1 that no combination of training inputs gives, the solver answers most to this one: "
        f"{error(float(carried))} of the most that it answers to any. The surrogate's answer, by its Jacobian, is "
        f"off by {error(float(off))} of the solver's. Adding it to the training inputs closes the widest gap. It is "
        "`weakest` in trust.safetensors."
    )
    grid = Grid(weakest.shape[2:], tuple(float(n) for n in weakest.shape[2:]))
    caption = (
        "The input, and what solver and surrogate answer to it, in the problem's own units; x in points of the grid."
    )
    drawings = {"trust-weakest": weakest_figure(weakest, answers, grid)}
    alt = "The input that training inputs say least of, and the answers of solver and surrogate"
    return section(HEADING, paragraph(words), figure(drawings, caption, alt=alt)), drawings
