"""What UM-Bridge 1.0 asks of a server, on a run of two input channels and one of solutions in the plane."""

import numpy as np
import pytest

from served import PLANE, Application, a_served, a_surrogate

POINTS = PLANE.shape[0] * PLANE.shape[1]
X, V = np.random.default_rng(1).normal(size=(2, 2, POINTS))
S = np.random.default_rng(2).normal(size=POINTS)
ASKED = {
    "Evaluate": {},
    "Gradient": {"outWrt": 0, "inWrt": 1, "sens": S.tolist()},
    "ApplyJacobian": {"outWrt": 0, "inWrt": 1, "vec": V[1].tolist()},
    "ApplyHessian": {"outWrt": 0, "inWrt1": 0, "inWrt2": 1, "sens": S.tolist(), "vec": V[1].tolist()},
}
SIZES = {"Evaluate": None, "Gradient": POINTS, "ApplyJacobian": POINTS, "ApplyHessian": POINTS}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return a_served(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def app(served):
    made = Application(served)
    yield made
    made.close()


def body(feature, name="forward", **changes):
    given = {"name": name, "config": {}, "input": X.tolist(), **ASKED[feature], **changes}
    return {key: value for key, value in given.items() if value is not ...}


def refused(answer, kind, told="", status=400):
    found, content = answer
    assert found == status and set(content) == {"error"} and set(content["error"]) == {"type", "message"}
    assert content["error"]["type"] == kind and told in content["error"]["message"]


def test_models_are_named_with_the_version_of_the_protocol(app):
    assert app.ask("/Info") == (200, {"protocolVersion": 1.0, "models": ["forward", "half-width"]})


def test_a_model_says_its_features_and_sizes_a_vector_a_channel(app):
    for name, all_of_them in (("forward", True), ("half-width", False)):
        features = {"Evaluate": True, **dict.fromkeys(("Gradient", "ApplyJacobian", "ApplyHessian"), all_of_them)}
        assert app.ask("/ModelInfo", {"name": name}) == (200, {"support": features})
        assert app.ask("/InputSizes", {"name": name, "config": {}}) == (200, {"inputSizes": [POINTS] * 2})
        assert app.ask("/OutputSizes", {"name": name}) == (200, {"outputSizes": [POINTS]})


@pytest.mark.parametrize("path", ["ModelInfo", "InputSizes", "OutputSizes", *ASKED])
def test_an_unknown_model_is_named_before_anything_else_is_looked_at(app, path):
    refused(app.ask(f"/{path}", {"name": "wrong"}), "ModelNotFound", "no model 'wrong' here; there are forward, half")
    refused(app.ask(f"/{path}", {"nam": "forward"}), "InvalidInput", "name")
    refused(app.ask(f"/{path}", {"name": ["forward"]}), "InvalidInput", "name: input should be a valid string")


@pytest.mark.parametrize("feature", ["Gradient", "ApplyJacobian", "ApplyHessian"])
def test_a_feature_that_a_model_does_not_have_is_unsupported_even_in_a_bare_request(app, feature):
    refused(app.ask(f"/{feature}", {"name": "half-width"}), "UnsupportedFeature", f"'half-width' has no {feature}")


def test_an_evaluation_is_the_surrogates_prediction(app, served):
    status, told = app.ask("/Evaluate", body("Evaluate"))
    known = served.predict(X.reshape(1, 2, *PLANE.shape))
    assert status == 200 and set(told) == {"output"}
    assert np.allclose(told["output"], known.reshape(1, POINTS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("feature", [name for name in SIZES if name != "Evaluate"])
def test_a_derivative_is_of_the_vectors_that_are_asked_for(app, served, feature):
    status, told = app.ask(f"/{feature}", body(feature))
    assert status == 200 and set(told) == {"output"} and len(told["output"]) == SIZES[feature]
    functions = app.service.bridge.models["forward"].functions
    x, s = X.reshape(1, 2, *PLANE.shape), S.reshape(1, 1, *PLANE.shape)
    v = np.stack([np.zeros(POINTS), V[1]]).reshape(x.shape)  # inWrt 1: the other input stands still
    arrays = {"Gradient": (x, s), "ApplyJacobian": (x, v), "ApplyHessian": (x, s, v)}[feature]
    known = functions[feature](*arrays)[0].reshape(-1, POINTS)
    chosen = {"Gradient": 1, "ApplyJacobian": 0, "ApplyHessian": 0}[feature]
    assert np.linalg.norm(told["output"] - known[chosen]) < 1e-4 * np.linalg.norm(known[chosen])


def test_the_half_width_is_that_of_the_level_in_config(app, served):
    found = {}
    for level in (0.5, 0.9):
        status, told = app.ask("/Evaluate", body("Evaluate", "half-width", config={"level": level}))
        assert status == 200 and np.array_equal(
            told["output"][0], served.bands.about(np.zeros((1, 1, *PLANE.shape)), level).half_width.ravel()
        )
        found[level] = told
    assert app.ask("/Evaluate", body("Evaluate", "half-width")) == (200, found[0.9])
    refused(
        app.ask("/Evaluate", body("Evaluate", "half-width", config={"level": 0.7})),
        "InvalidInput",
        "levels 0.5, 0.9, got 0.7",
    )
    refused(app.ask("/Evaluate", body("Evaluate", config={"level": 0.9})), "InvalidInput", "'forward' takes no level")


WRONG = {
    "input of other lengths": ({"input": [[0.0] * (POINTS + 1)] * 2}, f"input.0: {POINTS} numbers are wanted"),
    "one vector too few": ({"input": [[0.0] * POINTS]}, "input: 2 vectors are wanted, one a channel, got 1"),
    "one vector too many": ({"input": [[0.0] * POINTS] * 3}, "got 3"),
    "no vectors": ({"input": [0.0] * POINTS}, "input.0: input should be a valid list"),
    "no input": ({"input": ...}, "input: field required"),
    "a word among numbers": ({"input": [[0.0] * POINTS, [0.0] * (POINTS - 1) + ["1"]]}, "input.1."),
    "a truth value among numbers": ({"input": [[True] * POINTS] * 2}, "input.0.0: input should be a valid number"),
    "an unknown option": ({"config": {"levl": 0.9}}, "config.levl: extra inputs are not permitted"),
    "an unknown name": ({"inputs": []}, "inputs: extra inputs are not permitted"),
    "config is no object": ({"config": 3}, "config: input should be"),
    "too large for the network": ({"input": [[1e300] * POINTS] * 2}, "no finite answer"),
}


@pytest.mark.parametrize("feature", ASKED)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused_by_what_is_wrong(app, feature, name):
    changes, told = WRONG[name]
    refused(app.ask(f"/{feature}", body(feature, **changes)), "InvalidInput", told)


INDICES = [(feature, key) for feature, asked in ASKED.items() for key in asked if "Wrt" in key]
VECTORS = [(feature, key) for feature, asked in ASKED.items() for key in asked if key in ("sens", "vec")]


@pytest.mark.parametrize(("feature", "key"), INDICES)
@pytest.mark.parametrize("index", [2, -1, 0.5, True, "0", None])
def test_an_index_that_no_vector_has_is_refused(app, feature, key, index):
    refused(app.ask(f"/{feature}", body(feature, **{key: index})), "InvalidInput", key)


@pytest.mark.parametrize(("feature", "key"), VECTORS)
def test_a_vector_of_another_length_is_refused(app, feature, key):
    refused(
        app.ask(f"/{feature}", body(feature, **{key: [0.0]})), "InvalidInput", f"{key}: {POINTS} numbers are wanted"
    )


def test_requests_at_the_same_time_each_get_their_own_answer(app, served):
    inputs = np.random.default_rng(3).normal(size=(24, 2, POINTS))
    known = served.predict(inputs.reshape(24, 2, *PLANE.shape)).reshape(24, 1, POINTS)
    before = app.service.batcher.calls
    found = app.together("/Evaluate", [{"name": "forward", "input": one.tolist()} for one in inputs])
    for (status, told), wanted in zip(found, known, strict=True):
        assert status == 200 and np.allclose(told["output"], wanted, rtol=1e-5, atol=1e-6)
    assert app.service.batcher.calls - before < 24


def test_a_run_without_bands_has_no_half_width(tmp_path):
    app = Application(a_served(tmp_path, a_surrogate("linear"), bands=False))
    assert app.ask("/Info")[1]["models"] == ["forward"]
    refused(app.ask("/Evaluate", body("Evaluate", "half-width")), "ModelNotFound", "there are forward")
    refused(
        app.ask("/predict", {"inputs": X.reshape(1, 2, *PLANE.shape).tolist(), "uncertainty": 0.9}),
        "InvalidInput",
        "no bands",
    )
    app.close()
