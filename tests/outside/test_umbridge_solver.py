"""A solver behind the real `umbridge` server, and behind servers that answer otherwise."""

import http.server
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError, UnreachableError
from mlft.generation import Request, Supervision, generate, open_pool
from mlft.sources import Drawn
from mlft.store import SampleStore
from small import GRIDS, draw, evaluate

MODEL = Path(__file__).parents[1] / "support" / "umbridge_model.py"
FIELDS = np.random.default_rng(4).normal(size=(3, 2, 14))


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def a_server(port):
    server = subprocess.Popen([sys.executable, str(MODEL), str(port)], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield server
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def address():
    port = free_port()
    with a_server(port):
        yield f"http://127.0.0.1:{port}"


def a_problem(solver):
    return mlft.FunctionProblem("bridged", GRIDS, draw, evaluate, solver, cost_exponent=1.0)


# ---- The real server


def test_channels_go_as_vectors_and_come_back_to_the_last_bit(address):
    solver = pickle.loads(pickle.dumps(mlft.UMBridgeSolver(address, "waves")))
    found = solver(FIELDS, GRIDS[1], 1)
    assert found.status == ("ok",) * 3
    assert np.array_equal(found.solutions, np.stack([FIELDS[:, 0] + 1.0, FIELDS[:, 1] * 3.0], axis=1))
    alone = solver(FIELDS[1:2], GRIDS[1], 1)
    assert np.array_equal(alone.solutions, found.solutions[1:2])


def test_a_model_of_one_vector_is_given_all_channels_in_it_and_more_config(address):
    plane = mlft.Grid((7, 2))
    found = mlft.UMBridgeSolver(address, "flat", config={"factor": 2.0})(FIELDS[:, :1].reshape(3, 1, 7, 2), plane, 1)
    assert np.array_equal(found.solutions, np.stack([FIELDS[:, 0], 2 * FIELDS[:, 0]], 1).reshape(3, 2, 7, 2))


def test_what_a_model_does_wrong_is_a_failure_by_name_with_its_reason(address):
    fields = np.zeros((5, 2, 14))
    fields[1:, 0, 0] = (91.0, 92.0, 93.0, 94.0)  # see the model
    found = mlft.UMBridgeSolver(address, "waves")(fields, GRIDS[1], 1)
    assert found.status == ("ok", "refused", "refused", "bad-output", "not-finite")
    assert "answered 500" in found.notes[1] and "InvalidOutput: Output vector 0 has invalid length" in found.notes[2]
    assert found.notes[3].startswith("its answer has no list of vectors of numbers as output") and not found.notes[0]


def test_other_sizes_than_the_grids_are_one_clear_error(address):
    solver = mlft.UMBridgeSolver(address, "waves")
    said = re.escape(
        f"'waves' at {address} takes vectors of [14, 14] numbers, and the inputs are 2 channels of 28 points"
    )
    with pytest.raises(ConfigError, match=said + r" on level 1 \(28 cells\): let it heed the level in config"):
        solver(np.zeros((1, 2, 28)), GRIDS[2], 1)
    with pytest.raises(ConfigError, match=r"gives vectors of \[9\] numbers, and a channel of solutions has 14 points"):
        mlft.UMBridgeSolver(address, "short")(FIELDS, GRIDS[1], 1)
    found = mlft.check(a_problem(mlft.UMBridgeSolver(address, "waves")))
    assert "1 channels of 7 points on level 0" in next(one for one in found.failed if one.name == "solutions").measured


def test_a_model_that_is_not_there_is_told_with_those_that_are(address):
    with pytest.raises(
        UnreachableError, match=r"no inputSizes of a model 'other' .*ModelNotFound: Model other not found"
    ):
        mlft.UMBridgeSolver(address, "other")(FIELDS, GRIDS[1], 1)


def test_a_server_that_dies_stops_the_run_and_back_again_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("mlft.outside.umbridge.PAUSE", 0.01)
    port = free_port()
    drawn = Drawn(a_problem(mlft.UMBridgeSolver(f"http://127.0.0.1:{port}", "single")), 0, "train")
    asked = {"sources": {"train": drawn}, "requests": [Request("train", 1, 9)]}

    with SampleStore.open(tmp_path, drawn.identity) as store, open_pool(0) as pool:
        with a_server(port) as server:

            def kill(progress):
                if progress.done >= 2:
                    server.kill()
                    server.wait()

            watched = Supervision(batch_seconds=1e-9, progress=kill)
            with pytest.raises(
                UnreachableError, match=r"does not answer \(Conn.*, 4 times: start it, and run the same"
            ):
                generate(**asked, store=store, pool=pool, supervision=watched)
        before = store.ledger("train", 1)
        assert 2 <= len(before) < 9 and {row.status for row in before} == {"ok"}
        with a_server(port):
            report = generate(**asked, store=store, pool=pool)
        assert (report.solved, report.already, report.failed) == (9 - len(before), len(before), {})
        assert np.array_equal(store.read("train", 1, 9).solutions, 2.0 * drawn.inputs(1, range(9)) + 1.0)


# ---- Servers that answer otherwise


@contextmanager
def answering(evaluate):
    """A server whose sizes are 14 and that answers `Evaluate` by a function of how often it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/Evaluate":
                return self.send(200, json.dumps({"inputSizes": [14], "outputSizes": [14]}))
            asked.append(self.path)
            made = evaluate(len(asked))
            if made is None:
                self.connection.close()
                self.close_connection = True
                return None
            return self.send(*made)

        def send(self, status, text):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/", asked
        finally:
            server.shutdown()


VECTOR = json.dumps({"output": [[1.5] * 14]})


def solved(url, **options):
    return mlft.UMBridgeSolver(url, "m", **options)(FIELDS[:1, :1], GRIDS[1], 1)


@pytest.mark.parametrize(
    ("answer", "name", "said"),
    [
        ((200, "no json"), "bad-output", "no json"),
        ((200, "[1, 2]"), "bad-output", "[1, 2]"),
        ((200, '{"output": {"a": 1}}'), "bad-output", "no list of vectors"),
        ((200, '{"output": [["1"]]}'), "bad-output", "no list of vectors"),
        ((200, '{"output": [[[1.0]]]}'), "bad-output", "no list of vectors"),
        ((200, '{"output": []}'), "bad-output", "no list of vectors"),
        (
            (200, '{"output": [[1.0, 2.0]]}'),
            "wrong-shape",
            "vectors of [2] numbers, and is to have 1 channels of 14 points",
        ),
        ((200, json.dumps({"output": [[1.0] * 7] * 2})), "wrong-shape", "vectors of [7, 7]"),
        ((200, VECTOR.replace("1.5", "NaN", 1)), "not-finite", ""),
        ((200, '{"error": {"type": "Bad", "message": "two\\nlines"}}'), "refused", "answered 200: Bad: two lines"),
        ((404, "nothing here"), "refused", "answered 404: nothing here"),
    ],
)
def test_a_malformed_answer_is_a_failure_by_name_and_not_asked_again(answer, name, said):
    with answering(lambda asked: answer) as (url, asked):
        found = solved(url)
        assert found.status == (name,) and said in found.notes[0] and len(asked) == 1


def test_a_connection_that_breaks_is_opened_again(monkeypatch):
    monkeypatch.setattr("mlft.outside.umbridge.PAUSE", 0.01)
    with answering(lambda asked: None if asked < 3 else (200, VECTOR)) as (url, asked):
        found = solved(url)
        assert found.status == ("ok",) and len(asked) == 3 and (found.solutions == 1.5).all()
    with answering(lambda asked: None) as (url, asked):
        with pytest.raises(UnreachableError, match="does not answer .*, 2 times"):
            solved(url, retries=1)
        assert len(asked) == 2


def test_an_answer_that_does_not_come_is_a_timeout_and_not_asked_again():
    late = threading.Event()
    with answering(lambda asked: (late.wait(20), (200, VECTOR))[1]) as (url, asked):
        found = solved(url, timeout=1.5)
        late.set()
        assert found.status == ("timeout",) and found.notes == ("no answer in 1.5 s",) and len(asked) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "localhost:4242"}, "the address of a server is one as http://localhost:4242, got 'localhost:4242'"),
        ({"url": "ftp://a"}, "the address of a server"),
        ({"retries": -1}, "retries >= 0"),
        ({"timeout": 0.0}, "a time-out above 0"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_is_allowed(changes, said):
    with pytest.raises(ValueError, match=said):
        mlft.UMBridgeSolver(**{"url": "http://localhost:1", "name": "m", **changes})
