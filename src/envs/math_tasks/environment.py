"""A problem with a number as its answer, and a calculator."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from envs.environment import Environment
from envs.math_tasks.calculator import calculate
from envs.numbers import read_number, same_number
from envs.rendering import Frame
from textgrad_agents.errors import ConfigError, ToolCallError
from textgrad_agents.messages import Message, Messages, ToolRequestMessage
from textgrad_agents.tools import Tool

OVER = "The episode is over."


class CalculatorEnvConfig(BaseModel):
    """Rewards and rules."""

    model_config = ConfigDict(extra="forbid")

    correct_reward: float = Field(default=1.0, description="for the right answer")
    incorrect_reward: float = Field(default=0.0, description="for another number")
    tool_failure_reward: float = Field(
        default=-1.0,
        description="for a call that cannot be made, an expression that is none, or an answer that is no number",
    )
    tool_success_reward: float = Field(default=0.0, description="for a calculation")
    rel_tol: float = Field(default=1e-4, ge=0, description="how far off an answer may be, as a part of the right one")
    done_on_failure: bool = Field(default=True, description="end the episode with a failure")
    calculator: bool = Field(default=True, description="offer the calculator; otherwise only answers can be submitted")


class CalculatorState(BaseModel):
    """What the calls of one action came to.

    Attributes:
        reward: of this action.
        done: the episode is over.
        ran: calls of this action that were made.
        answer: what was submitted.
    """

    reward: float = 0.0
    done: bool = False
    ran: int = 0
    answer: str | None = None


class CalculatorEnv(Environment[CalculatorState]):
    """A problem; an episode ends when an answer is submitted.

    Args:
        problem_id: its identifier.
        problem: what is asked.
        answer: the right answer, a number or one as a text (``3/4``); None if it is not known: nothing gets a reward.
        config: rewards and rules.

    Raises:
        ConfigError: the answer is no finite number.
    """

    def __init__(
        self,
        problem_id: str | None,
        problem: str,
        answer: float | Fraction | str | None,
        config: CalculatorEnvConfig | None = None,
    ) -> None:
        self.problem_id = problem_id
        self.problem = problem
        self.answer = None if answer is None else _exact(answer)
        self.config = config or CalculatorEnvConfig()

    @classmethod
    def from_task(cls, task: str) -> Self:
        """The environment for a problem whose answer is not known."""
        return cls(problem_id=None, problem=task, answer=None)

    async def get_id(self) -> str:
        """The problem's identifier.

        Raises:
            ConfigError: there is none.
        """
        if self.problem_id is None:
            raise ConfigError("No problem ID was configured.")
        return self.problem_id

    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Ask the problem."""
        self.state = CalculatorState()
        functions = (self.calculator, self.submit_answer) if self.config.calculator else (self.submit_answer,)
        self.tools = [Tool.from_function(function) for function in functions]
        return [Message(content=self.problem)], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Make the calls of `action`, one after the other; their rewards add up."""
        if not isinstance(action, ToolRequestMessage):
            return self.default_no_tool_calls_response
        if not action.tool_calls:
            names = " or ".join(tool.info.name for tool in self.tools)
            said = Message(content=f"Must call one of the provided tools ({names}).")
            return [said], self.config.tool_failure_reward, self.config.done_on_failure, False
        self.state.reward, self.state.ran = 0.0, 0
        answers = await self.exec_tool_calls(action, concurrency=False)
        for _ in range(len(action.tool_calls) - self.state.ran):  # calls that no tool could take
            self._fail()
        return [*answers], self.state.reward, self.state.done, False

    def calculator(self, expr: str) -> str:
        """Calculate the value of an expression.

        Args:
            expr: Numbers with + - * / // % ** and parentheses, and the functions abs, round, min, max and sum.
        """
        self.state.ran += 1
        if self.state.answer is not None:
            return OVER
        try:
            value = calculate(expr)
        except ToolCallError as error:
            self._fail()
            return f"Error using calculator: {error}."
        self.state.reward += self.config.tool_success_reward
        return str(value)

    def submit_answer(self, answer: str) -> str:
        """Submit the answer to the problem. This ends the episode.

        Args:
            answer: The answer, a number such as 1234.5 or 3/4 without words or units.
        """
        self.state.ran += 1
        if self.state.answer is not None:  # the first one counts, however many are submitted at once
            return OVER
        self.state.done = True
        self.state.answer = answer
        number = read_number(answer)
        if number is None:
            self.state.reward += self.config.tool_failure_reward
            return f"{answer!r:.100} is no number."
        if self.answer is None:
            return "Submitted."
        correct = same_number(number, self.answer, self.config.rel_tol)
        self.state.reward += self.config.correct_reward if correct else self.config.incorrect_reward
        return "Correct." if correct else "Incorrect."

    def export_frame(self) -> Frame:
        """The problem, and what was submitted."""
        right = None if self.answer is None else str(self.answer)
        problem = {"problem_id": self.problem_id, "problem": self.problem, "answer": right}
        return Frame(state=problem, info={"submitted": self.state.answer})

    def _fail(self) -> None:
        self.state.reward += self.config.tool_failure_reward
        self.state.done |= self.config.done_on_failure


def _exact(answer: float | Fraction | str) -> Fraction:
    if isinstance(answer, Fraction):
        return answer
    number = read_number(answer if isinstance(answer, str) else str(float(answer)))
    if number is None or (isinstance(answer, float) and not math.isfinite(answer)):
        raise ConfigError(f"the answer of a problem is a number such as 1234.5 or 3/4, not {answer!r:.60}")
    return number
