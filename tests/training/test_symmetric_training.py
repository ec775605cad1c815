"""Pairs of a batch are taken by elements of a group: evenly, input and label alike, and resumed to the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from affine import none
from mlft.grids import Grid, Symmetry, group
from mlft.learners import FineTune
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training, stage
from mlft.training.batches import batch_shifts, batch_symmetries
from mlft.training.stage import Pairs, Stage, held_out_error
from stages import QUICK, finetune, same, samples, surrogate, weights_of


def odd(generator):
    """Inputs, an odd map of them, and the reflection that changes both signs, for which the map is equivariant."""
    s = samples(0, 21, generator)
    return Samples(0, s.indices, s.inputs, np.tanh(s.inputs)), group([Symmetry((True,), inputs=(-1,), outputs=(-1,))])


def told(elements, *, averaged=True):
    net = surrogate(torch.Generator().manual_seed(1))
    net.tell(elements, averaged=averaged)
    return net


def test_a_batch_is_taken_by_elements_of_the_group_input_and_label_alike(generator):
    x = torch.randn(9, 1, 18, generator=generator)
    elements = group([Symmetry((True,), inputs=(-1,), outputs=(1,))])
    spec = Stage(1, Pairs(x, 2 * x), none(), none(), 4, 1e-3, symmetries=elements)
    before = x.clone()
    taken, labels = stage._taken(spec, x, 2 * x, 5, 0)
    drawn = batch_symmetries(9, 2, 5, seed=0, stream="level-1").tolist()
    assert set(drawn) == {0, 1} and torch.equal(x, before)
    for i, number in enumerate(drawn):
        assert torch.equal(taken[i : i + 1], elements[number].of_inputs(x[i : i + 1]))
        assert torch.equal(labels[i : i + 1], 2 * elements[number].of_outputs(x[i : i + 1]))
    assert drawn != batch_symmetries(9, 2, 6, seed=0, stream="level-1").tolist()
    alone = stage._taken(replace(spec, symmetries=()), x, 2 * x, 5, 0)
    assert alone[0] is x


def test_a_batch_is_shifted_each_pair_by_points_of_its_own_after_the_group(generator):
    x = torch.randn(9, 1, 18, generator=generator)
    elements = group([Symmetry((True,), inputs=(-1,), outputs=(1,))])
    spec = Stage(1, Pairs(x, 2 * x), none(), none(), 4, 1e-3, symmetries=elements, shifts=(0,))
    taken, labels = stage._taken(spec, x, 2 * x, 5, 0)
    images, others = stage._taken(replace(spec, shifts=()), x, 2 * x, 5, 0)
    by = batch_shifts(9, 18, 5, seed=0, stream="level-1-axis-0").tolist()
    assert len(set(by)) > 3
    for i, points in enumerate(by):
        assert torch.equal(taken[i], images[i].roll(points, 1))
        assert torch.equal(labels[i], others[i].roll(points, 1))
    assert by != batch_shifts(9, 18, 6, seed=0, stream="level-1-axis-0").tolist()


def moving(name, shifts):
    """A network on the grid of `odd`, told of shifts."""
    options = {"unet": {"width": 2, "depth": 1}, "fno": {"modes": [3], "width": 4, "depth": 1}}[name]
    net = build(name, (1, 1), Grid((18,)), generator=torch.Generator().manual_seed(1), options=options)
    net.tell((), shifts=shifts)
    return net


def test_shifts_are_for_networks_that_do_not_commute_with_them(tmp_path, generator):
    data, _ = odd(generator)
    short = replace(QUICK, steps=12)
    found = {
        (name, shifts): weights_of(finetune(moving(name, shifts), [data], short, seed=3))
        for name in ("unet", "fno")
        for shifts in ((), (0,))
    }
    assert same(found["fno", ()], found["fno", (0,)])
    assert not same(found["unet", ()], found["unet", (0,)])
    for shifts in ((0,), ()):  # the checkpoint of the one is not continued by the other
        again = finetune(moving("unet", shifts), [data], short, seed=3, folder=tmp_path)
        assert same(weights_of(again), found["unet", shifts])


def test_shifts_along_an_axis_with_ends_are_refused():
    net = surrogate(torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match=r"shifted along periodic axes of .*, got \[1\]"):
        net.tell((), shifts=(1,))


def test_elements_of_a_group_are_drawn_evenly_and_without_regard_to_each_other():
    drawn = torch.stack([batch_symmetries(16, 4, step, seed=0, stream="a") for step in range(250)])
    counts = torch.bincount(drawn.flatten(), minlength=4) / 4000
    # a share of 1/4 among 4,000 has a deviation of 0.0068: 5 of them, four times, are passed by chance in 2e-6 of seeds
    assert ((counts - 0.25).abs() < 0.035).all()
    assert (drawn[:, 0] == drawn[:, 1]).double().mean() == pytest.approx(0.25, abs=0.14)


def test_a_training_with_symmetries_is_continued_to_the_same_bits(tmp_path, generator):
    data, elements = odd(generator)
    whole = weights_of(finetune(told(elements), [data], QUICK, seed=3))
    alone = weights_of(finetune(told(()), [data], QUICK, seed=3))
    assert not same(whole, alone)
    steps = iter(range(10**6))

    def stop(*_):
        if next(steps) == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(told(elements), [data], QUICK, seed=3, folder=tmp_path, progress=stop)
    done = []
    again = finetune(
        told(elements), [data], QUICK, seed=3, folder=tmp_path, progress=lambda *told: done.append(told[2])
    )
    assert same(weights_of(again), whole) and min(done[:10]) > 20
    other = finetune(told(()), [data], QUICK, seed=3, folder=tmp_path)  # its checkpoint is not continued
    assert same(weights_of(other), alone)


def test_a_group_of_the_identity_alone_changes_no_bit(generator):
    data, elements = odd(generator)
    plain = weights_of(finetune(told(()), [data], QUICK, seed=3))
    assert same(plain, weights_of(finetune(told(elements[:1]), [data], QUICK, seed=3)))


def test_an_odd_map_is_learned_better_by_who_knows_that_it_is_odd(generator):
    data, elements = odd(generator)
    test, _ = odd(generator)
    errors = []
    for net in (told(()), told(elements)):
        course = Course(Training(steps=150, batch=8, rate=1e-2), seed=3, all_draws=False)
        fitted = FineTune().fit(net, [data], course)
        pairs = Pairs(torch.tensor(test.inputs).float(), torch.tensor(test.solutions).float())
        errors.append(held_out_error(fitted.surrogate, pairs))
    assert errors[1] < errors[0]
