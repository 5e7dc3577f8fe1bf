"""Transition: one step of an agent in an environment."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from textgrad_agents.messages import Completion, Message, Messages, Usage
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Step
from textgrad_agents.variables.call import OpCall, Path
from textgrad_agents.variables.order import topological_order
from textgrad_agents.variables.variable import Variable


class Transition(BaseModel):
    """One step: what was seen, what was done, what came of it.

    Attributes:
        timestep: from 0.
        agent_state: the agent's state before the step, as the agent makes it.
        next_agent_state: its state after the step.
        observation: what the agent saw.
        next_observation: what the environment answered.
        action: the agent's action with the graph that it was made by; None if the step failed before there was one.
        reward: what the environment gave for it.
        truncated: True if the episode was cut here.
        done: True if the episode ended here.
        value: the agent's estimate of what the state is worth (or what an algorithm put in its place).
        metadata: further facts (JSON-like): seconds that each part took, and ``exception`` of a step that failed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    NO_OBSERVATION: ClassVar[list[Any]] = []

    timestep: int = Field(ge=0)
    agent_state: Any = None
    next_agent_state: Any = None
    observation: Messages
    next_observation: Messages
    action: Variable[Any] | None = None
    reward: float = 0.0
    truncated: bool = False
    done: bool = False
    value: float = 0.0
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def failed(self) -> bool:
        """True if the step raised an error; nothing should be learned from it."""
        return bool(self.metadata.get("exception"))

    def record(self, agent: str) -> Step:
        """The step as learners read it: texts, what was sent to the model that decided, its tokens and their trace.

        Args:
            agent: name of the agent.
        """
        call = None if self.action is None else deciding_call(self.action)
        completion: Completion | None = None if call is None else call.get("completion")
        action: Message | None = None if self.action is None else self.action.value
        named = _in_words(action)
        return Step(
            agent=agent,
            timestep=self.timestep,
            observation="\n\n".join(message.text for message in self.observation),
            messages=() if call is None else call.get("messages", ()),
            reply=named if completion is None else completion.text or named,
            finish=None if completion is None else completion.finish,
            action=None if action is None else action.model_dump(mode="json"),
            action_name=named,
            parsed=not self.failed,
            usage=self._usage(),
            trace=None if completion is None else completion.trace,
            reward=None if self.failed else self.reward,
            policy_version="" if self.action is None else policy_version(self.action),
        )

    def _usage(self) -> Usage:
        """Tokens of all calls that the action was made with."""
        if self.action is None:
            return Usage()
        kept = {id(one): one for call in calls_of(self.action) if (one := call.get("completion")) is not None}
        return sum((one.usage for one in kept.values()), Usage())


def calls_of(action: Variable[Any]) -> list[OpCall]:
    """The op calls of one step that an action was made by, the last one first. Calls of earlier steps are left out."""
    made = action.call
    if made is None:
        return []
    calls = [variable.call for variable in reversed(topological_order(action)) if variable.call is not None]
    return [call for call in calls if call.call_id.run_id == made.call_id.run_id] if made.call_id.run_id else calls


def deciding_call(action: Variable[Any]) -> OpCall | None:
    """The last call of a model that an action was made by, or None."""
    return next((call for call in calls_of(action) if call.get("completion") is not None), None)


def policy_version(action: Variable[Any]) -> str:
    """Hash of the texts that were parameters of the step's calls, as they were then; "" if there were none."""
    texts: dict[int, str] = {}
    for call in reversed(calls_of(action)):
        for path, variable in call.inputs:
            value = _at(call, path)
            if variable.is_leaf and variable.requires_grad and isinstance(value, str):
                texts[id(variable)] = value
    return text_hash("\n\n".join(texts.values())) if texts else ""


def _at(call: OpCall, path: Path) -> Any:
    """The value of an input at the time of the call."""
    value: Any = call.input_args if isinstance(path[0], int) else call.input_kwargs
    for step in path:
        value = value[step]
    return value


def _in_words(action: Any) -> str:
    if not isinstance(action, Message):
        return "" if action is None else str(action)
    return "; ".join(str(call) for call in action.tool_calls or ()) or (action.content or "")
