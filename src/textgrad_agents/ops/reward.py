"""A loss that is a number with words: of a metric, a test, an environment."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeGuard, cast

from textgrad_agents.errors import ConfigError
from textgrad_agents.ops.base import Op, with_words
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.runs import running_call


class RewardLoss(Op):
    """A number with feedback in words. Its words are the gradient of what was judged, and no critic is asked.

    Calling it with a prediction and more arguments gives the number. A prediction with the best score gets no words.
    The score itself goes on to every call of a model that the prediction was made by (`Gradient.reward`), times the
    numeric gradient that the score receives, if it receives one.

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

    def _runs_anywhere(self) -> bool:
        return self.portable or not inspect.iscoroutinefunction(self._metric)

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
        """The score, and the feedback, or the score in words where there is none; for the prediction alone."""
        score: float = ctx.output.value
        if not ctx.words and not grad_output:
            return None
        reward = Gradient(reward=score * (grad_output or 1.0), origin=self.name)
        if self._maximum is not None and score >= self._maximum:
            return [None] * len(input_args), {"prediction": (reward,)}
        best = "" if self._maximum is None else f" of at most {self._maximum:g}"
        text = ctx.get("feedback") or f"It scored {score:g}{best}."
        said = Gradient(text=text, context=f"Score: {score:g}{best}", origin=self.name, used_as="score")
        return [None] * len(input_args), {"prediction": with_words(0.0, (*ctx.feedback, said, reward))}


def _is_pair(judged: Any) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(judged, tuple) and len(cast("tuple[Any, ...]", judged)) == 2


def _given(prediction: Any, score: float, feedback: str = "") -> tuple[float, str]:
    return score, feedback
