"""The server as a process of its own: UM-Bridge's own client, and its end."""

import importlib.util
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import torch
import umbridge
from selenium.webdriver import ActionChains

import mlft
from mlft.errors import MlftError
from mlft.serving.served import read_served
from mlft.surrogates import Surrogate
from served import a_server, waited
from small import SMALL

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
ASKED = {"budget": "24solves", "strategy": "finetune:equal-cost", **SMALL}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return mlft.run("small:problem", out=tmp_path_factory.mktemp("runs") / "one", **ASKED)


IN_ORDER = (0, "mlft: the server has stopped\n", "")


def ended(process, number):
    """How a server ends: its exit code, and what it says."""
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def server(record):
    with a_server(record.folder) as (address, process):
        yield address
        assert ended(process, signal.SIGTERM) == IN_ORDER


@pytest.fixture(scope="module")
def model(server):
    return umbridge.HTTPModel(server, "forward")


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(3, 28))


def test_umbridge_finds_the_models(server, record, model):
    assert umbridge.supported_models(server) == ["forward", "half-width", "familiarity"]
    assert model.get_input_sizes() == model.get_output_sizes() == [28]
    assert model.supports_evaluate() and model.supports_gradient()
    assert model.supports_apply_jacobian() and model.supports_apply_hessian()
    other = umbridge.HTTPModel(server, "familiarity")
    assert other.get_output_sizes() == [1, 1] and not other.supports_gradient()


def test_umbridge_evaluates(server, record, model):
    inputs = record.samples(2, "test").inputs
    known, familiar = record.predict(inputs, uncertainty=0.5), record.familiarity(inputs)
    for i in range(3):
        given = [inputs[i, 0].tolist()]
        np.testing.assert_allclose(model(given), known.value[i], rtol=1e-5, atol=1e-5)
        assert umbridge.HTTPModel(server, "half-width")(given, {"level": 0.5}) == known.half_width.tolist()
        assert umbridge.HTTPModel(server, "familiarity")(given) == [[familiar.score[i]], [familiar.threshold]]
    with pytest.raises(Exception, match=r"InvalidInput: input\.0: 28 numbers are wanted"):
        model([[0.0]])


def test_umbridges_derivatives_are_those_of_central_differences(model, vectors):
    x, v, s = vectors

    def at(step):
        return [(x + step * v).tolist()]

    step = 0.02  # the network is in float32
    slope = (np.array(model(at(step))[0]) - model(at(-step))[0]) / (2 * step)
    pushed, pulled = np.array(model.apply_jacobian(0, 0, at(0), v.tolist())), model.gradient(0, 0, at(0), s.tolist())
    assert np.linalg.norm(pushed - slope) < 2e-3 * np.linalg.norm(slope)
    assert np.dot(pulled, v) == pytest.approx(np.dot(s, pushed), rel=1e-4)
    bent = np.subtract(model.gradient(0, 0, at(step), s.tolist()), model.gradient(0, 0, at(-step), s.tolist()))
    found = np.array(model.apply_hessian(0, 0, 0, at(0), s.tolist(), v.tolist()))
    assert np.linalg.norm(found - bent / (2 * step)) < 0.02 * np.linalg.norm(found)


def test_a_batch_says_how_familiar_each_input_is(server, record):
    inputs = record.samples(2, "test").inputs[:2]
    inputs[1] *= 50
    told = requests.post(f"{server}/predict", json={"inputs": inputs.tolist(), "familiarity": True}, timeout=120).json()
    known = record.familiarity(inputs)
    for one, score, reason in zip(told["familiarity"], known.score, known.reasons, strict=True):
        assert one == {"score": score, "threshold": known.threshold, "reason": reason}
    assert told["familiarity"][1]["reason"]


def test_the_examples_of_the_docs_run(server):
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert '"http://127.0.0.1:4242"' in code and '"level": 0.9' in code
    names = {}
    exec(code.replace("http://127.0.0.1:4242", server).replace('"level": 0.9', '"level": 0.5'), names)
    assert len(names["solution"]) == len(names["slope"]) == len(names["half_width"][0]) == 28
    assert 0 <= names["score"] <= 1 and 0 < names["threshold"] < 1
    (body, answer) = re.search(r"/predict -d '(.*)'\n(.*)\n", DOCS.read_text()).groups()
    assert requests.post(f"{server}/predict", data=body, timeout=120).text == answer


def test_a_port_that_is_taken_is_said(server, record, mlft_command):
    port = server.rpartition(":")[2]
    code, out, err = mlft_command("serve", record.folder, "--port", port)
    assert (code, out) == (1, "")
    assert (
        err == f"mlft: port {port} of 127.0.0.1 is taken: give another with --port, or --port 0 for any that is free\n"
    )


def test_a_folder_that_is_no_run_and_wrong_options_are_said(tmp_path, mlft_command):
    code, out, err = mlft_command("serve", tmp_path, "--port", 0)
    assert (code, out) == (1, "") and err.count("\n") == 1 and "holds no finished run" in err
    code, _, err = mlft_command("serve", tmp_path, "--port", 0, "--token", "two words")
    assert code == 2 and err.startswith("mlft: a token is of printable ASCII")
    code, _, err = mlft_command("serve", tmp_path, "--port", 0, "--seconds", "0")
    assert code == 2 and err.startswith("mlft: the limits of a server are positive")


def test_without_starlette_it_is_said_what_to_install(tmp_path, mlft_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mlft.serving.running", raising=False)
    code, _, err = mlft_command("serve", tmp_path, "--port", 0)
    assert code == 1 and err.startswith("mlft: to serve, starlette and uvicorn are needed (")
    assert err.endswith("pip install 'mlft[serve]'\n")


def test_the_command_line_does_not_load_a_server():
    code = "import mlft.cli.app, sys; assert not {'starlette', 'uvicorn', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("hearing")
def test_it_is_killed_and_starts_again_at_the_same_port_and_leaves_the_folder_as_it_was(record, tmp_path):
    folder = shutil.copytree(record.folder, tmp_path / "copy")
    before = contents(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    given, secret = {"name": "forward", "input": [[0.5] * 28]}, {"Authorization": "Bearer secret"}
    with a_server(folder, "--token", "secret") as (address, process):
        assert requests.post(f"{address}/Evaluate", json=given, timeout=120).status_code == 401
        first = requests.post(f"{address}/Evaluate", json=given, headers=secret, timeout=120).json()
        process.kill()
        process.wait()
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{address}/Info", timeout=120)
        port = address.rpartition(":")[2]
        with a_server(folder, "--port", port) as (again, process):
            assert again == address
            assert requests.post(f"{again}/Evaluate", json=given, timeout=120).json() == first
            assert ended(process, signal.SIGINT) == IN_ORDER
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    assert contents(folder) == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_no_http_does_not_end_it(server):
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as line:
        line.sendall(b"\x00\xff\r\n\r\n")
        assert b"400" in line.recv(100)
    assert requests.get(f"{server}/Info", timeout=120).status_code == 200


@pytest.mark.browser
def test_the_page_follows_the_input_that_is_moved(server, browser):
    def seen(script):
        return browser.execute_script(f"return {script}")

    def drawn():
        return seen("document.querySelector('#solution .prediction')?.getAttribute('d')")

    def after(act):
        """Return the line of the prediction once an act has changed it."""
        before = drawn()
        act()
        return waited(lambda: drawn() not in (None, before) and drawn())

    after(lambda: browser.get(f"{server}/"))
    assert seen("document.title") == "small: a surrogate, live"
    waited(lambda: seen("document.getElementById('familiar').textContent").startswith("✓ Familiar input (score "))
    assert seen("document.querySelectorAll('#solution .points, #solution .whole').length") == 2
    assert seen("document.querySelectorAll('#solution path.solution').length") == 1
    handle = browser.find_elements("css selector", "#input circle")[3]
    height = float(handle.get_attribute("cy"))
    after(lambda: ActionChains(browser).drag_and_drop_by_offset(handle, 0, -40 if height > 100 else 40).perform())
    assert abs(abs(float(handle.get_attribute("cy")) - height) - 40) < 12  # the axis may have been widened after it
    assert seen("document.querySelectorAll('#solution path.solution').length") == 0  # the solver was not asked for this
    after(lambda: seen("document.getElementById('reset').click()"))
    waited(lambda: seen("document.querySelectorAll('#solution path.solution').length") == 1)
    amplitude = "const one = document.getElementById('amplitude'); one.value = 4; one.dispatchEvent(new Event('input'))"
    after(lambda: browser.execute_script(amplitude))
    waited(lambda: seen("document.getElementById('familiar').className") == "rings")
    assert "⚠ Unfamiliar input: " in seen("document.getElementById('familiar').textContent")
    light = seen("getComputedStyle(document.body).backgroundColor")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    narrow = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    assert (light, seen("getComputedStyle(document.body).backgroundColor")) == ("rgb(255, 255, 255)", "rgb(20, 24, 30)")
    assert seen("[window.innerWidth, document.documentElement.scrollWidth <= 400]") == [400, True]
    loaded = seen("performance.getEntriesByType('resource').map((one) => one.name)")
    assert loaded and all(name.startswith(f"{server}/") for name in loaded)
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_a_fast_server_answers_the_same(record):
    with a_server(record.folder, "--fast") as (address, process):
        model = umbridge.HTTPModel(address, "forward")
        inputs = record.samples(2, "test").inputs[:2]
        known = record.predict(inputs)
        for one, value in zip(inputs, known, strict=True):
            np.testing.assert_allclose(
                model([one[0].tolist()])[0], value[0], rtol=1e-4, atol=1e-4 * np.abs(known).max()
            )
        assert model.supports_gradient()
        assert ended(process, signal.SIGTERM) == IN_ORDER


class Branching(torch.nn.Module):
    """Does one thing or another by its numbers, which no graph of operations can say."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        return self.scale * (inputs if float(inputs.sum()) > 0 else -inputs)


def test_a_fast_server_needs_its_packages_and_a_network_that_they_can_run(record, monkeypatch):
    odd = mlft.Record(record.outcome, Surrogate(Branching(), (1, 1), record.surrogate.grid), record.folder)
    with pytest.raises(MlftError, match=r"ONNX Runtime cannot run the network of this run \(.+\): serve it without"):
        read_served(odd, fast=True)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(MlftError, match=r"need onnxruntime: pip install 'mlft\[onnx\]'"):
        read_served(record, fast=True)
    assert read_served(record).fast is None
