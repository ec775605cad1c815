import pytest

from benchmarks.timing import prices, solvers
from short_form import column, rows, short_form


def test_burgers_and_its_numpy_are_the_same_scheme(tmp_path):
    found = short_form("timing.burgers_solver", tmp_path)
    assert column(found, 0, "cells") == [16, 32]
    assert column(found, 0, "largest difference") == [0, 0]
    assert min(column(found, 0, "compiled, ms a sample") + column(found, 0, "exact, ms a sample")) > 0
    assert min(column(found, 0, "NumPy / compiled")) > 1


def test_schrodinger_is_beside_three_eigensolvers(tmp_path):
    found = short_form("timing.schrodinger_solver", tmp_path)
    assert column(found, 0, "points") == [16, 32]
    mine, *rivals = (column(found, 0, name) for name in ("mlft", "stebz", "stemr", "eigsh"))
    best = [min(times) / ours for ours, *times in zip(mine, *rivals, strict=True)]
    assert column(found, 0, "best of them / mlft") == pytest.approx(best, rel=1e-4)


def test_darcy_is_beside_direct_solvers_and_multigrid_where_compared(tmp_path):
    found = short_form("timing.darcy_solver", tmp_path)
    for table, law in enumerate(("two-phase", "lognormal")):
        assert found.tables[table].caption.startswith(law)
        assert max(column(found, table, "residual")) < 1e-10
        alone, compared = rows(found, table)["8²"], rows(found, table)["16²"]
        assert alone[-1] is None and min(compared[3:]) > 0


def test_solvers_are_beside_rivals_of_each_kind_that_agree(tmp_path, capsys):
    cases = ("advection", "darcy", "helmholtz, 2D", "kohn-sham", "poisson", "radiative-transfer", "schrodinger", "wkb")
    found = short_form("timing.solvers", tmp_path, *cases)
    assert list(rows(found)) == list(cases)
    assert rows(found)["darcy"][1] == "32 / 64"
    beside = {(row[0], row[3]) for row in found.tables[1].rows}
    assert beside >= {("darcy", "pyamg"), ("helmholtz, 2D", "scikit-fem"), ("wkb", "solve_ivp (DOP853)")}
    assert min(column(found, 1, "its ms")) > 0


def test_a_rival_that_differs_stops_the_benchmark():
    case = solvers.short(solvers.CASES["schrodinger"])
    wrong = solvers.replace(case, rivals={"eigsh": ("dense.ground_eigsh", 1e-18)})
    with pytest.raises(RuntimeError, match=r"eigsh differs from mlft by .* on it"):
        list(solvers.beside({"it": wrong}, solvers.Effort(0.0, 1), {"it": 1.0}))


def test_memory_is_that_of_the_largest_batch_in_a_fresh_process():
    case = solvers.Case("poisson", (64, 4096))
    fields = 32  # MiB of inputs and solutions, the most that a worker is given
    assert fields / 2 < solvers.memory(case, 1e-4) < 8 * fields


def test_prices_are_measured_beside_those_that_are_stated(tmp_path):
    found = short_form("timing.prices", tmp_path, "advection", "poisson, 2D")
    table = rows(found)
    assert table["advection"][1:4:2] == ("32 / 64 / 128 / 256 / 512", "0.00881 / 0.0205 / 0.0671 / 0.254 / 1")
    assert min(column(found, 0, "farthest, times")) >= 1
    for cells, exact in (((32, 64, 128, 256), (1.9, 27.0)), ((8, 16, 32), (2.9, 0.0))):
        gamma, overhead = prices.fitted(cells, [3e-6 * (n ** exact[0] + exact[1] ** exact[0]) for n in cells])
        assert gamma == pytest.approx(exact[0], abs=1e-3) and overhead == pytest.approx(exact[1], abs=0.5)


def test_pollution_grows_like_the_wave_number(tmp_path):
    found = short_form("timing.pollution", tmp_path)
    table = rows(found)
    assert table["10 a wave"][-1] == pytest.approx(0.94, abs=0.1)
    assert table["20 a wave"][1] == pytest.approx(table["10 a wave"][1] / 4, rel=0.1)
    assert (tmp_path / "pollution.svg").read_text().startswith("<?xml")


def test_three_fourier_networks_have_one_size_and_two_are_the_same_function(tmp_path):
    found = short_form("timing.surrogates", tmp_path)
    table = [dict(zip(found.tables[0].columns, row, strict=True)) for row in found.tables[0].rows if row[2] == "cpu"]
    for mine, fft, theirs, fast in (table[:4], table[4:]):
        assert [row["by"] for row in (mine, fft, theirs)] == ["mlft", "torch.fft", "neuraloperator"]
        assert mine["weights"] == fft["weights"] == pytest.approx(theirs["weights"], rel=0.05)
        assert fft["relative difference"] < 1e-5
        for name in (
            "step, ms",
            "steps a second",
            "kept for backward, MiB",
            "prediction alone, µs",
            "of many, µs each",
        ):
            assert min(row[name] for row in (mine, fft, theirs)) > 0
        assert fast["by"] == "mlft, ONNX Runtime" and fast["relative difference"] < 1e-5
        assert min(fast["prediction alone, µs"], fast["of many, µs each"]) > 0


def test_two_workers_are_timed_against_one(tmp_path):
    found = short_form("timing.workers", tmp_path)
    ((problem, grid, pace, samples, alone, one, two, speedup),) = found.tables[0].rows
    assert (problem, grid) == ("schrodinger", "32") and samples >= 16
    assert 0 < pace < 1e3 and min(alone, one, two) > 0
    assert speedup == pytest.approx(one / two, rel=1e-4)
    assert [row[0] for row in found.tables[1].rows] == ["mlft", "threads"]
    ones, twos = column(found, 1, "1 worker, s"), column(found, 1, "2 workers, s")
    assert column(found, 1, "2 against 1") == pytest.approx([a / b for a, b in zip(ones, twos, strict=True)], rel=1e-3)


def test_a_server_answers_right_under_load_and_odd_bodies_with_json_and_after_a_kill(tmp_path):
    found = short_form("timing.serving", tmp_path)
    loads, (bodies, told, *_, other, tracebacks), (_, _, back, after, wrong) = (
        rows(found),
        found.tables[1].rows[0],
        found.tables[2].rows[0],
    )
    assert (column(found, 0, "requests"), column(found, 0, "wrong")) == ([48, 48, 16, 16], [0] * 4)
    speeds = column(found, 0, "requests / s")
    assert list(loads) == ["together", "together, --fast", "one at a time, --fast", "one at a time"]
    assert loads["together"][-1] == pytest.approx(speeds[0] / speeds[-1], rel=1e-4)
    assert (bodies, told, other, tracebacks) == (60, 60, 0, 0)
    assert back > 0 and (after, wrong) == (16, 0)


def test_solvers_from_outside_are_timed_beside_themselves(tmp_path):
    found = short_form("timing.outside", tmp_path)
    assert [row[0] for row in found.tables[0].rows] == ["command", "UM-Bridge"]
    beyond = [
        mine - own for mine, own in zip(column(found, 0, "ms a sample"), column(found, 0, "itself, ms"), strict=True)
    ]
    assert column(found, 0, "overhead, ms") == pytest.approx(beyond, rel=1e-3, abs=1e-2)


def test_a_check_is_timed_beside_the_import_of_pytorch(tmp_path):
    found = rows(short_form("timing.check", tmp_path))
    assert list(found) == ["import torch", "poisson"]
    assert found["poisson"][2] > found["import torch"][2] > 0 and found["poisson"][3] == 3


def test_samples_come_back_from_every_format(tmp_path):
    found = short_form("timing.formats", tmp_path)
    assert [row[0] for row in found.tables[0].rows] == ["npz", "neuralop", "pdebench", "well", "xarray"]
    for field in ("inputs", "solutions"):
        off = column(found, 0, f"{field}, relative difference")
        assert [off[0], off[2], off[4]] == [0, 0, 0] and max(off) < 1e-7
