"""A run that goes on, from the command line."""

import mlft
from small import SMALL

ASKED = {"budget": "24solves", "strategy": "finest-only", "symmetry": "none", **SMALL}


def test_a_finished_run_goes_on_with_what_it_was_begun_with(tmp_path, mlft_command):
    first = mlft.run("small:problem", out=tmp_path, **ASKED).outcome
    code, out, err = mlft_command("run", "--out", tmp_path, "--more", "8solves")
    assert code == 2 and "importing it runs the code of that module" in err and out == ""
    code, out, _ = mlft_command("run", "small:problem", "--out", tmp_path, "--more", "8solves")
    told = mlft.Record.load(tmp_path).outcome
    assert code == 0 and "now 32solves, 24 steps." in out and told.budget.asked == "32solves"
    assert told.parts == (first.now,) and told.plan.samples == (0, 0, 32)
    code, out, _ = mlft_command("run", "small:problem", "--out", tmp_path, "--test", "9")
    assert code == 0 and "mean of 9 fresh draws" in out and "now 32solves" in out
    code, _, err = mlft_command("run", "--out", tmp_path / "none", "--more", "8solves")
    assert code == 2 and "holds no run that could go on" in err and err.strip().count("\n") == 0
