"""Losses: judgements that backward starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Message, user
from textgrad_agents.ops.content import conversation, user_message
from textgrad_agents.ops.llm import LLMCall
from textgrad_agents.ops.reply import ReplyProblem, between
from textgrad_agents.variables.call import Input
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable

EVALUATION_ROLE = "evaluation"


class TextLoss(LLMCall):
    """A model judges a text by an instruction.

    Args:
        eval_system_prompt: the instruction, sent as the system prompt; a Variable that requires a gradient is a
            parameter.
        engine: the model; the session's critic engine if None.
        options: how it is sampled.
    """

    purpose = "A language model judges the message by the instruction in its system prompt."

    def __init__(
        self,
        eval_system_prompt: Variable[str] | str,
        engine: Engine | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(engine, _instruction(eval_system_prompt), options=options, role="critic")

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """What is judged, by its role."""
        judged = [variable.role_description for path, variable in inputs if path[0] == "messages"]
        return f"{EVALUATION_ROLE} of the {' and the '.join(judged)}" if judged else EVALUATION_ROLE


class MultiFieldEvaluation(LLMCall):
    """A model judges several values together by an instruction.

    Args:
        evaluation_instruction: the instruction; comes before the values. Braces in it mean nothing.
        role_descriptions: what each value is, for the model.
        engine: the model; the session's critic engine if None.
        system_prompt: sent first.
        options: how it is sampled.
    """

    purpose = "A language model judges the inputs by an instruction."

    def __init__(
        self,
        evaluation_instruction: Variable[str] | str,
        role_descriptions: Sequence[str],
        engine: Engine | None = None,
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(engine, system_prompt, options=options, role="critic")
        self.instruction = _instruction(evaluation_instruction)
        self.role_descriptions = tuple(role_descriptions)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Sequence[Any], response_role_description: str | None = None
    ) -> Variable[Any]:
        """Judge.

        Args:
            inputs: one value (text or image) per role.
            response_role_description: role of the judgement.

        Raises:
            ValueError: there are more or fewer inputs than roles.
        """
        if len(inputs) != len(self.role_descriptions):
            raise ValueError(f"{self.name} judges {len(self.role_descriptions)} inputs, got {len(inputs)}")
        return self.apply((), {"inputs": list(inputs)}, role=response_role_description)

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The system prompt and the instruction."""
        return {**super().parameters(), "instruction": self.instruction}

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of the judgement."""
        return EVALUATION_ROLE

    async def forward(self, inputs: Any) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send and wait for the judgement."""
        call = running_call()
        message = self._question(call.input_kwargs["instruction"], inputs)
        return (await self._ask(call, conversation(message, call.input_kwargs.get("system_prompt")))).text

    def _question(self, instruction: str, inputs: Sequence[Any]) -> Message:
        """The instruction, and the values under their roles; images stand among the texts."""
        fields = list(zip(self.role_descriptions, inputs, strict=True))
        if not any(isinstance(value, bytes) for value in inputs):
            return user("\n\n".join([instruction, *(f"**{role}**: {value}" for role, value in fields)]))
        parts = [
            part
            for role, value in fields
            for part in ((f"**{role}**:", value) if isinstance(value, bytes) else (f"**{role}**: {value}",))
        ]
        return user_message([instruction, *parts])


class MultiFieldTokenParsedEvaluation(MultiFieldEvaluation):
    """`MultiFieldEvaluation` whose judgement has its verdict between two tags.

    Args:
        evaluation_instruction: the instruction; it should ask for the tags.
        role_descriptions: what each value is, for the model.
        engine: the model; the session's critic engine if None.
        parse_tags: opening and closing tag.
        system_prompt: sent first.
        options: how it is sampled.
    """

    def __init__(
        self,
        evaluation_instruction: Variable[str] | str,
        role_descriptions: Sequence[str],
        engine: Engine | None = None,
        parse_tags: Sequence[str] = ("<ANSWER>", "</ANSWER>"),
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
    ) -> None:
        if len(parse_tags) != 2:
            raise ConfigError(f"parse_tags are an opening and a closing tag, got {list(parse_tags)}")
        super().__init__(evaluation_instruction, role_descriptions, engine, system_prompt, options=options)
        self.parse_tags = (parse_tags[0], parse_tags[1])

    def parse_output(self, response: Variable[str] | str) -> str | None:
        """The verdict; None unless each tag occurs exactly once."""
        try:
            return between(str(response), *self.parse_tags)
        except ReplyProblem:
            return None


class MultiChoiceTestTime(MultiFieldEvaluation):
    """A model criticises a prediction for a question, without knowing the answer.

    Args:
        evaluation_instruction: the instruction.
        engine: the model; the session's critic engine if None.
        system_prompt: sent first.
        options: how it is sampled.
    """

    def __init__(
        self,
        evaluation_instruction: Variable[str] | str,
        engine: Engine | None = None,
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(evaluation_instruction, ("Question", "Prediction"), engine, system_prompt, options=options)

    def __call__(self, question: Any, prediction: Any) -> Variable[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Judge `prediction` as an answer to `question`."""
        return super().__call__([question, prediction])


class ImageQALoss(MultiFieldEvaluation):
    """A model judges an answer to a question about an image.

    Args:
        evaluation_instruction: the instruction.
        engine: the model; the session's critic engine if None.
        system_prompt: sent first.
        options: how it is sampled.
    """

    def __init__(
        self,
        evaluation_instruction: Variable[str] | str,
        engine: Engine | None = None,
        system_prompt: Variable[str] | str | None = None,
        *,
        options: GenerateOptions = DEFAULT_OPTIONS,
    ) -> None:
        roles = ("Question", "Image", "Answer")
        super().__init__(evaluation_instruction, roles, engine, system_prompt, options=options)

    def __call__(self, image: Any, question: Any, response: Any) -> Variable[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Judge `response` as an answer to `question` about `image`."""
        return super().__call__([question, image, response])


def _instruction(text: Variable[str] | str) -> Variable[str]:
    if isinstance(text, Variable):
        return text
    return Variable(text, requires_grad=False, role_description="instruction of the evaluation")
