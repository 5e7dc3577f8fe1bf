"""MemoryAgent: decides with memories of earlier attempts before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from pydantic import Field, PrivateAttr

from textgrad_agents.agents.model import called_a_tool
from textgrad_agents.agents.simple import SimpleAgent
from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.memory import Memory, MemoryModel
from textgrad_agents.messages import Message, Messages, user
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.memory import MemoryOp
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

QueryFactory = Callable[[Iterable[Message]], "Awaitable[str] | str"]

_PROMPT = """<memories>
Attempts at tasks like this one: what was seen, what was done, and what it earned in all from there on.
Less than zero was a failure, more than zero a success.
{memories}
</memories>

Learn from them, and choose what to do next."""
_ONE_MEMORY = "<memory><seen>{input}</seen><done>{output}</done><earned>{value}</earned></memory>"


def all_messages(messages: Iterable[Message]) -> str:
    """The conversation as one text: what memories are looked for by, unless another function says."""
    return "\n\n".join(str(message) for message in messages)


class MemoryAgent(SimpleAgent):
    """Looks for memories near to the conversation and shows them to the model.

    The prompt that the memories are shown in is a parameter (``_prompt_op.prompt``), and so is the memory itself
    (``_memory_op.memory``): feedback on an action reaches both.

    Args:
        memory_model: where memories are; an empty one that counts words if None.
        kwargs: the fields.

    Attributes:
        prompt: shown after the conversation, with ``{memories}`` in it, if any were found.
        query_factory: makes the text that memories are looked for by (sync or async).
        memory_prompt: how one memory is written; may name ``{input}``, ``{output}``, ``{value}`` and ``{query}``.
        num_memories: most memories shown.
    """

    prompt: str = _PROMPT
    query_factory: QueryFactory = Field(default=all_messages, exclude=True)
    memory_prompt: str = _ONE_MEMORY
    num_memories: int = MemoryModel.DEFAULT_MEMORY_MATCHES

    _query_factory_op: FxnOp = PrivateAttr()
    _memory_op: MemoryOp = PrivateAttr()
    _format_memory_op: FxnOp = PrivateAttr()
    _prompt_op: PromptOp = PrivateAttr()
    _package_op: FxnOp = PrivateAttr()

    def __init__(self, memory_model: MemoryModel | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._query_factory_op = FxnOp(self.query_factory)
        self._memory_op = MemoryOp(memory_model)
        self._format_memory_op = FxnOp(_written)
        self._prompt_op = PromptOp(Variable(self.prompt, role_description="prompt that memories are shown in"))
        self._package_op = FxnOp(_packaged)

    @compute_graph()
    async def get_asv(
        self, agent_state: SimpleAgentState, obs: list[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Find memories, show them, and ask the model for tool calls.

        Raises:
            MalformedMessageError: there are tools and the model called none.
            ConfigError: the memory holds vectors of another size than the embedding gives.
            EngineError: the model could not answer.
        """
        next_state = agent_state.get_next_state(obs)
        query = await self._query_factory_op(next_state.messages)
        memories = await self._memory_op(query, matches=self.num_memories)
        shown = self._prompt_op(memories=self._format_memory_op(self.memory_prompt, memories))
        packaged = self._package_op(next_state.messages, memory_prompt=shown, use_memories=bool(memories))
        msgs = packaged if self._sys_prompt_op is None else _preceded(self._sys_prompt_op(), packaged)
        action = await self._llm_call_op(self._config_op(), msgs=msgs, tools=next_state.tools)
        next_state.messages = [*next_state.messages, called_a_tool(action.value, next_state.tools)]
        return action, next_state, 0.0


def _written(template: str, memories: Iterable[Memory]) -> str:
    return "\n".join(memory.written(template) for memory in memories)


def _packaged(messages: Messages, memory_prompt: str, use_memories: bool) -> Messages:
    return [*messages, user(memory_prompt)] if use_memories else messages


def _before(first: Message, rest: Messages) -> Messages:
    return [first, *rest]


_preceded = FxnOp(_before, "preceded")
