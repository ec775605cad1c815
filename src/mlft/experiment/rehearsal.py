"""What is tried before anything is bought: whether a network of the user's own fits the problem, a plan a training."""

import copy
import math

import torch
from torch import Tensor, nn

from mlft.datasets import DataProblem
from mlft.errors import BudgetError, ConfigError, plain
from mlft.experiment.asking import Asked
from mlft.experiment.session import Session
from mlft.planning import Plan
from mlft.process import unchanged
from mlft.sources import Drawn
from mlft.surrogates.network import precision
from mlft.training import Training

EXTRA = "_extra_state"
"""How an entry of a `state_dict` ends that a module adds by `get_extra_state`."""


def refuse_unfit_network(asked: Asked) -> None:
    """Refuse a network of the user's own that does not take two draws of the law to fields on the finest grid.

    Raises:
        ConfigError: saying what it was given, and what it returned or raised.
    """
    if asked.module is not None:
        _channels(asked)


def refuse_other_channels(session: Session) -> None:
    """Refuse a network of the user's own with other channels than the solutions: one coarsest solve, not charged.

    Raises:
        ConfigError: with both numbers.
    """
    if session.asked.module is None:
        return
    wanted = _solved_channels(session)
    got = _channels(session.asked)
    if wanted not in (None, got):
        raise ConfigError(
            f"the network returns {got} channels, and the solutions have {wanted}: it is to map "
            f"(samples, channels, *grid) of the inputs to (samples, {wanted}, *grid)"
        )


def _solved_channels(session: Session) -> int | None:
    """Return the channels of the solutions; None where one coarsest solve fails, which is told of when it is bought."""
    if isinstance(session.asked.problem, DataProblem):
        return session.asked.problem.data.channels[1]
    session.solve("warm-up", {0: 1}, max_failure_rate=1.0)
    solved = session.store.solved("warm-up", 0, 1)
    return session.store.read("warm-up", 0, solved).solutions.shape[1] if solved else None


def refuse_nothing_to_learn(plan: Plan, training: Training) -> None:
    """Refuse a plan whose first level is left with no sample to train on when its guards are held out.

    Raises:
        BudgetError: with what is needed.
    """
    level = plan.levels[0]
    least = 2  # the first draw is held out, the second is not
    if plan.samples[level] >= least:
        return
    needed = plan.budget + plan.costs[level] * (least - plan.samples[level])
    raise BudgetError(
        f"the budget buys {plan.samples[level]} sample on level {level}, and one in {training.held_out}, the first "
        f"among them, is held out to judge the training: nothing is left to train on; give at least {needed:.4g}",
        needed=needed,
        given=plan.budget,
    )


@unchanged()
def _channels(asked: Asked) -> int:
    """Return the channels that the user's network gives two draws of the law."""
    problem = asked.problem
    fields = Drawn(problem, asked.config.seed, "train").inputs(len(problem.hierarchy) - 1, [0, 1])
    module = copy.deepcopy(asked.module)
    assert module is not None
    numbers = [p for p in module.parameters() if p.is_floating_point() or p.is_complex()]
    if not any(p.requires_grad for p in numbers):
        raise ConfigError("the network has no parameter that can be trained: all are frozen, or there are none")
    kept = [
        name for name, entry in module.state_dict().items() if name.endswith(EXTRA) and not isinstance(entry, Tensor)
    ]
    if kept:
        raise ConfigError(
            f"the network keeps {kept[0]!r}, which is no tensor, beside its weights: a saved surrogate holds tensors "
            "alone (no pickle); make it a buffer, or an argument of the network's constructor"
        )
    given = torch.as_tensor(fields, dtype=precision(module))
    told = f"given inputs of shape {tuple(given.shape)}, the network"
    try:
        with torch.no_grad():
            made = module.eval()(given)
    except Exception as error:  # whatever a user's network raises is told in a sentence
        raise ConfigError(f"{told} raises {type(error).__name__}: {plain(str(error))}") from None
    if not isinstance(made, Tensor) or made.is_complex():
        what = "complex numbers" if isinstance(made, Tensor) else type(made).__name__
        raise ConfigError(f"{told} returns {what}; it is to return one real tensor, (2, channels, *grid)")
    wanted = (2, *problem.finest.shape)
    if made.ndim != given.ndim or (made.shape[0], *made.shape[2:]) != wanted:
        shape = ", ".join(map(str, ("2", "channels", *problem.finest.shape)))
        raise ConfigError(f"{told} returns shape {tuple(made.shape)}; it is to return ({shape})")
    if not math.isfinite(float(made.detach().double().sum())):
        raise ConfigError(f"{told} returns numbers that are not finite")
    _backward(module, given, told)
    return made.shape[1]


def _backward(module: nn.Module, given: Tensor, told: str) -> None:
    """Refuse a network that cannot be trained: one step back through it in training mode."""
    try:
        with torch.enable_grad():
            module.train()(given).square().mean().backward()
    except Exception as error:
        raise ConfigError(
            f"{told} cannot be trained: a step back through it raises {type(error).__name__}: {plain(str(error))}"
        ) from None
    slopes = [p.grad for p in module.parameters() if p.grad is not None]
    if not slopes:
        raise ConfigError(f"{told} cannot be trained: its outputs depend on none of its parameters")
    if not all(bool(slope.isfinite().all()) for slope in slopes):
        raise ConfigError(f"{told} cannot be trained: a step back through it gives slopes that are not finite")
