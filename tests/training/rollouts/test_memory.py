"""A thousand episodes, 64 at once, leave nothing behind: what is alive is counted, not what the process occupies."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections import Counter
from collections.abc import Sequence
from typing import Any

from envs import Environment
from textgrad_agents import Session
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, user
from textgrad_agents.tools import Tool
from training.rollouts import RolloutManager

EPISODES, AT_ONCE, STEPS = 1000, 64, 5
PACKAGES = ("envs.", "textgrad_agents.", "training.")
IDLE_THREAD = "envs.threads._Worker"  # waits for the next call of a plain function; a few are kept


def count(state: list[int]) -> int:
    """Count on."""
    state[0] += 1
    return state[0]


TOOLS = [Tool.from_function(count)]


class Counter5(Environment[Any]):
    """Ends when its tool was called five times."""

    async def reset(self) -> tuple[list[Any], list[Tool]]:
        self.state, self.tools = [0], TOOLS
        return [user("Count.")], TOOLS

    async def step(self, action: Message) -> tuple[list[Any], float, bool, bool]:
        answers = await self.exec_tool_calls(action, state=self.state)
        return [*answers], 1.0, self.state[0] == STEPS, False


class Model:
    """Calls the tool, and keeps nothing."""

    name = "model"

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        await asyncio.sleep(0)
        return Completion("", finish="tool_calls", tool_calls=(ToolCall.from_name("count"),))


async def census() -> tuple[Counter[str], int]:
    """Objects of ours by type, and blocks of memory of any kind (which numbers and texts occupy, too)."""
    await asyncio.sleep(0.01)  # the loop lets go of what is finished
    gc.collect()
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    blocks = sys.getallocatedblocks()
    ours = {kind: one for kind, one in kinds.items() if kind.startswith(PACKAGES) and kind != IDLE_THREAD}
    return Counter(ours), blocks


def test_a_thousand_episodes_leave_nothing_behind() -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    manager = RolloutManager(SimpleAgent(sys_prompt="Count to five."), concurrency_limit=AT_ONCE)

    async def play(number: int) -> int:
        """Most actions and environments that are alive at once."""
        most = played = 0
        async for trajectory in manager.stream(tracked() for _ in range(number)):
            assert (trajectory.failed, len(trajectory.steps)) == (False, STEPS)
            alive.update(step.action for step in trajectory.steps)
            played += 1
            if played % 100 == 0:
                gc.collect()
                most = max(most, len(alive))
        assert played == number
        return most

    def tracked() -> Counter5:
        env = Counter5()
        alive.add(env)
        return env

    async def run() -> None:
        await play(2 * AT_ONCE)  # what is made once is there
        before, blocks = await census()
        assert 0 < await play(EPISODES) <= 2 * AT_ONCE * (STEPS + 1)
        after, blocks_after = await census()
        assert after - before == Counter()
        assert blocks_after - blocks < EPISODES  # not one number per episode, let alone per call

    with Session(engine=Model()):
        asyncio.run(run())
    gc.collect()
    assert len(alive) == 0
