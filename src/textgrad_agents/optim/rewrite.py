"""One new value from a model: ask, read, check, and ask once more if the reply cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from textgrad_agents.engines.base import is_structured
from textgrad_agents.errors import ConfigError, EngineReplyError, ProposalError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.optim.constraints import Check
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.optim.replies import RESPONSE_SCHEMA
from textgrad_agents.optim.request import Request, make_request, prompt
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import current_session
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable

TRIES = 2


@dataclass(frozen=True, slots=True)
class Rewriter:
    """How a model is asked for new values.

    Attributes:
        prompt: name of the instructions in ``prompts/``.
        task: what to do with the data, in a sentence.
        engine: who writes; the session's optimizer engine if None.
        constraints: constraints in words.
        checks: constraints that are enforced.
        seed: root of the calls' seeds; the session's if None.
    """

    prompt: str
    task: str
    engine: Engine | None
    constraints: tuple[str, ...]
    checks: tuple[Check, ...]
    seed: int | None

    async def propose(
        self,
        parameter: Variable[Any],
        old: str,
        data: Mapping[str, Any],
        *,
        attempt: int,
        gradients: tuple[Gradient, ...] = (),
    ) -> Proposal:
        """Ask for a better value than `old`.

        Args:
            parameter: whose value it is.
            old: its present value.
            data: what the model is told beside role, value and constraints.
            attempt: number of attempts at this parameter before, so that the same question is not asked twice.
            gradients: the feedback in the data, for the record.

        Raises:
            ConfigError: there is no engine.
            EngineError: the engine cannot answer; an empty or cut reply is repaired like any unusable one.
        """
        session = current_session()
        engine = self.engine or session.engine("optimizer")
        constraints = [*self.constraints, *rules(self.checks, old)]
        request = self.request(
            {"role": parameter.role_description, "value": old, **data, "constraints": constraints},
            place=(session.seed if self.seed is None else self.seed, self.prompt, _name(parameter), attempt),
            structured=is_structured(engine),
        )
        proposal = Proposal(parameter, old, old, Outcome.UNREADABLE, gradients=gradients)
        messages = request.messages()
        for number in range(TRIES):
            options = GenerateOptions(
                role="optimizer",
                seed=derive_seed(request.seed, number),
                response_schema=RESPONSE_SCHEMA if request.structured else None,
            )
            reply, proposal = "", replace(proposal, calls=number + 1)
            try:
                completion = await session.ask(engine, messages, options)
                reply, proposal = completion.text, replace(proposal, model=completion.model)
                proposal = self._judged(proposal, request.read(completion))
            except (EngineReplyError, ProposalError) as error:
                proposal = replace(proposal, outcome=Outcome.UNREADABLE, reason=str(error), refused="")
            if proposal.outcome in (Outcome.PROPOSED, Outcome.UNCHANGED):
                break
            messages = request.repair(reply, proposal.reason)
        return proposal

    def request(self, data: dict[str, Any], *, place: tuple[str | int, ...], structured: bool) -> Request:
        """What the model is asked about `data`; see `make_request`."""
        return make_request(data, instructions=prompt(self.prompt), task=self.task, place=place, structured=structured)

    def _judged(self, proposal: Proposal, new: str) -> Proposal:
        if new == proposal.old.strip():
            return replace(proposal, outcome=Outcome.UNCHANGED, reason="", refused="")
        if broken := violations(self.checks, proposal.old, new):
            reason = f"the new value breaks a rule: {'; '.join(broken)}"
            return replace(proposal, outcome=Outcome.REJECTED, reason=reason, refused=new)
        return replace(proposal, new=new, outcome=Outcome.PROPOSED, reason="", refused="")


async def text_of(parameter: Variable[Any]) -> str:
    """The value of a parameter that a model is to rewrite.

    Raises:
        ConfigError: the value is not a text.
    """
    value = (await parameter).value
    if not isinstance(value, str):
        raise ConfigError(f"{parameter!r} holds a {type(value).__name__}; only texts can be rewritten by a model")
    return value


def rules(checks: Iterable[Check], old: str) -> list[str]:
    """What the checks ask of a successor of `old`, in words."""
    return [rule for check in checks if (rule := check.rule(old))]


def violations(checks: Iterable[Check], old: str, new: str) -> list[str]:
    """What `new` breaks."""
    return [broken for check in checks if (broken := check.violation(old, new))]


def _name(parameter: Variable[Any]) -> str:
    return parameter.name or parameter.role_description
