"""Textual gradient descent: a model rewrites each parameter in the light of its feedback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.optim.base import Optimizer, together
from textgrad_agents.optim.constraints import Check, NoControlCharacters
from textgrad_agents.optim.history import History
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.optim.reduction import Reducer
from textgrad_agents.optim.request import feedback_items, fitted
from textgrad_agents.optim.rewrite import Rewriter, text_of
from textgrad_agents.variables.variable import Variable

TOKEN_BUDGET = 24_000
FAILURES_SHOWN = 4
TASK = "Write a better value for the variable described below."


class TextualGradientDescent(Optimizer):
    """Rewrites texts; all parameters at once.

    Args:
        parameters: Variables that hold texts.
        engine: who writes; the session's optimizer engine if None.
        constraints: constraints in words, shown to the model.
        checks: constraints that are enforced: a value that breaks one is repaired once or rejected.
        in_context_examples: texts like the wanted ones.
        gradient_memory: the feedback of so many earlier steps is shown again.
        momentum: so many earlier values are shown.
        token_budget: tokens of feedback, contexts and history in one request. Longer feedback is merged by the model
            first; contexts and history are cut to what is left, and say so. The present value and every piece of
            feedback are whole.
        seed: root of the calls' seeds; the session's if None.

    Raises:
        ConfigError: a number is out of range, or a text stands where a list of texts is due.
    """

    def __init__(
        self,
        parameters: Iterable[Variable[Any]],
        *,
        engine: Engine | None = None,
        constraints: Sequence[str] = (),
        checks: Sequence[Check] = (),
        in_context_examples: Sequence[str] = (),
        gradient_memory: int = 0,
        momentum: int = 0,
        token_budget: int = TOKEN_BUDGET,
        seed: int | None = None,
    ) -> None:
        super().__init__(parameters)
        for name, texts in (("constraints", constraints), ("in_context_examples", in_context_examples)):
            if isinstance(texts, str):
                raise ConfigError(f"{name} must be a list of texts, got one text; write {name}=[…]")
        for name, number, least in (
            ("gradient_memory", gradient_memory, 0),
            ("momentum", momentum, 0),
            ("token_budget", token_budget, 1),
        ):
            if number < least:
                raise ConfigError(f"{name} must be at least {least}, got {number}")
        self._rewriter = Rewriter("improve", TASK, engine, tuple(constraints), (NoControlCharacters(), *checks), seed)
        self._examples = tuple(in_context_examples)
        self._token_budget = token_budget
        self._history = {
            id(one): History(values=momentum, feedback=gradient_memory, failures=FAILURES_SHOWN)
            for one in self.parameters
        }

    async def propose(self) -> tuple[Proposal, ...]:
        """Ask for a new value of every parameter that has feedback, concurrently.

        Raises:
            ConfigError: a parameter holds no text, or there is no engine.
            EngineError: the engine cannot answer.
        """
        reducer = Reducer(self._rewriter.engine, self._token_budget)
        return tuple(await together(self._propose(one, reducer) for one in self.parameters))

    def state_dict(self) -> dict[str, Any]:
        """What is remembered of past attempts, as JSON-like values; the parameters' own values are not in it."""
        return {"history": [self._history[id(one)].state() for one in self.parameters]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what an optimizer of the same parameters did.

        Raises:
            KeyError, TypeError, ValueError: it is no such state, or for another number of parameters.
        """
        for parameter, one in zip(self.parameters, state["history"], strict=True):
            self._history[id(parameter)].restore(one, parameter)

    async def _propose(self, parameter: Variable[Any], reducer: Reducer) -> Proposal:
        old = await text_of(parameter)
        gradients = tuple(one for one in parameter.gradients if one.text and one.text.strip())
        if not gradients:
            return Proposal(parameter, old, old, Outcome.NO_GRADIENT, "there is no feedback on it")
        past = self._history[id(parameter)]
        shown, calls = await reducer.reduce(gradients, parameter.role_description)
        contexts, history = fitted(shown, past.entries(parameter), self._token_budget)
        data = {
            "feedback": feedback_items(shown, contexts),
            "examples": list(self._examples),
            "history": history,
        }
        proposal = await self._rewriter.propose(parameter, old, data, attempt=past.length, gradients=gradients)
        return replace(proposal, calls=proposal.calls + calls)

    def _remember(self, proposals: Sequence[Proposal]) -> None:
        for one in proposals:
            self._history[id(one.parameter)].add(one)


TGD = TextualGradientDescent
