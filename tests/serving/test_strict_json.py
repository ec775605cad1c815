import json

import pytest

from mlft.serving.refusals import Refused
from mlft.serving.strict import dump, parse

ODD = {
    "nothing": (b"", "no JSON"),
    "NaN": (b'{"a": [1, NaN]}', "NaN is no number"),
    "Infinity": (b"-Infinity", "-Infinity is no number"),
    "a name twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is given twice"),
    "no UTF-8": (b'{"a": "\xff"}', "no UTF-8: invalid start byte at byte 7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "no UTF-8"),
    "a mark of the byte order": (b"\xef\xbb\xbf{}", "BOM"),
    "more after the end": (b"{} {}", "Extra data"),
    "single quotes": (b"{'a': 1}", "no JSON"),
    "a whole number of 5,000 digits": (b"9" * 5000, "no JSON"),
    "too deep": (b"[" * 200_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_json_is_refused_and_it_is_said_why(name):
    body, why = ODD[name]
    with pytest.raises(Refused, match=why) as caught:
        parse(body)
    assert (caught.value.kind, caught.value.status) == ("InvalidInput", 400)


def test_json_is_read_and_written_to_the_last_bit():
    numbers = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1]
    assert parse(dump({"a": numbers})) == {"a": numbers} == json.loads(dump({"a": numbers}))
    assert parse(b'{"\xc3\xa9": "\\ud800"}') == {"é": "\ud800"} and dump({"é": "\ud800"}) == b'{"\\u00e9":"\\ud800"}'


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_no_number_is_written_that_json_does_not_know(odd):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"a": [1.0, odd]})
