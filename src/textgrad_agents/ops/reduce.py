"""Reduction: several pieces of feedback on one Variable become one, in one call of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgrad_agents.engines.base import is_structured
from textgrad_agents.errors import EngineAccessError, EngineError, EngineRefusal
from textgrad_agents.interfaces import Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Completion, system, user
from textgrad_agents.ops.content import fingerprint
from textgrad_agents.ops.reply import Problem, ReplyProblem, between, complete_text, json_object
from textgrad_agents.ops.request import data_block, nonce, prompt
from textgrad_agents.session import current_session
from textgrad_agents.variables.gradient import Gradient

ANSWER_HEADING = "## Answer format: merged feedback"

_SCHEMA = {
    "type": "object",
    "properties": {"merged": {"type": "string"}},
    "required": ["merged"],
    "additionalProperties": False,
}


def grouped(gradients: Sequence[Gradient]) -> dict[str | None, tuple[Gradient, ...]]:
    """Gradients by group, in the order in which the groups first occur; those of no group under None."""
    groups: dict[str | None, tuple[Gradient, ...]] = {}
    for gradient in gradients:
        groups[gradient.group] = (*groups.get(gradient.group, ()), gradient)
    return groups


async def merge(
    gradients: Sequence[Gradient],
    role_description: str,
    *,
    engine: Engine | None = None,
    role: EngineRole = "optimizer",
) -> Gradient:
    """One gradient that says what several say.

    Each text stands exactly once in the request. Where the engine has no usable answer, the texts are joined, so
    nothing is lost.

    Args:
        gradients: the gradients, at least one.
        role_description: role of the Variable.
        engine: the model; the session's engine for `role` if None.
        role: the part that the call plays.

    Raises:
        ConfigError: there is no engine.
        EngineAccessError: the engine will answer no call.
        EngineRefusal: the engine does not do what it is asked for.
    """
    if len(gradients) == 1:
        return gradients[0]
    session = current_session()
    engine = engine or session.engine(role)
    structured = is_structured(engine)
    data = {"role": role_description, "feedback": [_item(one) for one in gradients]}
    block = data_block(data)
    tag = f"MERGED_{nonce(session.seed, block)}"
    messages = [system(prompt("merge")), user(f"Merge the feedback.\n\n{block}\n\n{_answer_format(tag, structured)}")]
    options = GenerateOptions(
        role=role,
        seed=session.seed_of("merge", fingerprint(messages)),
        response_schema=_SCHEMA if structured else None,
    )
    try:
        text = _merged(await session.ask(engine, messages, options), tag)
    except (EngineAccessError, EngineRefusal):
        raise
    except (EngineError, ReplyProblem):
        text = joined(gradients)
    return Gradient(
        text=text,
        origin="merge",
        context=_joined_contexts(gradients),
        used_as=", ".join(dict.fromkeys(one.used_as for one in gradients if one.used_as)),
        weight=sum(one.weight for one in gradients),
        group=gradients[0].group,
    )


def joined(gradients: Sequence[Gradient]) -> str:
    """The texts, one after the other."""
    return "\n\n".join(one.text for one in gradients if one.text)


def _item(gradient: Gradient) -> dict[str, Any]:
    item: dict[str, Any] = {"text": gradient.text or "", "used_as": gradient.used_as}
    return item if gradient.weight == 1.0 else {**item, "weight": gradient.weight}


def _merged(completion: Completion, tag: str) -> str:
    text = complete_text(completion)
    if f"<{tag}>" in text or f"</{tag}>" in text:
        text = between(text, f"<{tag}>", f"</{tag}>")
    else:
        if text[0] not in "{`":
            raise ReplyProblem(Problem.NO_TAG)
        value = json_object(text).get("merged")
        text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise ReplyProblem(Problem.EMPTY)
    return text


def _joined_contexts(gradients: Sequence[Gradient]) -> str | tuple[Any, ...]:
    """The different contexts, each once."""
    contexts = list(dict.fromkeys(one.context for one in gradients if one.context))
    if all(isinstance(one, str) for one in contexts):
        return "\n\n".join(str(one) for one in contexts)
    return tuple(part for one in contexts for part in ((one,) if isinstance(one, str) else one))


def _answer_format(tag: str, structured: bool) -> str:
    if structured:
        return f'{ANSWER_HEADING}\n\nReply with one JSON object whose field "merged" is the merged feedback.'
    return f"{ANSWER_HEADING}\n\nWrite the merged feedback between <{tag}> and </{tag}>, each of these tags only once."
