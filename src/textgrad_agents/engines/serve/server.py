"""`EngineServer`: an engine behind ``POST /v1/chat/completions`` and ``GET /v1/models``, for this machine alone.

Temperature, seed and the other options of a call reach the engine as they were sent; which part a call plays is not on
the wire. Nothing needs a key. Requests that a web page makes this machine's browser send are refused.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import contextmanager

from textgrad_agents.engines.base import is_structured
from textgrad_agents.engines.models.providers import is_loopback
from textgrad_agents.engines.serve.http import (
    MOST_HEAD,
    Rejected,
    Request,
    chunk,
    head,
    json_response,
    read_request,
)
from textgrad_agents.engines.serve.protocol import (
    ChatRequest,
    error_body,
    error_reply,
    pieces,
    read_chat_request,
    reply,
)
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Completion
from textgrad_agents.portal import Portal

HOST = "127.0.0.1"
_BACKLOG = 1024
_CHAT, _MODELS = "/v1/chat/completions", "/v1/models"


class EngineServer:
    """A server of one engine. It belongs to the loop that it is started on.

    Args:
        engine: answers all requests, whatever model they name.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> str:
        """Begin to serve, on a free port if `port` is 0; returns the address to give as ``base_url``.

        Raises:
            ConfigError: the port cannot be used.
        """
        try:
            self._server = await asyncio.start_server(
                self._serve, HOST, port, limit=MOST_HEAD, backlog=_BACKLOG, start_serving=True
            )
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise ConfigError(f"port {port} cannot be used ({reason}); choose another, or 0 for a free one") from None
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}/v1"

    async def aclose(self) -> None:
        """Serve no more; calls under way are cancelled."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        except asyncio.CancelledError:
            pass  # the server closes; a connection that ends cancelled would be reported as a failure
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False if the connection ends here."""
        keeps_open = False
        try:
            request = await read_request(reader, writer)
            if request is None:
                return False
            keeps_open = request.keeps_open
            _check_sender(request)
            await self.respond(request, writer)
        except Rejected as error:
            writer.write(json_response(error.status, error_body(str(error), error.status)))
            keeps_open = keeps_open and error.readable
        return keeps_open

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer a request.

        Raises:
            Rejected: it is none that is served here.
        """
        if request.path == _MODELS and request.method == "GET":
            model = {"id": self.engine.name, "object": "model", "created": 0, "owned_by": "this machine"}
            writer.write(json_response(200, {"object": "list", "data": [model]}))
        elif request.path == _CHAT and request.method == "POST":
            asked = read_chat_request(request.body, structured=is_structured(self.engine))
            try:
                completion = await self.engine.generate(asked.messages, asked.options)
            except EngineError as error:
                status, body, headers = error_reply(error)
                writer.write(json_response(status, body, headers))
                return
            await self.send(asked, completion, writer)
        else:
            raise Rejected(404, f"POST {_CHAT} and GET {_MODELS} are served here, not {request.method} {request.path}",
                           readable=True)  # fmt: skip

    async def send(self, asked: ChatRequest, completion: Completion, writer: asyncio.StreamWriter) -> None:
        """Write a completion as it was asked for: whole, or in pieces."""
        if not asked.stream:
            writer.write(json_response(200, reply(completion)))
            return
        writer.write(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        for piece in pieces(completion, include_usage=asked.include_usage):
            writer.write(chunk(_event(json.dumps(piece))))
            await writer.drain()
        writer.write(chunk(_event("[DONE]")) + chunk(b""))


@contextmanager
def serving(engine: Engine, port: int = 0) -> Generator[str, None, None]:
    """Serve `engine` from a thread of its own while the block runs; gives the address to give as ``base_url``.

    Raises:
        ConfigError: the port cannot be used.
    """
    portal, server = Portal(), EngineServer(engine)
    try:
        yield portal.run(server.start(port))
    finally:
        portal.run(server.aclose())
        portal.close()


def _check_sender(request: Request) -> None:
    """Refuse what a web page may have sent: a name that was made to lead here, or another origin.

    Raises:
        Rejected: the request is of that kind.
    """
    host, origin = request.headers.get("host", HOST), request.headers.get("origin", f"http://{HOST}")
    for what, url in (("for", f"http://{host}"), ("from pages of", origin)):
        try:
            ours = is_loopback(url)
        except ValueError:
            ours = False
        if not ours:
            raise Rejected(403, f"requests are taken for and from this machine alone, not {what} {url[:80]!r}")


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
