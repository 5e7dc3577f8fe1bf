"""One summary per agent of what the critic said in several episodes, before the agent's policy is rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textgrad_agents.errors import EngineRefusal
from textgrad_agents.interfaces import Engine
from textgrad_agents.ops.reduce import merge
from textgrad_agents.optim.base import together
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable


class Summaries(NamedTuple):
    """What came of summarising.

    Attributes:
        made: feedback that was summarised.
        refused: feedback that stays as it is, because the model does not summarise.
    """

    made: int = 0
    refused: int = 0


async def summarise(parameters: Sequence[Variable[str]], engine: Engine) -> Summaries:
    """Replace several pieces of feedback on a parameter by one that says what they say.

    One call per parameter, all at once; parameters with the same feedback share one, and a parameter with a single
    piece needs none. A reply that cannot be used leaves the pieces joined. A summary is a piece of feedback itself:
    with what is said later it is summarised again.

    Raises:
        EngineAccessError: the engine will answer no call.
    """
    sharing: dict[tuple[tuple[str | None, str], ...], list[Variable[str]]] = {}
    for one in parameters:
        if len(one.gradients) > 1:
            sharing.setdefault(tuple((piece.text, piece.used_as) for piece in one.gradients), []).append(one)
    merged = await together(_merged(group, engine) for group in sharing.values())
    for group, summary in zip(sharing.values(), merged, strict=True):
        if summary is not None:
            for one in group:
                one.set_gradients((summary,))
    refused = sum(summary is None for summary in merged)
    return Summaries(len(merged) - refused, refused)


async def _merged(group: Sequence[Variable[str]], engine: Engine) -> Gradient | None:
    roles = ", ".join(one.role_description for one in group)
    try:
        return await merge(group[0].gradients, roles, engine=engine, role="critic")
    except EngineRefusal:
        return None
