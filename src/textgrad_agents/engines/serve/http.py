"""As much of HTTP/1.1 as a server of small JSON requests needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MOST_HEAD = 64 * 2**10
MOST_BODY = 32 * 2**20
_END = b"\r\n\r\n"


class Rejected(Exception):
    """The request is answered with this status and message, and its connection ends if the request was not read."""

    def __init__(self, status: int, message: str, *, readable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.readable = readable


@dataclass(frozen=True, slots=True)
class Request:
    """One request; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def keeps_open(self) -> bool:
        """True if the client goes on with the connection."""
        return self.headers.get("connection", "").lower() != "close"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection; None if there is none.

    Raises:
        Rejected: what comes is no request that is served here.
    """
    try:
        head = await reader.readuntil(_END)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Rejected(431, f"the head of a request may have {MOST_HEAD} bytes") from None
    method, path, headers = _parse_head(head)
    if "transfer-encoding" in headers:
        raise Rejected(411, "send the body with a content-length")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Rejected(400, f"content-length must be a number, got {length[:40]!r}")
    if int(length) > MOST_BODY:
        raise Rejected(413, f"a request may have {MOST_BODY} bytes, this one announces {length[:40]}")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(method, path.partition("?")[0], headers, await reader.readexactly(int(length)))


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").removesuffix(_END.decode()).split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Rejected(400, f"this is no HTTP request: {first[:80]!r}")
    headers = dict(line.split(":", 1) for line in lines if ":" in line)
    return parts[0], parts[1], {name.strip().lower(): value.strip() for name, value in headers.items()}


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The head of a response."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + _END


def response(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A whole response."""
    return head(status, {**headers, "content-length": str(len(body))}) + body


def json_response(status: int, value: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """A response whose body is JSON."""
    body = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    return response(status, body, {"content-type": "application/json", **(headers or {})})


def chunk(data: bytes) -> bytes:
    """A piece of a body that is sent in pieces; an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
