import subprocess
import sys

from benchmarks.publish import ROOT, read
from short_form import rows


def run(module, folder):
    """Run the short form in a process of its own: it forks."""
    words = [sys.executable, "-m", f"benchmarks.storm.{module}", "--short", "--results", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return rows(read(folder / f"{module}.json"))


def test_nothing_acknowledged_is_lost_when_drivers_and_workers_are_killed(tmp_path):
    found = {name: number for name, number in run("kill", tmp_path).values()}
    assert found["drivers killed (SIGKILL)"] == 2 and found["workers killed (SIGKILL)"] == 1
    assert found["samples asked for"] == found["acknowledged, each once"] >= 2 * 21
    assert found["files with one flipped bit"] == found["of them found"] > 0
    for name in ("unreadable", "solved again after they were acknowledged", "workers left behind by a dead driver"):
        assert found[name] == 0
    assert found["samples that differ from an undisturbed run in any bit"] == 0


def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    found = run("resume", tmp_path)
    assert [row[3] for row in found.values()] == ["yes"] * 4
    assert found["samples"][1] > 10 and 0 < float(found["relative L2 error"][1]) < 1
