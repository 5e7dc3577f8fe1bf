"""A chat server on this machine that answers every request after the same time and counts what it was asked.

    python benchmarks/loopback.py --latency 0.5

It prints its address and serves until its input is closed. `POST …/chat/completions` is OpenAI's form; `POST /reset`
forgets the counts; `GET /stats` tells calls by part played and the most that were under way at once. Which part a
request plays is read from its text, with a table of the phrases that each library's own prompts begin with.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PHRASES = {  # in a request's messages -> the part it plays; the first that is found counts
    "You are the gradient (feedback) engine": "critic",
    "You work out how the inputs of one step": "critic",
    "aggregate and summarize": "reducer",
    "system that improves text (i.e., variable)": "optimizer",
    "You improve one text of a larger system": "optimizer",
    "You are an evaluator": "loss",
}
IMPROVED = "Answer the question step by step, check the result, and end with the answer on a line of its own."
CRITICISM = "Ask for the steps to be written down and for the result to be checked before it is given."


class Server:
    """The counts and the answers."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.calls: Counter[str] = Counter()
        self.under_way = self.peak = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open from request to request."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length.group(1)) if length else 0)
                reply = json.dumps(await self.answer(head.split()[1], body)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply)
                    + reply
                )
                await writer.drain()
        writer.close()

    async def answer(self, path: str, body: bytes) -> Any:
        if path.endswith("/chat/completions"):
            return await self.complete(json.loads(body))
        if path == "/reset":
            self.calls.clear()
            self.peak = 0
        return {"calls": dict(self.calls), "peak": self.peak}

    async def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        text = "\n".join(text_of(message) for message in request["messages"])
        part = next((part for phrase, part in PHRASES.items() if phrase in text), "forward")
        self.calls[part] += 1
        await asyncio.sleep(self.latency)
        self.under_way -= 1
        content = reply_of(part, text)
        return {
            "id": "loopback",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(text) // 4, "completion_tokens": 20, "total_tokens": len(text) // 4 + 20},
        }


def text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def reply_of(part: str, text: str) -> str:
    """A reply in the form that the request asks for."""
    if part == "optimizer":
        nonce = re.search(r"<NEW_[0-9a-f]{8}>", text)
        tag = nonce.group(0) if nonce else "<IMPROVED_VARIABLE>"
        return f"{tag}\n{IMPROVED}\n{tag.replace('<', '</')}"
    mark = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()  # other texts, other replies: no cache helps
    if part == "loss":
        return f"Answer {mark} is given without its steps, so that it cannot be checked."
    if part == "critic":
        return criticism(text, f"{CRITICISM} ({mark})")
    return f"The answer is {mark}."


def criticism(text: str, words: str) -> str:
    """The words; once for each wanted input, as JSON between tags, where that is asked for."""
    tag = re.search(r"<(GRADIENTS_[0-9a-f]{8})>", text)
    if tag is None:
        return words
    wanted = re.search(r'"wanted": (\[[^]]*\])', text)
    assert wanted, "a request for several gradients lists the inputs wanted"
    return f"<{tag.group(1)}>{json.dumps(dict.fromkeys(json.loads(wanted.group(1)), words))}</{tag.group(1)}>"


@contextlib.contextmanager
def running(latency: float) -> Iterator[str]:
    """A server in a process of its own; gives its address, which ends in ``/v1``."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__), "--latency", str(latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def reset(address: str) -> None:
    """Forget the counts of the server at `address`."""
    _ask(address, "/reset", b"")


def stats(address: str) -> dict[str, Any]:
    """``{"calls": {part: count}, "peak": most calls at once}``."""
    return _ask(address, "/stats", None)


def _ask(address: str, path: str, data: bytes | None) -> Any:
    with urllib.request.urlopen(address.removesuffix("/v1") + path, data) as response:
        return json.load(response)


async def main(latency: float) -> None:
    """Serve until standard input is closed."""
    listener = await asyncio.start_server(Server(latency).serve, "127.0.0.1", 0, limit=1 << 24, backlog=1024)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    listener.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds until a reply (default 0.5)")
    asyncio.run(main(parser.parse_args().latency))
