"""Who may ask a server of environments: this machine, and whoever knows its secret.

A server that binds to a loopback address answers only requests that name this machine as their host, so that no web
page can make a browser reach it under a name of its own. One that binds to another address needs a secret.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from envs.web.hosts import is_loopback
from textgrad_agents.errors import ConfigError

_OF_THIS_SITE = ("same-origin", "none")


def check_bind(host: str, secret: str | None, way_out: str) -> None:
    """Refuse to serve other machines without a secret.

    Args:
        host: the address to bind to.
        secret: what a request has to know.
        way_out: how one is given.

    Raises:
        ConfigError: `host` is not a loopback address and there is no secret.
    """
    if not is_loopback(host) and not secret:
        raise ConfigError(f"a server on {host} can be reached from other machines; {way_out}, or bind to 127.0.0.1")


def same_secret(given: str | None, secret: str) -> bool:
    """Whether a request gave the secret, in a time that does not tell how much of it is right."""
    return given is not None and secrets.compare_digest(given.encode(), secret.encode())


class LocalRequests:
    """Passes on the requests to this machine and refuses the others: those for another host, or from another site.

    Args:
        app: the application.
        host: the address that it is bound to. If that is no loopback address, requests may be for any host.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self.any_host = not is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        problem = self._problem(Headers(scope=scope)) if scope["type"] == "http" else None
        if problem is None:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(problem, 403)(scope, receive, send)

    def _problem(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self.any_host and not is_loopback(_without_port(host)):
            return f"this server answers requests to this machine, not to {host[:80]!r}"
        if headers.get("sec-fetch-site", "none") not in _OF_THIS_SITE:
            return "this server answers no requests that come from pages of other sites"
        return None


def _without_port(host: str) -> str:
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
