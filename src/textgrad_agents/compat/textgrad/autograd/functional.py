"""The functions without objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.compat.textgrad.autograd.algebra import Aggregate, Sum
from textgrad_agents.compat.textgrad.autograd.llm_ops import FormattedLLMCall, LLMCall
from textgrad_agents.compat.textgrad.defaults import VARIABLE_OUTPUT_DEFAULT_ROLE
from textgrad_agents.compat.textgrad.variable import Variable


def sum(variables: Sequence[Variable]) -> Variable:
    """The values as one text, a line each; the feedback on it goes to each of them, once."""
    return Sum()(variables)


def aggregate(variables: Sequence[Variable]) -> Variable:
    """As `sum`; the feedback that its parts receive forms a group, to be merged before an optimizer reads it."""
    return Aggregate()(variables)


def llm_call(
    input_variable: Variable,
    engine: Any,
    response_role_description: str | None = None,
    system_prompt: Variable | None = None,
) -> Variable:
    """Ask a model with one text; see `LLMCall`."""
    return LLMCall(engine, system_prompt)(input_variable, response_role_description or VARIABLE_OUTPUT_DEFAULT_ROLE)


def formatted_llm_call(
    inputs: Mapping[str, Variable],
    response_role_description: str | None,
    engine: Any,
    format_string: str,
    fields: Mapping[str, Any],
    system_prompt: Variable | None = None,
) -> Variable:
    """Ask a model with a text that is filled in; see `FormattedLLMCall`."""
    call = FormattedLLMCall(engine, format_string, fields, system_prompt)
    return call(inputs, response_role_description or VARIABLE_OUTPUT_DEFAULT_ROLE)
