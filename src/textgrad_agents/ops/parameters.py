"""Ops that own one trainable value: a prompt or a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.ops.template import fill
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable


class PromptOp(Op):
    """Fills in a prompt; feedback on the filled-in text goes to the prompt and to what was filled in.

    Args:
        prompt: a template with ``{name}`` places. A text becomes a parameter.
        name: name of the prompt.

    Attributes:
        prompt: the template, a leaf Variable.
    """

    def __init__(self, prompt: Variable[str] | str, *, name: str = "") -> None:
        self.prompt = _parameter(prompt, "prompt template", name)
        if name:
            self.name = name

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The prompt."""
        return {"prompt": self.prompt}

    def forward(self, prompt_kwargs: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """The prompt with the values filled in.

        Raises:
            ConfigError: a place of the prompt has no value.
        """
        return fill(running_call().input_kwargs["prompt"], {**(prompt_kwargs or {}), **kwargs})

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """The prompt's role, filled in."""
        return f"filled-in {self.prompt.role_description}"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words straight through; numbers are zero."""
        return straight_through(ctx, input_args, input_kwargs, 0.0)


class ConfigOp(Op):
    """Gives a config whose fields are parameters.

    Args:
        config: a dict, a tree of numbers, or any other value. What is no Variable yet becomes a parameter.
        name: name of the config.

    Attributes:
        config: the config, a leaf Variable.
    """

    def __init__(self, config: Any, *, name: str = "") -> None:
        self.config = _parameter(config, "config", name)
        if name:
            self.name = name

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The config."""
        return {"config": self.config}

    def forward(self) -> Any:
        """The config."""
        return running_call().input_kwargs["config"]

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """The config's role."""
        return self.config.role_description

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """The output's gradient."""
        return straight_through(ctx, input_args, input_kwargs, grad_output)


def _parameter(value: Any, role: str, name: str) -> Variable[Any]:
    if isinstance(value, Variable):
        return cast("Variable[Any]", value)
    return Variable(value, role_description=role, name=name)
