"""A language model as a module."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.textgrad.autograd.function import Module
from textgrad_agents.compat.textgrad.autograd.llm_ops import LLMCall
from textgrad_agents.compat.textgrad.config import validate_engine_or_get_default
from textgrad_agents.compat.textgrad.variable import Variable


class BlackboxLLM(Module):
    """A model with a system prompt.

    Args:
        engine: an engine of either kind, or a name for `get_engine`; the backward engine if None.
        system_prompt: a Variable, which is a parameter if it requires a gradient, or a fixed text.
    """

    def __init__(self, engine: Any = None, system_prompt: Variable | str | None = None) -> None:
        if isinstance(system_prompt, str):
            role = "system prompt for the language model"
            system_prompt = Variable(system_prompt, requires_grad=False, role_description=role)
        self.engine = validate_engine_or_get_default(engine)
        self.system_prompt = system_prompt
        self.llm_call = LLMCall(self.engine, system_prompt)

    def parameters(self) -> list[Variable]:
        """The system prompt, if there is one."""
        return [] if self.system_prompt is None else [self.system_prompt]

    def forward(self, x: Variable) -> Variable:
        """Ask the model."""
        return self.llm_call(x)
