"""The server: uvicorn around the application."""

import logging
import socket
from collections.abc import Callable

import torch
import uvicorn

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
    threads = torch.get_num_threads()
    torch.set_num_threads(_threads(service))
    try:
        uvicorn.Server(config).run([listener])
    finally:
        torch.set_num_threads(threads)


def _threads(service: Service) -> int:
    """Return the CPU threads that the run was trained with: small networks are slower on more."""
    threads = service.served.record.outcome.config.get("threads", 1)
    return threads if isinstance(threads, int) and threads >= 1 else 1
