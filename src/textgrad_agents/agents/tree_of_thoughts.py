"""TreeofThoughtsAgent: several thoughts are tried, and the best are thought on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field, PrivateAttr

from textgrad_agents.agents.base import Agent
from textgrad_agents.agents.model import ModelSettings, config_op
from textgrad_agents.agents.modules.packaging import prepend_sys
from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, ToolCall, ToolRequestMessage
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.ops.parameters import ConfigOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

PromptFunction = Callable[[str, str], str]


def propose(problem: str, path: str) -> str:
    """Asks for the next thoughts."""
    return f"Problem: {problem}\nThoughts so far:\n{path}\nWrite possible next thoughts, one per line, nothing else."


def judge(problem: str, path: str) -> str:
    """Asks what thoughts are worth."""
    return f"Problem: {problem}\nThoughts:\n{path}\nHow promising are they? Answer with a number from 0 to 10."


class TreeofThoughtsAgent(ModelSettings, Agent[SimpleAgentState]):
    """Breadth-first search over thoughts (Yao et al., "Tree of Thoughts", NeurIPS 2023).

    Attributes:
        proposal_prompt_func: the question for next thoughts, from the problem and the thoughts so far.
        value_prompt_func: the question for their worth.
    """

    proposal_prompt_func: PromptFunction = Field(default=propose, exclude=True)
    value_prompt_func: PromptFunction = Field(default=judge, exclude=True)

    _config_op: ConfigOp = PrivateAttr()
    _llm_call_op: LLMCallOp = PrivateAttr()
    _prepend_op: FxnOp = PrivateAttr()
    _next_thoughts_op: FxnOp = PrivateAttr()
    _request_op: FxnOp = PrivateAttr()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config_op = config_op(self.llm_config)
        self._llm_call_op = LLMCallOp(self.engine)
        self._prepend_op = FxnOp(prepend_sys)
        self._next_thoughts_op = FxnOp(_next_thoughts)
        self._request_op = FxnOp(_request)

    async def init_state(self, tools: list[Tool]) -> SimpleAgentState:
        """An empty conversation."""
        return self.new_state(tools)

    @compute_graph()
    async def get_asv(
        self,
        agent_state: SimpleAgentState,
        obs: list[Message],
        eval_function: Callable[[str, list[str]], float] | None = None,
        n_steps: int = 1,
        n_select_samples: int = 1,
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Think, and call each tool with the thoughts that seem best.

        Args:
            agent_state: the present state.
            obs: the first message is the problem.
            eval_function: worth of thoughts, from them and from what the model said of them; by the first number in
                the model's words if None.
            n_steps: thoughts on a path.
            n_select_samples: paths that are thought on.

        Raises:
            ConfigError: there is no problem, or a number is less than 1.
            EngineError: the model could not answer.
        """
        if not obs or n_steps < 1 or n_select_samples < 1:
            raise ConfigError(
                f"a tree of thoughts needs a problem and numbers of at least 1, got {len(obs)} messages, n_steps "
                f"{n_steps}, n_select_samples {n_select_samples}"
            )
        next_state = agent_state.get_next_state()
        problem = obs[0].text
        score = _first_number if eval_function is None else eval_function
        best: list[Variable[Any] | str] = [""]
        for _ in range(n_steps):
            found = await asyncio.gather(*(self._thoughts(next_state, problem, path) for path in best))
            paths = [path for some in found for path in some] or best
            values = await asyncio.gather(*(self._value(next_state, problem, path, score) for path in paths))
            order = sorted(range(len(paths)), key=lambda index: -values[index])
            best = [paths[index] for index in order[:n_select_samples]]
        action = await self._request_op(best[0], next_state.tools)
        next_state.messages = [*next_state.messages, *obs, action.value]
        return action, next_state, 0.0

    async def _thoughts(
        self, state: SimpleAgentState, problem: str, path: Variable[Any] | str
    ) -> list[Variable[Any] | str]:
        """The path with each of the next thoughts."""
        said = await self._asked(state, self.proposal_prompt_func(problem, _text(path)))
        thoughts = [line for line in said.value.text.splitlines() if line.strip()]
        return [await self._next_thoughts_op(path, said, index) for index in range(len(thoughts))]

    async def _value(
        self, state: SimpleAgentState, problem: str, path: Variable[Any] | str, score: Callable[[str, list[str]], float]
    ) -> float:
        said = await self._asked(state, self.value_prompt_func(problem, _text(path)))
        return score(_text(path), [said.value.text])

    async def _asked(self, state: SimpleAgentState, question: str) -> Variable[Any]:
        return await self._llm_call_op(self._config_op(), msgs=self._prepend_op(state.messages, sys_content=question))


def _text(path: Variable[Any] | str) -> str:
    return str(path.value) if isinstance(path, Variable) else path


def _next_thoughts(path: str, said: Message, index: int) -> str:
    return f"{path}{[line for line in said.text.splitlines() if line.strip()][index]}\n"


def _request(path: str, tools: Sequence[Tool]) -> ToolRequestMessage:
    return ToolRequestMessage(content=path, tool_calls=[ToolCall.from_tool(tool, path) for tool in tools])


def _first_number(path: str, said: list[str]) -> float:
    for text in said:
        for word in text.replace("/", " ").split():
            try:
                return float(word.strip(".,;:()"))
            except ValueError:
                continue
    return 0.0
