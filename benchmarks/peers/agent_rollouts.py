"""What a rollout costs, in LDP or in this project by the same code: ``agent_rollouts.py ours|ldp``.

Run by `ldp_speed.py`. Prints one JSON object: CPU time per step, op call and line, CPU time and memory of the import,
size of what is installed, and what 900 further episodes leave in memory.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

PEER = sys.argv[1]
STEPS, EPISODES, CONCURRENCY = 500, 1000, 64
SOURCE = Path(__file__).resolve().parents[2] / "src"
NAMES = {
    "ours": {
        "agents": "textgrad_agents.agents",
        "envs": "envs",
        "tools": "textgrad_agents.tools",
        "messages": "textgrad_agents.messages",
        "rollouts": "training.rollouts",
        "trajectory": "textgrad_agents.transitions",
        "ops": "textgrad_agents.ops",
        "graph": "textgrad_agents.variables",
    },
    "ldp": {
        "agents": "ldp.agent",
        "envs": "aviary.core",
        "tools": "aviary.core",
        "messages": "aviary.core",
        "rollouts": "ldp.alg",
        "trajectory": "ldp.data_structures",
        "ops": "ldp.graph",
        "graph": "ldp.graph",
    },
}[PEER]


def resident() -> float:
    """Resident megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


started, before = time.process_time(), resident()
M = {name: importlib.import_module(module) for name, module in NAMES.items()}
IMPORT = {"import, s": time.process_time() - started, "import, MB": resident() - before}
logging.disable(logging.CRITICAL)
Message, Tool, ToolCall, ToolRequestMessage = (
    M["messages"].Message,
    M["tools"].Tool,
    M["tools"].ToolCall,
    M["tools"].ToolRequestMessage,
)


class Echo(M["envs"].Environment[dict]):
    """A tool that gives back what it gets, for a number of steps."""

    def __init__(self, steps: int, plain: bool) -> None:
        self.left = steps
        self.state: Any = {}

        def say(text: str) -> str:
            """Say it.

            Args:
                text: what
            """
            return text

        async def say_async(text: str) -> str:
            """Say it.

            Args:
                text: what
            """
            return text

        say_async.__name__ = "say"
        self.tools = [Tool.from_function(say if plain else say_async)]

    async def reset(self) -> Any:
        return [Message(content="Begin.")], self.tools

    async def step(self, action: Any) -> Any:
        self.left -= 1
        return await self.exec_tool_calls(action), 1.0, self.left <= 0, False

    def export_frame(self) -> Any:
        raise NotImplementedError


class Caller(M["agents"].Agent):
    """Calls the tool, without any model."""

    async def init_state(self, tools: Any) -> Any:
        return {"tool": "say"}

    async def get_asv(self, agent_state: Any, obs: Any) -> Any:
        action = ToolRequestMessage(tool_calls=[ToolCall.from_name("say", text="word " * 20)])
        return await M["agents"].Agent.wrap_action(action), agent_state, 0.0


def cpu(work: Callable[[], Any], count: int) -> float:
    """Microseconds of CPU per item."""
    gc.collect()
    start = time.process_time()
    work()
    return (time.process_time() - start) / count * 1e6


async def rollout(plain: bool) -> Any:
    manager = M["rollouts"].RolloutManager(Caller())
    (trajectory,) = await manager.sample_trajectories(environments=[Echo(STEPS, plain)])
    assert len(trajectory.steps) == STEPS
    return trajectory


async def calls(number: int) -> None:
    op = M["ops"].FxnOp(lambda x: x)
    async with M["graph"].compute_graph():
        for _ in range(number):
            await op(1)


async def many() -> dict[str, float]:
    """Resident megabytes, and blocks of memory in use, after all episodes beyond those after the first hundred."""
    manager = M["rollouts"].RolloutManager(Caller(), concurrency_limit=CONCURRENCY)
    played = 0
    at_first = (0.0, 0)
    while played < EPISODES:
        batch = [Echo(10, False) for _ in range(min(100, EPISODES - played))]
        await manager.sample_trajectories(environments=batch)
        played += len(batch)
        gc.collect()
        if not at_first[1]:
            at_first = resident(), sys.getallocatedblocks()
    return {
        "900 more episodes, MB": resident() - at_first[0],
        "900 more episodes, blocks": sys.getallocatedblocks() - at_first[1],
    }


def installed(name: str) -> dict[str, float]:
    """Number and megabytes of a distribution and of all that it requires, without extras."""
    found: dict[str, int] = {}
    waiting = [name]
    while waiting:
        one = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if one in found:
            continue
        try:
            dist = metadata.distribution(one)
        except metadata.PackageNotFoundError:  # for another system or version of Python
            continue
        found[one] = sum(
            path.stat().st_size for file in dist.files or () if (path := Path(dist.locate_file(file))).is_file()
        )
        plain = [line for line in dist.requires or () if "extra ==" not in line]
        waiting += [re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0] for line in plain]
    if PEER == "ours":  # which may be installed as a link to its sources
        found[name] = sum(path.stat().st_size for path in SOURCE.rglob("*") if path.suffix in (".py", ".md"))
    return {"installed, packages": len(found), "installed, MB": sum(found.values()) / 2**20}


def main() -> None:
    """Measure."""
    figures: dict[str, float] = dict(IMPORT) | installed("textgrad-agents" if PEER == "ours" else "ldp")
    asyncio.run(rollout(True))  # warm
    figures["step, plain tool, µs"] = cpu(lambda: asyncio.run(rollout(True)), STEPS)
    figures["step, async tool, µs"] = cpu(lambda: asyncio.run(rollout(False)), STEPS)
    figures["op call, µs"] = cpu(lambda: asyncio.run(calls(2000)), 2000)
    trajectory = asyncio.run(rollout(False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        figures["step to JSONL, µs"] = cpu(lambda: asyncio.run(trajectory.to_jsonl(path)), STEPS)
        figures["step from JSONL, µs"] = cpu(lambda: M["trajectory"].Trajectory.from_jsonl(path), STEPS)
        figures["step in the file, bytes"] = path.stat().st_size / STEPS
    figures |= asyncio.run(many())
    print(json.dumps(figures))


main()
