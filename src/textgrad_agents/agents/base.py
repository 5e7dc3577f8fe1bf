"""Agent: decides on actions from observations."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from textgrad_agents.agents.naming import find_ops
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import Op
from textgrad_agents.ops.flow import IdentityOp
from textgrad_agents.tools import Tool
from textgrad_agents.validation import nearest
from textgrad_agents.variables.variable import Variable

StateT = TypeVar("StateT")

_wrap = IdentityOp()


class Agent(ABC, Generic[StateT]):
    """Base of all agents.

    An agent changes nothing of its own when it acts: what it remembers is in its state, which it is given and gives
    back. Its ops are named after the attributes that hold them, so that pictures, gradients and optimizers tell them
    apart; so are their parameters that have no name yet.
    """

    registry: ClassVar[dict[str, type[Agent[Any]]]] = {}
    """Every class of agents by its name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        original = cls.__init__

        @functools.wraps(original, updated=())
        def init(self: Agent[Any], *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)  # pyright: ignore[reportArgumentType]
            self._name_ops()

        cls.__init__ = init
        Agent.registry[cls.__name__] = cls

    @abstractmethod
    async def init_state(self, tools: list[Tool]) -> StateT:
        """The state that an episode begins with.

        Args:
            tools: what the agent may call.
        """

    @abstractmethod
    async def get_asv(self, agent_state: StateT, obs: list[Message]) -> tuple[Variable[Any], StateT, float]:
        """Decide.

        Args:
            agent_state: the present state; it is not changed.
            obs: what the environment said last.

        Returns:
            The action (a Message) with the graph that it was made by, the next state, and an estimate of the value of
            the state (0 from agents that make none).
        """

    def named_ops(self) -> Iterator[tuple[str, Op]]:
        """The agent's ops by name."""
        return find_ops(self)

    def parameters(self) -> dict[str, Variable[Any]]:
        """What optimizers may change: the texts among the ops' parameters, by name."""
        found = {
            f"{name}.{attribute}": variable
            for name, op in self.named_ops()
            for attribute, variable in op.parameters().items()
        }
        return {name: one for name, one in found.items() if one.requires_grad and isinstance(one.value, str)}

    @classmethod
    def from_name(cls, name: str, **kwargs: Any) -> Agent[Any]:
        """An agent by the name of its class.

        Args:
            name: the class.
            kwargs: its arguments.

        Raises:
            ConfigError: there is no such class, or it does not take the arguments.
        """
        kind = cls.registry.get(name)
        if kind is None:
            known = sorted(known for known, one in cls.registry.items() if not inspect.isabstract(one))
            raise ConfigError(f"no agent is called {name!r}; {nearest(name, known)}")
        try:
            return kind(**kwargs)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"agent {name!r} cannot be made from {sorted(kwargs)}: {error}") from None

    @staticmethod
    async def wrap_action(action: Message | Variable[Any]) -> Variable[Any]:
        """An action of plain code as a value in the graph."""
        return await _wrap(action)

    def _name_ops(self) -> None:
        for name, op in self.named_ops():
            op.name = name
            for attribute, variable in op.parameters().items():
                variable.name = variable.name or f"{name}.{attribute}"


class AgentConfig(BaseModel):
    """An agent as an entry of a config file.

    Attributes:
        agent_type: name of its class.
        agent_kwargs: its arguments (JSON-like).
    """

    model_config = ConfigDict(extra="forbid")

    agent_type: str
    agent_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    def construct_agent(self) -> Agent[Any]:
        """The agent.

        Raises:
            ConfigError: there is no such class, or it does not take the arguments.
        """
        return Agent.from_name(self.agent_type, **self.agent_kwargs)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
