"""The command `textgrad-agents run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textgrad_agents.transitions import Trajectory
from training.cli import main


def test_an_agent_tries_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", "cats", "--env", "dummy", "--output_dir", str(tmp_path)])
    shown = capsys.readouterr().out
    assert code == 0
    assert "observation: Write a 5 word story via print_story about cats" in shown
    assert shown.endswith("1 steps, reward 1\n")
    (path,) = tmp_path.glob("*.jsonl")
    assert Trajectory.from_jsonl(path).done


def test_agents_come_from_modules_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_agents.py").write_text(
        "from textgrad_agents.agents import Agent\n"
        "from textgrad_agents.messages import ToolCall, ToolRequestMessage\n"
        "class Teller(Agent):\n"
        "    async def init_state(self, tools):\n"
        "        return None\n"
        "    async def get_asv(self, agent_state, obs):\n"
        "        call = ToolCall.from_name('print_story', story='mine')\n"
        "        return await Agent.wrap_action(ToolRequestMessage(tool_calls=[call])), None, 0.0\n"
    )
    assert main(["run", "cats", "--env", "envs.dummy:DummyEnv", "--agent", "my_agents:Teller"]) == 0
    assert "print_story(story='mine')" in capsys.readouterr().out
    entry = {"agent_type": "SimpleAgent", "agent_kwargs": {"sys_prompt": "Write."}}
    (tmp_path / "agent.json").write_text(json.dumps(entry))
    assert main(["run", "cats", "--env", "dummy", "--agent", "agent.json", "--max_steps", "1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--env", "dumy"], "no environment of one agent is called 'dumy'; did you mean dummy"),
        (["--env", "dummy", "--agent", "SimpelAgent"], "did you mean SimpleAgent"),
        (["--env", "dummy", "--agent", "json:loads"], "agent json:loads cannot be made"),
        (["--env", "dummy", "--agent", "none.json"], "does not exist"),
        ([], "--env"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "cats", *arguments])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert problem in error
    assert error.count("\n") == 1


def test_a_failed_rollout_is_shown_and_told_by_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["run", "cats", "--env", "dummy", "--model", "gpt-4o"]) == 1
    assert "failed: " in capsys.readouterr().out
