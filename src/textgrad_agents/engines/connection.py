"""The HTTP clients of a `ChatEngine` on one event loop, closed when the loop ends or nobody needs them any more.

They follow no redirects and retry nothing, read no more than a reply can be, and speak to no address that serves
machines their credentials. A request carries its own headers and our key, nothing that the environment adds for another
server.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.providers import OPENAI, is_link_local, is_loopback
from textgrad_agents.errors import EngineError

if TYPE_CHECKING:
    from httpx2 import Request
    from openai import AsyncOpenAI

_HEADERS = (b"accept", b"connection", b"content-length", b"content-type", b"host", b"user-agent")
_OPENAI_HEADERS = (*_HEADERS, b"openai-organization", b"openai-project")
_CONNECT_SECONDS = 20.0
_CALLS_PER_CLIENT = 32  # a client looks through all its connections for every call, so several small ones are faster


class Connections:
    """Clients for the running loop, as many as the calls under way need.

    Args:
        config: of the model at the other end.
    """

    def __init__(self, config: LLMConfig) -> None:
        self._config = config
        self.clients: list[AsyncOpenAI] = []
        self._calls: list[int] = []
        self._keeper = _close_with_loop(self.clients)
        with contextlib.suppress(StopIteration):
            self._keeper.__anext__().send(None)  # up to its yield, where nothing is awaited

    @contextlib.contextmanager
    def client(self) -> Generator[AsyncOpenAI, None, None]:
        """A client for one call: that with the fewest calls under way, or a new one."""
        index = min(range(len(self.clients)), key=self._calls.__getitem__, default=0)
        if not self.clients or self._calls[index] >= _CALLS_PER_CLIENT:
            index = len(self.clients)
            self.clients.append(_connect(self._config))
            self._calls.append(0)
        self._calls[index] += 1
        try:
            yield self.clients[index]
        finally:
            self._calls[index] -= 1

    async def aclose(self) -> None:
        """Close all clients."""
        await self._keeper.aclose()


async def _close_with_loop(clients: list[AsyncOpenAI]) -> AsyncGenerator[None]:
    """Closes `clients` when nobody holds the generator any more, or when the running loop ends, whichever comes first.

    A loop finishes generators that are dropped, and all it knows before it closes.
    """
    try:
        yield
    finally:
        for client in clients:
            await client.close()


def _connect(config: LLMConfig) -> AsyncOpenAI:
    import httpx2
    import openai

    from textgrad_agents.engines.bodies import bound

    _hush()
    http_client = openai.DefaultAsyncHttpxClient(
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        verify=config.url.startswith("https:"),  # plain HTTP has no certificates to spend time on
        timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),  # the whole call has its own limit
        trust_env=not is_loopback(config.url),  # a proxy has no business between us and this machine
        event_hooks={"request": [partial(_prepare, config)], "response": [bound]},
    )
    return openai.AsyncOpenAI(
        api_key="set by the request hook", base_url=config.url, http_client=http_client, max_retries=0
    )


def _hush() -> None:
    """Keep the HTTP library from writing into a debug log what servers send, which may hold a key.

    Who sets the level of its logger has asked for it and gets it.
    """
    logger = logging.getLogger("httpcore2")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


async def _prepare(config: LLMConfig, request: Request) -> None:
    """Put our key on a request, take off what the environment adds for another server, and have its address watched."""
    import httpx2

    kept = _OPENAI_HEADERS if config.provider is OPENAI else _HEADERS
    headers = [(name, value) for name, value in request.headers.raw if name.lower() in kept]
    headers.append((b"accept-encoding", b"gzip"))
    key = config.get_api_key()
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    request.headers = httpx2.Headers(headers)
    if not is_loopback(config.url):
        request.extensions["trace"] = partial(_watch, config)


async def _watch(config: LLMConfig, happened: str, facts: dict[str, Any]) -> None:
    """Leave a new connection before anything is sent, if the name of the server led to an address that none may have.

    Raises:
        EngineError: it did.
    """
    if happened != "connection.connect_tcp.complete":
        return
    stream = facts["return_value"]
    address, *_ = stream.get_extra_info("server_addr")
    if is_link_local(address):
        await stream.aclose()
        raise make_fault(
            "forbidden",
            f"{config.url} leads to {address}, a link-local address, where machines are served their credentials and "
            "no models; nothing was sent: check base_url",
            EngineError,
        )
