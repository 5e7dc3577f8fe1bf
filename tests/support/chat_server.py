"""A Chat Completions server on loopback that answers what a test told it to, faults included."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: Any

    def __repr__(self) -> str:
        return f"Request({self.path!r}, {self.body!r})"


@dataclass(frozen=True)
class Reply:
    """`fault` "reset" resets the connection unanswered; "cut" ends it in the middle of the body."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fault: Literal["reset", "cut"] | None = None


def completion(content: Any = "ok", *, finish: str | None = "stop", **changes: Any) -> dict[str, Any]:
    """A usual reply. `changes` replace or add top-level fields; a dict under `message` updates the message."""
    message = {"role": "assistant", "content": content} | changes.pop("message", {})
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    } | changes


class ChatServer:
    """Replies are used in order; when none is left (or `rule` is set), `rule` decides, or a plain "ok" is said.

    Attributes:
        requests: what was asked, in order of arrival.
        connections, open_connections: how many were opened so far, and are still open.
        rule: from a request to its reply, for servers that must read what they are asked.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.rule: Callable[[Request], Reply] | None = None
        self.connections = 0
        self.open_connections = 0
        self._replies: list[Reply] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def say(self, content: Any = "ok", **changes: Any) -> None:
        """Answer with a completion; see `completion`."""
        self.send(completion(content, **changes))

    def send(self, body: Any, status: int = 200, **how: Any) -> None:
        """Answer with a body: bytes and texts as they are, anything else as JSON."""
        self._replies.append(make_reply(body, status, **how))

    def fail(self, status: int, message: str = "no", headers: Mapping[str, str] | None = None, **error: Any) -> None:
        """Answer with an error in OpenAI's form."""
        self.send({"error": {"message": message} | error}, status, headers=headers or {})

    def take(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self.rule is None and self._replies:
                return self._replies.pop(0)
        return self.rule(request) if self.rule else make_reply(completion())

    def count(self, opened: int = 0, closed: int = 0) -> None:
        with self._lock:
            self.connections += opened
            self.open_connections += opened - closed

    def wait(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


def make_reply(body: Any, status: int = 200, **how: Any) -> Reply:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(data, status, **how)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave in one piece
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.count(opened=1)

        def finish(self) -> None:
            super().finish()
            server.count(closed=1)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            reply = server.take(Request(self.path, dict(self.headers), body))
            server.wait(reply.delay)
            if reply.fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            sent = reply.body[: len(reply.body) // 2] if reply.fault == "cut" else reply.body
            self.send_response(reply.status)
            for name, value in ({"content-type": "application/json"} | dict(reply.headers)).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(sent)
            self.close_connection = self.close_connection or reply.fault == "cut"

        def log_message(self, *_: object) -> None:
            pass

    return Handler
