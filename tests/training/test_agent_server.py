"""An agent as a server, and its client."""

from __future__ import annotations

import asyncio

import pytest
from starlette.testclient import TestClient

from envs import DummyEnv
from envs.web.serving import serving
from textgrad_agents import ScriptedEngine
from textgrad_agents.agents import HTTPAgentClient, SimpleAgent, SimpleAgentState
from textgrad_agents.errors import ConfigError, EngineError, GraphError
from textgrad_agents.messages import Completion, ToolCall, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.tools import ToolsAdapter
from textgrad_agents.variables import eval_mode
from training.agent_server import make_simple_agent_server
from training.rollouts import RolloutManager

CAST = Completion("", finish="tool_calls", tool_calls=(ToolCall.from_name("cast_float", x="5.5"),))
STORY = Completion("", finish="tool_calls", tool_calls=(ToolCall.from_name("print_story", story="ok"),))


def client(url: str, token: str = "secret", timeout: float | None = 10) -> HTTPAgentClient[SimpleAgentState]:
    headers = {"Authorization": f"Bearer {token}"}
    return HTTPAgentClient(SimpleAgentState, url, headers, request_timeout=timeout)


def test_a_remote_agent_plays_an_episode() -> None:
    engine = ScriptedEngine([CAST, STORY])

    async def play(url: str) -> None:
        env = DummyEnv()
        obs, tools = await env.reset()
        agent = client(url)
        state = await agent.init_state(tools)
        assert [one.info for one in state.tools] == [one.info for one in tools]
        with eval_mode():
            action, after, value = await agent.get_asv(state, obs)
            assert isinstance(action.value, ToolRequestMessage)
            assert isinstance(after.messages[1], ToolRequestMessage)
            assert value == 0.0
            assert state.messages == []
            obs, _, done, _ = await env.step(action.value)
            assert not done
            action, after, _ = await agent.get_asv(after, obs)
        assert isinstance(after.messages[2], ToolResponseMessage)
        *_, done, _ = await env.step(action.value)
        assert done

    with serving(make_simple_agent_server(SimpleAgent(engine=engine), token="secret")) as url:
        asyncio.run(play(url))


def test_rollouts_take_a_remote_agent() -> None:
    with serving(make_simple_agent_server(SimpleAgent(), token="secret")) as url, eval_mode():
        manager = RolloutManager(client(url))
        (trajectory,) = asyncio.run(manager.sample_trajectories(environments=[DummyEnv()]))
    assert trajectory.done
    assert trajectory.total_reward == 1.0


def test_a_remote_agent_teaches_nothing() -> None:
    with pytest.raises(GraphError, match="eval_mode"):
        asyncio.run(client("http://127.0.0.1:9").get_asv(SimpleAgentState(), []))


def test_what_goes_wrong_is_one_clear_error() -> None:
    async def ask(url: str, token: str = "secret") -> None:
        with eval_mode():
            await client(url, token).get_asv(SimpleAgentState(), [])

    with pytest.raises(EngineError, match="cannot be reached"):
        asyncio.run(ask("http://127.0.0.1:9"))
    with serving(make_simple_agent_server(SimpleAgent(engine=ScriptedEngine([])), token="secret")) as url:
        with pytest.raises(ConfigError, match="refused the request; pass its token"):
            asyncio.run(ask(url, "wrong"))
        with pytest.raises(EngineError, match=r"status 500.*script has 0 replies"):
            asyncio.run(ask(url))


def test_requests_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_TOKEN", "stub")
    web = TestClient(make_simple_agent_server(SimpleAgent()))
    assert web.get("/info").status_code == 401
    headers = {"Authorization": "Bearer stub"}
    assert web.get("/info", headers=headers).json() == {"agent_type": "SimpleAgent"}
    body = {"agent_state": {}, "obs": []}
    assert web.post("/get_asv", json=body, headers=headers).status_code == 501
    wrong = {"agent_state": {"colour": 1}, "obs": [], "training": False}
    assert "agent_state is no SimpleAgentState" in web.post("/get_asv", json=wrong, headers=headers).json()["detail"]
    assert web.post("/init_state", json={"a": 1}, headers=headers).status_code == 422
    assert web.post("/init_state", json=ToolsAdapter.dump_python([]), headers=headers).json()["messages"] == []


def test_without_a_token_only_this_machine_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    app = make_simple_agent_server(SimpleAgent())
    assert TestClient(app, base_url="http://127.0.0.1").get("/info").status_code == 200
    assert TestClient(app, base_url="http://elsewhere.example").get("/info").status_code == 403
