"""The usual program: ask a model under a prompt that is to be improved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import system, user
from textgrad_agents.ops.template import fill
from textgrad_agents.optim.constraints import template_fields
from textgrad_agents.optimize.running import Program
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import current_session
from textgrad_agents.variables.variable import Variable


def asking(prompt: Variable[str], input_field: str = "question") -> Program:
    """A program that asks the session's actor engine.

    A prompt with ``{placeholders}`` (all of them plain names) is a template that is filled in from the fields of an
    example; any other prompt is the system message, and the example's `input_field` is what the user says.

    Args:
        prompt: the parameter; whether it is a template is decided by its value now.
        input_field: the field that holds the question.
    """
    is_template = bool(template_fields(prompt.value))

    async def program(example: Mapping[str, Any]) -> str:
        if is_template:
            messages = [user(fill(prompt.value, example))]
        else:
            messages = [system(prompt.value), user(str(example[input_field]))]
        session = current_session()
        seed = derive_seed(session.seed, "ask", *(one.text for one in messages))
        completion = await session.ask(session.engine("actor"), messages, GenerateOptions(role="actor", seed=seed))
        return completion.text

    return program
