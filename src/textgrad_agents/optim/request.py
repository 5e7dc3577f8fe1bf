r"""What the optimizer's model is asked.

The system message holds instructions alone. Everything that comes from elsewhere (values, feedback, contexts, history)
stands in one JSON block of the user message, where no text can end the block or pass for a tag: ``<`` is written
``\u003c``. The tags around the answer carry a nonce that belongs to this request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.messages import Completion, Message, assistant, system, user
from textgrad_agents.ops.request import data_block, escaped, nonce
from textgrad_agents.optim.budget import fit
from textgrad_agents.optim.history import HistoryEntry
from textgrad_agents.optim.replies import read_structured, read_tagged, tags
from textgrad_agents.seeds import derive_seed
from textgrad_agents.variables.gradient import Gradient

ANSWER_HEADING = "## Answer format: improved variable"


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a new value.

    Attributes:
        instructions: the system message.
        question: the user message up to the answer format.
        nonce: eight hexadecimal digits that mark the answer.
        seed: seed of the call.
        structured: True if the engine follows a response schema.
    """

    instructions: str
    question: str
    nonce: str
    seed: int
    structured: bool

    def messages(self) -> list[Message]:
        """The first try."""
        return [system(self.instructions), user(f"{self.question}\n\n{self._answer_format()}")]

    def repair(self, reply: str, problem: str) -> list[Message]:
        """The second try, which is told what was wrong with the first reply."""
        quoted = escaped(json.dumps(problem, ensure_ascii=False))
        said = f"Your reply cannot be used: {quoted}. Answer again, with the whole new value."
        return [*self.messages(), assistant(reply or "(no reply)"), user(f"{said}\n\n{self._answer_format()}")]

    def read(self, completion: Completion) -> str:
        """The new value in a reply.

        Raises:
            ProposalError: there is none that can be used.
        """
        return read_structured(completion) if self.structured else read_tagged(completion, self.nonce)

    def _answer_format(self) -> str:
        if self.structured:
            lines = [
                'Reply with one JSON object: "improved_variable" is the new value, "reason" says why in a sentence.'
            ]
        else:
            opening, closing = tags(self.nonce)
            lines = [
                f"Write the new value between {opening} and {closing}.",
                "Begin a line with the first tag, end a line with the second, and write each of them only once.",
            ]
        return "\n".join([ANSWER_HEADING, "", *lines])


def make_request(
    data: dict[str, Any], *, instructions: str, task: str, place: Sequence[str | int], structured: bool
) -> Request:
    """The request about `data`.

    Args:
        data: what the block holds.
        instructions: the system message.
        task: what to do with the data, in a sentence.
        place: what makes the request's seed and nonce its own, beside its content.
        structured: True if the engine follows a response schema.
    """
    question = f"{task}\n\n{data_block(data)}"
    seed = derive_seed(*place, instructions, question)
    return Request(instructions, question, nonce(seed), seed, structured)


def feedback_items(gradients: Sequence[Gradient], contexts: Sequence[str]) -> list[dict[str, Any]]:
    """Gradients as the model reads them, each once, in order."""
    items: list[dict[str, Any]] = []
    for gradient, context in zip(gradients, contexts, strict=True):
        item: dict[str, Any] = {"text": gradient.text, "used_as": gradient.used_as}
        if gradient.weight != 1.0:
            item["weight"] = gradient.weight
        if context:
            item["context"] = context
        items.append(item)
    return items


def fitted(
    gradients: Sequence[Gradient], history: list[HistoryEntry], budget: int
) -> tuple[list[str], list[HistoryEntry]]:
    """Contexts and history within what the feedback itself leaves of the token budget, cut where they must be."""
    left = budget - sum(estimate_tokens(one.text or "") for one in gradients)
    contexts = [context_text(one) for one in gradients]
    past = [text for entry in history for text in _texts(entry)]
    pieces = iter(fit([*contexts, *past], left))
    contexts = [next(pieces) for _ in contexts]
    return contexts, [{key: _refilled(value, pieces) for key, value in entry.items()} for entry in history]


def context_text(gradient: Gradient) -> str:
    """The context of a gradient as text; an image is named by its size."""
    if isinstance(gradient.context, str):
        return gradient.context
    return "\n".join(f"[image of {len(one)} bytes]" if isinstance(one, bytes) else str(one) for one in gradient.context)


@cache
def prompt(name: str) -> str:
    """A prompt of this room, from ``prompts/``."""
    return (files("textgrad_agents.optim") / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def _texts(entry: HistoryEntry) -> list[str]:
    return [text for value in entry.values() for text in ([value] if isinstance(value, str) else value)]


def _refilled(value: str | list[str], pieces: Iterator[str]) -> str | list[str]:
    return next(pieces) if isinstance(value, str) else [next(pieces) for _ in value]
