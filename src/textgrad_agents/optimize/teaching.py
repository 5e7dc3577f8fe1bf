"""From what a metric says of outputs to gradients of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgrad_agents.ops.base import FxnOp, Grads, Op
from textgrad_agents.optimize.evaluation import Evaluation
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.graph import abackward
from textgrad_agents.variables.modes import train_mode
from textgrad_agents.variables.variable import Variable


def teaches(evaluation: Evaluation, perfect: float) -> bool:
    """True if there is something to learn from a run: an output that is not perfect."""
    return evaluation.score is not None and evaluation.score < perfect


async def teach(
    runs: Sequence[tuple[Evaluation, Variable[Any] | None]],
    examples: Sequence[Any],
    parameters: Sequence[Variable[Any]],
    *,
    perfect: float,
) -> None:
    """Give the parameters the feedback of a minibatch.

    A result that stands in the graph hands it back along the graph, all results at once; the feedback on any other goes
    to every parameter as it is.
    """
    losses: list[Variable[Any]] = []
    for (evaluation, graph), example in zip(runs, examples, strict=True):
        if not teaches(evaluation, perfect):
            continue
        words = _words(evaluation, perfect)
        if graph is not None:
            losses.append(_Judged(evaluation, words)(graph))
            continue
        context = f"Example: {example}\nOutput: {evaluation.output}"
        for one in parameters:
            one.add_gradient(Gradient(words, origin="metric", context=context, used_as="the program"))
    if losses:
        with train_mode():
            await abackward(_minibatch(losses))


def _words(evaluation: Evaluation, perfect: float) -> str:
    text = evaluation.feedback.text if evaluation.feedback else ""
    return text or f"The output scored {evaluation.score:g}; {perfect:g} is perfect."


class _Judged(Op):
    """The metric as an op: the words of its feedback are the gradient of the program's output."""

    name = "metric"

    def __init__(self, evaluation: Evaluation, words: str) -> None:
        self._score = evaluation.score
        self._words = words

    def forward(self, output: Any) -> float | None:
        """The score that the metric gave."""
        return self._score

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Grads:
        """The words that the metric gave."""
        return [], {"output": Gradient(self._words)}


def _together(losses: list[Any]) -> list[Any]:
    return losses


_minibatch = FxnOp(_together, "minibatch")
"""Many losses as one, so that one backward runs them all at once."""
