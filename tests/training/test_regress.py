"""Stages in closed form: exact where the map is linear, chosen by leave-one-out, corrected stage by stage."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mlft.grids import Grid, Symmetry, group
from mlft.kernels import left_out
from mlft.learners import FineTune
from mlft.store import Samples
from mlft.surrogates import SURROGATES, Kernel, Linear, Surrogate, build, export_torch, load
from mlft.surrogates.regression import MOST_TERMS, Size, Term, kernel_of
from mlft.training import Course, Training
from mlft.training.regress import (
    IMAGES,
    MOST,
    RIDGES,
    Choice,
    _choices,
    _images,
    _shifted,
    _solved,
    chosen_kernel,
    fit_term,
)
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


def test_the_error_of_a_choice_is_that_of_refits_without_a_sample_and_its_images(generator):
    samples, images = 7, 3
    x, y = (torch.tensor(normal(samples * images, k, generator=generator)) for k in (5, 4))
    sizes = 1 + torch.rand(samples * images, generator=generator, dtype=torch.float64)
    choice = chosen_kernel(x, y, sizes, (), images=images)
    power = (x - x.mean(0)).square().sum(1).mean()
    errors = []
    for sample in range(samples):
        rest = torch.arange(samples * images) % samples != sample
        less = (x[rest] - x[rest].mean(0)).square().sum(1).mean()
        term = fit_term(x[rest], y[rest], Choice(0.0, float(choice.ridge * power / less)))
        errors.append((y[~rest] - term(x[~rest])).norm(dim=1) / sizes[~rest])
    assert choice.error == pytest.approx(float(torch.cat(errors).mean().detach()), rel=1e-8)


def test_it_is_chosen_on_few_rows_all_images_of_fewer_samples_but_fewer_images_of_too_few(generator, monkeypatch):
    samples, images = 9, 4
    x, y = (torch.tensor(normal(images, samples, k, generator=generator)) for k in (5, 3))
    sizes = 1 + torch.rand(images, samples, generator=generator, dtype=torch.float64)

    def chosen(copies: int, some: int) -> Choice:
        parts = (part[:copies, :some].flatten(0, 1) for part in (x, y, sizes))
        return chosen_kernel(*parts, (1.0,), images=copies)

    expected = {fewest: chosen(*few) for fewest, few in {3: (4, 6), 8: (3, 8), 50: (2, 9)}.items()}
    monkeypatch.setattr("mlft.training.regress.TRIED", 26)
    for fewest, choice in expected.items():
        monkeypatch.setattr("mlft.training.regress.FEWEST", fewest)
        assert chosen(images, samples) == choice
    assert len({choice.error for choice in expected.values()}) == 3


@pytest.mark.parametrize("shifts", [(), (0,)], ids=["as they are", "shifted"])
@pytest.mark.parametrize("mirror", [False, True], ids=["one", "mirrored"])
def test_the_rows_of_a_sample_are_its_images(mirror, shifts, generator, monkeypatch):
    """An image has the values of its sample, in another order and perhaps with another sign."""
    seen = []

    def spied(*parts: torch.Tensor, images: int) -> Choice:
        seen.append([part.unflatten(0, (images, -1)) for part in parts[:3]])
        return chosen_kernel(*parts, images=images)

    monkeypatch.setattr("mlft.training.regress.chosen_kernel", spied)
    surrogate = build("linear", (1, 1), Grid((22,)), generator=generator)
    surrogate.tell(group([Symmetry((True,), inputs=(-1,), outputs=(-1,))]) if mirror else (), shifts=shifts)
    x, y = (normal(7, 1, 22, generator=generator) for _ in range(2))
    FineTune().fit(surrogate, [Samples(0, tuple(range(1, 8)), x, y)], COURSE)
    for inputs, targets, sizes in seen:
        samples = inputs.shape[1]
        assert inputs.shape[0] == (1 + mirror if not shifts else IMAGES // (samples * (1 + mirror)) * (1 + mirror))
        for rows in (inputs * surrogate.input_normaliser.scale + surrogate.input_normaliser.shift, sizes[..., None]):
            values = rows.abs().sort(dim=2).values
            torch.testing.assert_close(values, values[:1].expand_as(values), rtol=1e-9, atol=1e-9)
        assert len(targets) == len(inputs) and samples > 1


def test_of_ridges_that_err_alike_the_largest_is_taken_and_none_whose_error_is_unknown(generator, monkeypatch):
    """Many samples and little noise: all small ridges err alike, but for round-off."""
    x = torch.tensor(normal(40, 5, generator=generator))
    y = x @ torch.tensor(normal(5, 4, generator=generator)) + 1e-3 * torch.tensor(normal(40, 4, generator=generator))
    sizes = torch.ones(40, dtype=torch.float64)
    assert 1e-5 <= chosen_kernel(x, y, sizes, ()).ridge <= 1e-4

    def broken(*parts: torch.Tensor, **told: object) -> Iterator[tuple[float, torch.Tensor]]:
        yield from (
            (ridge, torch.where(torch.tensor(ridge > 1e-4), rows, torch.nan))
            for ridge, rows in left_out(*parts, **told)
        )

    monkeypatch.setattr("mlft.training.regress.left_out", broken)
    assert chosen_kernel(x, y, sizes, ()).ridge == 1e-3


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
    shifted = own + choice.ridge * own.diagonal().mean() * torch.eye(11).double()
    solved = torch.linalg.solve(shifted, torch.cat([targets, torch.ones(11, 1).double()], dim=1))
    constant = solved[:, :3].sum(0) / solved[:, 3].sum()
    expected = kernel(fresh, x) @ (solved[:, :3] - solved[:, 3:] * constant) + constant
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
    few = Samples(0, tuple(range(1, 17)), inputs[:16], outputs[:16])  # the images have 12 directions
    errors = {}
    for told in ((), group([mirror])):
        surrogate = build(name, (1, 1), grid, generator=generator)
        surrogate.tell(told)
        fitted = FineTune().fit(surrogate, [few], COURSE).surrogate
        errors[len(told)] = relative(fitted.predict(-inputs[16:, :, ::-1]), -outputs[16:, :, ::-1])
        assert relative(fitted.predict(inputs[16:]), outputs[16:]) < 1e-6
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


@pytest.mark.parametrize("shifts", [(), (0,)], ids=["as they are", "shifted"])
@pytest.mark.parametrize("name", ["linear", "kernel"])
def test_labels_that_no_map_explains_are_not_fitted_exactly_though_samples_are_fewer_than_directions(
    name, shifts, generator
):
    """Nine samples of 22 directions: the least ridge has no residual, and tells nothing of a sample left out.

    Of their shifts some are alike, and tell all of each other.
    """
    few = Samples(
        0, (1, 2, 3, 4, 6, 7, 8, 9, 11), normal(9, 1, 22, generator=generator), normal(9, 1, 22, generator=generator)
    )
    surrogate = build(name, (1, 1), Grid((22,)), generator=generator)
    surrogate.tell((), shifts=shifts)
    fitted = FineTune().fit(surrogate, [few], COURSE).surrogate
    assert relative(fitted.predict(few.inputs), few.solutions) > 0.1


@pytest.mark.parametrize("name", ["linear", "kernel"])
def test_a_ridge_is_chosen_for_the_images_that_it_is_fitted_to(name, generator):
    """Noise on smooth inputs, which without a ridge would be blown up where there is little of them.

    Where the mean of the targets is known, the least ridge leaves nothing of one of nine samples of 48 directions.
    """
    waves = 1 / (1 + np.arange(25.0)) ** 2
    x = np.fft.irfft(waves * np.fft.rfft(normal(40, 1, 48, generator=generator)))
    x /= x.std()
    y = np.roll(x, 5, axis=2)
    few = Samples(0, tuple(range(12)), x[:12], y[:12] + 0.3 * normal(12, 1, 48, generator=generator))
    surrogate = build(name, (1, 1), Grid((48,)), generator=generator)
    surrogate.tell((), shifts=(0,))
    fitted = FineTune().fit(surrogate, [few], COURSE).surrogate
    assert relative(fitted.predict(x[12:]), y[12:]) < 0.2
