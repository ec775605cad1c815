"""The choice of a network: what is dropped, what is taken, what an average is, and what goes on after a failure."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mlft.errors import ConfigError
from mlft.grids import Grid, Symmetry, group
from mlft.learners import FineTune, Fitted, StageLog, adapt
from mlft.learners.choice import Candidate, _weights, convex, mixture, rivals
from mlft.store import Samples
from mlft.surrogates import SURROGATES, Average, Network, Surrogate, build
from mlft.training import Course, Training, Verdict
from mlft.training.schedule import Rival
from small_networks import normal

GRID = Grid((22,))
QUICK = Course(Training(least=60, most=60, checks=6), seed=3)
SMALL = {"modes": [4], "width": 5, "depth": 2}


def members(*names: str, **options: Any) -> dict[str, Any]:
    small = SURROGATES["fno"].defaults(GRID) | SMALL | options
    known = {"fno": {"network": "fno", "options": small}}
    known |= {"fno-muon": {**known["fno"], "name": "fno-muon", "training": MUON}}
    rows = [known.get(name) or {"network": name, "options": SURROGATES[name].defaults(GRID)} for name in names]
    return {"members": rows}


MUON, SLOW = {"optimizer": "muon", "decay": 0.003}, {"rate": 1e-4}


def by_muon() -> dict[str, Any]:
    """Members: a Fourier operator by Adam, and the same with another name and by Muon."""
    small = {"network": "fno", "options": SURROGATES["fno"].defaults(GRID) | SMALL | {"width": 9}}
    return {"members": [small, {**small, "name": "other", "training": MUON}]}


def untrained(generator: torch.Generator, *names: str) -> Surrogate:
    return build("auto", (1, 1), GRID, generator=generator, options=members(*names))


def samples(n: int, generator: torch.Generator, level: int = 0, off: float = 0.0) -> Samples:
    """Shifted waves and their squares, which a kernel of few samples learns badly."""
    phase = normal(n, 1, 1, generator=generator)
    inputs = np.sin(2 * np.pi * GRID.points[0] + 3 * phase) + 0.2 * normal(n, 1, 22, generator=generator)
    return Samples(level, tuple(range(n)), inputs, 1 + inputs**2 + off)


def error(surrogate: Surrogate, given: Samples) -> float:
    left = (surrogate.predict(given.inputs) - given.solutions).reshape(len(given), -1)
    return float(
        np.mean(np.linalg.norm(left, axis=1) / np.linalg.norm(given.solutions.reshape(len(given), -1), axis=1))
    )


def held_out(given: Samples) -> Samples:
    rows = [i for i in range(len(given)) if i % 5 == 0]
    return Samples(given.level, tuple(rows), given.inputs[rows], given.solutions[rows])


def test_the_member_with_the_least_held_out_error_is_taken_and_the_others_are_gone(generator):
    given = samples(60, generator)
    fitted = FineTune().fit(untrained(generator, "linear", "kernel", "fno"), [given], QUICK)
    found = {log.name: log for log in fitted.candidates}
    best = min(found.values(), key=lambda log: log.error)
    network = fitted.surrogate.network
    assert isinstance(network, Average)
    assert max(found.values(), key=lambda log: log.weight).name == best.name == network.names[0]
    assert network.names == [name for name, log in found.items() if log.weight]
    assert error(fitted.surrogate, held_out(given)) <= best.error * (1 + 1e-6)
    assert fitted.stages[-1].verdict.error_after == pytest.approx(best.error)
    assert all(log.cpu_seconds >= 0 and log.verdict for log in fitted.candidates)


def test_each_candidate_is_what_it_would_be_alone(generator):
    given = samples(60, generator)
    alone = {}
    for name in ("kernel", "fno"):
        options = SMALL if name == "fno" else {}
        one = build(name, (1, 1), GRID, generator=torch.Generator().manual_seed(5), options=options)
        alone[name] = FineTune().fit(one, [given], QUICK).stages[-1].verdict.error_after
    together = untrained(torch.Generator().manual_seed(5), "kernel", "fno")
    found = {log.name: log.error for log in FineTune().fit(together, [given], QUICK).candidates}
    assert found == alone


def test_what_the_training_of_a_candidate_has_of_its_own_is_its_alone(generator):
    given = samples(60, generator)
    first, second = by_muon()["members"]
    stream = torch.Generator().manual_seed(5)
    both = build("auto", (1, 1), GRID, generator=stream, options={"members": [{**first, "training": SLOW}, second]})
    found = {log.name: log.error for log in FineTune().fit(both, [given], QUICK).candidates}
    stream = torch.Generator().manual_seed(5)
    alone, outputs = {}, {}
    for name, course in (("fno", QUICK.having(SLOW)), ("other", QUICK.having(MUON))):
        one = build("fno", (1, 1), GRID, generator=stream, options=SMALL | {"width": 9})
        alone[name] = FineTune().fit(one, [given], course).stages[-1].verdict.error_after
        outputs[name] = one.predict(given.inputs)
    assert found == alone
    assert isinstance(both.network, Average) and "other" in both.network.names
    for name, part in zip(both.network.names, both.parts(), strict=True):  # to the end of it, too
        np.testing.assert_array_equal(part.predict(given.inputs), outputs[name])
    assert QUICK.having(MUON).training == Training(least=60, most=60, checks=6, optimizer="muon", decay=0.003)


def test_further_training_of_a_member_is_by_its_own_optimizer(generator):
    given = samples(60, generator)
    stream = torch.Generator().manual_seed(5)
    surrogate = build("auto", (1, 1), GRID, generator=stream, options=by_muon())
    surrogate.fit_normalisers(given.inputs, given.solutions)
    one, two = (copy.deepcopy(part) for part in surrogate.parts())
    adapt(surrogate, given, QUICK)
    adapt(one, given, QUICK)
    adapt(two, given, QUICK.having(MUON))
    for part, known in zip(surrogate.parts(), (one, two), strict=True):
        np.testing.assert_array_equal(part.predict(given.inputs), known.predict(given.inputs))


def test_a_candidate_that_an_earlier_one_has_beaten_is_dropped_early(generator):
    given = samples(60, generator)
    linear = Samples(0, given.indices, given.inputs, 2 * given.inputs)
    fitted = FineTune().fit(untrained(generator, "linear", "fno"), [linear], QUICK)
    assert [log.name for log in fitted.candidates if log.weight] == ["linear"]
    assert fitted.candidates[1].verdict.startswith("dropped after 10 steps")  # the first check behind 0.1 of 60
    assert fitted.stages[-1].steps == 1


def test_a_candidate_that_lags_behind_at_the_same_step_is_dropped_before_the_other_one_is_far_ahead(generator):
    small = by_muon()["members"][0]
    slow = {**small, "name": "slow", "training": {"rate": 2e-5}}
    surrogate = build("auto", (1, 1), GRID, generator=generator, options={"members": [small, slow]})
    given, longer = samples(60, generator), QUICK.having({"least": 300, "most": 300, "checks": 10})
    noise = 0.09 * normal(*given.solutions.shape, generator=generator)  # below which no network comes
    fitted = FineTune().fit(surrogate, [replace(given, solutions=given.solutions + noise)], longer)
    first, second = fitted.candidates
    assert second.verdict == "dropped after 90 steps: an earlier one errs far less"
    assert first.error < second.error < 5 * first.error and (first.weight, second.weight) == (1, 0)


class Failing(Network):
    """Its training ends without memory."""

    def __init__(self, channels: tuple[int, int], *, generator: torch.Generator) -> None:
        super().__init__(channels, generator=generator)
        self.options = {}
        self.weight = nn.Parameter(torch.ones(1))

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        return {}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and len(inputs) > 1:
            raise MemoryError("4 GiB of 2")
        return self.weight * inputs


class Diverging(Failing):
    """Its outputs are not finite."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.weight * inputs / 0


@pytest.fixture
def failing() -> Iterator[None]:
    SURROGATES["failing"], SURROGATES["diverging"] = Failing, Diverging
    yield
    del SURROGATES["failing"], SURROGATES["diverging"]


@pytest.mark.usefixtures("failing")
def test_a_candidate_that_fails_is_named_and_the_others_go_on(generator):
    fitted = FineTune().fit(untrained(generator, "failing", "diverging", "kernel"), [samples(60, generator)], QUICK)
    assert [log.weight for log in fitted.candidates] == [0, 0, 1]
    assert fitted.candidates[0].verdict == "failed: 4 GiB of 2"
    assert math.isnan(fitted.candidates[0].error)
    assert not math.isfinite(fitted.candidates[1].error)
    with pytest.raises(ValueError, match="every candidate failed: failing: 4 GiB of 2"):
        FineTune().fit(untrained(generator, "failing"), [samples(60, generator)], QUICK)


@pytest.mark.parametrize(
    ("names", "taken"),
    [(("kernel", "fno"), "fno"), (("kernel", "fno-muon", "linear"), "fno-muon"), (("linear", "kernel"), "kernel")],
)
def test_with_too_few_held_out_draws_a_fourier_operator_by_muon_is_taken_or_the_last(names, taken, generator):
    fitted = FineTune().fit(untrained(generator, *names), [samples(15, generator)], QUICK)
    assert [(log.name, log.weight) for log in fitted.candidates] == [(taken, 1.0)]
    assert fitted.candidates[0].verdict == "taken untried: a choice needs 4 held-out draws"
    assert fitted.surrogate.network.names == [taken]


def test_where_the_finest_level_has_too_few_held_out_draws_a_coarser_one_judges(generator):
    coarse = samples(60, generator, 0, 0.01)
    coarse = replace(coarse, solutions=2 * coarse.inputs)  # linear, and a Fourier operator is far from it
    fine = Samples(1, coarse.indices[:9], coarse.inputs[:9], coarse.solutions[:9] * 1.001)
    fitted = FineTune().fit(untrained(generator, "linear", "fno-muon"), [coarse, fine], QUICK)
    assert [(log.name, log.weight) for log in fitted.candidates] == [("linear", 1.0), ("fno-muon", 0.0)]
    assert fitted.candidates[0].error == fitted.stages[0].verdict.error_after < 1e-5  # of the coarse level's 12 draws
    few = replace(coarse, indices=coarse.indices[:15], inputs=coarse.inputs[:15], solutions=coarse.solutions[:15])
    untried = FineTune().fit(untrained(generator, "linear", "fno-muon"), [few, fine], QUICK)
    assert [log.name for log in untried.candidates] == ["fno-muon"]


def test_stages_of_several_levels_are_each_candidates_own(generator, tmp_path):
    coarse, fine = samples(60, generator, 0, 0.1), samples(60, generator, 1)
    fine = Samples(1, coarse.indices[:25], coarse.inputs[:25], coarse.solutions[:25] - 0.1)
    course = Course(QUICK.training, 3, tmp_path)
    fitted = FineTune().fit(untrained(generator, "kernel", "fno"), [coarse, fine], course)
    assert [stage.level for stage in fitted.stages] == [0, 1]
    assert sorted(path.name for path in tmp_path.rglob("*.safetensors")) == [
        *["all-draws-1.safetensors"] * (fitted.stages[-1].all_draws > 0),
        "stage-0.safetensors",
        "stage-1.safetensors",
    ]
    assert {path.parent.name for path in tmp_path.rglob("*.safetensors")} == {"fno"}
    adapt(fitted.surrogate, fine, QUICK)


def test_the_same_again_is_the_same_to_the_last_bit(tmp_path):
    def run() -> Fitted:
        stream = torch.Generator().manual_seed(5)
        given = samples(60, stream)
        return FineTune().fit(
            untrained(stream, "linear", "kernel", "fno"), [given], Course(QUICK.training, 3, tmp_path)
        )

    given = samples(9, torch.Generator().manual_seed(6))
    np.testing.assert_array_equal(run().surrogate.predict(given.inputs), run().surrogate.predict(given.inputs))


class Constant(nn.Module):
    """Predicts the same always."""

    def __init__(self, field: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("field", torch.tensor(field))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.field[: len(inputs)].to(inputs.dtype)


def candidate(field: np.ndarray, *verdicts: Verdict) -> Candidate:
    stages = tuple(StageLog(i, 4, 2, 9, verdict, ((9, 0.5),)) for i, verdict in enumerate(verdicts))
    return Candidate("constant", Fitted(Surrogate(Constant(field), (1, 1), GRID), stages), 0.0)


@pytest.mark.parametrize(("second", "averaged"), [((0.9, 0.6), False), ((0.0, 1.1), True)])
def test_an_average_must_be_worth_a_twentieth_of_the_error(second, averaged):
    labels = np.ones((5, 1, 22))
    halves = np.zeros((2, 1, 1, 22))
    halves[0, ..., :11], halves[1, ..., 11:] = 1.0, 1.0
    off = (
        halves[0],
        second[0] * halves[0] + second[1] * halves[1],
    )  # the best average errs by 0.986, by 0.74 of the first
    found = [candidate(labels + part) for part in off]
    weights = _weights(found, [0, 1], np.zeros_like(labels), labels)
    assert sum(weights) == pytest.approx(1)
    assert (0 < weights[1] < 1) == averaged


def test_the_error_of_a_candidate_is_that_of_the_weights_that_the_guard_left():
    one = candidate(np.zeros(1), Verdict(0.9, 0.4, 1.0), Verdict(0.5, 0.7, 0.0))
    known = {0: Rival(0.4, (((9, 0.5),),)), 1: Rival(0.5, (((9, 0.5),),))}
    assert one.error == 0.5 and rivals([one]) == known
    other = candidate(np.zeros(1), Verdict(0.9, 0.6, 1.0), Verdict(0.5, 0.3, 1.0))
    both = [(level, rival.error, len(rival.courses)) for level, rival in sorted(rivals([one, other]).items())]
    assert both == [(0, 0.4, 2), (1, 0.3, 2)]  # the least of each level
    assert candidate(np.zeros(1), Verdict(math.nan, math.nan, 1.0)).error == math.inf


def test_candidates_are_told_of_the_symmetries(generator):
    surrogate = untrained(generator, "linear", "fno")
    surrogate.tell(group([Symmetry((True,), inputs=(-1,), outputs=(-1,))]), averaged=False, shifts=(0,), scaling=(2.0,))
    known = (surrogate.symmetries, False, (0,), (2.0,))
    assert [(one.symmetries, one.averaged, one.shifts, one.scaling) for one in surrogate.parts()] == [known] * 2


def test_an_average_is_that_of_its_members(generator):
    surrogate = build("auto", (1, 1), GRID, generator=generator, options=by_muon())
    network = surrogate.network
    assert isinstance(network, Average)
    network.weights.copy_(torch.tensor([0.25, 0.75]))
    inputs = torch.tensor(normal(4, 1, 22, generator=generator)).float()
    one, two = network.members
    torch.testing.assert_close(network(inputs), 0.25 * one(inputs) + 0.75 * two(inputs))
    assert surrogate.dtype == torch.float32 and untrained(generator, "fno", "kernel").dtype == torch.float64
    network.keep([0.4, 0.6])
    torch.testing.assert_close(network(inputs), 0.4 * one(inputs) + 0.6 * two(inputs))
    network.keep([0.0, 1.0])
    torch.testing.assert_close(network(inputs), two(inputs))
    assert network.options["members"] == [by_muon()["members"][1]]
    with pytest.raises(ValueError, match="1 members has as many weights, got 2"):
        network.keep([0.5, 0.5])


def test_the_convex_weights_are_the_best_of_a_fine_lattice(generator):
    for count in (1, 2, 3, 4):
        left = normal(count, 7, generator=generator) + 0.8
        gram = left @ left.T
        weights = convex(gram)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)
        lattice = np.stack(np.meshgrid(*[np.arange(21)] * count), axis=-1).reshape(-1, count)
        lattice = lattice[lattice.sum(axis=1) == 20] / 20
        values = np.einsum("ni,ij,nj->n", lattice, gram, lattice)
        assert weights @ gram @ weights <= values.min() + 1e-12


def test_what_is_no_average_is_refused(generator):
    member = {"network": "linear", "options": {"points": [22], "terms": []}}
    with pytest.raises(ValueError, match="at least 1 item"):
        Average((1, 1), generator=generator, members=[])
    with pytest.raises(ValueError, match="0.options\n.*required"):
        Average((1, 1), generator=generator, members=[{"network": "linear"}])
    with pytest.raises(ValueError, match="no member of an average"):
        Average((1, 1), generator=generator, members=[member | {"network": "auto"}])
    with pytest.raises(ValueError, match="names of their own, got linear, linear"):
        Average((1, 1), generator=generator, members=[member, member])
    with pytest.raises(ValueError, match="0.name\n.*pattern"):
        Average((1, 1), generator=generator, members=[member | {"name": "../elsewhere"}])
    with pytest.raises(ConfigError, match="unknown network 'linaer': did you mean 'linear'"):
        Average((1, 1), generator=generator, members=[member | {"network": "linaer"}])


def test_a_mixture_has_the_least_mean_error_of_a_fine_lattice_and_one_bad_draw_does_not_decide(generator):
    left = normal(3, 9, 4, generator=generator)
    left[1] *= 0.3
    left[1, 0] *= 10  # a draw on which the best candidate errs by far
    steps = np.arange(0, 1.0001, 0.02)
    lattice = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1])
    errors = [np.linalg.norm(np.tensordot(w, left, axes=1), axis=1).sum() for w in lattice]
    weights = mixture(left)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    assert np.linalg.norm(np.tensordot(weights, left, axes=1), axis=1).sum() <= min(errors) * (1 + 1e-6)
    assert np.abs(weights - lattice[int(np.argmin(errors))]).max() < 0.03
    squares = convex(np.einsum("inp,jnp->ij", left, left))
    assert weights[1] > squares[1] + 0.05


def test_a_mixture_of_what_leaves_nothing_is_one():
    assert mixture(np.zeros((2, 3, 4))).sum() == pytest.approx(1)
    exact = np.stack([np.zeros((3, 4)), np.ones((3, 4))])
    assert mixture(exact).tolist() == pytest.approx([1, 0])
