"""An agent as a server; the other side of `textgrad_agents.agents.HTTPAgentClient`.

GET ``/info``, POST ``/init_state`` (a list of tools), POST ``/get_asv`` (``agent_state``, ``obs``, ``training``). The
state travels with each request, so the server keeps nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from envs.execution import describe_exception
from envs.extras import needs
from textgrad_agents.agents import Agent, SimpleAgentState
from textgrad_agents.messages import Messages
from textgrad_agents.tools import ToolsAdapter
from textgrad_agents.validation import explain
from textgrad_agents.variables.modes import eval_mode

with needs("view", "an agent server"):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp

    from envs.web.bodies import Refused, json_response, read_body, read_json
    from envs.web.guard import LocalRequests, same_secret

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "AUTH_TOKEN"

_BEARER = "Bearer "
_IN_FULL = {"include_info": True, "deserialize_content": False}


class AsvRequest(BaseModel):
    """A decision that is asked for."""

    agent_state: dict[str, Any]
    obs: Messages
    training: bool = True


def make_simple_agent_server(
    agent: Agent[Any],
    render_docs: bool = False,
    *,
    token: str | None = None,
    agent_state_type: type[BaseModel] = SimpleAgentState,
) -> ASGIApp:
    """The application that serves an agent.

    Args:
        agent: the agent. It decides in eval mode.
        render_docs: not used; the three addresses are described above.
        token: what requests have to bring as ``Authorization: Bearer <token>``; that in the environment variable
            ``AUTH_TOKEN`` if None. Without any, requests must be for this machine.
        agent_state_type: the class of the agent's states.
    """
    secret = os.environ.get(TOKEN_VARIABLE) if token is None else token
    server = _AgentServer(agent, agent_state_type, secret or None)
    app = Starlette(routes=server.routes())
    return app if secret else LocalRequests(app, "127.0.0.1")


class _AgentServer:
    """Answers requests for one agent."""

    def __init__(self, agent: Agent[Any], state_type: type[BaseModel], secret: str | None) -> None:
        self._agent = agent
        self._state_type = state_type
        self._secret = secret

    def routes(self) -> list[Route]:
        """What can be asked."""
        return [
            self._route("/info", "GET", self._info),
            self._route("/init_state", "POST", self._init_state),
            self._route("/get_asv", "POST", self._get_asv),
        ]

    def _route(self, path: str, method: str, answer: Callable[[Request], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                given = request.headers.get("authorization", "")
                if self._secret and not same_secret(given.removeprefix(_BEARER), self._secret):
                    raise Refused(401, "Incorrect bearer token")
                return json_response(await answer(request))
            except Refused as refusal:
                return refusal.response()
            except Exception as error:  # what agents raise can be anything, and other requests go on
                logger.warning("%s failed: %s", path, describe_exception(error), exc_info=error)
                return json_response({"detail": describe_exception(error)}, 500)

        return Route(path, endpoint, methods=[method])

    async def _info(self, request: Request) -> Any:
        return {"agent_type": type(self._agent).__name__}

    async def _init_state(self, request: Request) -> Any:
        try:
            tools = ToolsAdapter.validate_python(await read_json(request))
        except ValidationError as error:
            raise Refused(422, f"the body is no list of tools: {explain(error)}") from None
        return self._state_on_the_wire(await self._agent.init_state(tools))

    async def _get_asv(self, request: Request) -> Any:
        wanted = await read_body(request, AsvRequest)
        if wanted.training:
            raise Refused(501, "nothing can be learned over HTTP, since the graph stays here; send training: false")
        try:
            state = self._state_type.model_validate(wanted.agent_state)
        except ValidationError as error:
            raise Refused(422, f"agent_state is no {self._state_type.__name__}: {explain(error)}") from None
        with eval_mode():
            action, state, value = await self._agent.get_asv(state, list(wanted.obs))
        said = action.value.model_dump(mode="json", context=_IN_FULL)
        return {"value": said}, self._state_on_the_wire(state), float(value)

    def _state_on_the_wire(self, state: BaseModel) -> Any:
        return state.model_dump(mode="json", by_alias=True, exclude_none=True, context=_IN_FULL)
