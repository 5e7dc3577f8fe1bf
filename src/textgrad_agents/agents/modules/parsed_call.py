"""A call of a model whose reply is parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from textgrad_agents.agents.model import as_llm_config, config_op
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

ParsedT = TypeVar("ParsedT", bound=Message)


class ParsedLLMCallModule(Generic[ParsedT]):
    """Asks a model without offering tools, and makes something of its message.

    Args:
        llm_config: name of the model and options.
        parser: makes it, from the message and what else the module is called with.
        engine: the model, if it is not the one that the config names.
    """

    def __init__(self, llm_config: Any, parser: Callable[..., ParsedT], engine: Engine | None = None) -> None:
        self.config_op = config_op(as_llm_config(llm_config))
        self.llm_call_op = LLMCallOp(engine)
        self.parse_msg_op = FxnOp(parser)

    @compute_graph()
    async def __call__(
        self, messages: Iterable[Message] | Variable[Any], *parse_args: Any, **parse_kwargs: Any
    ) -> tuple[Variable[ParsedT], Message]:
        """What was made, and the model's message."""
        said = await self.llm_call_op(self.config_op(), msgs=messages)
        return await self.parse_msg_op(said, *parse_args, **parse_kwargs), said.value
