"""A run that is killed at random and continued, against an undisturbed one: same samples, weights, error.

    python benchmarks/resume.py --kills 12 --out runs/resume

SIGKILL hits the driver and its workers together, after a random time; then the same command is given again.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.numpy import load_file

from mlft.experiment import read_facts
from mlft.store import SampleStore

COMMAND = "burgers --budget 24solves --set cells=128 --set levels=3 --train steps=240 --train checks=24 --test 50"


def main() -> None:
    """Kill, continue, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("runs/resume"))
    asked = parser.parse_args()
    shutil.rmtree(asked.out, ignore_errors=True)
    started = time.perf_counter()
    finish(asked.out / "undisturbed", 1)
    length = time.perf_counter() - started
    chance = random.Random(0)
    kills = 0
    while kills < asked.kills and not (asked.out / "killed" / "record.json").exists():
        process = start(asked.out / "killed", 2)
        time.sleep(chance.uniform(0.2, 0.5) * length)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    finish(asked.out / "killed", 2)
    one, other = (digest(asked.out / name) for name in ("undisturbed", "killed"))
    print(f"| | undisturbed, 1 worker | {kills} times killed, 2 workers | same |\n|---|---|---|---|")
    for name in one:
        print(f"| {name} | {one[name]} | {other[name]} | {one[name] == other[name]} |")


def start(folder: Path, workers: int) -> "subprocess.Popen[bytes]":
    """Start the run in a process group of its own."""
    words = [sys.executable, "-c", "from mlft.cli import main; main()", "run", *COMMAND.split()]
    words += ["--workers", str(workers), "--out", str(folder)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(folder: Path, workers: int) -> None:
    """Let the run go to its end."""
    if start(folder, workers).wait():
        raise SystemExit(f"the run in {folder} failed")


def digest(folder: Path) -> dict[str, object]:
    """Return the number and a hash of the samples, a hash of the weights, and the error."""
    facts = read_facts(folder)
    identity = {"problem": "burgers", "options": facts["config"]["options"], "seed": facts["seed"]}
    samples = hashlib.sha256()
    with SampleStore.open(folder, full(identity)) as store:
        rows = [row for row in store.ledger() if row.stream != "warm-up"]
        for row in rows:
            samples.update(f"{row.stream}{row.level}{row.index}{row.status}{row.sha256}".encode())
    weights = hashlib.sha256()
    for name, tensor in sorted(load_file(folder / "surrogate" / "model.safetensors").items()):
        weights.update(name.encode() + tensor.tobytes())
    return {
        "samples": len(rows),
        "hash of the samples": samples.hexdigest()[:12],
        "hash of the weights": weights.hexdigest()[:12],
        "relative L2 error": facts["error"]["relative_l2"]["mean"],
    }


def full(identity: dict[str, object]) -> dict[str, object]:
    """Return the identity with every option of the problem, as the store knows it."""
    from mlft.problems import PROBLEMS

    return identity | {"options": PROBLEMS["burgers"](**identity["options"]).options}  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
