"""The web application behind ``textgrad-agents tools``.

``GET /`` is the page. Programs may use what the page uses:

=============================  =============================================================================
``POST /<tool>``               the tool's arguments as a JSON object. In the query, ``environment_id`` names
                               the environment; without it a new one is made. Answers with ``result`` (the
                               text that an agent gets), ``environment_id``, ``messages``, ``reward``,
                               ``done`` and ``truncated``
``POST /env/create``           a new environment: its id
``POST /env/delete/<id>``      closes an environment
``GET /env/view/<id>``         an environment's state
=============================  =============================================================================

A server with a token wants it in the header ``Authorization: Bearer <token>``, or in the query of the page's address,
which a browser then keeps as a cookie that scripts cannot read. It is for trying tools; agents talk to an environment
directly, or through `envs.dataset_server`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from envs.execution import describe_exception
from envs.extras import needs
from envs.tool_server.sessions import MakeEnvironment, Session, Sessions
from textgrad_agents.errors import ConfigError
from textgrad_agents.tools import Tool

with needs("view", "the tools page"):
    import jinja2
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    from envs.web.bodies import Refused, json_response, read_json
    from envs.web.guard import same_secret
    from envs.web.headers import PAGE_HEADERS, WithHeaders

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

_HERE = Path(__file__).parent
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


async def make_tool_server(
    environment_factory: MakeEnvironment,
    name: str = "Tools",
    token: str | None = None,
    timeout: float | None = 60.0,
) -> Starlette:
    """The application for the tools that an environment has after its first reset.

    Args:
        environment_factory: makes an environment; it may be async.
        name: what the page is called.
        token: what a request has to know; None for nothing.
        timeout: seconds that one call may take; None for any time.

    Raises:
        ConfigError: a tool's name cannot be part of an address.
    """
    server = _ToolServer(Sessions(environment_factory), name, token, timeout)
    return Starlette(
        routes=await server.routes(),
        lifespan=server.lifespan,
        middleware=[Middleware(WithHeaders, headers=PAGE_HEADERS)],
    )


class _ToolServer:
    def __init__(self, sessions: Sessions, name: str, token: str | None, timeout: float | None) -> None:
        self._sessions = sessions
        self._name = name
        self._token = token
        self._timeout = timeout

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        """Closes the environments with the server."""
        yield
        await self._sessions.stop_all()

    async def routes(self) -> list[Route | Mount]:
        """The page, and a route for each tool that an environment has."""
        env_id, session = await self._sessions.start()
        await self._sessions.stop(env_id)
        answers: list[tuple[str, str, Handler]] = [
            ("/", "GET", self._page),
            ("/env/create", "POST", self._create),
            ("/env/delete/{environment_id}", "POST", self._delete),
            ("/env/view/{environment_id}", "GET", self._view),
        ]
        own = [Route(path, self._guarded(answer), methods=[method]) for path, method, answer in answers]
        static = Mount("/static", StaticFiles(directory=_HERE / "static"))
        return [*own, static, *(self._route_of(tool.info.name) for tool in session.tools)]

    def _route_of(self, tool: str) -> Route:
        if tool in ("", ".", "..") or "{" in tool or "}" in tool:
            raise ConfigError(f"a tool that is served cannot be called {tool!r}; use letters, digits and underscores")

        async def answer(request: Request) -> Response:
            return await self._call(request, tool)

        return Route(f"/{tool}", self._guarded(answer), methods=["POST"], name=tool)

    def _guarded(self, answer: Handler) -> Handler:
        """`answer` for those who know the token; errors are answers too."""

        async def endpoint(request: Request) -> Response:
            if not self._knows_token(request):
                return self._log_in(request)
            limit = asyncio.timeout(self._timeout)
            try:
                async with limit:
                    return await answer(request)
            except Refused as refusal:
                return refusal.response()
            except Exception as error:  # what an author's code raises can be anything
                if isinstance(error, TimeoutError) and limit.expired():
                    return json_response({"detail": f"no answer within {self._timeout:g} s"}, 504)
                logger.warning("%s failed: %s", request.url.path, describe_exception(error), exc_info=error)
                return json_response({"detail": describe_exception(error)}, 500)

        return endpoint

    def _knows_token(self, request: Request) -> bool:
        if not self._token:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        bearer = given if scheme.lower() == "bearer" else None
        ticket = request.cookies.get(_cookie(request))
        return same_secret(bearer, self._token) or same_secret(ticket, _ticket(self._token))

    def _log_in(self, request: Request) -> Response:
        """A browser's first visit brings the token in the address; everything else is refused."""
        token = self._token or ""
        if request.url.path != "/":
            detail = "the token is missing or wrong; send the header Authorization: Bearer <token>"
            return json_response({"detail": detail}, 401)
        if not same_secret(request.query_params.get("token"), token):
            return PlainTextResponse("Open the whole address that the server printed: the token is its end.", 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(_cookie(request), _ticket(token), httponly=True, samesite="strict")
        return response

    async def _page(self, request: Request) -> Response:
        env_id, session = await self._sessions.start()
        page = _PAGES.get_template("tools.html").render(
            name=self._name,
            environment_id=env_id,
            messages=[(message["role"], _text(message["content"] or "")) for message in session.messages],
            tools=[_shown(tool) for tool in session.tools],
        )
        return HTMLResponse(page)

    async def _create(self, request: Request) -> Response:
        env_id, _ = await self._sessions.start()
        return json_response(env_id)

    async def _delete(self, request: Request) -> Response:
        env_id = request.path_params["environment_id"]
        await self._sessions.stop(env_id)
        return json_response(env_id)

    async def _view(self, request: Request) -> Response:
        return json_response(self._find(request.path_params["environment_id"]).state())

    async def _call(self, request: Request, tool: str) -> Response:
        arguments = await read_json(request)
        if not isinstance(arguments, dict):
            raise Refused(422, "send the arguments of the tool as a JSON object")
        env_id = request.query_params.get("environment_id")
        if env_id:
            session = self._find(env_id)
        else:
            env_id, session = await self._sessions.start()
        answer = await session.call(tool, cast("dict[str, Any]", arguments))
        return json_response({**answer, "environment_id": env_id})

    def _find(self, env_id: str) -> Session:
        session = self._sessions.find(env_id)
        if session is None:
            raise Refused(404, f"Environment {env_id} not found")
        return session


def _shown(tool: Tool) -> dict[str, Any]:
    """A tool for the page: its name, its parameters, and its schema as an agent gets it."""
    wire = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    required = tool.info.parameters.required if tool.info.parameters is not None else []
    parameters = [
        {
            "name": name,
            "type": _type_of(schema) + ("" if name in required else ", may be left out"),
            "is_text": schema.get("type") == "string",
            "description": schema.get("description", ""),
            "default": _text(schema["default"]) if "default" in schema else "",
        }
        for name, schema in tool.info.get_properties().items()
    ]
    return {
        "name": tool.info.name,
        "description": tool.info.description,
        "parameters": parameters,
        "schema": json.dumps(wire, indent=2, ensure_ascii=False),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type_of(schema: Mapping[str, Any]) -> str:
    """The type of a parameter in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_type_of(member) for member in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = str(schema.get("type", "anything"))
    return f"{kind} of {_type_of(schema['items'])}" if isinstance(schema.get("items"), dict) else kind


def _cookie(request: Request) -> str:
    """The cookie's name: browsers do not keep the cookies of two servers on one machine apart."""
    return f"textgrad_agents_tools_{request.url.port}"


def _ticket(token: str) -> str:
    """What the cookie holds: proof of the token in letters that every cookie may hold, not the token."""
    return hashlib.sha256(token.encode()).hexdigest()
