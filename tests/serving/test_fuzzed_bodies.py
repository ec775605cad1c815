"""Whatever a body is, the answer is JSON: an output, or a refusal in UM-Bridge's form, and never a failure."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from served import PLANE, Application, a_served

POINTS = PLANE.shape[0] * PLANE.shape[1]
PATHS = ["Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian", "ModelInfo", "InputSizes", "OutputSizes", "predict"]
KEYS = [
    "name",
    "config",
    "level",
    "input",
    "inputs",
    "outWrt",
    "inWrt",
    "inWrt1",
    "inWrt2",
    "sens",
    "vec",
    "uncertainty",
]
LONG = {
    "zeros": [0.0] * POINTS,
    "large": [1e30] * POINTS,
    "too large": [-1e300] * POINTS,
    "no float64": [10**400] * POINTS,
    "one too many": [1] * (POINTS + 1),
    "a field": [[[0.5] * PLANE.shape[1]] * PLANE.shape[0]] * 2,
}
VECTOR = st.sampled_from(sorted(LONG)).map(lambda name: LONG[name])
WORDS = st.sampled_from(["forward", "half-width", "familiarity", "\ud800", "x" * 3000, "\x00\x1b[2J"])
NUMBERS = st.one_of(st.integers(-2, 3), st.floats(), st.just(10**400), st.booleans(), st.none())
LEAVES = st.one_of(NUMBERS, WORDS, VECTOR, st.lists(VECTOR, min_size=2, max_size=2), st.text(max_size=5))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)


@st.composite
def bodies(draw):
    """Objects with the right names and odd values, JSON that was cut, repeated or changed at a byte, and bytes."""
    told = draw(OBJECTS) | draw(st.fixed_dictionaries({}, optional={"name": st.just("forward")}))
    body = json.dumps(told).encode()
    at, some, way = draw(st.integers(0, len(body))), draw(st.binary(max_size=20)), draw(st.integers(0, 5))
    odd = {1: body[:at], 2: body + body[at:], 3: body[:at] + some[:3] + body[at + 1 :], 4: some}
    return odd.get(way, body)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    made = Application(a_served(tmp_path_factory.mktemp("run")))
    yield made
    made.close()


@given(path=st.sampled_from(PATHS), body=bodies())
def test_an_odd_body_gets_json(app, path, body):
    status, told = app.ask(f"/{path}", body)
    if status == 200:
        assert isinstance(told, dict) and "error" not in told
    else:
        assert status in (400, 413) and set(told["error"]) == {"type", "message"}
        assert told["error"]["message"].isprintable() and len(told["error"]["message"]) <= 1000
