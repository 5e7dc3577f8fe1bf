"""Scoring a program on examples: concurrently, and never twice for the same parameter values and example."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from textgrad_agents.errors import EngineAccessError, EngineError, EngineRefusal
from textgrad_agents.optim.base import together
from textgrad_agents.optimize.metrics import Feedback, Metric, as_feedback
from textgrad_agents.optimize.running import Program, Runner
from textgrad_agents.seeds import text_hash
from textgrad_agents.session import CallCount, count_calls
from textgrad_agents.variables.graph import topological_order
from textgrad_agents.variables.modes import eval_mode, train_mode
from textgrad_agents.variables.variable import Variable

ExampleId: TypeAlias = tuple[str, int]
"""The set that an example is of, and its place there."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run of the program.

    Attributes:
        feedback: what the metric said; None if the run gave no output.
        output: what the program returned, as text.
        error: why there is no output.
    """

    feedback: Feedback | None
    output: str = ""
    error: str = ""

    @property
    def score(self) -> float | None:
        """The score, None if there is none."""
        return None if self.feedback is None else self.feedback.score


class Evaluator:
    """Scores the present values of the parameters.

    Args:
        program: called with one example.
        metric: judges what it returned.
        examples: the examples of each set.
        parameters: their values decide what has been evaluated before.
        runner: calls program and metric.
        concurrency: most runs at once.
        count: the calls made; a run that makes none that can be seen counts as one.
    """

    def __init__(
        self,
        program: Program,
        metric: Metric,
        examples: Mapping[str, Sequence[Any]],
        parameters: Sequence[Variable[Any]],
        *,
        runner: Runner,
        concurrency: int,
        count: CallCount,
    ) -> None:
        self._program = program
        self._metric = metric
        self._examples = examples
        self._parameters = parameters
        self._runner = runner
        self._limit = asyncio.Semaphore(concurrency)
        self._count = count
        self._known: dict[tuple[str, ExampleId], Evaluation] = {}

    async def evaluate(self, ids: Sequence[ExampleId]) -> list[Evaluation]:
        """Score examples; what has a score already is not run again.

        Raises:
            EngineError: no engine call is served any more.
        """
        version = self._version()
        known = {one: self._known[version, one] for one in ids if (version, one) in self._known}
        missing = [one for one in ids if one not in known]
        with eval_mode():
            runs = await together(self._run(one) for one in missing)
        self._keep(version, missing, runs)
        known.update(zip(missing, (evaluation for evaluation, _ in runs), strict=True))
        return [known[one] for one in ids]

    async def record(self, ids: Sequence[ExampleId]) -> list[tuple[Evaluation, Variable[Any] | None]]:
        """Run examples anew, and give the program's result as it stands in the graph (None if it stands in none).

        Raises:
            EngineError: no engine call is served any more.
        """
        version = self._version()
        with train_mode():
            runs = await together(self._run(one) for one in ids)
        self._keep(version, ids, runs)
        return runs

    def scores(self, version: str, ids: Sequence[ExampleId]) -> list[float]:
        """The scores that are known of a version."""
        found = (self._known.get((version, one)) for one in ids)
        return [one.score for one in found if one is not None and one.score is not None]

    def _keep(
        self, version: str, ids: Sequence[ExampleId], runs: Sequence[tuple[Evaluation, Variable[Any] | None]]
    ) -> None:
        for one, (evaluation, _) in zip(ids, runs, strict=True):
            if not evaluation.error:
                self._known.setdefault((version, one), evaluation)

    async def _run(self, where: ExampleId) -> tuple[Evaluation, Variable[Any] | None]:
        kind, place = where
        example = self._examples[kind][place]
        async with self._limit:
            with count_calls() as own:
                try:
                    result = await self._runner.call(self._program, example)
                    output = plain(result)
                    feedback = as_feedback(plain(await self._runner.call(self._metric, output, example)))
                    if not own.made:
                        self._count.add()
                    return Evaluation(feedback, str(output)), result if self._depends(result) else None
                except (EngineAccessError, EngineRefusal):
                    raise
                except EngineError as error:
                    return Evaluation(None, error=str(error)), None
                except Exception as error:
                    error.add_note(f"in {kind} example {place}")
                    raise

    def _depends(self, result: Any) -> bool:
        """True if gradients can flow from a result to a parameter."""
        if not isinstance(result, Variable):
            return False
        below = {id(one) for one in topological_order(cast("Variable[Any]", result))}
        return any(id(one) in below for one in self._parameters)

    def _version(self) -> str:
        return version_of([one.value for one in self._parameters])


def version_of(values: Sequence[str]) -> str:
    """Hash of parameter values."""
    return text_hash(json.dumps(list(values)))


def plain(result: Any) -> Any:
    """The value of a Variable, other results as they are."""
    return cast("Variable[Any]", result).value if isinstance(result, Variable) else result
