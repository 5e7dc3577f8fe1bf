"""Calls of a model with texts and images, by TextGrad's names and signatures, over ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.textgrad.autograd.llm_ops import Call, check_fields, check_variable
from textgrad_agents.compat.textgrad.defaults import VARIABLE_OUTPUT_DEFAULT_ROLE
from textgrad_agents.compat.textgrad.engine import validate_multimodal_engine
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.ops import multimodal


class MultimodalLLMCall(Call):
    """Asks a model with texts and images together.

    Raises:
        ConfigError: the engine says that it takes no images (it is a ValueError).
    """

    def __init__(self, engine: Any = None, system_prompt: Variable | None = None) -> None:
        super().__init__(engine, system_prompt)
        validate_multimodal_engine(self.engine)

    def forward(
        self, inputs: Sequence[Variable], response_role_description: str = VARIABLE_OUTPUT_DEFAULT_ROLE
    ) -> Variable:
        """Ask.

        Args:
            inputs: texts and images, in the order in which they are sent.
            response_role_description: role of the reply.
        """
        for one in inputs:
            check_variable(one)
        call = multimodal.MultimodalLLMCall(as_engine(self.engine), self.system_prompt)
        return Variable.of(call(inputs, response_role_description))


class OrderedFieldsMultimodalLLMCall(Call):
    """Asks a model with named texts and images.

    Args:
        engine: as for `MultimodalLLMCall`.
        fields: the names, in the order in which they are sent.
        system_prompt: as for `LLMCall`.
    """

    def __init__(self, engine: Any, fields: Sequence[str], system_prompt: Variable | None = None) -> None:
        super().__init__(engine, system_prompt)
        validate_multimodal_engine(self.engine)
        self.fields = list(fields)

    def forward(
        self, inputs: Mapping[str, Variable], response_role_description: str = VARIABLE_OUTPUT_DEFAULT_ROLE
    ) -> Variable:
        """Ask.

        Args:
            inputs: the text or image of each field.
            response_role_description: role of the reply.

        Raises:
            FieldsError: they are not the fields of the call (it is an AssertionError, as in TextGrad).
        """
        check_fields(type(self).__name__, self.fields, inputs)
        call = multimodal.OrderedFieldsMultimodalLLMCall(as_engine(self.engine), self.fields, self.system_prompt)
        return Variable.of(call(inputs, response_role_description))
