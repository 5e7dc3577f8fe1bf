"""HTTPAgentClient: an agent that runs in a server (`training.agent_server`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from textgrad_agents.agents.base import Agent
from textgrad_agents.errors import ConfigError, EngineError, GraphError
from textgrad_agents.messages import Message, ToolRequestMessage
from textgrad_agents.tools import Tool, ToolsAdapter
from textgrad_agents.validation import explain
from textgrad_agents.variables.modes import is_recording
from textgrad_agents.variables.variable import Variable

RemoteStateT = TypeVar("RemoteStateT", bound=BaseModel)

_ANSWER: TypeAdapter[tuple[dict[str, Any], dict[str, Any], float]] = TypeAdapter(
    tuple[dict[str, Any], dict[str, Any], float]
)
_IN_FULL = {"include_info": True, "deserialize_content": False}


class HTTPAgentClient(Agent[RemoteStateT], Generic[RemoteStateT]):
    """Asks an agent in a server. Nothing can be learned over it: the graph stays there.

    Args:
        agent_state_type: the class of the agent's states.
        server_url: where the server is.
        request_headers: sent with every request, such as ``{"Authorization": "Bearer …"}``.
        request_timeout: seconds that one answer may take; None for any time.
    """

    def __init__(
        self,
        agent_state_type: type[RemoteStateT],
        server_url: str,
        request_headers: Mapping[str, str] | None = None,
        request_timeout: float | None = None,
    ) -> None:
        self._state_type = agent_state_type
        self._url = server_url.rstrip("/")
        self._headers = dict(request_headers or {})
        self._timeout = request_timeout

    async def init_state(self, tools: list[Tool]) -> RemoteStateT:
        """The state that the remote agent begins with.

        Raises:
            ConfigError: the server wants another token.
            EngineError: it does not answer, or not as it should.
        """
        sent = ToolsAdapter.dump_python(tools, mode="json", exclude_none=True, by_alias=True)
        return self._state(await self._post("/init_state", sent))

    async def get_asv(self, agent_state: RemoteStateT, obs: list[Message]) -> tuple[Variable[Any], RemoteStateT, float]:
        """Let the remote agent decide.

        Raises:
            GraphError: called in train mode; use `eval_mode`.
            ConfigError: the server wants another token.
            EngineError: it does not answer, or not as it should.
        """
        if is_recording():
            raise GraphError("an agent in a server has its graph there; call it inside `with eval_mode():`")
        sent = {
            "agent_state": agent_state.model_dump(mode="json", by_alias=True, context=_IN_FULL),
            "obs": [message.model_dump(mode="json", context=_IN_FULL) for message in obs],
            "training": False,
        }
        try:
            action, state, value = _ANSWER.validate_python(await self._post("/get_asv", sent))
            said: Any = action.get("value")
            kind = ToolRequestMessage if isinstance(said, dict) and "tool_calls" in said else Message
            message = kind.model_validate(said)
        except ValidationError as error:
            raise self._not_understood("/get_asv", error) from None
        return (
            Variable(message, requires_grad=False, role_description="action of a remote agent"),
            self._state(state),
            value,
        )

    async def _post(self, path: str, body: Any) -> Any:
        import httpx2  # 30 ms, and most programs have no agent elsewhere

        headers = {"Content-Type": "application/json", **self._headers}
        try:
            async with httpx2.AsyncClient(timeout=self._timeout) as client:
                response = await client.post(f"{self._url}{path}", content=json.dumps(body), headers=headers)
        except httpx2.HTTPError as error:
            raise EngineError(f"{self._url}{path} cannot be reached ({error}); does the server run?") from None
        if response.status_code in (401, 403):
            raise ConfigError(f"{self._url}{path} refused the request; pass its token in request_headers")
        if not response.is_success:
            raise EngineError(f"{self._url}{path} answered with status {response.status_code}: {response.text[:500]}")
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise self._not_understood(path, error) from None

    def _state(self, fields: Any) -> RemoteStateT:
        try:
            return self._state_type.model_validate(fields)
        except ValidationError as error:
            raise self._not_understood("", error) from None

    def _not_understood(self, path: str, error: ValueError) -> EngineError:
        reason = explain(error) if isinstance(error, ValidationError) else str(error)
        return EngineError(f"{self._url}{path} answered with something else than was asked for: {reason}")
