"""A dataset over HTTP: the wire, what goes wrong on it, and who may ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Router

from envs import DummyEnv, EnvsTaskDataset, TaskDataset
from envs.dataset_server import TaskDatasetServer
from envs.environment import Environment
from envs.web.serving import serving
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages, ToolRequestMessage
from textgrad_agents.tools import Tool, ToolCall

KEY = "a secret"


class Trouble(Environment[None]):
    """A tool for each thing that can go wrong."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.closed = False

    async def reset(self) -> tuple[Messages, list[Tool]]:
        def fail() -> str:
            """Raise."""
            raise RuntimeError("the database is gone")

        def hang() -> str:
            """Never end, unless released."""
            self.release.wait()
            return "released"

        def whatever() -> object:
            """Return what JSON cannot hold."""
            return object()

        async def leave() -> str:
            """End the program."""
            raise SystemExit(3)

        def add(numbers: list[int]) -> int:
            """Add numbers.

            Args:
                numbers: What to add.
            """
            return sum(numbers)

        self.tools = [Tool.from_function(function) for function in (fail, hang, whatever, leave, add)]
        return [Message(content="Try a tool.", info={"level": 3})], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        if action.content == "nan":
            return [], float("nan"), False, False
        if action.content == "garbage":
            return [object()], 0.0, False, False  # type: ignore[list-item]
        answers = await self.exec_tool_calls(action, handle_tool_exc=action.content == "handled")
        return [*answers], 0.5, False, False

    async def close(self) -> None:
        self.closed = True
        if self.release.is_set():
            raise RuntimeError("closed twice over")


class ByArgs(TaskDataset[DummyEnv]):
    """Tasks that the client describes."""

    def get_new_env_by_args(self, **kwargs: Any) -> DummyEnv:
        return DummyEnv(**kwargs)


def ask(app: Any, *requests: tuple[str, str, Any], key: str | None = None) -> list[httpx2.Response]:
    """The answers to requests (method, path, body); ``{env}`` in bodies is the environment started last."""

    async def run() -> list[httpx2.Response]:
        headers = {"X-API-Key": key} if key else {}
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            answers, env_id = [], ""
            for method, path, body in requests:
                if isinstance(body, dict) and "env_id" in body:
                    body = body | {"env_id": body["env_id"] or env_id}
                answers.append(await client.request(method, path, json=body))
                if path.endswith("start") and answers[-1].is_success:
                    env_id = answers[-1].json()["env_id"]
            return answers

    return asyncio.run(run())


def action(content: str | None = None, **calls: dict[str, Any]) -> dict[str, Any]:
    made = [ToolCall.from_name(name, **arguments) for name, arguments in calls.items()]
    message = ToolRequestMessage(content=content, tool_calls=made) if calls else Message(content=content)
    return message.model_dump(mode="json")


START, RESET, CLOSE = ("POST", "/start", {}), ("POST", "/reset", {"env_id": ""}), ("POST", "/close", {"env_id": ""})


def step(message: dict[str, Any]) -> tuple[str, str, Any]:
    return ("POST", "/step", {"env_id": "", "action": message})


def test_an_episode_on_the_wire() -> None:
    server = TaskDatasetServer(TaskDataset.from_name("dummy"))
    info, start, reset, stepped, running, closed, gone, after = ask(
        server.app,
        ("GET", "/info", None),
        START,
        RESET,
        step(action(print_story={"story": "one two three four five"})),
        ("GET", "/info", None),
        CLOSE,
        step(action("hello")),
        ("GET", "/info", None),
    )
    assert info.json() == {"dataset_size": None, "running_env_ids": []}
    env_id = start.json()["env_id"]
    messages, tools = reset.json()
    assert messages == [{"role": "user", "content": "Write a 5 word story via print_story", "info": None}]
    assert tools[0]["type"] == "function"
    assert tools[0]["function"]["name"] == "print_story"
    assert set(tools[0]["function"]["parameters"]["properties"]) == {"story"}
    messages, reward, done, truncated = stepped.json()
    assert (reward, done, truncated) == (1.0, True, False)
    assert messages[0]["name"] == "print_story"
    assert set(messages[0]["info"]) == {"start_ts", "end_ts"}
    assert running.json()["running_env_ids"] == [env_id]
    assert closed.json() == {"env_id": env_id}
    assert (gone.status_code, gone.json()) == (404, {"detail": f"Environment {env_id} not found"})
    assert after.json()["running_env_ids"] == []


def test_messages_of_every_kind_are_actions() -> None:
    server = TaskDatasetServer(TaskDataset.from_name("dummy"))
    answer = {"role": "tool", "content": "result", "name": "tool", "tool_call_id": "abc"}
    *_, plain, tool = ask(server.app, START, RESET, step(action("hello")), step(answer))
    for response in (plain, tool):
        messages, *rest = response.json()
        assert "No tool calls" in messages[0]["content"]
        assert rest == [0.0, False, False]


def test_tasks_by_index_and_by_description() -> None:
    sized = TaskDatasetServer(EnvsTaskDataset([DummyEnv("cats"), DummyEnv("dogs")]))
    start, reset, size, missing = ask(
        sized.app,
        ("POST", "/start", {"task_idx": 1}),
        RESET,
        ("GET", "/info", None),
        ("POST", "/start", {"task_idx": 9}),
    )
    assert start.is_success
    assert "dogs" in reset.json()[0][0]["content"]
    assert size.json()["dataset_size"] == 2
    assert missing.status_code == 500
    assert "IndexError" in missing.json()["detail"]
    described = TaskDatasetServer(ByArgs())
    _, reset = ask(described.app, ("POST", "/start", {"task_kwargs": {"task": "a snowy night"}}), RESET)
    assert "a snowy night" in reset.json()[0][0]["content"]


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (("POST", "/start", {"task_idx": 1, "task_kwargs": {}}), 422, "mutually exclusive"),
        (("POST", "/start", {"task_idx": "many"}), 422, "task_idx must be a valid integer"),
        (("POST", "/start", {"task_kwargs": {"task": "x"}}), 500, "get_new_env_by_args"),
        (("POST", "/start", [1]), 422, "valid dictionary"),
        (("POST", "/step", {"env_id": "x"}), 422, "action is missing"),
        (("POST", "/step", {"env_id": "x", "action": {"role": "nobody"}}), 422, "role"),
        (("POST", "/reset", {"env_id": "unknown"}), 404, "unknown"),
        (("POST", "/close_old_envs", {"last_used": -1}), 422, "last_used"),
    ],
)
def test_requests_of_another_form_are_refused(request_: tuple[str, str, Any], status: int, said: str) -> None:
    (response,) = ask(TaskDatasetServer(TaskDataset.from_name("dummy")).app, request_)
    assert response.status_code == status
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{}", "text/plain", 415, "application/json"),
        (b"env_id=1", "application/x-www-form-urlencoded", 415, "application/json"),
        (b'{"env_id": NaN}', "application/json", 422, "NaN"),
        (b"[" * 100_000, "application/json", 422, "no JSON"),
        (b"\xff", "application/json; charset=utf-8", 422, "no JSON"),
        (b'"' + b"x" * (32 * 2**20) + b'"', "application/json", 413, "bytes"),
    ],
)
def test_bodies_that_are_not_read(content: bytes, kind: str, status: int, said: str) -> None:
    async def run() -> httpx2.Response:
        app = TaskDatasetServer(TaskDataset.from_name("dummy")).app
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            return await client.post("/reset", content=content, headers={"content-type": kind})

    response = asyncio.run(run())
    assert response.status_code == status
    assert said in response.json()["detail"]


def test_every_route_wants_the_key() -> None:
    server = TaskDatasetServer(TaskDataset.from_name("dummy"), api_key=KEY)
    routes = [START, RESET, step(action("x")), CLOSE, ("POST", "/close_old_envs", {}), ("GET", "/info", None)]
    for wrong in (None, "another", "a secret!"):
        for response in ask(server.app, *routes, key=wrong):
            assert response.status_code == 403
            assert response.json() == {"detail": "Invalid or missing API key"}
    assert server.envs == {}
    assert all(response.is_success for response in ask(server.app, START, RESET, ("GET", "/info", None), key=KEY))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "", "example.org"])
def test_a_public_bind_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines; pass an api_key"):
        TaskDatasetServer(TaskDataset.from_name("dummy"), host=host)
    TaskDatasetServer(TaskDataset.from_name("dummy"), host=host, api_key=KEY)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_none(host: str) -> None:
    TaskDatasetServer(TaskDataset.from_name("dummy"), host=host)


def test_mounted_on_an_application() -> None:
    server = TaskDatasetServer(TaskDataset.from_name("dummy"), router=Router(), host="0.0.0.0", api_key=KEY)
    app = Starlette(routes=[Mount("/env", app=server.router)])
    prefixed = [(method, f"/env{path}", body) for method, path, body in (START, RESET, step(action("hello")))]
    assert [response.status_code for response in ask(app, *prefixed, key=KEY)] == [200, 200, 200]
    assert [response.status_code for response in ask(app, *prefixed[:1])] == [403]
    with pytest.raises(ConfigError, match="part of another application"):
        server.start()


class TestTrouble:
    @pytest.fixture
    def env(self) -> Iterator[Trouble]:
        env = Trouble()
        yield env
        env.release.set()

    @pytest.fixture
    def app(self, env: Trouble) -> Any:
        return TaskDatasetServer(EnvsTaskDataset(env)).app

    FIRST = ("POST", "/start", {"task_idx": 0}), RESET

    @pytest.mark.parametrize(
        ("message", "said"),
        [
            (action(fail={}), "RuntimeError('the database is gone')"),
            (action(whatever={}), "cannot be written as JSON"),
            (action(leave={}), "the tool leave tried to end the program (SystemExit(3))"),
            (action(leave={}, add={"numbers": []}), "the tool leave tried to end the program (SystemExit(3))"),
            (action("nan"), "not JSON compliant"),
            (action("garbage"), "Input should be"),
        ],
    )
    def test_what_an_environment_raises_is_one_answer(self, app: Any, message: dict[str, Any], said: str) -> None:
        _, _, failed, again = ask(app, *self.FIRST, step(message), RESET)
        assert failed.status_code == 500
        assert said in failed.json()["detail"]
        assert "Traceback" not in failed.text
        assert again.is_success

    @pytest.mark.parametrize(
        ("message", "said"),
        [
            (action("handled", fail={}), "RuntimeError('the database is gone')"),
            (action("handled", whatever={}), "cannot be written as JSON"),
            (action("handled", leave={}), "tried to end the program"),
            (action(add={"numbers": 7}), "Invalid tool call: add: numbers must be a valid list, not 7"),
            (action(add={"numbers": ["many"]}), "numbers.0 must be a valid integer"),
            (action(add={}), "numbers is missing"),
            (action(subtract={}), "Invalid tool call: subtract. No tool has this name"),
        ],
    )
    def test_an_agent_hears_what_was_wrong_with_its_call(self, app: Any, message: dict[str, Any], said: str) -> None:
        _, _, response = ask(app, *self.FIRST, step(message))
        assert response.is_success
        assert said in response.json()[0][0]["content"]

    def test_the_info_of_messages_arrives(self, app: Any) -> None:
        _, reset = ask(app, *self.FIRST)
        assert reset.json()[0][0]["info"] == {"level": 3}

    def test_a_tool_that_hangs_holds_up_nobody_else(self, env: Trouble) -> None:
        server = TaskDatasetServer(EnvsTaskDataset([env, DummyEnv()]))

        async def run(post: Callable[[str, Any], Awaitable[httpx2.Response]]) -> None:
            stuck = (await post("/start", {"task_idx": 0})).json()
            await post("/reset", stuck)
            hanging = asyncio.create_task(post("/step", stuck | {"action": action(hang={})}))
            await asyncio.sleep(0.05)
            assert not hanging.done()
            busy = await post("/step", stuck | {"action": action("hello")})
            assert busy.status_code == 409
            assert "has not finished its last step" in busy.json()["detail"]
            other = (await post("/start", {"task_idx": 1})).json()
            assert (await post("/reset", other)).is_success
            assert (await post("/close", stuck)).is_success
            assert env.closed
            env.release.set()
            assert "released" in (await hanging).text
            assert (await post("/step", stuck | {"action": action("hello")})).status_code == 404

        self.talk(server, run)

    def test_closing_old_environments_waits_for_nobody_and_names_those_that_closed(self, env: Trouble) -> None:
        env.release.set()  # its close raises
        server = TaskDatasetServer(EnvsTaskDataset([env, DummyEnv(), DummyEnv()]))

        async def run(post: Callable[[str, Any], Awaitable[httpx2.Response]]) -> None:
            ids = [(await post("/start", {"task_idx": index})).json()["env_id"] for index in range(3)]
            assert (await post("/close_old_envs", {"last_used": 3600})).json() == {"closed_env_ids": []}
            await asyncio.sleep(0.01)
            await post("/reset", {"env_id": ids[2]})
            closed = await post("/close_old_envs", {"last_used": 0.005})
            assert closed.json() == {"closed_env_ids": [ids[1]]}
            assert list(server.envs) == [ids[2]]
            await server.close()
            assert server.envs == {}

        self.talk(server, run)

    @staticmethod
    def talk(server: Any, run: Callable[[Callable[[str, Any], Awaitable[httpx2.Response]]], Awaitable[None]]) -> None:
        async def talk() -> None:
            transport = httpx2.ASGITransport(app=server.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                await run(lambda path, body: client.post(path, json=body))

        asyncio.run(talk())


class TestServing:
    @contextmanager
    def serve(self, server: Any) -> Iterator[httpx2.Client]:
        with serving(server.app) as url, httpx2.Client(base_url=url, trust_env=False) as client:
            yield client

    def test_environments_are_closed_with_the_server(self) -> None:
        env = Trouble()
        server = TaskDatasetServer(EnvsTaskDataset(env))
        with self.serve(server) as client:
            client.post("/start", json={"task_idx": 0})
            assert not env.closed
        assert env.closed

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"host": "localhost:8041"}, 200),
            ({"host": "[::1]:8041"}, 200),
            ({"host": "evil.example"}, 403),
            ({"host": "127.0.0.1.evil.example"}, 403),
            ({"host": "192.168.1.7:8041"}, 403),
            ({"host": ""}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"sec-fetch-site": "same-origin"}, 200),
        ],
    )
    def test_only_this_machine_is_answered(self, headers: dict[str, str], status: int) -> None:
        with self.serve(TaskDatasetServer(TaskDataset.from_name("dummy"))) as client:
            assert client.get("/info", headers=headers).status_code == status

    def test_a_port_that_is_taken(self) -> None:
        server = TaskDatasetServer(TaskDataset.from_name("dummy"))
        with serving(server.app) as url:
            taken = int(url.rpartition(":")[2])
            again = TaskDatasetServer(TaskDataset.from_name("dummy"), port=taken)
            with pytest.raises(ConfigError, match=f"port {taken} cannot be used .*in use.*; choose another, or 0"):
                again.start()
            with pytest.raises(ConfigError, match="cannot be used"), serving(server.app, port=taken):
                pass

    def test_it_ends_when_its_task_is_cancelled(self) -> None:
        async def run() -> None:
            task = asyncio.create_task(TaskDatasetServer(TaskDataset.from_name("dummy"), port=0).astart())
            await asyncio.sleep(0.1)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())
