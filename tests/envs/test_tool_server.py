"""The tools of an environment over HTTP, as the page and other programs use them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx2
import pytest
from starlette.testclient import TestClient

from envs import DummyEnv, fenv
from envs.environment import Environment
from envs.tool_server import make_tool_server, sessions
from envs.web.serving import serving
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages
from textgrad_agents.tools import Tool

TOKEN = "a token"


class Workbench(Environment[dict[str, Any]]):
    """Tools that work, raise, hang, and return what JSON cannot hold."""

    made: ClassVar[list[Workbench]] = []
    release = threading.Event()

    def __init__(self) -> None:
        self.closed = False
        self.made.append(self)

    async def reset(self) -> tuple[Messages, list[Tool]]:
        self.state = {"total": 0, "strange": {1.5: object}}

        def add(numbers: list[int], times: int = 1) -> int:
            """Add numbers to the total.

            Args:
                numbers: What to add.
                times: How often.
            """
            self.state["total"] += sum(numbers) * times
            return self.state["total"]

        def fail() -> str:
            """Raise."""
            raise RuntimeError("the bench broke")

        async def hang() -> str:
            """Never end."""
            while not self.release.is_set():
                await asyncio.sleep(0.01)
            return "released"

        def whatever() -> object:
            """Return what JSON cannot hold."""
            return object()

        def stop(id: str, function_name: str = "") -> str:
            """End the episode.

            Args:
                id: Which.
                function_name: What for.
            """
            self.state["over"] = id
            return f"stopped {id} {function_name}"

        self.tools = [Tool.from_function(function) for function in (add, fail, hang, whatever, stop)]
        return [Message(content="Build something.")], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        answers = await self.exec_tool_calls(action)
        over = "over" in self.state
        return [*answers], 2.0 if over else 0.5, over, False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def client() -> Iterator[TestClient]:
    Workbench.made.clear()
    Workbench.release.clear()
    app = asyncio.run(make_tool_server(Workbench, timeout=0.3))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    Workbench.release.set()
    assert all(env.closed for env in Workbench.made)


def test_a_tool_is_called_in_an_environment_of_its_own_or_in_a_given_one(client: TestClient) -> None:
    first = client.post("/add", json={"numbers": [1, 2]}).json()
    assert first["result"] == "3"
    assert (first["reward"], first["done"], first["truncated"]) == (0.5, False, False)
    assert first["messages"][0]["name"] == "add"
    where = {"environment_id": first["environment_id"]}
    assert client.post("/add", json={"numbers": [4], "times": 2}, params=where).json()["result"] == "11"
    assert client.post("/add", json={"numbers": [4]}).json()["result"] == "4"


def test_what_an_agent_would_hear_of_a_wrong_call(client: TestClient) -> None:
    for body, said in [
        ({"numbers": 7}, "Invalid tool call: add: numbers must be a valid list, not 7"),
        ({}, "numbers is missing"),
        ({"numbers": [1], "often": 2}, "there is no field often"),
    ]:
        answer = client.post("/add", json=body)
        assert answer.status_code == 200
        assert said in answer.json()["result"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/fail", {}, 500, "RuntimeError('the bench broke')"),
        ("/whatever", {}, 500, "cannot be written as JSON"),
        ("/hang", {}, 504, "no answer within 0.3 s"),
        ("/add", [1], 422, "as a JSON object"),
        ("/add?environment_id=env0", {}, 404, "Environment env0 not found"),
    ],
)
def test_what_goes_wrong_is_one_answer(client: TestClient, path: str, body: Any, status: int, said: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert client.post("/add", json={"numbers": [1]}).is_success


def test_arguments_may_have_any_name(client: TestClient) -> None:
    assert client.post("/stop", json={"id": "7", "function_name": "lunch"}).json()["result"] == "stopped 7 lunch"


def test_an_episode_that_is_over_begins_again_with_the_next_call(client: TestClient) -> None:
    env_id = client.post("/env/create").json()
    where = {"environment_id": env_id}
    client.post("/add", json={"numbers": [5]}, params=where)
    over = client.post("/stop", json={"id": "7"}, params=where).json()
    assert (over["reward"], over["done"]) == (2.0, True)
    assert client.get(f"/env/view/{env_id}").json()["total"] == 5
    assert client.post("/add", json={"numbers": [1]}, params=where).json()["result"] == "1"


def test_environments_are_made_seen_and_closed(client: TestClient) -> None:
    env_id = client.post("/env/create").json()
    assert env_id.startswith("env")
    state = client.get(f"/env/view/{env_id}").json()
    assert state == {"total": 0, "strange": {"1.5": "<class 'object'>"}}
    assert client.post(f"/env/delete/{env_id}").json() == env_id
    assert client.get(f"/env/view/{env_id}").status_code == 404
    assert client.post(f"/env/delete/{env_id}").is_success


def test_the_oldest_environments_make_room(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
    ids = [client.post("/env/create").json() for _ in range(5)]
    assert [client.get(f"/env/view/{env_id}").is_success for env_id in ids] == [False, False, True, True, True]


def test_two_calls_in_one_environment_come_one_after_the_other() -> None:
    @fenv.start()
    async def counting() -> tuple[str, dict[str, Any]]:
        return "Count.", {"count": 0}

    @counting.tool()
    async def up(state: Any) -> int:
        """Count one up."""
        before = state.count
        await asyncio.sleep(0.01)
        state.extras["count"] = before + 1
        return before + 1

    async def run() -> list[str]:
        app = await make_tool_server(counting)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            env_id = (await client.post("/env/create")).json()
            answers = [client.post(f"/up?environment_id={env_id}", json={}) for _ in range(5)]
            return [answer.json()["result"] for answer in await asyncio.gather(*answers)]

    assert sorted(asyncio.run(run())) == ["1", "2", "3", "4", "5"]


class TestToken:
    @pytest.fixture
    def client(self) -> TestClient:
        app = asyncio.run(make_tool_server(DummyEnv, token=TOKEN))
        return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/cast_int"), ("POST", "/env/create"), ("GET", "/env/view/x"), ("POST", "/env/delete/x")],
    )
    @pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic a token", "a token"])
    def test_without_it_nothing_happens(self, client: TestClient, method: str, path: str, header: str | None) -> None:
        headers = {} if header is None else {"Authorization": header}
        answer = client.request(method, path, headers=headers, json={"x": 1.0} if method == "POST" else None)
        assert answer.status_code == 401
        assert "Authorization: Bearer" in answer.json()["detail"]

    def test_as_a_header(self, client: TestClient) -> None:
        answer = client.post("/cast_int", json={"x": 2.7}, headers={"Authorization": f"bearer {TOKEN}"})
        assert answer.json()["result"] == "2"

    def test_as_the_end_of_the_address(self, client: TestClient) -> None:
        assert client.get("/").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        welcome = client.get("/", params={"token": TOKEN})
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        cookie = welcome.headers["set-cookie"]
        assert cookie.startswith("textgrad_agents_tools_8000=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "print_story" in client.get("/").text
        assert client.post("/cast_int", json={"x": 2.7}).is_success

    @pytest.mark.parametrize("token", ["a;b=c", 'quo"te', "ключ", " "])
    def test_of_any_letters(self, token: str) -> None:
        client = TestClient(asyncio.run(make_tool_server(DummyEnv, token=token)))
        assert "print_story" in client.get("/", params={"token": token}).text
        assert token not in client.cookies.values()

    def test_an_empty_one_is_none(self) -> None:
        app = asyncio.run(make_tool_server(DummyEnv, token=""))
        assert TestClient(app).post("/cast_int", json={"x": 2.7}).is_success


def test_the_page_shows_schemas_as_an_agent_gets_them(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Build something." in page.text
    assert "array of integer" in page.text
    assert "integer, may be left out" in page.text


@pytest.mark.parametrize("path", ["/", "/static/tools.js", "/static/tools.css", "/nowhere", "/env/view/x"])
def test_every_answer_has_the_headers_of_a_page_that_trusts_nothing(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "<script>" not in client.get("/").text


def test_forms_of_other_pages_are_not_read(client: TestClient) -> None:
    assert client.post("/add", data={"numbers": "1"}).status_code == 415
    app = asyncio.run(make_tool_server(DummyEnv))
    with serving(app) as url:
        for headers in ({"sec-fetch-site": "cross-site"}, {"host": "evil.example"}):
            assert httpx2.post(f"{url}/cast_int", json={"x": 1}, headers=headers).status_code == 403


@pytest.mark.parametrize("name", ["", ".", "..", "{x}", "a}b"])
def test_names_that_cannot_be_addresses(name: str) -> None:
    class Odd(DummyEnv):
        async def reset(self) -> tuple[Messages, list[Tool]]:
            messages, tools = await super().reset()
            tools[0].info.name = name
            return messages, tools

    with pytest.raises(ConfigError, match="use letters, digits and underscores"):
        asyncio.run(make_tool_server(Odd))
