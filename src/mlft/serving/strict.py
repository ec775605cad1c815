"""JSON to the letter: no NaN or Infinity, no name twice in an object, UTF-8 alone, in and out."""

import json
from typing import Any, NoReturn

from mlft.serving.refusals import Refused


def parse(body: bytes) -> Any:
    """Return the value in a body.

    A number too large for float64, such as 1e999, becomes infinite here; the forms refuse it.

    Raises:
        Refused: for what is no JSON: says where and why.

    >>> parse(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise Refused(f"the body is no UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise Refused("the body is no JSON that is read here: it is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"the body is no JSON: {error}") from None


def dump(value: Any) -> bytes:
    """Return a value as JSON in ASCII.

    Raises:
        ValueError: for a number that is not finite.

    >>> dump({"output": [[0.1]]})
    b'{"output":[[0.1]]}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"{twice!r} is given twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
