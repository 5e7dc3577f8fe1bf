"""Calls of a model that are given texts and images together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Message, system
from textgrad_agents.ops.content import user_message
from textgrad_agents.ops.llm import LLMCall
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable


class MultimodalLLMCall(LLMCall):
    """Asks a model with one user message of several texts and images."""

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Sequence[Any], response_role_description: str | None = None
    ) -> Variable[Any]:
        """Ask.

        Args:
            inputs: texts and image bytes, in order.
            response_role_description: role of the reply.
        """
        return self.apply((), {"inputs": list(inputs)}, role=response_role_description)

    async def forward(self, inputs: Any) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send and wait for the reply."""
        call = running_call()
        message = user_message(self._contents(inputs))
        return (await self._ask(call, _sent(call.input_kwargs.get("system_prompt"), message))).text

    def _contents(self, inputs: Any) -> list[Any]:
        return list(inputs)


class OrderedFieldsMultimodalLLMCall(MultimodalLLMCall):
    """Asks a model with one user message of named texts and images.

    Args:
        engine: the model; the session's engine for `role` if None.
        fields: the names, in the order in which they are sent.
        system_prompt: as for `LLMCall`.
        options: as for `LLMCall`.
        role: as for `LLMCall`.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        fields: Sequence[str] = (),
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
        role: EngineRole = "actor",
    ) -> None:
        super().__init__(engine, system_prompt, options=options, role=role)
        self.fields = tuple(fields)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Mapping[str, Any], response_role_description: str | None = None
    ) -> Variable[Any]:
        """Ask.

        Args:
            inputs: the text or image of each field.
            response_role_description: role of the reply.

        Raises:
            ValueError: the inputs are not those that the op was made for.
        """
        if set(inputs) != set(self.fields):
            raise ValueError(f"{self.name} takes the inputs {sorted(self.fields)}, got {sorted(inputs)}")
        return self.apply((), {"inputs": dict(inputs)}, role=response_role_description)

    def _contents(self, inputs: Any) -> list[Any]:
        """Texts are headed by the name of their field; an image stands for itself."""
        values = [(field, inputs[field]) for field in self.fields]
        return [value if isinstance(value, bytes) else f"{field}: {value}" for field, value in values]


def _sent(system_prompt: str | None, message: Message) -> list[Message]:
    return [message] if system_prompt is None else [system(system_prompt), message]
