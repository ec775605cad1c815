"""Plain JSON, pages, and who may ask how much."""

import time

import numpy as np
import pytest
from test_umbridge_protocol import refused

import mlft
from finished import Page, fields
from mlft.errors import ConfigError, MlftError
from mlft.serving import Limits, serve
from served import PLANE, Application, a_served

INPUTS = np.random.default_rng(1).normal(size=(3, 2, *PLANE.shape))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return a_served(tmp_path_factory.mktemp("run"))


@pytest.fixture
def opened(served):
    """Applications with their doors, closed at the end."""
    made = []

    def build(**door):
        made.append(Application(served, **door))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def app(opened):
    return opened()


def test_a_batch_is_predicted_with_its_bands(app, served):
    status, told = app.ask("/predict", {"inputs": INPUTS.tolist(), "uncertainty": 0.9})
    known = served.banded(served.predict(INPUTS), 0.9)
    assert status == 200 and set(told) == {"value", "unit", "level", "error", "half_width", "band"}
    assert np.allclose(told["value"], known.value, rtol=1e-5, atol=1e-6)
    assert np.array_equal(told["half_width"], known.half_width) and np.array_equal(told["band"], known.band)
    assert (told["level"], told["error"], told["unit"]) == (0.9, known.error, "the solver's own")
    assert set(app.ask("/predict", {"inputs": INPUTS[:1].tolist()})[1]) == {"value", "unit"}


@pytest.mark.parametrize(
    ("changes", "kind", "told", "status"),
    [
        ({"inputs": []}, "InvalidInput", "inputs: 1 to 1120 samples are answered at once, got 0", 400),
        ({"inputs": [[[0.0]]]}, "InvalidInput", "inputs.0.0.0: input should be a valid list", 400),
        (
            {"inputs": [[[[0.0] * 26] * 18]]},
            "InvalidInput",
            "inputs.0: an array (2, 18, 26) is wanted here, got 1",
            400,
        ),
        ({"inputs": [[[[0.0] * 26] * 17 + [[0.0] * 25]] * 2]}, "InvalidInput", "inputs.0.0.17: an array (26)", 400),
        ({"inputs": [[[[0.0]]]] * 1121}, "TooLarge", "got 1121", 413),
        ({"uncertainty": 0.7}, "InvalidInput", "uncertainty: the bands are known at the levels 0.5, 0.9, got 0.7", 400),
        ({"uncertainty": True}, "InvalidInput", "uncertainty: input should be a valid number", 400),
        ({"familiarity": True}, "InvalidInput", "this run keeps no alarm", 400),
        ({"familiarity": 1}, "InvalidInput", "familiarity: input should be a valid boolean", 400),
    ],
)
def test_what_cannot_be_predicted_is_refused_by_what_is_wrong(app, changes, kind, told, status):
    refused(app.ask("/predict", {"inputs": INPUTS.tolist(), **changes}), kind, told, status)


def test_the_run_and_its_draws_are_told(app, served):
    status, told = app.ask("/run")
    assert status == 200 and told["grid"]["shape"] == [18, 26] and told["channels"] == {"inputs": 2, "solutions": 1}
    assert (
        told["levels"] == [0.5, 0.9]
        and told["models"] == ["forward", "half-width"]
        and told["version"] == mlft.__version__
    )
    assert np.allclose(told["grid"]["points"][1], PLANE.points[1]) and not told["familiarity"]
    assert [one["error"] for one in told["draws"]] == pytest.approx(np.linspace(0.1, 0.2, 37)[[3, 18, 33, 36]])
    for i in range(4):
        draw = app.ask(f"/draws/{i}")[1]
        assert np.array_equal(draw["input"], fields(2)["inputs"][i])
        assert np.array_equal(draw["solution"], fields(2)["solutions"][i])
    for name in ("4", "-1", "one", "1" * 50, "٣"):
        refused(app.ask(f"/draws/{name}"), "NotFound", "draws are numbered 0 to 3", 404)


def test_a_token_is_wanted_of_all_that_tells_of_the_run_and_of_nothing_else(opened):
    app = opened(token="secret")
    for path, body in (("/Info", None), ("/run", None), ("/draws/0", None), ("/predict", {}), ("/Evaluate", {})):
        refused(app.ask(path, body), "Unauthorized", "a token is wanted, as the header", 401)
        refused(app.ask(path, body, authorization="Bearer wrong"), "Unauthorized", "this is not it", 401)
        assert app.ask(path, body, authorization="Bearer secret")[0] in (200, 400)
    for path in ("/", "/page.js", "/plots.js", "/page.css", "/docs", "/openapi.json"):
        assert app.ask(path)[0] == 200


def test_pages_of_other_sites_that_point_here_get_nothing(app, opened):
    for host in ("evil.example", "evil.example:4242", "127.0.0.1.evil.example", ""):
        for path in ("/run", "/"):
            refused(app.ask(path, host=host), "ForeignHost", "localhost alone", 403)
    for host in ("localhost", "127.0.0.1:4242", "[::1]:4242"):
        assert app.ask("/run", host=host)[0] == 200
    assert opened(local=False).ask("/run", host="surrogates.example")[0] == 200


def test_a_body_may_have_so_many_bytes(opened):
    app = opened(limits=Limits(body=0.001))
    long = b'{"name": "' + b"x" * 1100 + b'"}'
    refused(app.ask("/Evaluate", long), "TooLarge", "more than 1048 bytes", 413)
    stated = {"content-length": str(10**15)}
    refused(app.ask("/Evaluate", b"{}", **stated), "TooLarge", "more than 1048 bytes", 413)
    refused(app.ask("/Evaluate", long[:900] + b'"}'), "ModelNotFound")


def test_a_request_may_take_so_long(opened, served, monkeypatch):
    app = opened(limits=Limits(seconds=0.05))
    monkeypatch.setattr(type(served), "predict", lambda self, inputs: time.sleep(0.5))
    refused(app.ask("/predict", {"inputs": INPUTS.tolist()}), "Timeout", "no answer within 0.05 s", 503)


def test_what_is_not_there_is_said_in_json(app):
    refused(app.ask("/nope"), "NotFound", "GET /nope", 404)
    refused(app.ask("/Evaluate"), "MethodNotAllowed", "GET /Evaluate", 405)
    refused(app.ask("/run", {}), "MethodNotAllowed", "POST /run", 405)


def test_a_failure_of_the_server_is_a_sentence_and_its_traceback_stays_there(app, served, monkeypatch):
    def broken(self, inputs):
        raise ZeroDivisionError("the secret of the server")

    monkeypatch.setattr(type(served), "predict", broken)
    told = []

    async def main():
        try:
            await app.asked("/predict", {"inputs": INPUTS.tolist()}, answers=told)
        except ZeroDivisionError:  # which uvicorn writes to standard error
            return told

    status, content = app._runner.run(main())[0]
    refused((status, content), "InternalError", "the server failed: ZeroDivisionError", 500)
    assert "secret" not in str(content)


def test_the_description_is_whole(app):
    status, told = app.ask("/openapi.json")
    assert status == 200 and told["openapi"] == "3.1.0" and "darcy" in told["info"]["title"]
    assert set(told["paths"]) == {
        *(f"/{name}" for name in ("Info", "ModelInfo", "InputSizes", "OutputSizes", "predict", "run", "draws/{index}")),
        *("/Evaluate", "/Gradient", "/ApplyJacobian", "/ApplyHessian"),
    }
    for ref in references(told):
        assert ref.removeprefix("#/components/schemas/") in told["components"]["schemas"]
    predict = told["components"]["schemas"]["Predict"]
    assert not predict["additionalProperties"] and predict["required"] == ["inputs"]
    kind, depth = predict["properties"]["inputs"], 0
    while kind["type"] == "array":
        kind, depth = kind["items"], depth + 1
    assert depth == 4


def references(part):
    if isinstance(part, list):
        return [ref for one in part for ref in references(one)]
    if not isinstance(part, dict):
        return []
    return [part["$ref"] for _ in "$" if "$ref" in part] + [ref for one in part.values() for ref in references(one)]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_are_sound_and_load_nothing_from_elsewhere(app, path):
    status, text = app.ask(path)
    page = Page(text)
    assert status == 200 and not [one for one in page.values("src", "href") if "//" in one]
    assert page.values("src", "href")
    if path == "/docs":
        assert all(name in page.text for name in ("/ApplyHessian", "/predict", "uncertainty", "outWrt"))
    for name in ("page.js", "plots.js", "page.css"):
        content = app.ask(f"/{name}")[1]
        assert "http://" not in content.replace("http://www.w3.org/2000/svg", "") and "https://" not in content


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"port": 70000}, "a port is a number from 0 to 65535, got 70000"),
        ({"host": "no.such.host.invalid"}, "there is no address 'no.such.host.invalid' to listen at"),
        ({"token": "two words"}, "a token is of printable ASCII without spaces"),
        ({"token": ""}, "at least one sign"),
    ],
)
def test_what_cannot_be_served_is_refused_before_the_run_is_read(tmp_path, options, told):
    with pytest.raises(ConfigError, match=told):
        serve(tmp_path / "nothing", **{"port": 0, **options})


@pytest.mark.parametrize("odd", [{"body": 0}, {"seconds": -1}, {"rows": 0}, {"wait": -1}, {"seconds": float("nan")}])
def test_limits_are_positive(odd):
    with pytest.raises(ConfigError, match="the limits of a server are positive"):
        Limits(**odd)


def test_a_folder_without_a_finished_run_is_not_served(tmp_path):
    with pytest.raises(MlftError, match="holds no finished run"):
        serve(tmp_path, port=0)
