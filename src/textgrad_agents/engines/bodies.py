"""Bodies of responses with a limit: what a server sends is unpacked piece by piece and left when there is too much."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

from textgrad_agents.engines.faults import make_fault
from textgrad_agents.errors import EngineAccessError

LIMIT = 32 * 2**20
"""Most bytes of an unpacked body."""

_PACKED = ("gzip", "deflate")
_PIECE = 2**20
_GZIP_OR_ZLIB = 47  # zlib looks at the header


async def bound(response: httpx2.Response) -> None:
    """Have `response` unpacked by us, within the limit; it must not have been read yet.

    Raises:
        EngineAccessError: it is packed in a way that we did not ask for.
    """
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", *_PACKED):
        raise make_fault(
            "too_large",
            f"{response.url} packed its reply with {encoding!r}, which was not asked for and is not unpacked; choose "
            "another server",
            EngineAccessError,
        )
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream, str(response.url), packed=encoding in _PACKED)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, url: str, *, packed: bool) -> None:
        self._stream = stream
        self._url = url
        self._packed = packed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        unpacker = _Unpacker() if self._packed else None
        async for raw in self._stream:
            for piece in (raw,) if unpacker is None else unpacker.pieces(raw):
                size += len(piece)
                if size > LIMIT:
                    raise make_fault(
                        "too_large",
                        f"the reply of {self._url} is longer than {LIMIT // 2**20} MB; no model writes as much: check "
                        "that base_url is the address of an OpenAI-compatible server",
                        EngineAccessError,
                    )
                yield piece
        if unpacker is not None and size and not unpacker.complete:
            raise httpx2.DecodingError("the packed reply is cut off")

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Unpacker:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """What `raw` holds, unpacked no faster than it is taken."""
        try:
            while raw:
                yield self._zlib.decompress(raw, _PIECE)
                raw = self._zlib.unconsumed_tail
        except zlib.error as error:
            raise httpx2.DecodingError(f"the packed reply is damaged ({error})") from None

    @property
    def complete(self) -> bool:
        """True if the end of the packed data was seen."""
        return self._zlib.eof
