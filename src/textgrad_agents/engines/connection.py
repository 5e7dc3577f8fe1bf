"""The HTTP client of a `ChatEngine`: one per event loop, closed when the loop ends or nobody needs it any more.

It follows no redirects and retries nothing, reads no more than a reply can be, and speaks to no address that serves
machines their credentials. A request carries its own headers and our key, nothing that the environment adds for another
server.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.providers import OPENAI, is_link_local, is_loopback
from textgrad_agents.errors import EngineError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_HEADERS = ("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent")
_OPENAI_HEADERS = ("openai-organization", "openai-project")
_CONNECT_SECONDS = 20.0
_MOST_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and the generator whose end closes it."""

    client: AsyncOpenAI
    keeper: AsyncGenerator[None]


def connect(config: LLMConfig) -> Connection:
    """A client for the running loop."""
    import httpx2
    import openai

    from textgrad_agents.engines.bodies import bound

    _hush()
    http_client = openai.DefaultAsyncHttpxClient(
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_MOST_CONNECTIONS),
        verify=config.url.startswith("https:"),  # plain HTTP has no certificates to spend time on
        timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),  # the whole call has its own limit
        trust_env=not is_loopback(config.url),  # a proxy has no business between us and this machine
        event_hooks={"request": [partial(_prepare, config)], "response": [bound]},
    )
    client = openai.AsyncOpenAI(
        api_key="set by the request hook", base_url=config.url, http_client=http_client, max_retries=0
    )
    keeper = _close_with_loop(client)
    with contextlib.suppress(StopIteration):
        keeper.__anext__().send(None)  # up to its yield, where nothing is awaited
    return Connection(client, keeper)


def _hush() -> None:
    """Keep the HTTP library from writing into a debug log what servers send, which may hold a key.

    Who sets the level of its logger has asked for it and gets it.
    """
    logger = logging.getLogger("httpcore2")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


async def _close_with_loop(client: AsyncOpenAI) -> AsyncGenerator[None]:
    """Closes `client` when nobody holds the generator any more, or when the running loop ends, whichever comes first.

    A loop finishes generators that are dropped, and all it knows before it closes.
    """
    try:
        yield
    finally:
        await client.close()


async def _prepare(config: LLMConfig, request: Any) -> None:
    """Put our key on a request, take off what the environment adds for another server, and have its address watched."""
    kept = _HEADERS + (_OPENAI_HEADERS if config.provider is OPENAI else ())
    for header in [name for name in request.headers if name.lower() not in kept]:
        del request.headers[header]
    request.headers["accept-encoding"] = "gzip"
    key = config.get_api_key()
    if key is not None:
        request.headers["authorization"] = f"Bearer {key}"
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
