"""`mlft.serve`: a finished run over HTTP."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

from mlft.errors import ConfigError, MlftError
from mlft.experiment.finished import Record
from mlft.serving.limits import Limits
from mlft.serving.served import read_served

PORT = 4242
"""UM-Bridge's."""

_WAITING = 2048


def serve(  # noqa: PLR0913 (what a server is told)
    run: str | Path | Record,
    *,
    port: int = PORT,
    host: str = "127.0.0.1",
    token: str | None = None,
    limits: Limits | None = None,
    fast: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answer requests for a finished run over HTTP until SIGINT or SIGTERM; nothing is written into its folder.

    A page to move the input at /, UM-Bridge 1.0, JSON at /predict, and the description of it all at /docs. Requests
    that come at the same time are answered by one call of the network. How: docs/serving.md.

    Args:
        run: the run folder, or its record.
        port: 0 takes any that is free.
        host: the address to listen at; by default only this machine can ask.
        token: that requests must carry as "Authorization: Bearer TOKEN"; by default none is wanted.
        limits: size and time of a request, and how many are answered together.
        fast: whether ONNX Runtime runs the network, which is made at the start, in some ten seconds: for U-Nets and
            averages that are asked one by one; see `mlft.surrogates.Fast`. Derivatives are still torch's.
        ready: called with the address once requests are answered.

    Raises:
        ConfigError: for a port or host that is none, or a token that no header can carry.
        MlftError: if the folder holds no finished run, the port is taken, starlette and uvicorn are not installed, or
            `fast` is asked for without the extra `onnx` or for a network that it cannot run.
        KeyboardInterrupt: on SIGINT, after an end in order.
    """
    _refuse_odd_token(token)
    try:
        from mlft.serving.running import answer
    except ImportError as error:
        raise MlftError(f"to serve, starlette and uvicorn are needed ({error}): pip install 'mlft[serve]'") from None
    from mlft.serving.app import Door, Service

    with _bound(host, port) as listener:
        address, taken = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        door = Door(limits or Limits(), token, ipaddress.ip_address(address).is_loopback)
        service = Service(read_served(run, fast=fast), door)
        listener.listen(_WAITING)
        answer(service, listener, started=lambda: None if ready is None else ready(f"http://{name}:{taken}/"))


def _refuse_odd_token(token: str | None) -> None:
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ConfigError("a token is of printable ASCII without spaces, at least one sign of it")


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that has the port, and does not listen yet."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"a port is a number from 0 to 65535, got {port}")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"there is no address {host!r} to listen at: {error}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise MlftError(
                f"port {port} of {host} is taken: give another with --port, or --port 0 for any that is free"
            ) from None
        raise MlftError(f"port {port} of {host} cannot be used: {error.strerror or error}") from None
    return listener
