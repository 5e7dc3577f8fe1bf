"""Running an application on an address of this machine until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from envs.web.guard import LocalRequests
from textgrad_agents.errors import ConfigError
from textgrad_agents.portal import Portal

_LAST_SECONDS = 5  # for requests that are under way when the server is told to stop


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0 is a free one.

    Raises:
        ConfigError: the address cannot be used.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"a port is a number from 0 to 65535, not {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"{host} port {port} cannot be used ({reason}); choose another, or 0 for a free one"
        ) from None


def url_of(bound: socket.socket) -> str:
    """The address of a socket, to be asked from this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: ASGIApp, host: str, port: int, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve `app` until the task is cancelled or the process is told to stop.

    Args:
        app: the application.
        host: the address to bind to. Requests to a loopback address must be for this machine.
        port: the port; 0 is a free one.
        ready: called with the server's address before the first request is answered.

    Raises:
        ConfigError: the address cannot be used.
    """
    with bind(host, port) as bound:
        if ready is not None:
            ready(url_of(bound))
        config = uvicorn.Config(
            LocalRequests(app, host),
            access_log=False,  # an address may hold a token
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_LAST_SECONDS,
            ws="none",
        )
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve(sockets=[bound]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


def run(app: ASGIApp, host: str, port: int, *, ready: Callable[[str], None] | None = None) -> None:
    """`serve`, for a program that does nothing else."""
    asyncio.run(serve(app, host, port, ready=ready))


@contextmanager
def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve `app` from a thread of its own while the block runs; gives the server's address.

    Raises:
        ConfigError: the address cannot be used.
    """
    portal, address = Portal(), Future[str]()
    served = portal.submit(serve(app, host, port, ready=address.set_result))
    under_way: list[Future[Any]] = [served, address]
    try:
        wait(under_way, return_when=FIRST_COMPLETED)
        if not address.done():
            served.result()
        yield address.result()
    finally:
        served.cancel()
        portal.settled().result()
        portal.close()
