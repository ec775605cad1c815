"""The application: which path is answered by what, who may ask, and how much."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from typing import Any, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mlft.serving.answers import draw_facts, prediction, run_facts
from mlft.serving.batching import Batcher
from mlft.serving.description import description, description_page
from mlft.serving.forms import Form, predict_form
from mlft.serving.limits import Limits
from mlft.serving.models import FEATURES, models_of
from mlft.serving.protocol import Bridge
from mlft.serving.refusals import Refused
from mlft.serving.served import Served
from mlft.serving.strict import dump, parse

Answer = Callable[[Request, Any], Awaitable[Any]]

_AT_ONCE = 2**17
"""Points of the grid in one call of the network."""

_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/plots.js": ("plots.js", "text/javascript"),
}
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_LOCAL = {"127.0.0.1", "localhost", "::1"}


@final
@dataclass(frozen=True)
class Door:
    """Who may ask, and for how long.

    Attributes:
        limits: of a request.
        token: that a request must carry; none where anyone may ask.
        local: whether only requests to this machine's own names are answered: a page of another site whose name
            points here has another.
    """

    limits: Limits
    token: str | None = None
    local: bool = True

    def refuse_stranger(self, request: Request, *, free: bool) -> None:
        """Refuse a request to another host, or without the token.

        Raises:
            Refused: with status 403 or 401.
        """
        if self.local and _host(request) not in _LOCAL:
            raise Refused(
                "this server answers requests to localhost alone; --host names another address",
                kind="ForeignHost",
                status=403,
            )
        if self.token is None or free:
            return
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise Refused(
                "a token is wanted, as the header 'Authorization: Bearer TOKEN', and this is not it"
                if given
                else "a token is wanted, as the header 'Authorization: Bearer TOKEN'",
                kind="Unauthorized",
                status=401,
            )

    async def body(self, request: Request) -> Any:
        """Return the JSON in the body of a request.

        Raises:
            Refused: for a body that is too large, no JSON, or does not come whole.
        """
        most, size, parts = self.limits.bytes, 0, []
        stated = request.headers.get("content-length", "0")
        if len(stated) < 20 and stated.isascii() and stated.isdecimal():
            size = int(stated)
        try:
            if size <= most:
                size = 0
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    if size > most:
                        break
        except ClientDisconnect:
            raise Refused("the body did not come whole") from None
        if size > most:
            raise Refused(
                f"the body has more than {most} bytes: give fewer samples in a request", kind="TooLarge", status=413
            )
        return parse(b"".join(parts))


@final
@dataclass(frozen=True)
class Service:
    """What is behind the paths.

    Attributes:
        served: the run.
        door: who may ask.
    """

    served: Served
    door: Door

    @cached_property
    def batcher(self) -> Batcher:
        """The thread that calls the network."""
        limits = self.door.limits
        rows = min(limits.rows, max(1, _AT_ONCE // self.served.points))
        return Batcher(rows=rows, wait=limits.wait)

    @cached_property
    def bridge(self) -> Bridge:
        """The models of UM-Bridge."""
        return Bridge(models_of(self.served), self.served.grid.shape, self.batcher)

    @cached_property
    def predict_form(self) -> type[Form]:
        """The form of a body for /predict."""
        return predict_form(self.served.grid.dimension)

    @cached_property
    def description(self) -> dict[str, Any]:
        """The description of all paths, as OpenAPI has it."""
        return description(run_facts(self.served, self.door.limits), self.bridge.models, self.predict_form)

    async def info(self, request: Request, body: Any) -> Any:
        """Answer /Info."""
        return self.bridge.info()

    async def named(self, call: Callable[[Any], Any], request: Request, body: Any) -> Any:
        """Answer what only depends on a model."""
        return call(body)

    async def feature(self, feature: str, request: Request, body: Any) -> Any:
        """Answer one of UM-Bridge's features."""
        return await self.bridge.answer(feature, body)

    async def predict(self, request: Request, body: Any) -> Any:
        """Answer /predict."""
        return await prediction(self.served, self.predict_form, self.door.limits, self.batcher, body)

    async def run(self, request: Request, body: Any) -> Any:
        """Answer /run."""
        return run_facts(self.served, self.door.limits) | {"models": list(self.bridge.models)}

    async def draw(self, request: Request, body: Any) -> Any:
        """Answer /draws/{index}."""
        word = request.path_params["index"]
        return draw_facts(self.served, int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else -1)

    async def described(self, request: Request, body: Any) -> Any:
        """Answer /openapi.json."""
        return self.description


def application(service: Service, *, started: Callable[[], None]) -> Starlette:
    """Return the application: its thread starts and ends with it, and `started` is called in between."""
    bridge, door = service.bridge, service.door

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        try:
            started()
            yield
        finally:
            await asyncio.to_thread(service.batcher.stop)

    named = {"ModelInfo": bridge.model_info, "InputSizes": bridge.input_sizes, "OutputSizes": bridge.output_sizes}
    gets: dict[str, Answer] = {"/Info": service.info, "/run": service.run, "/draws/{index}": service.draw}
    posts: dict[str, Answer] = {f"/{name}": partial(service.named, call) for name, call in named.items()}
    posts |= {f"/{feature}": partial(service.feature, feature) for feature in FEATURES}
    posts["/predict"] = service.predict
    pages = {path: _file(name, kind) for path, (name, kind) in _FILES.items()}
    pages["/docs"] = _page(description_page(service.description), "text/html")
    routes = [Route(path, _endpoint(door, call), methods=["GET"]) for path, call in gets.items()]
    routes += [Route(path, _endpoint(door, call), methods=["POST"]) for path, call in posts.items()]
    routes += [Route(path, _free(door, page), methods=["GET"]) for path, page in pages.items()]
    routes += [Route("/openapi.json", _endpoint(door, service.described, free=True), methods=["GET"])]
    handlers: dict[Any, Any] = {Refused: _refusal, HTTPException: _odd_path, Exception: _failure}
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=life)


def _endpoint(door: Door, call: Answer, *, free: bool = False) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a path in JSON, within the limits."""

    async def endpoint(request: Request) -> Response:
        door.refuse_stranger(request, free=free)
        try:
            async with asyncio.timeout(door.limits.seconds):
                body = await door.body(request) if request.method == "POST" else None
                return _json(await call(request, body))
        except TimeoutError:
            raise Refused(
                f"no answer within {door.limits.seconds:g} s: give fewer samples, or ask again later",
                kind="Timeout",
                status=503,
            ) from None

    return endpoint


def _free(door: Door, page: Response) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a path by a page that needs no token."""

    async def endpoint(request: Request) -> Response:
        door.refuse_stranger(request, free=True)
        return page

    return endpoint


def _file(name: str, kind: str) -> Response:
    return _page(resources.files("mlft.serving").joinpath("pages", name).read_text(encoding="utf-8"), kind)


def _page(text: str, kind: str) -> Response:
    return Response(text, media_type=kind, headers=_HEADERS)


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dump(content), status, {**_HEADERS, **(headers or {})}, "application/json")


async def _refusal(_: Request, refused: Refused) -> Response:
    headers = {"www-authenticate": "Bearer"} if refused.status == 401 else None
    return _json(refused.content, refused.status, headers)


async def _odd_path(request: Request, error: HTTPException) -> Response:
    kind = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "InvalidInput")
    told = f"{request.method} {request.url.path}: {error.detail}; what is there is described at /docs"
    return _json(Refused(told, kind=kind).content, error.status_code, dict(error.headers or {}))


async def _failure(_: Request, error: Exception) -> Response:
    """Answer what should not happen; the server writes the traceback to its own standard error."""
    return _json(Refused(f"the server failed: {type(error).__name__}", kind="InternalError").content, 500)


def _host(request: Request) -> str:
    """Return the host that a request names, without its port."""
    named = request.headers.get("host", "")
    return named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
