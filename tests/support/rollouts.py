"""Agents and environments for tests of rollouts: they count, and fail where they are told to."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from pydantic import BaseModel

from envs import Environment, Frame
from textgrad_agents.agents import Agent
from textgrad_agents.messages import Message, ToolRequestMessage
from textgrad_agents.ops import FxnOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables import Variable, compute_graph


class Count(BaseModel):
    """The state of a counting agent."""

    count: float = 0.0


class CountingAgent(Agent[Count]):
    """Adds one to what it sees. It fails in the step of a number, or never answers in it."""

    def __init__(self, fails_at: float | None = None, hangs_at: float | None = None) -> None:
        self.op = FxnOp(lambda: ToolRequestMessage(tool_calls=[]))
        self.fails_at = fails_at
        self.hangs_at = hangs_at

    async def init_state(self, tools: list[Tool]) -> Count:
        if self.fails_at == -1:
            raise ValueError("no state")
        return Count()

    @compute_graph()
    async def get_asv(self, agent_state: Count, obs: list[Message]) -> tuple[Variable[Any], Count, float]:
        seen = float(obs[0].content or 0)
        if seen == self.fails_at:
            raise ValueError(f"cannot count on from {seen:g}")
        if seen == self.hangs_at:
            await asyncio.Event().wait()
        return await self.op(), Count(count=seen + 1), 0.5


class CountingEnv(Environment[float]):
    """Counts to three. What it is told to fail in, fails."""

    def __init__(self, state: float = 0.0, *, fails_in: str = "", noise: float = 0.0, reward: float = 0.0) -> None:
        self.state = state
        self.fails_in = fails_in
        self.noise = noise
        self.reward = reward
        self.closed = 0

    async def reset(self) -> tuple[list[Any], list[Tool]]:
        if self.fails_in == "reset":
            raise RuntimeError("no beginning")
        return [Message(content=str(self.state))], []

    async def step(self, action: Message) -> tuple[list[Any], float, bool, bool]:
        if self.fails_in == "step":
            raise RuntimeError("no way on")
        if self.fails_in == "hang":
            await asyncio.Event().wait()
        self.state += 1 + random.uniform(-self.noise, self.noise)
        return [Message(content=str(self.state))], self.reward, self.state >= 3 - self.noise * 3, False

    async def close(self) -> None:
        self.closed += 1
        if self.fails_in == "close":
            raise RuntimeError("no end")

    def export_frame(self) -> Frame:
        return Frame(state=self.state, info={"count": self.state})
