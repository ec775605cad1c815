"""Jacobian features, the empirical tangent kernel, kernel regression and its leave-one-out errors."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call

from mlft.grids import Grid
from mlft.kernels import (
    KernelError,
    Linearised,
    alignment,
    block_kernel,
    choose_ridge,
    distance,
    kernel_product,
    leave_out,
    movement,
    point_probes,
    random_points,
    regress,
    solve,
    spectrum,
    trace_kernel,
    trace_probes,
)
from mlft.surrogates import build

POINTS = 12


def fno(generator):
    return build("fno", (1, 1), Grid((POINTS,)), generator=generator, options={"modes": [3], "width": 5, "depth": 2})


class Dense(nn.Module):
    """A dense network (n, 1, points) → (n, 1, outputs) with the standard deviations of the kernel regime."""

    def __init__(self, width, points=5, outputs=3, *, generator):
        super().__init__()
        self.first = nn.Parameter(torch.randn(points, width, generator=generator, dtype=torch.float64))
        self.last = nn.Parameter(torch.randn(width, outputs, generator=generator, dtype=torch.float64))

    def forward(self, x):
        hidden = torch.tanh(x[:, 0] @ self.first / self.first.shape[0] ** 0.5)
        return (hidden @ self.last / self.last.shape[0] ** 0.5)[:, None]


class Unmappable(nn.Module):
    """A network that `vmap` refuses: it asks for the value of a tensor."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) if float(x.detach().sum()) > -1e9 else x


def inputs(n, generator, points=POINTS):
    return torch.randn(n, 1, points, generator=generator, dtype=torch.float64)


def everything(n, outputs):
    return torch.eye(outputs, dtype=torch.float64).expand(n, outputs, outputs)


def random_matrix(n, generator, rank=None):
    factor = torch.randn(n, rank or n + 3, generator=generator, dtype=torch.float64)
    return factor @ factor.T


def test_features_equal_finite_differences(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(3, generator)
    chosen = random_points(3, 2, net.outputs, generator=generator)
    found = net.features(x, point_probes(chosen, net.outputs))
    theta = torch.cat([p.reshape(-1) for p in net.parameters.values()])
    for direction in torch.randn(3, net.size, generator=generator, dtype=torch.float64):
        sides = [functional_call(net.network, net._split(theta + s * 1e-6 * direction), (x,)) for s in (1, -1)]
        moved = ((sides[0] - sides[1]) / 2e-6).flatten(1).gather(1, chosen)
        torch.testing.assert_close(found @ direction, moved, rtol=1e-6, atol=1e-7)


def test_push_and_pull_are_the_features_and_each_others_adjoint(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(3, generator)
    jacobian = net.features(x, everything(3, net.outputs))
    v, w = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((net.size,), (3, POINTS)))
    torch.testing.assert_close(net.push(x, v), jacobian @ v, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(net.pull(x, w), torch.einsum("nmp,nm->p", jacobian, w), rtol=1e-10, atol=1e-10)


def test_a_network_that_vmap_refuses_is_looped_to_the_same_features(generator):
    inner = fno(generator)
    plain, looped = Linearised(inner, inputs(2, generator)), Linearised(Unmappable(inner), inputs(2, generator))
    assert plain.mapped and not looped.mapped
    x, probes = inputs(3, generator), point_probes(torch.tensor([[0, 5], [3, 4], [11, 2]]), POINTS)
    torch.testing.assert_close(plain.features(x, probes), looped.features(x, probes), rtol=1e-12, atol=1e-12)


def test_the_kernel_of_a_linear_network_has_its_closed_form(generator):
    layer = nn.Linear(5, 3, dtype=torch.float64)
    net = Linearised(layer, torch.zeros(2, 1, 5, dtype=torch.float64))
    x, y = inputs(4, generator, 5), inputs(2, generator, 5)
    found = block_kernel(net, x, everything(4, 3), y, everything(2, 3)).view(4, 3, 2, 3)
    gram = x[:, 0] @ y[:, 0].T + 1.0  # the weights and the bias
    expected = torch.einsum("ij,ab->iajb", gram, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_kernel_is_symmetric_positive_and_the_same_for_any_split(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(7, generator)
    probes = point_probes(random_points(7, 3, net.outputs, generator=generator), net.outputs)
    kernel = block_kernel(net, x, probes)
    assert torch.equal(kernel, kernel.T) and torch.linalg.eigvalsh(kernel).min() > -1e-10 * kernel.trace()
    for samples in (1, 2, 3):  # the memory allows so many samples' features at once
        memory = 8 * 21 * 21 + samples * 4 * 8 * net.size * 3
        torch.testing.assert_close(block_kernel(net, x, probes, memory=memory), kernel, rtol=1e-12, atol=1e-12)
    left, right = block_kernel(net, x[:4], probes[:4], x[4:], probes[4:]), kernel[:12, 12:]
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


def test_memory_is_worked_out_before_anything_is_allocated(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(5, generator)
    probes = point_probes(random_points(5, 2, net.outputs, generator=generator), net.outputs)
    with pytest.raises(KernelError, match="GiB are allowed") as caught:
        block_kernel(net, x, probes, memory=4000)
    assert caught.value.limit == 4000
    block_kernel(net, x, probes, memory=caught.value.needed)
    with pytest.raises(KernelError):
        block_kernel(net, x, probes, memory=caught.value.needed - 1)


def test_products_without_the_matrix_are_those_with_it_and_lanczos_finds_its_spectrum(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(3, generator)
    kernel = block_kernel(net, x, everything(3, POINTS))
    w = torch.randn(3, POINTS, generator=generator, dtype=torch.float64)
    product = kernel_product(net, x, w, batch=2)
    torch.testing.assert_close(product.reshape(-1), kernel @ w.reshape(-1), rtol=1e-10, atol=1e-10)
    found = spectrum(net, x, 4, steps=25, generator=generator)
    torch.testing.assert_close(found, torch.linalg.eigvalsh(kernel).flip(0)[:4], rtol=1e-8, atol=1e-10)
    with pytest.raises(ValueError, match="Lanczos steps"):
        spectrum(net, x, 4, steps=3, generator=generator)


def test_trace_probes_make_up_the_identity_and_the_trace_kernel_is_the_mean_over_outputs(generator):
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(3, generator)
    full = block_kernel(net, x, everything(3, POINTS)).view(3, POINTS, 3, POINTS)
    trace = torch.einsum("iaja->ij", full) / POINTS
    exact = trace_probes(POINTS, cosines=POINTS, randoms=0, generator=generator)
    torch.testing.assert_close(exact.T @ exact, torch.eye(POINTS, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(trace_kernel(net, x, probes=exact), trace, rtol=1e-10, atol=1e-12)
    mixed = trace_probes(POINTS, cosines=5, randoms=400, generator=generator)
    # 400 probes in a complement of 7 dimensions: each entry of the mean of w wᵀ scatters by 1/√400 = 0.05.
    assert (mixed.T @ mixed - torch.eye(POINTS, dtype=torch.float64)).abs().max() < 5 * 0.05 * math.sqrt(2)
    assert (mixed[5:] @ mixed[:5].T).abs().max() < 1e-12
    with pytest.raises(ValueError, match="at least one probe"):
        trace_probes(POINTS, cosines=0, randoms=0, generator=generator)


def test_leave_one_out_equals_refitting_without_the_sample(generator):
    block, samples = 3, 5
    kernel = random_matrix(block * samples, generator)
    y = torch.randn(block * samples, 2, generator=generator, dtype=torch.float64)
    for size in (1, block):
        solution = solve(kernel, 1e-3)
        found = leave_out(solution, y, block=size)
        for i in range(len(kernel) // size):
            own = slice(i * size, (i + 1) * size)
            rest = torch.ones(len(kernel), dtype=torch.bool)
            rest[own] = False
            shifted = kernel[rest][:, rest] + solution.ridge * torch.eye(int(rest.sum()), dtype=torch.float64)
            guess = kernel[own][:, rest] @ torch.linalg.solve(shifted, y[rest])
            torch.testing.assert_close(found[own], y[own] - guess, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match="multiple of 4"):
        leave_out(solve(kernel), y, block=4)


def test_regression_without_a_ridge_interpolates_and_a_huge_one_predicts_nothing(generator):
    kernel = random_matrix(9, generator)
    y = torch.randn(9, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(regress(solve(kernel, 1e-14), y, kernel), y, rtol=1e-6, atol=1e-6)
    assert regress(solve(kernel, 1e12), y, kernel).abs().max() < 1e-10


def test_a_singular_kernel_is_handled_by_the_ridge_and_reported(generator):
    singular = random_matrix(9, generator, rank=2)
    solution = solve(singular, 0.0)
    assert solution.raised and solution.ridge > 0 and solution.condition > 1e10
    assert not solve(random_matrix(9, generator), 1e-8).raised
    zero = solve(torch.zeros(3, 3, dtype=torch.float64), 1e-8)
    assert torch.isfinite(zero.inverse).all()
    with pytest.raises(ValueError, match="not finite"):
        solve(torch.full((2, 2), math.nan, dtype=torch.float64))
    with pytest.raises(ValueError, match="0 or more"):
        solve(singular, -1.0)


def test_the_chosen_ridge_has_the_least_leave_one_out_error(generator):
    kernel = random_matrix(24, generator, rank=8)
    clean = kernel @ torch.randn(24, 1, generator=generator, dtype=torch.float64) / 24
    y = clean + 2.0 * torch.randn(24, 1, generator=generator, dtype=torch.float64)
    solution, errors = choose_ridge(kernel, y, ridges=(1e-6, 1e-3, 1e-1, 1.0, 10.0))
    scores = [leave_out(solve(kernel, r), y).square().mean() for r in (1e-6, 1e-3, 1e-1, 1.0, 10.0)]
    assert errors.square().mean() == min(scores) and solution.ridge > 1e-6 * kernel.trace() / 24


def test_a_random_surrogate_is_refused_by_the_name_of_its_module(generator):
    net = nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.5), nn.Linear(6, 3))
    with pytest.raises(KernelError, match=r"1 \(Dropout\)"):
        Linearised(net, torch.randn(4, 1, 5, generator=generator))
    net[1].p = 0.0
    Linearised(net, torch.randn(4, 1, 5, generator=generator))


def test_movement_alignment_and_distance_are_worked_out_by_hand(generator):
    kernel = random_matrix(6, generator)
    assert movement(kernel, kernel) == 0 and movement(kernel, 3 * kernel) == pytest.approx(2.0)
    assert distance(kernel, 3 * kernel) == pytest.approx(0.0, abs=1e-12)
    y = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    assert alignment(y @ y.T, y) == pytest.approx(1.0)
    eye = torch.eye(6, dtype=torch.float64)
    assert alignment(eye, torch.ones(6, 1, dtype=torch.float64)) == pytest.approx(1 / math.sqrt(6))
    assert alignment(eye, torch.zeros(6, 1, dtype=torch.float64)) == 0.0


def stage(features, theta, rows, labels, ridge):
    """Gradient-descend nothing: the end of training a linearised network on some rows with a pull to where it began."""
    own = features[rows]
    gram = own @ own.T + ridge * torch.eye(len(own), dtype=torch.float64)
    return theta + own.T @ torch.linalg.solve(gram, labels[rows] - own @ theta)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_recursion_of_multi_level_fine_tuning_holds(generator, ridge):
    # u_L − f_L = Σ_l (I − P_L) … (I − P_l) δ_l for any samples; without a ridge and nested, Σ_l (I − P_l) δ_l.
    net, x = Linearised(fno(generator), inputs(2, generator)), inputs(14, generator)
    features = net.features(x, point_probes(torch.zeros(14, 1, dtype=torch.long), POINTS))[:, 0]
    kernel, eye = features @ features.T, torch.eye(14, dtype=torch.float64)
    u = torch.randn(3, 14, generator=generator, dtype=torch.float64)
    theta = torch.zeros(net.size, dtype=torch.float64)
    rows, projections = [range(9), range(6), range(3)], []
    for level, chosen in enumerate(map(list, rows)):
        theta = stage(features, theta, chosen, u[level], ridge)
        gram = kernel[chosen][:, chosen] + ridge * torch.eye(len(chosen), dtype=torch.float64)
        projections.append(kernel[:, chosen] @ torch.linalg.solve(gram, eye[chosen]))
    delta = [u[0], u[1] - u[0], u[2] - u[1]]
    whole, nested = torch.zeros(14, dtype=torch.float64), torch.zeros(14, dtype=torch.float64)
    for level in range(3):
        term = delta[level]
        for p in projections[level:]:
            term = (eye - p) @ term
        whole += term
        nested += (eye - projections[level]) @ delta[level]
    left = u[2] - features @ theta
    torch.testing.assert_close(left, whole, rtol=1e-10, atol=1e-10)
    assert (torch.linalg.norm(left - nested) < 1e-10 * torch.linalg.norm(left)) == (ridge == 0)


def trained(net, x, y, steps):
    """Full-batch gradient descent on the mean square, with a step that the kernel's largest eigenvalue allows."""
    top = torch.linalg.eigvalsh(block_kernel(Linearised(net, x[:2]), x, everything(len(x), y.shape[-1])))[-1]
    rate = float(len(x) / top)
    for _ in range(steps):
        net.zero_grad()
        ((net(x) - y).square().sum() / (2 * len(x))).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= rate * p.grad
    return net


def test_a_wide_network_ends_where_its_kernel_says_and_closer_as_it_widens(generator):
    x, fresh = inputs(6, generator, 5), inputs(9, generator, 5)
    y = torch.sin(x[:, :, :3] + x[:, :, 2:])
    gaps = []
    for width in (256, 512, 1024):
        net = Dense(width, generator=generator)
        linear = Linearised(net, x[:2])
        kernel = block_kernel(linear, x, everything(6, 3))
        cross = block_kernel(linear, fresh, everything(9, 3), x, everything(6, 3))
        residual = (y - linear(x)).reshape(-1, 1)
        predicted = linear(fresh).reshape(-1, 1) + regress(solve(kernel, 1e-12), residual, cross)
        found = trained(net, x, y, 800)(fresh).detach().reshape(-1, 1)
        gaps.append(float((found - predicted).norm() / predicted.norm()))
    assert gaps[-1] < 0.05 and gaps[-1] < gaps[0]
    slope = torch.log(torch.tensor(gaps)).diff().mean() / math.log(2)
    assert slope < -0.25  # the theory's −½, from three widths
