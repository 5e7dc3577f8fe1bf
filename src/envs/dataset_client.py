"""The other side of `envs.dataset_server`: a dataset whose environments run in a server.

It speaks to Aviary's dataset server as well.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from envs.dataset import TaskDataset
from envs.environment import Environment
from envs.web.hosts import is_loopback
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.messages import Message, Messages, ToolResponseMessage
from textgrad_agents.tools import Tool
from textgrad_agents.validation import explain

T = TypeVar("T")

MAX_DETAIL = 500

_RESET: TypeAdapter[tuple[Messages, list[Tool]]] = TypeAdapter(tuple[Messages, list[Tool]])
_STEP: TypeAdapter[tuple[Messages, float, bool, bool]] = TypeAdapter(tuple[Messages, float, bool, bool])


class _Started(BaseModel):
    env_id: str


class _Info(BaseModel):
    dataset_size: int | None


_STARTED = TypeAdapter(_Started)
_INFO = TypeAdapter(_Info)
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


class ServerConnection:
    """Requests to one server.

    Raises:
        ConfigError: the address is none of a server.
    """

    def __init__(self, server_url: str, timeout: float | None, api_key: str | None) -> None:
        self.url = server_url.rstrip("/")
        try:
            parsed = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise ConfigError(f"{server_url!r} is no address of a server ({error})") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigError(f"the address of a server begins with http:// or https://, not as {server_url!r} does")
        self._settings: dict[str, Any] = {
            "base_url": self.url,
            "headers": {"X-API-Key": api_key} if api_key else {},
            "timeout": timeout,
            "trust_env": not is_loopback(parsed.host),  # no proxy between us and this machine
            "verify": _certificates() if parsed.scheme == "https" else False,  # plain HTTP has none
        }

    def get(self, path: str, adapter: TypeAdapter[T]) -> T:
        """What the server answers, as the type of `adapter`, while this thread waits.

        Raises:
            ConfigError: the server wants another key.
            EnvError: the server does not answer, or not as it should.
        """
        try:
            with httpx2.Client(**self._settings) as client:
                response = client.get(path)
        except httpx2.HTTPError as error:
            raise self._unreachable(path, error) from None
        return self._read(path, response, adapter)

    async def post(self, path: str, body: Mapping[str, Any], adapter: TypeAdapter[T]) -> T:
        """As `get`, with a body, and without holding up other tasks."""
        content, kind = json.dumps(body), {"Content-Type": "application/json"}  # ASCII, so that every text can be sent
        try:
            async with httpx2.AsyncClient(**self._settings) as client:
                response = await client.post(path, content=content, headers=kind)
        except httpx2.HTTPError as error:
            raise self._unreachable(path, error) from None
        return self._read(path, response, adapter)

    def _unreachable(self, path: str, error: httpx2.HTTPError) -> EnvError:
        if isinstance(error, httpx2.TimeoutException):
            seconds = self._settings["timeout"]
            return EnvError(f"{self.url}{path} did not answer within {seconds:g} s; pass a longer request_timeout")
        return EnvError(f"{self.url}{path} cannot be reached ({error}); does the server run?")

    def _read(self, path: str, response: httpx2.Response, adapter: TypeAdapter[T]) -> T:
        where = f"{self.url}{path}"
        if response.status_code in (401, 403):
            raise ConfigError(f"{where} refused the request ({_detail(response)}); pass the server's api_key")
        if not response.is_success:
            raise EnvError(f"{where} answered with status {response.status_code}: {_detail(response)}")
        try:
            return adapter.validate_python(json.loads(response.content))
        except (ValueError, RecursionError) as error:
            reason = explain(error) if isinstance(error, ValidationError) else error
            raise EnvError(f"{where} answered with something else than was asked for: {reason}") from None


class TaskEnvClientState(BaseModel):
    """Which environment of the server it is."""

    env_id: str


class TaskEnvironmentClient(Environment[TaskEnvClientState]):
    """An environment that runs in a server; it is started there with the first reset.

    Args:
        connection: to the server.
        task: which task: ``{"task_idx": …}``, ``{"task_kwargs": …}``, or empty for the next one.
        catch_http_errors: answer an action with the error if the server fails, and end the episode, instead of
            raising it.
    """

    def __init__(self, connection: ServerConnection, task: Mapping[str, Any], catch_http_errors: bool = False) -> None:
        self._connection = connection
        self._task = task
        self._catch = catch_http_errors
        self._env_id: str | None = None

    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Begin an episode.

        Raises:
            EnvError: the server or its environment failed, and that is not caught.
        """
        try:
            if self._env_id is None:
                self._env_id = (await self._connection.post("/start", self._task, _STARTED)).env_id
            self.state = TaskEnvClientState(env_id=self._env_id)
            messages, self.tools = await self._connection.post("/reset", self._which(), _RESET)
        except EnvError as error:
            if not self._catch:
                raise
            self.tools = []
            return [Message(content=f"Environment.reset() failed: {error}")], []
        return messages, self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Send an action.

        Raises:
            EnvError: the server or its environment failed, and that is not caught.
        """
        body = {**self._which(), "action": action.model_dump(mode="json")}
        try:
            return await self._connection.post("/step", body, _STEP)
        except EnvError as error:
            if not self._catch:
                raise
            answers = [ToolResponseMessage.from_call(call, str(error)) for call in action.tool_calls or ()]
            return [*answers] or [Message(content=str(error))], 0.0, True, False

    async def close(self) -> None:
        """Close the environment in the server; a later reset starts another one.

        Raises:
            EnvError: the server or its environment failed, and that is not caught.
        """
        if self._env_id is None:
            return
        body = self._which()
        self._env_id = None
        try:
            await self._connection.post("/close", body, _ANYTHING)
        except EnvError:
            if not self._catch:
                raise

    def _which(self) -> dict[str, str]:
        if self._env_id is None:
            raise EnvError("the environment is not started; call reset() first")
        return {"env_id": self._env_id}


class TaskDatasetClient(TaskDataset[TaskEnvironmentClient]):
    """A dataset whose environments run in a server.

    Args:
        server_url: where the server is, with the prefix under which its routes are, if any.
        request_timeout: seconds that one answer may take; None for any time.
        api_key: the server's key.
        catch_http_errors: if the server fails, answer the agent's action with the error and end the episode, instead
            of raising it.

    Raises:
        ConfigError: `server_url` is none, or the server wants another key.
        EnvError: the server does not answer as it should.
    """

    def __init__(
        self,
        server_url: str,
        request_timeout: float | None = 300.0,
        api_key: str | None = None,
        catch_http_errors: bool = False,
    ) -> None:
        self.server_url = server_url
        self.catch_http_errors = catch_http_errors
        self._connection = ServerConnection(server_url, request_timeout, api_key)
        self._size = self._connection.get("/info", _INFO).dataset_size

    def __len__(self) -> int:
        if self._size is None:
            raise TypeError(f"the dataset of {self.server_url} has no length")
        return self._size

    def get_new_env_by_idx(self, idx: int) -> TaskEnvironmentClient:
        """The environment of a task of a finite dataset."""
        return self._client({"task_idx": idx})

    def get_new_env(self) -> TaskEnvironmentClient:
        """The environment of the next task of an endless dataset."""
        return self._client({})

    def get_new_env_by_args(self, **kwargs: Any) -> TaskEnvironmentClient:
        """The environment of a task that the caller describes."""
        return self._client({"task_kwargs": kwargs})

    def _client(self, task: Mapping[str, Any]) -> TaskEnvironmentClient:
        return TaskEnvironmentClient(self._connection, task, self.catch_http_errors)


def _detail(response: httpx2.Response) -> str:
    """What a server says of an error: the ``detail`` of its JSON, or its text. Tracebacks tell most at their end."""
    try:
        detail = response.json()["detail"]
    except (ValueError, TypeError, KeyError):
        detail = response.text
    said = " ".join(str(detail).split()) or "no reason given"
    return said if len(said) <= MAX_DETAIL else f"…{said[-MAX_DETAIL:]}"


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # 40 ms, and every request is a client of its own
