"""Where the texts of Variables stand in a message, kept in ``Message.info["spans"]``.

An engine that records tokens turns them into `PromptSpan`s, so that the same request can be rendered with another text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages.message import Message
from textgrad_agents.seeds import text_hash


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Where the text of a Variable stands in a message.

    Attributes:
        start: index of its first character in the content.
        end: index after its last one.
        variable: name of the Variable.
        version: hash of the text (`seeds.text_hash`).
    """

    start: int
    end: int
    variable: str
    version: str


def span_at(start: int, text: str, variable: str) -> TextSpan:
    """The span of a Variable's `text` that begins at the character `start`."""
    return TextSpan(start, start + len(text), variable, text_hash(text))


def with_spans(message: Message, spans: Iterable[TextSpan]) -> Message:
    """A copy of `message` that says where texts of Variables stand in it.

    Raises:
        ConfigError: a span is not the text it claims to be, or two overlap.
    """
    ordered = sorted(spans, key=lambda span: span.start)
    content, end = message.content or "", 0
    for span in ordered:
        if span.start < end or text_hash(content[span.start : span.end]) != span.version:
            raise ConfigError(
                f"the span {span.start}:{span.end} of {span.variable!r} is not its text, or overlaps another; count "
                f"characters of the content, which has {len(content)}"
            )
        end = span.end
    info = {**(message.info or {}), "spans": [asdict(span) for span in ordered]}
    return message.model_copy(update={"info": info})


def marked(message: Message, texts: Mapping[str, str]) -> Message:
    """`with_spans` for texts that stand in the content exactly once each.

    Raises:
        ConfigError: a text is not there, or more than once.
    """
    content = message.content or ""
    for variable, text in texts.items():
        if content.count(text) != 1:
            raise ConfigError(
                f"the text of {variable!r} stands {content.count(text)} times in the message; say where with with_spans"
            )
    return with_spans(message, [span_at(content.index(text), text, variable) for variable, text in texts.items()])


def spans_of(message: Message) -> tuple[TextSpan, ...]:
    """Where texts of Variables stand in `message`, in order."""
    given: list[Mapping[str, Any]] = (message.info or {}).get("spans", [])
    return tuple(TextSpan(**span) for span in given)
