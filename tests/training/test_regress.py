"""Stages in closed form: exact where the map is linear, chosen by leave-one-out, corrected stage by stage."""

import numpy as np
import pytest
import torch

from mlft.grids import Grid, Symmetry, group
from mlft.learners import FineTune
from mlft.store import Samples
from mlft.surrogates import SURROGATES, Kernel, Linear, Surrogate, build, export_torch, load
from mlft.surrogates.regression import MOST_TERMS, Size, Term, kernel_of
from mlft.training import Course, Training
from mlft.training.regress import IMAGES, MOST, RIDGES, _choices, _images, _shifted, _solved, chosen_kernel, fit_term
from mlft.training.stage import Pairs
from small_networks import normal

GRID = Grid((10, 7))
COURSE = Course(Training(least=60, most=60), seed=3)
SMALL = {"linear": {}, "kernel": {}, "fno": {"modes": [2, 2], "width": 4, "depth": 1}}
AVERAGE = {"members": [{"network": name, "options": SURROGATES[name].defaults(GRID) | SMALL[name]} for name in SMALL]}


def trained(name: str, samples: list[Samples], generator: torch.Generator) -> tuple[Surrogate, tuple]:
    channels = samples[0].inputs.shape[1], samples[0].solutions.shape[1]
    options = AVERAGE if name == "auto" else {}
    fitted = FineTune().fit(build(name, channels, GRID, generator=generator, options=options), samples, COURSE)
    return fitted.surrogate, fitted.stages


def linear_map(n: int, rank: int, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of 2 channels that span few directions and a constant; 3 channels of an affine map of them."""
    inputs = 5 + normal(n, rank, generator=generator) @ normal(rank, 140, generator=generator)
    outputs = inputs @ normal(140, 210, generator=generator) + 100 * normal(210, generator=generator)
    return inputs.reshape(n, 2, 10, 7), outputs.reshape(n, 3, 10, 7)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("name", ["linear", "kernel", "auto"])
def test_an_affine_map_is_learned_to_round_off_with_a_few_samples_more_than_its_law_has_directions(name, generator):
    inputs, outputs = linear_map(49, 17, generator)
    surrogate, stages = trained(name, [Samples(0, tuple(range(29)), inputs[:29], outputs[:29])], generator)
    assert relative(surrogate.predict(inputs[29:]), outputs[29:]) < 1e-11
    assert [(stage.samples, stage.held_out, stage.verdict.kept) for stage in stages] == [(23, 6, True)]


def test_with_fewer_samples_than_directions_an_affine_map_is_not(generator):
    inputs, outputs = linear_map(49, 17, generator)
    surrogate, _ = trained("linear", [Samples(0, tuple(range(17)), inputs[:17], outputs[:17])], generator)
    assert relative(surrogate.predict(inputs[29:]), outputs[29:]) > 1e-3


def test_a_linear_regression_is_ridge_regression_with_the_least_leave_one_out_error(generator):
    x, y = (torch.tensor(normal(13, k, generator=generator)) for k in (4, 6))
    sizes = torch.linspace(1, 3, 13, dtype=torch.float64)
    choice = chosen_kernel(x, y, sizes, ())
    term = fit_term(x, y, choice)

    def ridge(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, offset = x[rows].mean(0), y[rows].mean(0)
        moved = x[rows] - mean
        scale = choice.ridge * (x - x.mean(0)).square().sum(1).mean()
        return (
            torch.linalg.solve(moved.T @ moved + scale * torch.eye(4).double(), moved.T @ (y[rows] - offset)),
            mean,
            offset,
        )

    matrix, mean, offset = ridge(torch.arange(13))
    torch.testing.assert_close(term(x), (x - mean) @ matrix + offset, rtol=1e-10, atol=1e-10)
    assert choice.ridge == max(RIDGES)  # noise: the less of it is believed, the better


@pytest.mark.parametrize("name", ["gaussian", "matern"])
@pytest.mark.parametrize("points", [5, 14], ids=["spanned", "off the span"])
def test_a_kernel_term_is_the_dual_formula(points, name, generator):
    x, y, fresh = (torch.tensor(normal(n, k, generator=generator)) for n, k in ((11, points), (11, 3), (6, points)))
    sizes = torch.ones(11, dtype=torch.float64)
    choice = min(
        (c for c in _choices(x, torch.sin(2 * y), sizes, (0.7,)) if c.kernel == name), key=lambda choice: choice.error
    )
    term = fit_term(x, torch.sin(2 * y), choice)
    mean = x.mean(0)
    scale = (x - mean).square().sum(1).mean()
    width = 0.7 * torch.cdist(x, x).square()[~torch.eye(11, dtype=bool)].median()

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return kernel_of(torch.cdist(a, b).square() / width, name) + (a - mean) @ (b - mean).T / scale

    own, targets = kernel(x, x), torch.sin(2 * y)
    dual = torch.linalg.solve(
        own + choice.ridge * own.diagonal().mean() * torch.eye(11).double(), targets - targets.mean(0)
    )
    expected = kernel(fresh, x) @ dual + targets.mean(0)
    torch.testing.assert_close(term(fresh), expected, rtol=1e-8, atol=1e-8)


def test_kernels_are_the_textbooks():
    d = torch.tensor([[0.0, 0.49, 4.0]], dtype=torch.float64)
    root = np.sqrt(5 * d.numpy())
    np.testing.assert_allclose(kernel_of(d, "gaussian"), np.exp(-d.numpy() / 2), rtol=1e-12)
    np.testing.assert_allclose(kernel_of(d, "matern"), (1 + root + root**2 / 3) * np.exp(-root), rtol=1e-11)


def test_a_smooth_map_is_learned_better_by_a_kernel_than_by_a_line(generator):
    inputs = normal(180, 3, generator=generator) @ normal(3, 70, generator=generator)
    outputs = np.sin(0.3 * inputs) + inputs
    x, y = inputs.reshape(-1, 1, 10, 7), outputs.reshape(-1, 1, 10, 7)
    samples = [Samples(0, tuple(range(120)), x[:120], y[:120])]
    errors = {
        name: relative(trained(name, samples, generator)[0].predict(x[120:]), y[120:]) for name in ("linear", "kernel")
    }
    assert errors["kernel"] < 0.1 * errors["linear"]


def test_a_later_stage_corrects_what_the_earlier_ones_left_and_a_useless_one_leaves_no_trace(generator):
    inputs, outputs = linear_map(60, 9, generator)
    few = tuple(range(21))
    fine = Samples(2, few, inputs[:21], outputs[:21])
    coarse = Samples(0, tuple(range(40)), inputs[:40], 0.8 * outputs[:40])
    surrogate, stages = trained("linear", [coarse, fine], generator)
    assert relative(surrogate.predict(inputs[40:]), outputs[40:]) < 1e-10
    assert [stage.verdict.kept for stage in stages] == [True, True]
    assert len(surrogate.network.terms) == 2
    noise = Samples(2, few, inputs[:21], outputs[:21] + 1e-14)
    surrogate, stages = trained("linear", [Samples(0, coarse.indices, inputs[:40], outputs[:40]), noise], generator)
    assert len(surrogate.network.terms) == sum(stage.verdict.kept for stage in stages)


@pytest.mark.parametrize("name", ["linear", "kernel", "auto"])
def test_a_trained_one_is_saved_loaded_and_exported(name, generator, tmp_path):
    inputs, outputs = linear_map(30, 6, generator)
    surrogate, _ = trained(name, [Samples(0, tuple(range(30)), inputs, outputs + np.sin(outputs))], generator)
    surrogate.save(tmp_path / "bundle")
    again = load(tmp_path / "bundle")
    assert type(again.network) is type(surrogate.network)
    np.testing.assert_array_equal(again.predict(inputs), surrogate.predict(inputs))
    export_torch(surrogate, tmp_path / "one.pt2")
    program = torch.export.load(tmp_path / "one.pt2").module()
    rows = torch.tensor(inputs, dtype=surrogate.dtype)
    np.testing.assert_allclose(program(rows).detach(), surrogate.predict(inputs), rtol=1e-9, atol=1e-9)


def test_only_the_first_samples_of_too_many_are_used(generator, monkeypatch):
    monkeypatch.setattr("mlft.training.regress.MOST", 11)
    inputs, outputs = linear_map(30, 6, generator)
    outputs[20:] += 1e3  # would be seen
    surrogate, _ = trained("linear", [Samples(0, tuple(range(1, 30)), inputs[1:], outputs[1:])], generator)
    assert relative(surrogate.predict(inputs[:20]), outputs[:20]) < 1e-10
    assert MOST == 2048


def test_inputs_that_are_all_alike_give_the_mean(generator):
    inputs = np.ones((9, 2, 10, 7))
    outputs = normal(1, 3, 10, 7, generator=generator) + 0.01 * normal(9, 3, 10, 7, generator=generator)
    surrogate, _ = trained("kernel", [Samples(0, tuple(range(1, 10)), inputs, outputs)], generator)
    np.testing.assert_allclose(surrogate.predict(inputs[:1])[0], outputs.mean(0), atol=1e-12)  # the held-out one, too


def test_another_grid_and_sizes_that_are_none_are_refused(generator):
    surrogate = build("linear", (2, 3), GRID, generator=generator)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(samples, 2, 10, 7\), got \(1, 2, 10, 8\)"):
        surrogate(torch.zeros(1, 2, 10, 8))
    with pytest.raises(ValueError, match="counts of 0 or more and a kernel of gaussian, matern, got"):
        Term((4, 5), Size(2, -1))
    with pytest.raises(ValueError, match="1000 terms at most"):
        Linear((1, 1), (4,), generator=generator, terms=[{"inputs": 1, "outputs": 1}] * (MOST_TERMS + 1))
    with pytest.raises(ValueError, match="grid with points"):
        Kernel((1, 1), (0,), generator=generator)


@pytest.mark.parametrize("kernel", ["gaussian", "matern"])
def test_a_term_is_differentiable_in_its_inputs_even_at_a_centre(kernel, generator):
    term = Term((4, 3), Size(2, 2, 5, kernel))
    for _, buffer in term.named_buffers():
        buffer.normal_(generator=generator)
    term.squares.copy_(term.centres.square().sum(dim=1))
    term.get_buffer(f"{kernel}_width").abs_()
    inputs = torch.tensor(normal(3, 4, generator=generator), requires_grad=True)
    assert torch.autograd.gradcheck(term, (inputs,))
    at = (term.mean + term.centres[:1] @ torch.linalg.pinv(term.components).T).detach().requires_grad_()
    assert torch.isfinite(torch.autograd.grad(term(at).sum(), at)[0]).all()


@pytest.mark.parametrize("name", ["linear", "kernel"])
def test_a_regression_that_is_told_of_symmetries_learns_from_images_too(name, generator):
    grid = Grid((22,), periodic=False)
    mirror = Symmetry((True,), inputs=(-1,), outputs=(-1,))
    directions = normal(6, 22, generator=generator)
    inputs = (normal(40, 6, generator=generator) @ directions).reshape(40, 1, 22)
    outputs = inputs + 0.5 * np.roll(inputs, 1, axis=2) + 0.5 * np.roll(inputs, -1, axis=2)  # odd under the mirror
    few = Samples(0, (1, 2, 3, 4, 6, 7), inputs[:6], outputs[:6])
    errors = {}
    for told in ((), group([mirror])):
        surrogate = build(name, (1, 1), grid, generator=generator)
        surrogate.tell(told)
        fitted = FineTune().fit(surrogate, [few], COURSE).surrogate
        errors[len(told)] = relative(fitted.predict(-inputs[:6, :, ::-1]), -outputs[:6, :, ::-1])
        assert relative(fitted.predict(inputs[:6]), outputs[:6]) < (1e-6 if told else 1e-2)
    assert errors[2] < 1e-6 < 1e-2 < errors[0]


def test_a_kernel_that_round_off_makes_indefinite_is_solved_by_its_spectrum(generator):
    basis, _ = torch.linalg.qr(torch.tensor(normal(5, 5, generator=generator)))
    values, ridge = torch.tensor([3.0, 2.0, 1.0, 0.5, -1e-9]).double(), torch.tensor(1e-3).double() * 1e-9
    matrix = basis @ torch.diag(values) @ basis.T
    assert torch.linalg.cholesky_ex(matrix + ridge * torch.eye(5))[1] > 0
    known = torch.tensor(normal(4, 2, generator=generator))
    solved = _solved((matrix + matrix.T) / 2, ridge, basis[:, :4] @ (values[:4, None] * known))
    torch.testing.assert_close(basis[:, :4].T @ solved, known, rtol=1e-9, atol=1e-9)


def test_images_are_no_more_than_a_term_takes(generator):
    mirror = group([Symmetry((True,), inputs=(-1,), outputs=(-1,))])
    x = torch.tensor(normal(MOST, 1, 3, generator=generator))
    images = _images(Pairs(x, 2 * x), mirror)
    assert len(images) == MOST and torch.equal(images.labels, 2 * images.inputs)
    torch.testing.assert_close(images.inputs[MOST // 2 :], -x[: MOST // 2].flip(2))
    assert _images(Pairs(x, x), ()).inputs is x


def test_shifts_fill_the_axes_and_keep_pairs_together(generator):
    x = torch.arange(2.0 * 5 * 7).view(1, 2, 5, 7)
    found = _shifted(Pairs(x, 2 * x), (0, 1))
    assert len(found.inputs) == IMAGES
    assert torch.equal(found.labels, 2 * found.inputs)
    assert torch.equal(found.inputs[0], x[0])
    places = {(int(i) % 35) for i in (found.inputs[:, 0, 0, 0])}
    assert places == set(range(35))  # the corner has been everywhere
    few = Pairs(torch.ones(IMAGES // 2 + 1, 1, 3), torch.ones(IMAGES // 2 + 1, 1, 3))
    assert _shifted(few, (0,)) is few
    assert _shifted(Pairs(x, x), ()).inputs is x


def test_a_linear_map_that_commutes_with_shifts_is_known_from_few_samples(generator):
    grid = Grid((32,))
    x = torch.randn(30, 1, 32, generator=generator, dtype=torch.float64).numpy()
    kernel = torch.randn(32, generator=generator, dtype=torch.float64).numpy()
    y = np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(kernel)))
    errors = []
    for shifts in ((), (0,)):
        surrogate = build("linear", (1, 1), grid, generator=generator)
        surrogate.tell((), shifts=shifts)
        fitted = FineTune().fit(surrogate, [Samples(0, tuple(range(10)), x[:10], y[:10])], COURSE)
        left = fitted.surrogate.predict(x[10:]) - y[10:]
        errors.append(np.linalg.norm(left) / np.linalg.norm(y[10:]))
    assert errors[0] > 0.3
    assert errors[1] < 1e-9


@pytest.mark.parametrize("name", ["linear", "kernel"])
def test_labels_that_no_map_explains_are_not_fitted_exactly_though_samples_are_fewer_than_directions(name, generator):
    """Nine samples of 22 directions: the least ridge has no residual, and tells nothing of a sample left out."""
    few = Samples(
        0, (1, 2, 3, 4, 6, 7, 8, 9, 11), normal(9, 1, 22, generator=generator), normal(9, 1, 22, generator=generator)
    )
    fitted = FineTune().fit(build(name, (1, 1), Grid((22,)), generator=generator), [few], COURSE).surrogate
    assert relative(fitted.predict(few.inputs), few.solutions) > 0.1
