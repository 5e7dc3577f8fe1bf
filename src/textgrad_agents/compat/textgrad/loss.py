"""Losses by TextGrad's names and signatures, over ours: what a model says of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.textgrad.autograd.function import Module
from textgrad_agents.compat.textgrad.autograd.llm_ops import TagError, check_variable
from textgrad_agents.compat.textgrad.config import validate_engine_or_get_default
from textgrad_agents.compat.textgrad.engine import validate_multimodal_engine
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.errors import ConfigError
from textgrad_agents.ops import losses

DEFAULT_TEST_TIME = (
    "You evaluate an answer to a multiple-choice question. Look into its reasoning and say what may be wrong with it. "
    "Do not solve the question yourself. Consider several points of view, and be critical."
)


class TextLoss(Module):
    """What a model says of a text when an instruction to evaluate is its system prompt.

    Args:
        eval_system_prompt: the instruction.
        engine: an engine of either kind, or a name; the backward engine if None.
    """

    def __init__(self, eval_system_prompt: Variable | str, engine: Any = None) -> None:
        self.eval_system_prompt = fixed(eval_system_prompt, "system prompt for the evaluation")
        self.engine = validate_engine_or_get_default(engine)
        self._op = losses.TextLoss(self.eval_system_prompt, as_engine(self.engine))

    def forward(self, instance: Variable) -> Variable:
        """Evaluate `instance`.

        Raises:
            InputError: it is no Variable (it is an AttributeError, as in TextGrad).
        """
        check_variable(instance)
        return Variable.of(self._op(instance))


class MultiFieldEvaluation(Module):
    """What a model says of several values together; their own roles stay as they are.

    Args:
        evaluation_instruction: what to look at.
        role_descriptions: names of the values.
        engine: as for `TextLoss`.
        system_prompt: of the model that evaluates.
    """

    def __init__(
        self,
        evaluation_instruction: Variable | str,
        role_descriptions: Sequence[str],
        engine: Any = None,
        system_prompt: Variable | str | None = None,
    ) -> None:
        self.evaluation_instruction = fixed(evaluation_instruction, "evaluation instruction")
        self.role_descriptions = list(role_descriptions)
        self.engine = validate_engine_or_get_default(engine)
        self.system_prompt = fixed(
            system_prompt or "You evaluate several texts together.", "system prompt for the evaluation"
        )
        self._op: losses.MultiFieldEvaluation = losses.MultiFieldEvaluation(
            self.evaluation_instruction, self.role_descriptions, as_engine(self.engine), self.system_prompt
        )

    def forward(self, inputs: Sequence[Variable]) -> Variable:
        """Evaluate the values, given in the order of their names.

        Raises:
            ConfigError: they are no list of as many Variables as there are names.
        """
        if not isinstance(inputs, list | tuple) or len(inputs) != len(self.role_descriptions):
            raise ConfigError(f"give a list of {len(self.role_descriptions)} Variables: {self.role_descriptions}")
        return Variable.of(self._op(inputs))


class MultiFieldTokenParsedEvaluation(MultiFieldEvaluation):
    """`MultiFieldEvaluation` whose verdict stands between tags.

    Args:
        evaluation_instruction: what to look at; it should ask for the tags.
        role_descriptions: names of the values.
        engine: as for `TextLoss`.
        system_prompt: of the model that evaluates.
        parse_tags: opening and closing tag.
    """

    def __init__(
        self,
        evaluation_instruction: Variable | str,
        role_descriptions: Sequence[str],
        engine: Any = None,
        system_prompt: Variable | str | None = None,
        parse_tags: Sequence[str] | None = None,
    ) -> None:
        super().__init__(evaluation_instruction, role_descriptions, engine, system_prompt)
        self.parse_tags = list(parse_tags or ())
        if self.parse_tags:
            self._op = losses.MultiFieldTokenParsedEvaluation(
                self.evaluation_instruction,
                self.role_descriptions,
                as_engine(self.engine),
                self.parse_tags,
                self.system_prompt,
            )

    def parse_output(self, response: Variable) -> str:
        """The verdict.

        Raises:
            ConfigError: the evaluation was made without ``parse_tags``.
            TagError: each tag does not occur exactly once (it is an IndexError, as in TextGrad).
        """
        if not isinstance(self._op, losses.MultiFieldTokenParsedEvaluation):
            raise ConfigError("there is no verdict to parse: pass parse_tags=[opening, closing] to the evaluation")
        verdict = self._op.parse_output(response)
        if verdict is None:
            raise TagError(
                f"the verdict must stand between {' and '.join(self.parse_tags)}, got {response.value[:200]!r}"
            )
        return verdict


class MultiChoiceTestTime(Module):
    """What a model says of an answer to a multiple-choice question, without knowing the right one.

    Args:
        evaluation_instruction: what to look at; put before question and answer.
        engine: as for `TextLoss`.
        system_prompt: of the model that evaluates.
    """

    def __init__(
        self, evaluation_instruction: Variable | str, engine: Any = None, system_prompt: Variable | str | None = None
    ) -> None:
        self.tt_system_prompt = fixed(system_prompt or DEFAULT_TEST_TIME, "system prompt for the test-time evaluation")
        self.engine = validate_engine_or_get_default(engine)
        instruction = fixed(evaluation_instruction, "evaluation instruction")
        self._op = losses.MultiChoiceTestTime(instruction, as_engine(self.engine), self.tt_system_prompt)

    def forward(self, question: Variable | str, prediction: Variable) -> Variable:
        """Evaluate `prediction` as the answer to `question`."""
        check_variable(prediction)
        return Variable.of(self._op(fixed(question, "the multiple choice question"), prediction))


class ImageQALoss(Module):
    """What a model says of an answer to a question about an image.

    Args:
        evaluation_instruction: what to look at.
        engine: as for `TextLoss`; it must take images.
        system_prompt: of the model that evaluates.
    """

    def __init__(
        self, evaluation_instruction: Variable | str, engine: Any = None, system_prompt: Variable | str | None = None
    ) -> None:
        self.evaluation_instruction = fixed(evaluation_instruction, "evaluation instruction")
        self.engine = validate_engine_or_get_default(engine)
        validate_multimodal_engine(self.engine)
        self.system_prompt = fixed(
            system_prompt or "You evaluate answers to questions about images.", "system prompt for the evaluation"
        )
        self._op = losses.ImageQALoss(self.evaluation_instruction, as_engine(self.engine), self.system_prompt)

    def forward(self, image: Variable, question: Variable, response: Variable) -> Variable:
        """Evaluate `response` as the answer to `question` about `image`."""
        for one in (image, question, response):
            check_variable(one)
        return Variable.of(self._op(image, question, response))


def fixed(text: Variable | str, role: str) -> Variable:
    """A text as a Variable that requires no gradient; a Variable stays what it is."""
    return Variable(text, requires_grad=False, role_description=role) if isinstance(text, str) else text
