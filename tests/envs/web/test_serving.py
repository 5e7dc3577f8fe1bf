"""A server on each kind of address."""

from __future__ import annotations

import socket
from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from envs.web.serving import bind, serving, url_of
from textgrad_agents.errors import ConfigError


async def app(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


def test_an_address_of_the_newer_kind() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with serving(app, host="::1") as url:
        assert url.startswith("http://[::1]:")
        assert httpx2.get(url, trust_env=False).text == "hello"
        assert httpx2.get(url, trust_env=False, headers={"host": "evil.example"}).status_code == 403


def test_all_addresses_are_reached_from_here_and_by_any_name() -> None:
    with serving(app, host="0.0.0.0") as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.get(url, trust_env=False, headers={"host": "lab.example"}).text == "hello"
        assert httpx2.get(url, trust_env=False, headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_are_none(port: int) -> None:
    with pytest.raises(ConfigError, match=f"from 0 to 65535, not {port}"):
        bind("127.0.0.1", port)


def test_a_bound_socket_says_where_it_is() -> None:
    with bind("localhost", 0) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"
