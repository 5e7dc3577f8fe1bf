"""Calls of a language model by TextGrad's names and signatures, over ours.

A call is under way as soon as it is made; reading its value waits for it. So a loop over a batch has its calls run side
by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, cast

from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.textgrad.autograd.function import OpFunction
from textgrad_agents.compat.textgrad.config import validate_engine_or_get_default
from textgrad_agents.compat.textgrad.defaults import VARIABLE_OUTPUT_DEFAULT_ROLE
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.errors import ConfigError
from textgrad_agents.ops import llm
from textgrad_agents.ops.reply import ReplyProblem, between
from textgrad_agents.variables.variable import Variable as CoreVariable

NO_CHANGE = "The plan doesn't need to be improved"


class InputError(ConfigError, AttributeError):
    """A call that takes one text was given something else."""


class FieldsError(ConfigError, AssertionError):
    """The inputs are not the fields that the call was made for."""


class Call(OpFunction):
    """What the calls share: an engine and a system prompt.

    Args:
        engine: an engine of either kind, or a name for `get_engine`; the backward engine if None.
        system_prompt: sent first; a parameter if it requires a gradient.
    """

    def __init__(self, engine: Any = None, system_prompt: Variable | None = None) -> None:
        self.engine = validate_engine_or_get_default(engine)
        self.system_prompt = system_prompt


class LLMCall(Call):
    """Asks a model with one text."""

    def forward(
        self, input_variable: Variable, response_role_description: str = VARIABLE_OUTPUT_DEFAULT_ROLE
    ) -> Variable:
        """Ask.

        Args:
            input_variable: what to send.
            response_role_description: role of the reply.

        Raises:
            InputError: the input is no Variable (it is an AttributeError, as in TextGrad).
        """
        check_variable(input_variable)
        call = llm.LLMCall(as_engine(self.engine), self.system_prompt)
        return Variable.of(call(input_variable, response_role_description))


class FormattedLLMCall(Call):
    """Asks a model with a text that is filled in from fields.

    Args:
        engine: as for `LLMCall`.
        format_string: the text, with a ``{field}`` for each field; ``{{`` and ``}}`` stand for braces.
        fields: the fields, by name; their values are not used.
        system_prompt: as for `LLMCall`.
    """

    def __init__(
        self, engine: Any, format_string: str, fields: Mapping[str, Any], system_prompt: Variable | None = None
    ) -> None:
        super().__init__(engine, system_prompt)
        self.format_string = format_string
        self.fields = fields
        self._plain = plain_names(fields)
        self._template = with_plain_names(format_string, self._plain)

    def forward(
        self, inputs: Mapping[str, Variable], response_role_description: str = VARIABLE_OUTPUT_DEFAULT_ROLE
    ) -> Variable:
        """Ask.

        Args:
            inputs: the value of each field.
            response_role_description: role of the reply.

        Raises:
            FieldsError: they are not the fields of the call (it is an AssertionError, as in TextGrad).
        """
        check_fields(type(self).__name__, self.fields, inputs)
        plain = {self._plain[name]: value for name, value in inputs.items()}
        call = llm.FormattedLLMCall(as_engine(self.engine), self._template, list(plain), self.system_prompt)
        return Variable.of(call(plain, response_role_description))


class LLMCall_with_in_context_examples(Call):
    """Asks a model for a reply within ``<FINAL>`` tags; critics are shown examples of good replies.

    The reply decides what comes back, so this call waits for it.
    """

    def forward(
        self,
        input_variable: Variable,
        response_role_description: str = VARIABLE_OUTPUT_DEFAULT_ROLE,
        in_context_examples: Sequence[str] | None = None,
    ) -> Variable | None:
        """Ask; None if the model says that the plan doesn't need to be improved.

        Args:
            input_variable: what to send.
            response_role_description: role of the reply.
            in_context_examples: examples for the critics.

        Raises:
            InputError: the input is no Variable.
            TagError: the reply has no text within the tags (it is an IndexError, as in TextGrad).
        """
        check_variable(input_variable)
        call = llm.LLMCall_with_in_context_examples(as_engine(self.engine), self.system_prompt)
        made = call(input_variable, response_role_description, in_context_examples=tuple(in_context_examples or ()))
        made.value = text_between(made.value, "<FINAL>", "</FINAL>")
        return None if NO_CHANGE in made.value else Variable.of(made)


class TagError(ConfigError, IndexError):
    """A reply lacks the tags that its text was to stand between."""


def text_between(text: str, opening: str, closing: str) -> str:
    """What stands between two tags.

    Raises:
        TagError: each of them does not occur exactly once.
    """
    try:
        return between(text, opening, closing)
    except ReplyProblem as problem:
        raise TagError(
            f"the reply has no text between {opening} and {closing}: {problem}; got {text[:200]!r}"
        ) from None


def check_variable(value: object) -> None:
    """Raise `InputError` unless `value` is a Variable."""
    if not isinstance(value, CoreVariable):
        raise InputError(
            f"LLMCall takes one Variable, got a {type(value).__name__}; for texts and images together there is "
            "MultimodalLLMCall"
        )


def check_fields(name: str, fields: Mapping[str, Any] | Sequence[str], inputs: object) -> None:
    """Raise `FieldsError` unless `inputs` is a dict with exactly `fields`."""
    given = sorted(cast("Mapping[str, Any]", inputs)) if isinstance(inputs, Mapping) else f"a {type(inputs).__name__}"
    if given != sorted(fields):
        raise FieldsError(f"{name} takes a dict with the fields {sorted(fields)}, got {given}")


def plain_names(fields: Mapping[str, Any] | Sequence[str]) -> dict[str, str]:
    """An identifier for each field; names that are identifiers stay as they are."""
    plain: dict[str, str] = {}
    for name in fields:
        made = re.sub(r"\W+", "_", name).strip("_") or "field"
        made = f"_{made}" if made[0].isdigit() else made
        while made in plain.values() or (made != name and made in fields):
            made += "_"
        plain[name] = made
    return plain


def with_plain_names(format_string: str, plain: Mapping[str, str]) -> str:
    """A template with its fields renamed; a field's name may hold spaces, ``:``, ``.`` and ``!``."""
    pieces: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(format_string):
        pieces.append(literal.replace("{", "{{").replace("}", "}}"))
        if field is not None:
            tail = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            whole = field + tail
            pieces.append(f"{{{plain[whole]}}}" if whole in plain else f"{{{plain.get(field, field)}{tail}}}")
    return "".join(pieces)
