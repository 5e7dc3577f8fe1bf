"""The loop: run a minibatch, let feedback reach the parameters, propose, let the gate decide.

Proposals are made from the draft. A proposal that does better on its own minibatch is compared with the best values on
validation examples. Shown to be better, it replaces them. Ahead without being shown to be better, it is the next draft,
so that small steps add up until their sum can be seen. Not ahead, the draft goes back to the best values.

Everything is counted in engine calls. A round costs one run of the program per example of the minibatch, the critic's
and the optimizer's calls, the same minibatch with the proposal, and the validation examples that the gate needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textgrad_agents.errors import EngineError
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.optimize.evaluation import Evaluation, Evaluator, ExampleId, version_of
from textgrad_agents.optimize.gate import GateName, Verdict, judge
from textgrad_agents.optimize.result import Decision, OptimizeResult, Round, Score, change_of
from textgrad_agents.optimize.running import names_of
from textgrad_agents.optimize.teaching import teach, teaches
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import CallCount

GATE_CHUNK = 8
"""Validation examples that the gate runs at once before it looks at the evidence."""

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the loop works; see `aoptimize`."""

    gate: GateName
    alpha: float
    minibatch: int
    perfect: float
    seed: int
    progress: Callable[[Round], None] | None


class Loop:
    """One optimization.

    Args:
        evaluator: scores the present values.
        optimizer: proposes new ones.
        examples: the sets "train" and "val".
        settings: how.
        count: the calls, with the budget as their limit.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        optimizer: Optimizer,
        examples: Mapping[str, Sequence[Any]],
        settings: Settings,
        count: CallCount,
    ) -> None:
        self._evaluator = evaluator
        self._optimizer = optimizer
        self._examples = examples
        self._settings = settings
        self._count = count
        self._rounds: list[Round] = []
        self._val = self._shuffled("val", 0)
        self._graphless = False
        names = names_of(optimizer.parameters)
        self._names = {id(one): name for one, name in zip(optimizer.parameters, names, strict=True)}
        self._initial: Values = tuple(one.value for one in optimizer.parameters)
        self._best: Values = self._initial
        self._draft: Values = self._initial
        self._perfect = 0  # training examples in a row that left nothing to improve
        self._idle = 0  # training examples in a row that cost no call

    async def run(self) -> OptimizeResult:
        """Go on until the budget is spent or nothing is left to improve."""
        try:
            stopped = await self._unless_spent(self._improve)
            await self._unless_spent(self._complete)
        finally:
            self._optimizer.zero_grad()
            self._set(self._best)
        values, draft, initial = (
            dict(zip(self._names.values(), one, strict=True)) for one in (self._best, self._draft, self._initial)
        )
        return OptimizeResult(
            values=values,
            initial=initial,
            draft=draft,
            score=self._score(self._best),
            initial_score=self._score(self._initial),
            rounds=tuple(self._rounds),
            calls=self._count.made,
            stopped=stopped,
            seed=self._settings.seed,
        )

    async def _improve(self) -> str:
        """Rounds; gives the reason to stop."""
        everything = len(self._examples["train"])
        while self._count.left > 0:
            before = self._count.made
            done = await self._round(len(self._rounds))
            self._rounds.append(done)
            if self._settings.progress is not None:
                self._settings.progress(done)
            self._idle = 0 if self._count.made > before else self._idle + len(done.examples)
            if self._perfect >= everything:
                return "every training example is perfect"
            if self._idle >= everything:
                return "nothing new was proposed for any training example"
        return self._spent()

    async def _complete(self) -> str:
        """Score the best and the initial values on all validation examples, as far as the budget goes."""
        for values in (self._best, self._initial):
            if self._count.left > 0:
                self._set(values)
                await self._evaluator.evaluate(self._val)
        return ""

    async def _unless_spent(self, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
        try:
            return await work()
        except EngineError:
            if not self._count.refused:
                raise
            return self._spent()

    def _spent(self) -> str:
        return f"the budget of {self._count.limit} calls is spent"

    # -- one round -----------------------------------------------------------------------------------------------

    async def _round(self, number: int) -> Round:
        ids = self._minibatch(number)
        evaluations = await self._learn(ids)
        scores = [one.score for one in evaluations if one.score is not None]
        proposals, verdict = (), Verdict(False, "nothing to improve in this minibatch")
        self._perfect += len(ids)
        if any(teaches(one, self._settings.perfect) for one in evaluations):
            self._perfect = 0
            proposals = await self._optimizer.propose()
            verdict = await self._decide(proposals, ids, evaluations)
        parent, candidate = self._draft, self._with(proposals)
        decision = self._settle(proposals, candidate, verdict)
        return Round(
            number=number,
            examples=tuple(place for _, place in ids),
            score=Score(sum(scores) / len(scores) if scores else None, len(scores)),
            changes=tuple(change_of(one, self._names[id(one.parameter)]) for one in proposals),
            parent=version_of(parent),
            version=version_of(candidate),
            decision=decision,
            reason=verdict.reason,
            pairs=verdict.pairs,
            difference=verdict.difference,
            e_value=verdict.e_value,
            calls=self._count.made,
        )

    def _settle(self, proposals: Sequence[Proposal], candidate: Values, verdict: Verdict) -> Decision:
        """Let a verdict take effect on the parameters, the optimizer's memory, and the best values."""
        if candidate == self._draft:
            self._optimizer.apply(proposals)
            return "none"
        if verdict.accepted or verdict.ahead:
            self._optimizer.apply(proposals)
            self._draft = candidate
        else:
            self._optimizer.reject(proposals, verdict.reason)
            if verdict.pairs:
                self._draft = self._best
                self._set(self._draft)
        if verdict.accepted:
            self._best = candidate
            return "accepted"
        return "draft" if verdict.ahead else "rejected"

    async def _learn(self, ids: Sequence[ExampleId]) -> list[Evaluation]:
        """Run a minibatch and let what it teaches reach the parameters."""
        self._optimizer.zero_grad()
        if self._graphless:
            runs = [(one, None) for one in await self._evaluator.evaluate(ids)]
        else:
            runs = await self._evaluator.record(ids)
            self._graphless = all(graph is None for evaluation, graph in runs if not evaluation.error)
        evaluations = [evaluation for evaluation, _ in runs]
        if all(one.error for one in evaluations):
            raise EngineError(f"the program failed on all {len(ids)} examples, first with: {evaluations[0].error}")
        examples = [self._examples[kind][place] for kind, place in ids]
        await teach(runs, examples, self._optimizer.parameters, perfect=self._settings.perfect)
        return evaluations

    # -- deciding ------------------------------------------------------------------------------------------------

    async def _decide(
        self, proposals: Sequence[Proposal], ids: Sequence[ExampleId], evaluations: Sequence[Evaluation]
    ) -> Verdict:
        candidate = self._with(proposals)
        if candidate == self._draft:
            kept = all(one.outcome in (Outcome.UNCHANGED, Outcome.NO_GRADIENT) for one in proposals)
            return Verdict(False, "the optimizer keeps the present values" if kept else "there was no usable proposal")
        if self._settings.gate == "none":
            return Verdict(True, "accepted without a test")
        differences = _differences(evaluations, await self._try(candidate, ids))
        if sum(differences) <= 0:
            return Verdict(False, f"not better on the examples that it was made from ({len(differences)} compared)")
        return await self._gate(candidate)

    async def _gate(self, candidate: Values) -> Verdict:
        """Compare with the best values on validation examples until there is a decision; all are enough for one."""
        settings, ids = self._settings, self._val
        differences: list[float] = []
        failed = 0
        for start in range(0, len(ids), GATE_CHUNK):
            chunk = ids[start : start + GATE_CHUNK]
            seen = _differences(await self._try(self._best, chunk), await self._try(candidate, chunk))
            differences += seen
            failed += len(chunk) - len(seen)
            most = len(ids) - failed
            verdict = judge(differences, gate=settings.gate, alpha=settings.alpha, most=most)
            if verdict is not None:
                return verdict
        return Verdict(False, "there are no validation examples")

    async def _try(self, candidate: Values, ids: Sequence[ExampleId]) -> list[Evaluation]:
        """Score other values than the draft."""
        self._set(candidate)
        try:
            return await self._evaluator.evaluate(ids)
        finally:
            self._set(self._draft)

    # -- values and examples -------------------------------------------------------------------------------------

    def _set(self, values: Values) -> None:
        for one, value in zip(self._optimizer.parameters, values, strict=True):
            one.value = value

    def _with(self, proposals: Sequence[Proposal]) -> Values:
        """The draft with the values that are proposed."""
        new = {id(one.parameter): one.new for one in proposals}
        return tuple(new.get(id(one), old) for one, old in zip(self._optimizer.parameters, self._draft, strict=True))

    def _score(self, values: Values) -> Score:
        scores = self._evaluator.scores(version_of(values), self._val)
        return Score(sum(scores) / len(scores) if scores else None, len(scores))

    def _shuffled(self, kind: str, epoch: int) -> list[ExampleId]:
        ids = [(kind, place) for place in range(len(self._examples[kind]))]
        random.Random(derive_seed(self._settings.seed, kind, epoch)).shuffle(ids)
        return ids

    def _minibatch(self, number: int) -> list[ExampleId]:
        """The next examples of an endless row of shuffled epochs, each example at most once."""
        size, length = self._settings.minibatch, len(self._examples["train"])
        places = range(number * size, number * size + size)
        epochs = {place // length: self._shuffled("train", place // length) for place in places}
        return list(dict.fromkeys(epochs[place // length][place % length] for place in places))


def _differences(ours: Sequence[Evaluation], theirs: Sequence[Evaluation]) -> list[float]:
    """Theirs minus ours, where both have a score."""
    scores = ((one.score, other.score) for one, other in zip(ours, theirs, strict=True))
    return [other - one for one, other in scores if one is not None and other is not None]
