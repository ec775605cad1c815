import pytest

from short_form import column, rows, short_form


def test_crossval_shows_the_triangle_of_the_linear_map(tmp_path):
    found = short_form("laboratory.crossval", tmp_path, "--out", str(tmp_path / "runs"))
    families = rows(found)
    assert list(families) == ["linear-zero", "difference", "linear"]
    assert families["linear-zero"][1] < -28 and families["linear-zero"][-1] == 100
    assert families["linear-zero"][3] > -6 and families["linear"][3] > families["linear-zero"][3]
    assert list(rows(found, 2)) == ["difference"] and list(rows(found, 3)) == ["linear-zero", "linear"]
    assert column(found, 3, "fem")[0] < -10
    assert all((tmp_path / f"generalization-{name}.svg").exists() for name in ("families", "linear"))


def test_the_closed_forms_agree_with_theory(tmp_path):
    found = short_form("laboratory.generalization", tmp_path)
    measured, law = found.tables[0].rows
    assert measured[1:] == pytest.approx(law[1:], rel=0.1)
    for name, relative, _, theory, best in found.tables[1].rows:
        assert relative == pytest.approx(theory, rel=0.03, abs=1e-9) and best <= relative * (1 + 1e-9), name
    for name, floor, expected in found.tables[3].rows:
        assert floor == pytest.approx(expected, rel=0.3), name
    assert rows(found, 4)["order"][1:] == pytest.approx((4, 4, 4), abs=0.3)
    assert column(found, 5, "‖AQ‖₂/‖A‖₂") == pytest.approx(column(found, 5, "(r + 1)⁻²"), rel=0.06)
    assert all((tmp_path / f"generalization-{name}.svg").exists() for name in ("bias", "green", "inverse"))


def test_trust_has_a_row_a_law_and_the_greens_function(tmp_path):
    found = short_form("laboratory.trust", tmp_path, "--out", str(tmp_path / "runs"))
    laws = [row[1] for row in found.tables[0].rows]
    assert laws[:3] == ["the law itself", "smoother", "rougher"] and len(laws) == 7
    assert column(found, 0, "of its own")[0] == 1 and min(column(found, 0, "relative L2 error")) > 0
    assert rows(found, 1)["poisson"][1] > 4
    assert [row[1] for row in found.tables[2].rows] == ["Jacobian over the law's inputs", "unit inputs"]
    assert min(column(found, 2, "relative error")) > 0


def test_bands_cover_fresh_draws_as_far_as_chance_allows(tmp_path):
    found = short_form("laboratory.bands", tmp_path, "--out", str(tmp_path / "runs"))
    row, total = found.tables[0].rows
    assert row[0] == "poisson" and 0 < row[1] < row[2] and all(50 <= row[i] <= 100 for i in (3, 5, 7))
    assert "calibrated on 15 draws" in found.tables[0].caption  # of 40 test draws 5 give the scale
    assert "73.3 to 100.0%" in found.tables[0].caption  # binomial, 30 draws at 90%
    assert total[-2:] == row[-2:] and row[-1] in ("1 of 2", "2 of 2")
    again = rows(found, 1)
    assert list(again) == ["poisson", "the law"] and again["the law"][1] == 93.75  # rank 15 of 15 draws, over 16
    assert all(60 <= again["poisson"][i] <= 100 for i in (1, 3, 5))


def test_the_alarm_has_a_row_a_run_and_a_row_a_law(tmp_path):
    found = short_form("laboratory.familiarity", tmp_path, "--out", str(tmp_path / "runs"))
    ((name, false, _, larger, bad, rung),) = found.tables[0].rows
    assert name == "poisson" and 0 <= false < 20 and larger == 100 and 0 <= (rung or 0) <= 100
    laws = found.tables[1].rows
    assert [row[1] for row in laws[:3]] == ["the law itself", "smoother", "rougher"] and laws[0][2] == 1
    assert sum(row[4] for row in laws[1:]) == bad and {row[1]: row[3] for row in laws}["×8"] == 100


def test_symmetries_have_a_row_a_problem_and_an_error_a_way(tmp_path):
    found = short_form("laboratory.symmetry", tmp_path)
    ((*told, none, averaged, taught, both, ratio),) = found.tables[0].rows
    assert told == ["burgers, 64 cells", 16, 1, 2] and all(0 < error < 2 for error in (none, averaged, taught, both))
    assert ratio == pytest.approx(both / none, rel=1e-4) and averaged <= none
