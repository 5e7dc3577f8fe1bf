"""A model server on loopback that fails on purpose: which calls, in which way and how often follows from a seed.

It answers like the engine behind it (an echo by default). A call is known by its messages and seed; a call that meets a
fault meets it for a number of tries, and is answered then. Every text that belongs to a fault says WRONG, so a test can
tell that none was accepted.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from textgrad_agents.engines.serve import EngineServer
from textgrad_agents.engines.serve.http import Request, chunk, head, json_response, response
from textgrad_agents.engines.serve.protocol import ChatRequest, pieces, reply
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage
from textgrad_agents.portal import Portal
from textgrad_agents.seeds import derive_seed

WRONG = "WRONG"

# Each kind of fault, and what a client should make of it: the kind of error that it names the fault by.
PASSING = {
    "429_rate": "rate_limit",
    "429_wait": "rate_limit",
    "408": "server",
    "500": "server",
    "503_page": "overloaded",
    "529": "overloaded",
    "reset": "lost",
    "hang": "timeout",
    "short_body": "lost",
    "bad_json": "malformed",
    "page": "page",
    "no_choices": "malformed",
    "null_choices": "malformed",
    "null_content": "empty",
    "empty_content": "empty",
    "refusal": "refusal",
    "stream_cut": "stream_cut",
    "stream_error": "stream_error",
}
REPAIRED = {"reasoning_only": "length"}  # by a higher cap
LASTING = {
    "429_quota": "quota",
    "400_context": "context",
    "400_parameter": "request",
    "401": "key",
    "403": "rights",
    "404": "model",
    "filtered": "filtered",
    "302": "redirect",
    "bomb": "too_large",
}
HARMLESS = {"no_usage": "answered"}
KINDS = {**PASSING, **REPAIRED, **LASTING, **HARMLESS}

ROLES = {"one action": "actor", "evaluation": "critic", "credit per agent": "critic", "improved variable": "optimizer"}
_ANSWER = re.compile(r"^## Answer format: (.+?)\s*$", re.MULTILINE)

Latency = Callable[[random.Random], float]


def constant(seconds: float) -> Latency:
    return lambda _: seconds


def lognormal(median: float, spread: float) -> Latency:
    """As the latency of real servers is distributed: `median` seconds, most within a factor of e to the `spread`."""
    return lambda dice: median * dice.lognormvariate(0.0, spread)


@dataclass(frozen=True)
class Plan:
    """What goes wrong.

    Attributes:
        rate: share of the calls that meet a fault.
        kinds: the faults, with how often each is chosen.
        lasts: most tries of a call that meet its fault (at least one does).
        latency: seconds until an answer.
        retry_after: what ``429_wait`` asks to wait.
        redirect: where ``302`` leads.
        hang: seconds that ``hang`` says nothing.
    """

    seed: int = 0
    rate: float = 0.0
    kinds: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))
    lasts: int = 2
    latency: Latency = field(default=constant(0.0))
    retry_after: float = 600.0
    redirect: str = "http://127.0.0.1:9/v1"
    hang: float = 3600.0


def echo_of(messages: Sequence[Message]) -> str:
    """What the echo answers to `messages`."""
    text = "\n".join(f"{message.role}: {message.text}" for message in messages)
    return f"echo {blake2b(text.encode(), digest_size=8).hexdigest()}"


class Echo:
    """Says which messages it was sent; its usage is counted, not estimated."""

    name = "echo"

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        text = echo_of(messages)
        return Completion(text, usage=Usage(sum(len(message.text) for message in messages), len(text)), model=self.name)


class FaultServer(EngineServer):
    """An engine behind a plan of faults.

    Attributes:
        calls: requests by the role that their text gives away.
        served: requests by kind of fault; right answers under ``""``.
        tries: requests by call.
        kind_of: the fault that each call meets, "" for none.
        billed: tokens that a provider would charge for, whatever the client was told.
        under_way, peak: requests at once, now and at most.
    """

    def __init__(self, plan: Plan = Plan(), engine: Engine | None = None) -> None:
        super().__init__(engine or Echo())
        self.plan = plan
        self.calls: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self.kind_of: dict[str, str] = {}
        self.billed = Usage()
        self.under_way = 0
        self.peak = 0
        self._caps: dict[str, int] = {}
        self._lock = threading.Lock()

    def fault_of(self, call: str) -> tuple[str, int]:
        """The fault of a call, and how many tries it lasts."""
        dice = random.Random(derive_seed("fault", self.plan.seed, call))
        if dice.random() >= self.plan.rate:
            return "", 0
        (kind,) = dice.choices(list(self.plan.kinds), list(self.plan.kinds.values()))
        return kind, dice.randint(1, self.plan.lasts) if kind in PASSING else 1_000_000

    async def respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method != "POST":
            await super().respond(request, writer)
            return
        body: dict[str, Any] = json.loads(request.body)
        call = call_of(body)
        kind, lasts = self.fault_of(call)
        with self._lock:
            self.calls[role_of(body)] += 1
            self.tries[call] += 1
            self.kind_of[call] = kind
            number = self.tries[call]
            self.under_way += 1
            self.peak = max(self.peak, self.under_way)
        try:
            dice = random.Random(derive_seed("latency", self.plan.seed, call, number))
            await asyncio.sleep(self.plan.latency(dice))
            if number > lasts or (kind == "reasoning_only" and self._cap_is_raised(call, body)):
                kind = ""
            self.served[kind] += 1
            if kind:
                await self._fail(kind, body, request, writer)
            else:
                await super().respond(request, writer)
        finally:
            self.under_way -= 1

    def _cap_is_raised(self, call: str, body: dict[str, Any]) -> bool:
        """A reply that was all reasoning is repaired by a higher cap, and by nothing else."""
        cap = usage_of(body).output_tokens
        return cap > self._caps.setdefault(call, cap)

    async def send(self, asked: ChatRequest, completion: Completion, writer: asyncio.StreamWriter) -> None:
        self._bill(completion.usage)
        await super().send(asked, completion, writer)

    def _bill(self, usage: Usage) -> None:
        with self._lock:
            self.billed += usage

    async def _fail(self, kind: str, body: dict[str, Any], request: Request, writer: asyncio.StreamWriter) -> None:
        if kind in _STATUS:
            status, error, headers = _STATUS[kind]
            if kind == "429_wait":
                headers = {"retry-after-ms": f"{self.plan.retry_after * 1000:.0f}"}
            writer.write(json_response(status, {"error": {"message": WRONG, **error}}, headers))
        elif kind == "302":
            writer.write(response(302, b"", {"location": f"{self.plan.redirect}/chat/completions"}))
        elif kind == "hang":
            self._bill(usage_of(body))
            await asyncio.sleep(self.plan.hang)
        elif kind == "reset":
            self._bill(usage_of(body))
            _reset(writer)
        elif kind == "bomb":
            writer.write(response(200, bomb(), {"content-type": "application/json", "content-encoding": "gzip"}))
        elif kind in ("503_page", "page"):
            status = 503 if kind == "503_page" else 200
            page = f"<!DOCTYPE html><html>{WRONG}</html>".encode()
            writer.write(response(status, page, {"content-type": "text/html"}))
        elif kind == "no_usage":
            await self._send_without_usage(body, writer)
        else:
            self._bill(usage_of(body))
            self._send_wrong(kind, body, writer)

    def _send_wrong(self, kind: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        wrong = Completion(f"{WRONG} words that nobody may use", usage=usage_of(body), model="echo")
        if kind == "stream_cut" and body.get("stream"):
            _send_events(writer, list(pieces(wrong, include_usage=False))[:-1])
        elif kind == "stream_error" and body.get("stream"):
            error = {"error": {"message": WRONG, "type": "server_error"}}
            _send_events(writer, [*list(pieces(wrong, include_usage=False))[:-1], error])
        elif kind in ("short_body", "stream_cut"):
            whole = json_response(200, reply(wrong))
            writer.write(whole[: len(whole) - 20])
            writer.close()
        elif kind == "bad_json":
            writer.write(response(200, json.dumps(reply(wrong)).encode()[:-9], {"content-type": "application/json"}))
        else:
            writer.write(json_response(200, _spoilt(kind, reply(wrong))))

    async def _send_without_usage(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        messages = [Message.model_validate(message) for message in body["messages"]]
        completion = await self.engine.generate(messages)
        self._bill(completion.usage)
        if body.get("stream"):
            _send_events(writer, list(pieces(completion, include_usage=False)))
        else:
            whole = reply(completion)
            del whole["usage"]
            writer.write(json_response(200, whole))


_STATUS: Mapping[str, tuple[int, dict[str, str], dict[str, str]]] = {
    "408": (408, {}, {}),
    "429_rate": (429, {"type": "requests", "code": "rate_limit_exceeded"}, {}),
    "429_wait": (429, {"type": "requests", "code": "rate_limit_exceeded"}, {}),
    "429_quota": (429, {"type": "insufficient_quota", "code": "insufficient_quota"}, {}),
    "500": (500, {"type": "server_error"}, {}),
    "529": (529, {"type": "overloaded_error"}, {}),
    "400_context": (400, {"type": "invalid_request_error", "code": "context_length_exceeded"}, {}),
    "400_parameter": (400, {"type": "invalid_request_error", "param": "top_k", "code": "unsupported_parameter"}, {}),
    "401": (401, {"type": "invalid_request_error", "code": "invalid_api_key"}, {}),
    "403": (403, {"type": "permission_error"}, {}),
    "404": (404, {"type": "invalid_request_error", "code": "model_not_found"}, {}),
}


def _spoilt(kind: str, whole: dict[str, Any]) -> dict[str, Any]:
    choice = whole["choices"][0]
    message = choice["message"]
    if kind == "no_choices":
        whole["choices"] = []
    elif kind == "null_choices":
        whole["choices"] = None
    elif kind == "null_content":
        message["content"] = None
    elif kind == "empty_content":
        message["content"] = " \n"
    elif kind == "refusal":
        message |= {"content": None, "refusal": f"I am sorry, {WRONG}"}
    elif kind == "reasoning_only":
        message["content"] = ""
        choice["finish_reason"] = "length"
    elif kind == "filtered":
        choice["finish_reason"] = "content_filter"
    elif kind == "stream_error":
        whole = {"error": {"message": WRONG, "type": "server_error"}}
    else:
        raise AssertionError(kind)
    return whole


def _send_events(writer: asyncio.StreamWriter, events: list[dict[str, Any]]) -> None:
    writer.write(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
    for event in events:
        writer.write(chunk(f"data: {json.dumps(event)}\n\n".encode()))
    writer.write(chunk(b""))


def _reset(writer: asyncio.StreamWriter) -> None:
    plug: socket.socket = writer.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def call_of(body: Mapping[str, Any]) -> str:
    """What a call is known by, whichever try it is."""
    text = json.dumps([body["messages"], body.get("seed")], sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def role_of(body: Mapping[str, Any]) -> str:
    """The part that a request of training plays, by the answer format that it asks for."""
    text = "\n".join(str(message["content"]) for message in body["messages"])
    found = _ANSWER.findall(text)
    return ROLES.get(found[-1], "other") if found else "other"


def usage_of(body: Mapping[str, Any]) -> Usage:
    """What a provider charges for a reply that went wrong: the prompt, and as many tokens as it could write."""
    cap = body.get("max_completion_tokens") or body.get("max_tokens") or 16
    return Usage(sum(len(str(message["content"])) for message in body["messages"]), int(cap))


def bomb(gigabytes: int = 1) -> bytes:
    """A gzip file of zeros; it is a thousandth as long as what it unpacks to."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * (1024 * gigabytes) + packer.flush(zlib.Z_FINISH) + bytes(8)


@contextmanager
def faulty(plan: Plan = Plan(), engine: Engine | None = None) -> Generator[tuple[FaultServer, str], None, None]:
    """A fault server on a free port and a thread of its own; gives it and its address."""
    portal, server = Portal(), FaultServer(plan, engine)
    try:
        yield server, portal.run(server.start())
    finally:
        portal.run(server.aclose())
        portal.close()
