"""LLMCallOp: a call of a model whose config is an input, so that its fields have gradients too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from textgrad_agents.engines.factory import make_engine
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, assistant
from textgrad_agents.ops.base import Op
from textgrad_agents.ops.content import conversation, fingerprint, tool_name, tool_schemas
from textgrad_agents.ops.feedback import criticised, zeros
from textgrad_agents.ops.llm import LLMCall, as_message
from textgrad_agents.ops.logprob import logprob_at_temperature
from textgrad_agents.session import Session, current_session
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree, map_numbers
from textgrad_agents.variables.runs import running_call

if TYPE_CHECKING:
    from textgrad_agents.tools import Tool

_OPTIONS = {one.name for one in fields(GenerateOptions)} - {"tools", "tool_choice", "role", "extra"}


class LLMCallOp(Op):
    """Asks a model: ``op(config, msgs, tools=…, tool_choice=…)`` gives the reply as a Message.

    `config` is a dict: ``name`` of the model and options such as ``temperature``; what is no option of every engine is
    passed on to the provider. The call keeps ``completion``, ``messages``, ``temperature``, ``raw_logprob`` and
    ``logprob``.

    Args:
        engine: the model. If None, the session's actor engine; if that is none, the model that the config names.
        num_samples_logprob_estimate: further calls made to estimate the log-probability at another temperature than 1.
        default_tool_choice: where tools are offered and no choice is given.
    """

    portable = True

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        num_samples_logprob_estimate: int = 0,
        default_tool_choice: str | None = "required",
    ) -> None:
        self._engine = engine
        self._samples = num_samples_logprob_estimate
        self._default_tool_choice = default_tool_choice
        self._named: tuple[Any, Engine] | None = None

    async def forward(
        self,
        config: Mapping[str, Any],
        msgs: Sequence[Any],
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        tool_choice: Tool | str | None = None,
    ) -> Message:
        """Send and wait for the reply."""
        call, session = running_call(), current_session()
        messages = conversation(msgs)
        choice = (tool_choice or self._default_tool_choice) if tools else None
        options = _options(config, tools=tool_schemas(tools), tool_choice=tool_name(choice))
        completion = await self._ask(session, config, messages, options)
        call.update("messages", tuple(messages))
        call.update("completion", completion)
        call.update("temperature", 1.0 if options.temperature is None else options.temperature)
        call.update("raw_logprob", reported_logprob(completion))
        call.update("logprob", await self._logprob(session, config, messages, options, completion))
        return as_message(completion) if tools else assistant(completion.text)

    async def _ask(
        self, session: Session, config: Mapping[str, Any], messages: list[Message], options: GenerateOptions
    ) -> Completion:
        if options.seed is None:
            options = replace(options, seed=session.seed_of("op", self.name, fingerprint(messages, options)))
        return await session.ask(self._engine or self._engine_of(session, config), messages, options)

    def _engine_of(self, session: Session, config: Mapping[str, Any]) -> Engine:
        """The session's engine, or that of the config's name, which is kept with its connections for the next call."""
        try:
            return session.engine("actor")
        except ConfigError:
            if "name" not in config:
                raise
        name = config["name"]
        if self._named is None or self._named[0] != name:
            self._named = (name, make_engine(name))
        return self._named[1]

    async def _logprob(
        self,
        session: Session,
        config: Mapping[str, Any],
        messages: list[Message],
        options: GenerateOptions,
        completion: Completion,
    ) -> float | None:
        if completion.trace is not None:  # already under the sampling distribution
            return float(completion.trace.logprobs[completion.trace.mask].sum())
        raw = reported_logprob(completion)
        temperature = 1.0 if options.temperature is None else options.temperature
        sampled: list[float] = []
        if raw is not None and temperature not in (0, 1):
            at_one = replace(options, temperature=1.0)
            others = await asyncio.gather(*(self._ask(session, config, messages, at_one) for _ in range(self._samples)))
            sampled = [one for other in others if (one := reported_logprob(other)) is not None]
        return logprob_at_temperature(raw, temperature, sampled)

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of a reply."""
        return "response from the language model"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words from a critic; numbers are zero, for each field of the config."""
        numbers = zeros(ctx.call)
        numbers[1]["config"] = map_numbers(input_kwargs["config"], lambda _: 0.0)
        return criticised(ctx, purpose=LLMCall.purpose, messages=ctx.get("messages", ()), numbers=numbers)


def reported_logprob(completion: Completion) -> float | None:
    """Log-probability of a reply as the provider reports it, or None."""
    tokens = completion.details.get("logprobs")
    return float(sum(token["logprob"] for token in tokens)) if tokens else None


def _options(config: Mapping[str, Any], **more: Any) -> GenerateOptions:
    known = {name: value for name, value in config.items() if name in _OPTIONS}
    extra = {name: value for name, value in config.items() if name not in _OPTIONS and name != "name"}
    if isinstance(known.get("stop"), str):
        known["stop"] = (known["stop"],)
    return GenerateOptions(**known, **more, role="actor", extra=extra)
