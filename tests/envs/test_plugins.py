"""Environments of other packages: installed beside ours and found by name, or in a process of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from envs import Environment
from envs.dataset_client import TaskDatasetClient
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import ToolRequestMessage
from textgrad_agents.tools import ToolCall

PACKAGE = Path(__file__).parents[1] / "plugin_package"

EPISODE = """
import asyncio, json, sys
from envs import Environment, TaskDataset
from textgrad_agents.messages import ToolRequestMessage
from textgrad_agents.tools import ToolCall

assert "paper_shelf" not in sys.modules

def act(name, **arguments):
    return ToolRequestMessage(tool_calls=[ToolCall.from_name(name, **arguments)])

async def episode(env):
    messages, tools = await env.reset()
    found, *_ = await env.step(act("search", word="duck"))
    await env.step(act("gather_evidence", title="On ducks"))
    lost, *_ = await env.step(act("gather_evidence", title="On geese"))
    thanks, reward, done, _ = await env.step(act("answer", text="Their feathers hold air."))
    return [messages[0].content, [tool.info.name for tool in tools], found[0].content, lost[0].content, reward, done]

known = asyncio.run(episode(TaskDataset.from_name("paper_shelf").get_new_env_by_idx(0)))
asked = asyncio.run(episode(Environment.from_name("paper_shelf", task="Do ducks float?")))
print(json.dumps([known, asked]))
"""
SERVE = """
from envs import TaskDataset
from envs.dataset_server import TaskDatasetServer
from envs.web.serving import run
server = TaskDatasetServer(TaskDataset.from_name("paper_shelf"), api_key="shelf key")
run(server.app, "127.0.0.1", 0, ready=lambda url: print(url, flush=True))
"""
COMMAND = "import sys; from training.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of a process that has the package."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "install", *options, str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return os.environ | {"PYTHONPATH": str(folder)}


def run(program: str, *arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(program: str, *arguments: str, environment: dict[str, str]) -> Iterator[str]:
    """What a program prints first, while it runs."""
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.kill()


def test_it_is_not_known_where_it_is_not_installed() -> None:
    with pytest.raises(ConfigError, match="no environment of one agent is called 'paper_shelf'"):
        Environment.from_name("paper_shelf", task="Why?")


def test_an_environment_and_a_dataset_by_name(installed: dict[str, str]) -> None:
    known, asked = json.loads(run(EPISODE, environment=installed))
    tools = ["search", "gather_evidence", "answer"]
    lost = "Encountered exception during tool call: KeyError('On geese')"
    assert known == ["Why do ducks float?", tools, '["On ducks"]', lost, 1.0, True]
    assert asked == ["Do ducks float?", tools, '["On ducks"]', lost, 0.0, True]


def test_it_is_listed(installed: dict[str, str]) -> None:
    listed = run(COMMAND, "envs", environment=installed)
    assert "paper_shelf.environment:PaperShelf " in listed
    assert "paper_shelf.environment:PaperShelfDataset" in listed


def test_its_tools_have_a_page(installed: dict[str, str]) -> None:
    with serving(COMMAND, "tools", "paper_shelf", "--port", "0", environment=installed) as line:
        address = re.search(r"http://\S+", line)
        assert address, line
        page = httpx2.get(address[0], follow_redirects=False, trust_env=False)
        cookie = page.headers["set-cookie"].partition(";")[0]
        page = httpx2.get(address[0].partition("?")[0], headers={"cookie": cookie}, trust_env=False)
        assert "Read a paper and keep what it says." in page.text


def test_it_can_stay_in_a_process_of_its_own(installed: dict[str, str]) -> None:
    async def episode(dataset: TaskDatasetClient) -> tuple[float, bool]:
        env = dataset.get_new_env_by_idx(1)
        messages, _ = await env.reset()
        assert messages[0].content == "Why do stones sink?"
        await env.step(ToolRequestMessage(tool_calls=[ToolCall.from_name("gather_evidence", title="On stones")]))
        action = ToolRequestMessage(tool_calls=[ToolCall.from_name("answer", text="They are denser than water.")])
        _, reward, done, _ = await env.step(action)
        await env.close()
        return reward, done

    with serving(SERVE, environment=installed) as url:
        assert asyncio.run(episode(TaskDatasetClient(url.strip(), api_key="shelf key"))) == (1.0, True)
    assert "paper_shelf" not in sys.modules
