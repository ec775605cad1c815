"""The server: uvicorn around the application."""

import logging
import socket
from collections.abc import Callable

import uvicorn

from mlft.process import threads
from mlft.serving.app import Service, application

_LEAVE = 5
"""Seconds that requests under way have at the end."""


def answer(service: Service, listener: socket.socket, *, started: Callable[[], None]) -> None:
    """Answer requests on a socket that listens, until SIGINT or SIGTERM, which come again once all is closed.

    Args:
        service: the run, and who may ask.
        listener: the socket.
        started: called once requests are answered.
    """
    config = uvicorn.Config(
        application(service, started=started),
        log_config=None,
        log_level=logging.ERROR,  # failures of the server, not of those who ask
        access_log=False,
        ws="none",
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_LEAVE,
    )
    with threads(_threads(service)):
        uvicorn.Server(config).run([listener])


def _threads(service: Service) -> int:
    """Return the CPU threads that the run was trained with: small networks are slower on more."""
    count = service.served.record.outcome.config.get("threads", 1)
    return count if isinstance(count, int) and count >= 1 else 1
