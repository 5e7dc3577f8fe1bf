"""What a server sends is read within limits, and only from addresses that serve models."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import zlib
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, bodies, connection
from textgrad_agents.engines.models.providers import is_link_local
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.messages import Completion, user

REPLY = json.dumps({"choices": [{"message": {"content": "hello " * 1000}, "finish_reason": "stop"}]}).encode()
ASK_AND_MEASURE = """
import asyncio, resource, sys
from textgrad_agents.engines import ChatEngine, LLMConfig
from textgrad_agents.errors import EngineError
from textgrad_agents.messages import user

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def ask(url, stream):
    engine = ChatEngine(LLMConfig(name="m", model_string="m", base_url=url, timeout=60, stream=stream))
    try:
        await engine.generate([user("hello")])
    except EngineError as error:
        return error.kind

good, bad = sys.argv[1:]
asyncio.run(ask(good, False))
before = peak()
kinds = [asyncio.run(ask(bad, stream)) for stream in (False, True)]
print(*kinds, peak() - before)
"""


def engine_at(url: str, **fields: Any) -> ChatEngine:
    return ChatEngine(LLMConfig(**{"name": "test", "model_string": "test-model", "base_url": url} | fields))


def ask(engine: ChatEngine) -> Completion:
    return asyncio.run(engine.generate([user("hello")]))


def error_of(engine: ChatEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ask(engine)
    return caught.value


class TestPacking:
    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            ("gzip", gzip.compress(REPLY)),
            ("GZIP", gzip.compress(REPLY)),
            ("deflate", zlib.compress(REPLY)),
            ("identity", REPLY),
        ],
    )
    def test_packed_replies_are_unpacked(self, chat_server: Any, encoding: str, body: bytes) -> None:
        chat_server.send(body, headers={"content-encoding": encoding})
        assert ask(engine_at(chat_server.url)).text == "hello " * 1000
        assert chat_server.requests[0].headers["accept-encoding"] == "gzip"

    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
    def test_what_was_not_asked_for_is_not_unpacked(self, chat_server: Any, encoding: str) -> None:
        chat_server.send(REPLY, headers={"content-encoding": encoding})
        error = error_of(engine_at(chat_server.url))
        assert not error.transient
        assert "was not asked for" in str(error)

    @pytest.mark.parametrize(
        "body", [gzip.compress(REPLY)[:-20], b"no gzip at all", gzip.compress(REPLY)[:40] + b"x" * 40]
    )
    def test_a_damaged_packing_is_a_lost_reply(self, chat_server: Any, body: bytes) -> None:
        chat_server.send(body, headers={"content-encoding": "gzip"})
        error = error_of(engine_at(chat_server.url))
        assert (error.kind, error.transient) == ("lost", True)


class TestLimit:
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("status", [200, 500])
    def test_no_body_is_read_beyond_the_limit(
        self, chat_server: Any, monkeypatch: pytest.MonkeyPatch, stream: bool, status: int
    ) -> None:
        monkeypatch.setattr(bodies, "LIMIT", 10_000)
        chat_server.send(b"x" * 10_001, status)
        chat_server.say("x" * 5000)
        engine = engine_at(chat_server.url, stream=stream)
        error = error_of(engine)
        assert (error.kind, error.transient) == ("too_large", False)
        assert ask(engine).text == "x" * 5000

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory as Linux counts it")
    def test_a_gigabyte_in_a_megabyte_costs_little_memory(self, faults: Any) -> None:
        plan = faults.Plan(rate=1.0, kinds={"bomb": 1})
        with faults.faulty() as (_, good), faults.faulty(plan) as (server, bad):
            command = [sys.executable, "-c", ASK_AND_MEASURE, good, bad]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert said[:2] == ["too_large", "too_large"]
        assert int(said[2]) <= 100, f"{said[2]} MB more"
        assert server.served["bomb"] == 2


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "fd00:ec2::254"],
    )
    def test_link_local_addresses_are_known(self, address: str) -> None:
        assert is_link_local(address)

    @pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.5", "8.8.8.8", "::1", "example.org", ""])
    def test_others_are_not_taken_for_them(self, address: str) -> None:
        assert not is_link_local(address)

    @pytest.mark.parametrize("host", ["169.254.169.254", "169.254.169.254:80", "[fe80::1]", "[::ffff:169.254.169.254]"])
    def test_a_config_with_one_is_refused(self, host: str) -> None:
        with pytest.raises(ConfigError, match="link-local"):
            engine_at(f"http://{host}/v1")

    def test_a_name_that_leads_to_one_hears_nothing(self, chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
            known = host in ("models.example", b"models.example")
            return real("127.0.0.1" if known else host, *args, **kwargs)

        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        url = chat_server.url.replace("127.0.0.1", "models.example")
        assert ask(engine_at(url, api_key="key-of-somebody")).text == "ok"
        monkeypatch.setattr(connection, "is_link_local", lambda address: address == "127.0.0.1")
        error = error_of(engine_at(url, api_key="key-of-somebody"))
        assert (error.kind, error.transient) == ("forbidden", False)
        assert "leads to 127.0.0.1, a link-local address" in str(error)
        assert len(chat_server.requests) == 1
