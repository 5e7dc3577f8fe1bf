"""One new value from a model: ask, read, check, and ask once more if the reply cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textgrad_agents.errors import ConfigError, EngineReplyError, ProposalError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.optim.constraints import Check
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.optim.replies import RESPONSE_SCHEMA
from textgrad_agents.optim.request import Request
from textgrad_agents.session import current_session
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable

TRIES = 2


async def rewrite(
    parameter: Variable[Any],
    old: str,
    request: Request,
    *,
    engine: Engine,
    checks: Sequence[Check],
    gradients: tuple[Gradient, ...] = (),
) -> Proposal:
    """Ask `engine` for a new value of `parameter`.

    Raises:
        EngineError: the engine cannot answer at all; an empty or cut reply is repaired like any unusable one.
    """
    session = current_session()
    messages = request.messages()
    model, problem, outcome, new = "", "", Outcome.UNREADABLE, None
    for attempt in range(TRIES):
        options = GenerateOptions(
            role="optimizer",
            seed=request.seed + attempt,
            response_schema=RESPONSE_SCHEMA if request.structured else None,
        )
        reply = ""
        try:
            completion = await session.ask(engine, messages, options)
            reply, model = completion.text, completion.model
            new = request.read(completion)
        except (EngineReplyError, ProposalError) as error:
            outcome, problem, new = Outcome.UNREADABLE, str(error), None
        else:
            if new == old.strip():
                return Proposal(parameter, old, None, Outcome.UNCHANGED, "", attempt + 1, gradients, model)
            broken = violations(checks, old, new)
            if not broken:
                return Proposal(parameter, old, new, Outcome.PROPOSED, "", attempt + 1, gradients, model)
            outcome, problem = Outcome.REJECTED, f"the new value breaks a rule: {'; '.join(broken)}"
        messages = request.repair(reply, problem)
    return Proposal(parameter, old, new, outcome, problem, TRIES, gradients, model)


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
