"""A dataset in another process: the same episodes as at home, and what happens when the server does not answer."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Router

from envs import DummyEnv, Environment, EnvsTaskDataset, TaskDataset
from envs.dataset_client import TaskDatasetClient
from envs.dataset_server import TaskDatasetServer
from envs.web.serving import serving
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.messages import Message, Messages, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.tools import Tool, ToolCall

PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Album(Environment[None]):
    """Shows pictures; raises if asked to."""

    async def reset(self) -> tuple[Messages, list[Tool]]:
        def look(name: str) -> Message:
            """Look at a picture.

            Args:
                name: Which one.
            """
            if name == "missing":
                raise FileNotFoundError(name)
            return Message.create_message(text=name, images=PIXEL)

        self.tools = [Tool.from_function(look)]
        return [Message.create_message(text="Here you are.", images=PIXEL)], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        return [*await self.exec_tool_calls(action)], 0.25, False, True


class ByArgs(TaskDataset[DummyEnv]):
    def get_new_env_by_args(self, **kwargs: Any) -> DummyEnv:
        return DummyEnv(**kwargs)


@contextmanager
def remote(dataset: TaskDataset[Any], key: str | None = None, **settings: Any) -> Iterator[Any]:
    server = TaskDatasetServer(dataset, api_key=key)
    with serving(server.app) as url:
        yield TaskDatasetClient(url, api_key=key, **settings)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives ``/info`` as it should, and one answer to all else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, json.dumps({"dataset_size": 1}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(status, body)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def call(name: str, /, **arguments: Any) -> ToolRequestMessage:
    return ToolRequestMessage(tool_calls=[ToolCall.from_name(name, **arguments)])


async def episode(env: Environment[Any], *actions: Message) -> list[Any]:
    """What an episode gives, without times and ids."""
    messages, tools = await env.reset()
    seen: list[Any] = [messages, [tool.model_dump() for tool in tools]]
    for action in actions:
        messages, *rest = await env.step(action)
        seen.append(([(message.role, message.deserialized_content) for message in messages], rest))
    await env.close()
    return seen


@pytest.mark.parametrize(
    ("make", "actions"),
    [
        (lambda: DummyEnv("rain"), [call("cast_int", x=3.7), call("print_story", story="a b c d e")]),
        (lambda: DummyEnv(), [Message(content="no call"), call("nothing")]),
        (Album, [call("look", name="dawn")]),
    ],
)
def test_an_episode_is_the_same_as_at_home(make: Any, actions: list[Message]) -> None:
    at_home = asyncio.run(episode(make(), *actions))
    with remote(EnvsTaskDataset(make())) as dataset:
        assert len(dataset) == 1
        assert asyncio.run(episode(dataset.get_new_env_by_idx(0), *actions)) == at_home


def test_endless_and_described_tasks() -> None:
    with remote(TaskDataset.from_name("dummy")) as dataset:
        with pytest.raises(TypeError, match="has no length"):
            len(dataset)
        messages, tools = asyncio.run(dataset.get_new_env().reset())
        assert "5 word story" in messages[0].content
        assert len(tools) == 4
    with remote(ByArgs()) as dataset:
        messages, _ = asyncio.run(dataset.get_new_env_by_args(task="the sea").reset())
        assert "the sea" in messages[0].content


def test_an_environment_is_started_once_and_again_after_it_was_closed() -> None:
    async def run(env: Any, server: Any) -> None:
        await env.close()  # nothing to close yet
        await env.reset()
        (first,) = server.envs
        await env.reset()
        assert list(server.envs) == [first]
        assert env.state.env_id == first
        await env.close()
        assert server.envs == {}
        await env.reset()
        assert list(server.envs) == [env.state.env_id] != [first]

    server = TaskDatasetServer(TaskDataset.from_name("dummy"))
    with serving(server.app) as url:
        asyncio.run(run(TaskDatasetClient(url).get_new_env(), server))


@pytest.mark.parametrize("end", ["", "/"])
def test_a_server_behind_a_prefix(end: str) -> None:
    server = TaskDatasetServer(EnvsTaskDataset(DummyEnv("rain")), router=Router())
    with serving(Starlette(routes=[Mount("/some/where", app=server.router)])) as url:
        dataset = TaskDatasetClient(f"{url}/some/where{end}")
        assert asyncio.run(episode(dataset.get_new_env_by_idx(0)))[0][0].content.endswith("about rain")


@pytest.mark.parametrize("text", ["\u0000", "half \ud800 a character", "\u2028 \u00e9 \U0001f986", "</script>"])
def test_texts_of_all_kinds(text: str) -> None:
    with remote(EnvsTaskDataset(Album())) as dataset:
        *_, (((_, content),), _) = asyncio.run(episode(dataset.get_new_env_by_idx(0), call("look", name=text)))
        assert content[1]["text"] == text


def test_many_at_the_same_time() -> None:
    async def run(dataset: Any) -> list[Any]:
        return await asyncio.gather(*(episode(env, call("cast_int", x=2.5)) for env in next(dataset.iter_batches(20))))

    with remote(EnvsTaskDataset([DummyEnv(str(number)) for number in range(20)])) as dataset:
        seen = asyncio.run(run(dataset))
    assert [messages[0].content.endswith(f"about {number}") for number, (messages, *_) in enumerate(seen)] == [
        True
    ] * 20


def test_the_key() -> None:
    with remote(TaskDataset.from_name("dummy"), key="open sesame") as dataset:
        asyncio.run(dataset.get_new_env().reset())
        for key in (None, "open wheat"):
            with pytest.raises(ConfigError, match=r"Invalid or missing API key.*pass the server's api_key"):
                TaskDatasetClient(dataset.server_url, api_key=key)


def test_what_an_environment_raises_is_told() -> None:
    with remote(EnvsTaskDataset(Album())) as dataset:
        env = dataset.get_new_env_by_idx(0)
        asyncio.run(env.reset())
        with pytest.raises(EnvError, match=r"/step answered with status 500: FileNotFoundError\('missing'\)"):
            asyncio.run(env.step(call("look", name="missing")))
        with pytest.raises(EnvError, match="status 500: IndexError"):
            asyncio.run(dataset.get_new_env_by_idx(5).reset())
        with pytest.raises(EnvError, match="call reset"):
            asyncio.run(dataset.get_new_env_by_idx(0).step(Message(content="too early")))


def test_what_an_environment_raises_may_be_an_observation() -> None:
    with remote(EnvsTaskDataset(Album()), catch_http_errors=True) as dataset:
        env = dataset.get_new_env_by_idx(0)
        asyncio.run(env.reset())
        action = ToolRequestMessage(
            tool_calls=[ToolCall.from_name("look", name="missing"), ToolCall.from_name("look", name="dawn")]
        )
        messages, reward, done, truncated = asyncio.run(env.step(action))
        assert [type(message) for message in messages] == [ToolResponseMessage] * 2
        assert [message.tool_call_id for message in messages] == [call.id for call in action.tool_calls]
        assert all("FileNotFoundError" in message.content for message in messages)
        assert (reward, done, truncated) == (0.0, True, False)
        messages, tools = asyncio.run(dataset.get_new_env_by_idx(5).reset())
        assert messages[0].content.startswith("Environment.reset() failed: ")
        assert tools == []


def test_a_server_that_hangs() -> None:
    release = threading.Event()

    class Slow(Album):
        async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
            while not release.is_set():
                await asyncio.sleep(0.01)
            return await super().step(action)

    with remote(EnvsTaskDataset(Slow()), request_timeout=0.2) as dataset:
        env = dataset.get_new_env_by_idx(0)
        asyncio.run(env.reset())
        with pytest.raises(EnvError, match=r"/step did not answer within 0\.2 s; pass a longer request_timeout"):
            asyncio.run(env.step(call("look", name="dawn")))
        asyncio.run(env.close())
        release.set()


def test_a_server_that_is_gone() -> None:
    with remote(TaskDataset.from_name("dummy")) as dataset:
        env = dataset.get_new_env()
        asyncio.run(env.reset())
    with pytest.raises(EnvError, match=r"/step cannot be reached .*; does the server run\?"):
        asyncio.run(env.step(Message(content="hello?")))
    with pytest.raises(EnvError, match="/info cannot be reached"):
        TaskDatasetClient(dataset.server_url)


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, b"<html>welcome</html>", EnvError, "something else than was asked for"),
        (200, b'{"env": 1}', EnvError, "env_id is missing"),
        (200, b"\xff\xfe", EnvError, "something else"),
        (302, b"", EnvError, "status 302: no reason given"),
        (502, b"<h1>Bad\n gateway</h1>", EnvError, "status 502: <h1>Bad gateway</h1>"),
        (500, b'{"detail": ["a", "b"]}', EnvError, r"status 500: \['a', 'b'\]"),
        (401, b'{"detail": "who are you?"}', ConfigError, "who are you"),
    ],
)
def test_answers_of_other_servers(status: int, body: bytes, error: type[Exception], said: str) -> None:
    with answering(status, body) as url, pytest.raises(error, match=said):
        asyncio.run(TaskDatasetClient(url).get_new_env().reset())


@pytest.mark.parametrize("url", ["", "localhost:8041", "ftp://localhost", "http://", "http://[::1", "file:///etc"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match="address of a server"):
        TaskDatasetClient(url)


def test_a_proxy_has_no_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with remote(TaskDataset.from_name("dummy"), request_timeout=5) as dataset:
            asyncio.run(dataset.get_new_env().reset())
