"""Calls of a language model as ops: their inputs get gradients in words from a critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textgrad_agents.interfaces import DEFAULT_OPTIONS, Adapter, Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolRequestMessage
from textgrad_agents.messages.spans import span_at, with_spans
from textgrad_agents.ops.base import Grads, Op
from textgrad_agents.ops.content import conversation, fingerprint, tool_name, tool_schemas
from textgrad_agents.ops.feedback import criticised, zeros
from textgrad_agents.ops.template import fill
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable

if TYPE_CHECKING:
    from textgrad_agents.tools import Tool

RESPONSE_ROLE = "response from the language model"
SYSTEM_PROMPT_ROLE = "system prompt of the language model"


class LLMCall(Op):
    """Asks a model.

    Calling it with a text, an image, a Message, or a list of these (any of them may be Variables) gives the reply: a
    text, or a Message where tools were offered. The call keeps ``completion`` and ``messages``
    (``variable.call.get("completion")``).

    Args:
        engine: the model; the session's engine for `role` if None.
        system_prompt: sent first. A Variable is an input of every call, and a parameter if it requires a gradient; a
            text is fixed.
        options: how calls are sampled. Without a seed, calls are seeded from the session and from what is sent.
        role: the part that the calls play.
        adapter: the weights that answer, for engines that have such; an input of every call like the system prompt.
            Its gradient is a number: what the replies were worth, summed over the calls. Each call keeps its own as
            ``reward``.
    """

    portable = True
    purpose: ClassVar[str] = "A language model answers a conversation."
    """What the op does, for critics."""

    def __init__(
        self,
        engine: Engine | None = None,
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
        role: EngineRole = "actor",
        adapter: Variable[Adapter] | None = None,
    ) -> None:
        if isinstance(system_prompt, str):
            system_prompt = Variable(system_prompt, requires_grad=False, role_description=SYSTEM_PROMPT_ROLE)
        self.engine = engine
        self.system_prompt = system_prompt
        self.options = replace(options, role=role)
        self.adapter = adapter

    def __call__(
        self,
        messages: Any,
        response_role_description: str | None = None,
        *,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        tool_choice: Tool | str | None = None,
    ) -> Variable[Any]:
        """Ask.

        Args:
            messages: what to send after the system prompt.
            response_role_description: role of the reply.
            tools: what the model may call; tools, or their schemas in the wire form.
            tool_choice: "auto", "none", "required", or one of the tools (or its name).
        """
        arguments = {"messages": messages, "tools": tools or None, "tool_choice": tool_choice}
        given = {name: value for name, value in arguments.items() if value is not None}
        return self.apply((), given, role=response_role_description)

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The system prompt and the adapter."""
        own = {"system_prompt": self.system_prompt, "adapter": self.adapter}
        return {name: variable for name, variable in own.items() if variable is not None}

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of a reply."""
        return RESPONSE_ROLE

    async def forward(
        self, messages: Any, tools: Sequence[Any] | None = None, tool_choice: Any = None
    ) -> str | Message:
        """Send and wait for the reply."""
        call = running_call()
        sent = conversation(messages, call.input_kwargs.get("system_prompt"))
        completion = await self._ask(call, sent, tools=tool_schemas(tools), tool_choice=tool_name(tool_choice))
        return as_message(completion) if tools else completion.text

    async def _ask(self, call: OpCall, messages: list[Message], **changes: Any) -> Completion:
        session = current_session()
        messages = self._with_span(call, messages)
        options = replace(self.options, **changes) if changes else self.options
        adapter: Adapter | None = call.input_kwargs.get("adapter")
        if adapter is not None:
            weights = {"adapter": adapter.name, "adapter_sha256": adapter.sha256}
            options = replace(options, extra={**options.extra, **weights})
        if options.seed is None:
            options = replace(options, seed=session.seed_of("op", self.name, fingerprint(messages, options)))
        completion = await session.ask(self.engine or session.engine(options.role), messages, options)
        call.update("messages", tuple(messages))
        call.update("completion", completion)
        return completion

    def _with_span(self, call: OpCall, messages: list[Message]) -> list[Message]:
        """The messages, the first of which says where the text of a named system prompt stands, for the record."""
        if self.system_prompt is None or not self.system_prompt.name:
            return messages
        span = span_at(0, call.input_kwargs["system_prompt"], self.system_prompt.name)
        return [with_spans(messages[0], [span]), *messages[1:]]

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words from a critic; numbers are zero but for the adapter's, which is what the reply was worth."""
        return criticised(
            ctx, purpose=self.purpose, messages=ctx.get("messages", ()), numbers=_numbers(ctx, grad_output)
        )


class LLMCall_with_in_context_examples(LLMCall):
    """`LLMCall` whose critic is shown examples of good responses."""

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        messages: Any,
        response_role_description: str | None = None,
        *,
        in_context_examples: Sequence[str] = (),
    ) -> Variable[Any]:
        """Ask.

        Args:
            messages: what to send after the system prompt.
            response_role_description: role of the reply.
            in_context_examples: examples of good replies, for the critic alone.
        """
        arguments = {"messages": messages, "in_context_examples": list(in_context_examples)}
        return self.apply((), arguments, role=response_role_description)

    async def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, messages: Any, in_context_examples: Sequence[str]
    ) -> str | Message:
        """Send and wait for the reply."""
        return await super().forward(messages)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words from a critic that sees the examples; numbers as for `LLMCall`."""
        numbers = _numbers(ctx, grad_output)
        advice = "in_context_examples are examples of good outputs; the model did not see them."
        return criticised(
            ctx, purpose=self.purpose, messages=ctx.get("messages", ()), instruction=advice, numbers=numbers
        )


class FormattedLLMCall(LLMCall):
    """Asks a model with a text that is filled in from fields.

    Args:
        engine: the model; the session's engine for `role` if None.
        format_string: the text, with a ``{name}`` for each field.
        fields: the names of the fields (a dict counts by its keys).
        system_prompt: as for `LLMCall`.
        options: as for `LLMCall`.
        role: as for `LLMCall`.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        format_string: str = "",
        fields: Mapping[str, Any] | Sequence[str] = (),
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
        role: EngineRole = "actor",
    ) -> None:
        super().__init__(engine, system_prompt, options=options, role=role)
        self.format_string = format_string
        self.fields = tuple(fields)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Mapping[str, Any], response_role_description: str | None = None
    ) -> Variable[Any]:
        """Ask.

        Args:
            inputs: the value of each field.
            response_role_description: role of the reply.

        Raises:
            ValueError: the inputs are not those that the op was made for.
        """
        if set(inputs) != set(self.fields):
            raise ValueError(f"{self.name} takes the inputs {sorted(self.fields)}, got {sorted(inputs)}")
        return self.apply((), {"inputs": dict(inputs)}, role=response_role_description)

    async def forward(self, inputs: Mapping[str, Any]) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill in, send and wait for the reply."""
        call = running_call()
        sent = conversation(fill(self.format_string, inputs), call.input_kwargs.get("system_prompt"))
        return (await self._ask(call, sent)).text


def _numbers(ctx: BackwardContext, grad_output: NumberTree) -> Grads:
    """Zeros; for an adapter the rewards of the losses downstream and the numeric gradient, if there is any."""
    numbers = zeros(ctx.call)
    if "adapter" in ctx.call.input_kwargs:
        rewards = [one.reward for one in ctx.rewards if one.reward is not None]
        if grad_output:
            rewards.append(float(grad_output))
        reward = sum(rewards) if rewards else None
        ctx.update("reward", reward)
        numbers[1]["adapter"] = reward
    return numbers


def as_message(completion: Completion) -> ToolRequestMessage:
    """A reply to a request with tools, as the message that goes into the conversation."""
    return ToolRequestMessage(content=completion.text or None, tool_calls=list(completion.tool_calls))
