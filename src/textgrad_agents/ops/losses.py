"""Losses: judgements that backward starts from."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeGuard, cast

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Message, user
from textgrad_agents.ops.base import Op, with_words
from textgrad_agents.ops.content import conversation, user_message
from textgrad_agents.ops.llm import LLMCall
from textgrad_agents.ops.reply import ReplyProblem, between
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import Gradient, NumberTree
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


class RewardLoss(Op):
    """A number with feedback in words. Its words are the gradient of what was judged, and no critic is asked.

    Calling it with a prediction and more arguments gives the number. A prediction with the best score gets no gradient.

    Args:
        metric: sync or async function of the prediction and of the other arguments (plain values); gives a number, or a
            number and a text. If None, the other arguments are the number and the text themselves.
        maximum: the best score; None if there is none.
    """

    def __init__(self, metric: Callable[..., Any] | None = None, *, maximum: float | None = 1.0) -> None:
        self._metric = metric if metric is not None else _given
        self._maximum = maximum
        if metric is not None:
            self.name = getattr(metric, "__name__", self.name)

    def forward(self, prediction: Any, *args: Any, **kwargs: Any) -> Any:
        """The score.

        Raises:
            ConfigError: the metric gives something else than a number, or a number and a text.
        """
        judged = self._metric(prediction, *args, **kwargs)
        call = running_call()
        return self._scored_later(judged, call) if inspect.isawaitable(judged) else self._scored(judged, call)

    async def _scored_later(self, judged: Awaitable[Any], call: OpCall) -> float:
        return self._scored(await judged, call)

    def _scored(self, judged: Any, call: OpCall) -> float:
        score, feedback = judged if _is_pair(judged) else (judged, "")
        try:
            score = float(score)
        except (TypeError, ValueError):
            score = math.nan
        if math.isnan(score) or not isinstance(feedback, str):
            raise ConfigError(f"{self.name} must give a number, or a number and a text, got {judged!r}")
        call.update("feedback", feedback)
        return score

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of a score."""
        return "score"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """The feedback, or the score in words where there is none; for the prediction alone."""
        score: float = ctx.output.value
        if not ctx.words or (self._maximum is not None and score >= self._maximum):
            return None
        best = "" if self._maximum is None else f" of at most {self._maximum:g}"
        text = ctx.get("feedback") or f"It scored {score:g}{best}."
        said = Gradient(text=text, context=f"Score: {score:g}{best}", origin=self.name, used_as="score")
        return [None] * len(input_args), {"prediction": with_words(0.0, (*ctx.feedback, said))}


def _is_pair(judged: Any) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(judged, tuple) and len(cast("tuple[Any, ...]", judged)) == 2


def _given(prediction: Any, score: float, feedback: str = "") -> tuple[float, str]:
    return score, feedback


def _instruction(text: Variable[str] | str) -> Variable[str]:
    if isinstance(text, Variable):
        return text
    return Variable(text, requires_grad=False, role_description="instruction of the evaluation")
