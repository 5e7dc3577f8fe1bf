"""One request and its response, whole or in pieces; what goes wrong comes out as an error of ours."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from textgrad_agents.engines.chunks import read_events
from textgrad_agents.engines.connection import Connections
from textgrad_agents.engines.faults import connection_fault, status_fault, timeout_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.wire import first_choice, no_choice, parse_reply
from textgrad_agents.errors import EngineError

if TYPE_CHECKING:
    from httpx2 import Response

_PATH = "/chat/completions"
_STREAM = {"stream": True, "stream_options": {"include_usage": True}}
_DONE = "[DONE]"


async def post(
    connections: Connections, config: LLMConfig, body: Mapping[str, Any], path: str = _PATH
) -> Mapping[str, Any]:
    """Send `body`; the JSON object that comes back, without the key.

    Raises:
        EngineError: none came back.
    """
    return parse_reply(await send(connections, config, body, path), config)


async def send(connections: Connections, config: LLMConfig, body: Mapping[str, Any], path: str) -> str:
    """Send `body` to a path below the address, or to a whole address; the text that comes back, without the key.

    Raises:
        EngineError: none came back, or one that says no.
    """
    import openai

    try:
        with connections.client() as client:
            async with asyncio.timeout(config.timeout):
                text = await client.post(path, body=body, cast_to=str)
            return config.redacted(text)
    except (TimeoutError, openai.APIError) as error:
        fault = _fault(config, error)
    raise fault  # outside the handler, so that it does not drag the request along


async def stream_events(
    connections: Connections, config: LLMConfig, body: Mapping[str, Any]
) -> AsyncGenerator[str, None]:
    """Send `body`, asking for a stream; the data of its events, without the key. A whole reply is made one event.

    Raises:
        EngineError: no stream came back, or it broke off.
    """
    import httpx2
    import openai

    until = asyncio.get_running_loop().time() + config.timeout
    response: Response | None = None
    try:
        with connections.client() as client:
            async with asyncio.timeout_at(until):
                stream = await client.post(
                    _PATH, body={**body, **_STREAM}, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
                )
            response = stream.response
            async with aclosing(_events(response, config, until)) as events:
                async for event in events:
                    yield config.redacted(event)
        return
    except (TimeoutError, openai.APIError, httpx2.RequestError, ssl.SSLError) as error:
        fault = _fault(config, error)
    finally:
        if response is not None:
            await response.aclose()
    raise fault


async def _events(response: Response, config: LLMConfig, until: float) -> AsyncGenerator[str, None]:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        async with asyncio.timeout_at(until):
            whole = await response.aread()
        yield _as_event(parse_reply(config.redacted(whole.decode(errors="replace")), config), config)
        return
    async with aclosing(response.aiter_bytes()) as pieces, aclosing(read_events(pieces)) as events:
        while (event := await _next_by(until, events)) != _DONE:
            yield event


async def _next_by(until: float, events: AsyncIterator[str]) -> str:
    """The next event, waited for until a time of the loop's clock; a stream that ends says ``[DONE]``."""
    async with asyncio.timeout_at(until):
        return await anext(events, _DONE)


def _as_event(reply: Mapping[str, Any], config: LLMConfig) -> str:
    """A whole reply as the one chunk of a stream."""
    choice = first_choice(reply)
    if choice is None:
        raise no_choice(reply, config)
    finish = choice.get("finish_reason") or "stop"
    return json.dumps({**reply, "choices": [{**choice, "delta": choice.get("message"), "finish_reason": finish}]})


def _fault(config: LLMConfig, error: Exception) -> EngineError:
    import openai

    if isinstance(error, TimeoutError):
        return timeout_fault(config)
    if isinstance(error, openai.APIStatusError):
        return status_fault(config, error.status_code, error.response.headers, error.response.text)
    return connection_fault(config, error)
