"""A dataset served over HTTP: other processes and machines start its environments and step them.

The wire is that of Aviary's dataset server, so its clients can use this one and `envs.dataset_client` can use both.
Requests and answers are JSON; where a key is set, the header ``X-API-Key`` has to hold it.

=======================  ======================================  =================================================
``POST /start``          ``{"task_idx": 3}``, ``{"task_kwargs":  ``{"env_id": …}``
                         {…}}`` or ``{}``
``POST /reset``          ``{"env_id": …}``                       ``[messages, tools]``
``POST /step``           ``{"env_id": …, "action": message}``    ``[messages, reward, done, truncated]``
``POST /close``          ``{"env_id": …}``                       ``{"env_id": …}``
``POST /close_old_envs``  ``{"last_used": 3600}``                ``{"closed_env_ids": […]}``
``GET /info``                                                    ``{"dataset_size": …, "running_env_ids": […]}``
=======================  ======================================  =================================================

An error is ``{"detail": why}``: status 403 without the key, 404 for an unknown environment, 409 for one that is busy,
422 for a request of another form, 500 for what an environment or the dataset raised.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, Field, model_validator

from envs.dataset import TaskDataset
from envs.environment import Environment
from envs.execution import describe_exception
from envs.extras import needs
from envs.threads import run_in_thread
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, MessagesAdapter, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.tools import ToolsAdapter

with needs("view", "serving a dataset"):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route, Router

    from envs.web.bodies import Refused, json_response, read_body
    from envs.web.guard import check_bind, same_secret
    from envs.web.serving import run, serve

logger = logging.getLogger(__name__)

EnvironmentT = TypeVar("EnvironmentT", bound=Environment[Any])
Answer = Callable[[Request], Awaitable[Any]]

DEFAULT_PORT = 8041


class StartRequest(BaseModel):
    """Which task: one by its index, one that is described, or the next one of an endless dataset."""

    task_idx: int | None = None
    task_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.task_idx is not None and self.task_kwargs is not None:
            raise ValueError("task_idx and task_kwargs are mutually exclusive; send one of them")
        return self


class EnvRequest(BaseModel):
    """A running environment."""

    env_id: str


class StepRequest(BaseModel):
    """An action in a running environment."""

    env_id: str
    action: ToolRequestMessage | ToolResponseMessage | Message


class FlushRequest(BaseModel):
    """How long ago, in seconds, an environment was used at last that shall be closed."""

    last_used: float = Field(default=3600, ge=0)


class TaskDatasetServer(Generic[EnvironmentT]):
    """Serves the environments of a dataset.

    Args:
        dataset: where environments come from.
        host: the address to bind to; another one than a loopback address needs an `api_key`.
        port: the port to bind to; 0 is a free one.
        api_key: what requests have to bring in the header ``X-API-Key``; None for no key.
        router: add the routes to this router (Starlette's, FastAPI's) instead of making an application. The
            application that it belongs to decides where it is bound and which hosts it answers to.

    Attributes:
        app: the application, or None with a `router` from outside.
        envs: the running environments by id, each with the time of its last use.

    Raises:
        ConfigError: the address is open to other machines and there is no key.
    """

    def __init__(
        self,
        dataset: TaskDataset[EnvironmentT],
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        api_key: str | None = None,
        router: Router | None = None,
    ) -> None:
        if router is None:
            check_bind(host, api_key, "pass an api_key")
        self.dataset = dataset
        self.host = host
        self.port = port
        self.api_key = api_key
        self.envs: dict[str, tuple[EnvironmentT, float]] = {}
        self._busy: set[str] = set()
        self.router = Router() if router is None else router
        self.router.routes.extend(self._routes())
        self.app = Starlette(routes=self.router.routes, lifespan=self._lifespan) if router is None else None

    def start(self) -> None:
        """Serve until the process is told to stop.

        Raises:
            ConfigError: the address cannot be used, or the routes are part of another application.
        """
        run(self._own_app(), self.host, self.port, ready=self._say)

    async def astart(self) -> None:
        """Serve until the task is cancelled; otherwise as `start`."""
        await serve(self._own_app(), self.host, self.port, ready=self._say)

    async def close(self) -> None:
        """Close all environments."""
        await self._close_all([self.envs.pop(name)[0] for name in list(self.envs)])

    def _own_app(self) -> Starlette:
        if self.app is None:
            raise ConfigError("this server's routes are part of another application; run that one")
        return self.app

    def _say(self, url: str) -> None:
        logger.info("serving %s at %s", type(self.dataset).__name__, url)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        yield
        await self.close()

    def _routes(self) -> list[Route]:
        answers = (self._start, self._reset, self._step, self._close, self._close_old_envs)
        routes = [self._route(f"/{answer.__name__[1:]}", "POST", answer) for answer in answers]
        return [*routes, self._route("/info", "GET", self._info)]

    def _route(self, path: str, method: str, answer: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if self.api_key and not same_secret(request.headers.get("x-api-key"), self.api_key):
                    raise Refused(403, "Invalid or missing API key")
                return json_response(await answer(request))
            except Refused as refusal:
                return refusal.response()
            except Exception as error:  # what environments raise can be anything, and the others go on
                logger.warning("%s failed: %s", path, describe_exception(error), exc_info=error)
                return json_response({"detail": describe_exception(error)}, 500)

        return Route(path, endpoint, methods=[method], name=path[1:])

    async def _start(self, request: Request) -> Any:
        wanted = await read_body(request, StartRequest)
        env = await run_in_thread(lambda: self._make(wanted))
        env_id = str(uuid.uuid4())
        self.envs[env_id] = (env, time.monotonic())
        return {"env_id": env_id}

    def _make(self, wanted: StartRequest) -> EnvironmentT:
        if wanted.task_kwargs is not None:
            return self.dataset.get_new_env_by_args(**wanted.task_kwargs)
        if wanted.task_idx is not None:
            return self.dataset.get_new_env_by_idx(wanted.task_idx)
        return self.dataset.get_new_env()

    async def _reset(self, request: Request) -> Any:
        wanted = await read_body(request, EnvRequest)
        with self._using(wanted.env_id) as env:
            messages, tools = await env.reset()
        return _messages_on_the_wire(messages), ToolsAdapter.dump_python(
            tools, mode="json", exclude_none=True, by_alias=True
        )

    async def _step(self, request: Request) -> Any:
        wanted = await read_body(request, StepRequest)
        with self._using(wanted.env_id) as env:
            messages, reward, done, truncated = await env.step(wanted.action)
        return _messages_on_the_wire(messages), float(reward), bool(done), bool(truncated)

    async def _close(self, request: Request) -> Any:
        wanted = await read_body(request, EnvRequest)
        env = self._find(wanted.env_id)
        del self.envs[wanted.env_id]
        await env.close()
        return {"env_id": wanted.env_id}

    async def _close_old_envs(self, request: Request) -> Any:
        wanted = await read_body(request, FlushRequest)
        latest = time.monotonic() - wanted.last_used
        old = {name: self.envs.pop(name)[0] for name, (_, used) in list(self.envs.items()) if used < latest}
        closed = await self._close_all(list(old.values()))
        return {"closed_env_ids": [name for name, well in zip(old, closed, strict=True) if well]}

    async def _info(self, request: Request) -> Any:
        try:
            size = len(self.dataset)
        except TypeError:
            size = None
        return {"dataset_size": size, "running_env_ids": list(self.envs)}

    def _find(self, env_id: str) -> EnvironmentT:
        if env_id not in self.envs:
            raise Refused(404, f"Environment {env_id} not found")
        return self.envs[env_id][0]

    @contextmanager
    def _using(self, env_id: str) -> Generator[EnvironmentT]:
        """The environment for one call of it; an environment is never called twice at once."""
        env = self._find(env_id)
        if env_id in self._busy:
            raise Refused(409, f"environment {env_id} has not finished its last step; wait for it, or close it")
        self._busy.add(env_id)
        try:
            yield env
        finally:
            self._busy.discard(env_id)
            if env_id in self.envs:
                self.envs[env_id] = (env, time.monotonic())

    async def _close_all(self, environments: list[EnvironmentT]) -> list[bool]:
        """Close environments; whether each one closed without an error."""
        results = await asyncio.gather(*(env.close() for env in environments), return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                logger.warning("closing an environment failed: %s", describe_exception(error))
        return [error is None for error in results]


def _messages_on_the_wire(messages: Any) -> Any:
    checked = MessagesAdapter.validate_python(messages)
    return MessagesAdapter.dump_python(checked, mode="json", context={"include_info": True})
