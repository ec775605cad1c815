"""The description of the server's paths, as OpenAPI 3.1 has it, and a page of it that loads nothing."""

from collections.abc import Mapping
from html import escape
from json import dumps
from typing import Any

from pydantic import BaseModel

from mlft.serving.forms import Form, Named
from mlft.serving.models import Model
from mlft.serving.protocol import FORMS

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_VECTORS = {"type": "array", "items": _NUMBERS}
_SIZES = {"type": "array", "items": {"type": "integer"}}
_REF = "#/components/schemas/{model}"

_SAID: dict[str, tuple[str, dict[str, Any]]] = {
    "ModelInfo": ("Say which features a model has.", {"support": {"type": "object"}}),
    "InputSizes": ("Say how long each input vector is.", {"inputSizes": _SIZES}),
    "OutputSizes": ("Say how long each output vector is.", {"outputSizes": _SIZES}),
    "Evaluate": ("Return the outputs of a model.", {"output": _VECTORS}),
    "Gradient": ("Return Jᵀ·sens, of the size of the input inWrt.", {"output": _NUMBERS}),
    "ApplyJacobian": ("Return J·vec, of the size of the output outWrt.", {"output": _NUMBERS}),
    "ApplyHessian": ("Return the Hessian of sens·output, applied to vec.", {"output": _NUMBERS}),
}
_PREDICTED = {
    "value": "(samples, channels, *grid), in `unit`",
    "unit": "of the value and of the bands",
    "level": "of the bands, where it was asked for",
    "half_width": "(channels, *grid): in the mean a share `level` of the points is within it of the value",
    "band": "(channels, *grid): with probability `level` the whole solution is within it of the value",
    "error": "with probability `level` the relative L2 error is at most this",
    "familiarity": "where it was asked for: for each input a score, the threshold of the alarm, and its reason",
}


def description(run: dict[str, Any], models: Mapping[str, Model], predict: type[Form]) -> dict[str, Any]:
    """Return the description.

    Args:
        run: the facts of the run.
        models: of UM-Bridge, by name.
        predict: the form of a body for /predict.
    """
    forms: dict[str, type[BaseModel]] = {**FORMS, **dict.fromkeys(("ModelInfo", "InputSizes", "OutputSizes"), Named)}
    paths: dict[str, Any] = {"/Info": _get("Name the models, and the version of the protocol.", _INFO)}
    for path, (said, output) in _SAID.items():
        paths[f"/{path}"] = _post(said, forms[path].__name__, output, "UM-Bridge")
    paths["/predict"] = _post("Return the solutions of a batch of inputs.", "Predict", _told(_PREDICTED), "plain")
    paths["/run"] = _get("Say what is served: equation, grid, channels, errors, levels of the bands, limits.", {})
    paths["/draws/{index}"] = _get("Return a test draw of the run: its input, and the solver's solution.", _DRAW)
    paths["/draws/{index}"]["get"]["parameters"] = [_INDEX]
    schemas: dict[str, Any] = {"Error": _ERROR}
    kinds: list[type[BaseModel]] = [Named, *FORMS.values(), predict]
    for form in kinds:
        schema = form.model_json_schema(ref_template=_REF)
        schemas |= schema.pop("$defs", {}) | {form.__name__: schema}
    known = "; ".join(f"{model.name} of {list(model.inputs)} to {list(model.outputs)}" for model in models.values())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"A surrogate of {run['problem']}",
            "version": run["version"],
            "description": f"{run['equation']}, on {'×'.join(map(str, run['grid']['cells']))} cells. "
            f"Mean relative L2 error {run['error']}. "
            f"Models, with the lengths of their vectors: {known}.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


_INFO = {"protocolVersion": {"type": "number"}, "models": {"type": "array", "items": {"type": "string"}}}
_DRAW = {name: {"type": "array", "description": "(channels, *grid)"} for name in ("input", "solution")}
_INDEX = {"name": "index", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def _told(words: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": told} for name, told in words.items()}


def _get(said: str, output: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": said, "tags": ["plain" if output is not _INFO else "UM-Bridge"], **_answers(output)}}


def _post(said: str, form: str, output: dict[str, Any], tag: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(model=form)}}}
    body = {"requestBody": {"required": True, "content": content}}
    return {"post": {"summary": said, "tags": [tag], **body, **_answers(output)}}


def _answers(output: dict[str, Any]) -> dict[str, Any]:
    good = {"schema": {"type": "object", "properties": output}}
    bad = {"schema": {"$ref": _REF.format(model="Error")}}
    return {
        "responses": {
            "200": {"description": "the answer", "content": {"application/json": good}},
            "default": {"description": "why there is none", "content": {"application/json": bad}},
        }
    }


def description_page(told: dict[str, Any]) -> str:
    """Return a description as a page of HTML."""
    info, schemas = told["info"], told["components"]["schemas"]
    parts = [
        _section(path, method, said, schemas) for path, ways in told["paths"].items() for method, said in ways.items()
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(info["title"])}: the API</title>\n<link rel="icon" href="data:,">\n'
        '<link rel="stylesheet" href="page.css">\n</head>\n<body>\n'
        f'<header><p class="kicker">mlft {escape(info["version"])}</p><h1>{escape(info["title"])}: the API</h1>\n'
        f"<p>{escape(info['description'])}</p>\n"
        "<p>JSON to the letter goes in and comes out. What is refused comes back with a status of 400 or more, as "
        '<code>{"error": {"type": …, "message": …}}</code>. '
        '<a href="openapi.json">openapi.json</a> is the same for programs, <a href="./">the page</a> for people.</p>'
        f'</header>\n<main class="api">\n{"".join(parts)}</main>\n</body>\n</html>\n'
    )


def _section(path: str, method: str, said: dict[str, Any], schemas: dict[str, Any]) -> str:
    body = said.get("requestBody")
    asked = ""
    if body is not None:
        form = schemas[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
        asked = _table("Body", form["properties"], form.get("required", []))
    answer = said["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    back = _table("Answer", answer, list(answer)) if answer else ""
    return (
        f"<section><h2><small>{method.upper()}</small> <code>{escape(path)}</code></h2>\n"
        f"<p>{escape(said['summary'])}</p>\n{asked}{back}</section>\n"
    )


def _table(title: str, properties: dict[str, Any], required: list[str]) -> str:
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(schema))}</td>"
        f"<td>{escape(_words(schema, name in required))}</td></tr>"
        for name, schema in properties.items()
    ]
    return f'<div class="scroll"><table><caption>{title}</caption><tbody>{"".join(rows)}</tbody></table></div>\n'


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a value in words."""
    kinds = schema.get("anyOf", [schema])
    if "$ref" in schema or any("$ref" in kind for kind in kinds):
        return "object"
    depth, inner = 0, kinds[0]
    while inner.get("type") == "array" and "items" in inner:
        depth, inner = depth + 1, inner["items"]
    name = str(inner.get("type", ""))
    return f"array of {'arrays of ' * (depth - 1)}{name}s" if depth else name


def _words(schema: dict[str, Any], required: bool) -> str:
    told = str(schema.get("description", ""))
    if required:
        return told
    default = schema.get("default")
    return f"{told}; {f'{dumps(default)} by default' if isinstance(default, bool) else 'optional'}"
