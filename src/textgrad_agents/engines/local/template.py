"""From messages to token ids, by a tokenizer's chat template.

The template is rendered to text, and the text is tokenized piece by piece at the borders of spans (`messages.spans`),
so that another text can be put in the place of a span by replacing just its tokens. Replies of this process are not
tokenized again when they come back in a conversation: what was sent and sampled before goes on unchanged.
"""

# The types that transformers leaves open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import TemplateError

from textgrad_agents.errors import EngineRefusal
from textgrad_agents.messages import Message, PromptSpan
from textgrad_agents.messages.spans import TextSpan, spans_of
from textgrad_agents.seeds import text_hash

_MARK = re.compile("\ue000(\\d+)\ue001")
_MARK_CHARACTERS = re.compile("[\ue000\ue001]")
_REMEMBERED = 4096  # conversations that are known by their tokens
_PIECES = 4096  # texts whose tokens are kept
_PROMPTS = 4096  # conversations without replies whose tokens are kept


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is given.

    Attributes:
        ids: token ids.
        spans: where texts of Variables stand in them.
        text: what was rendered.
    """

    ids: tuple[int, ...]
    spans: tuple[PromptSpan, ...]
    text: str


class _Rendered(NamedTuple):
    """A rendered conversation: its text, where Variables stand in it, and where replies do (without outer spaces)."""

    text: str
    spans: tuple[TextSpan, ...]
    replies: tuple[tuple[int, int], ...]


class _Known(NamedTuple):
    """A reply that was sampled: all tokens up to its end, and what they say behind its visible text."""

    ids: tuple[int, ...]
    spans: tuple[PromptSpan, ...]
    blank: str
    stop: str


class ChatTemplate:
    """Renders conversations for one tokenizer.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        name: of the model, for messages.
    """

    def __init__(self, tokenizer: Any, *, name: str) -> None:
        self._tokenizer = tokenizer
        self._name = name
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._prompts: OrderedDict[tuple[object, ...], Prompt] = OrderedDict()
        self._lock = threading.Lock()  # a tokenizer belongs to one thread at a time
        self.encode = lru_cache(maxsize=_PIECES)(self._encode)
        # Tokenizers that put a space before every text cannot be given texts in pieces.
        self._in_pieces = self.decode((*self.encode("a b"), *self.encode("c d"))) == "a bc d"

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The tokens of a conversation, up to where the assistant speaks.

        Raises:
            EngineRefusal: it holds images, or the template does not take it.
        """
        if any(message.role == "assistant" for message in messages):  # replies become known as they are given
            return self._tokenized(messages)
        key = tuple((one.role, one.content, one.content_is_json_str, spans_of(one)) for one in messages)
        found = self._prompts.get(key)
        if found is None:
            found = self._prompts[key] = self._tokenized(messages)
            if len(self._prompts) > _PROMPTS:
                self._prompts.popitem(last=False)
        return found

    def _tokenized(self, messages: Sequence[Message]) -> Prompt:
        rendered = self._render(messages)
        if not self._in_pieces:
            return Prompt(self.encode(rendered.text), (), rendered.text)
        known, begin = self._longest_known(rendered)
        ids, spans = list(known.ids), list(known.spans)
        for span in rendered.spans:
            if span.start < begin:
                continue
            ids += self.encode(rendered.text[begin : span.start])
            start, begin = len(ids), span.end
            ids += self.encode(rendered.text[span.start : span.end])
            spans.append(PromptSpan(start, len(ids), span.variable, span.version))
        ids += self.encode(rendered.text[begin:])
        return Prompt(tuple(ids), tuple(spans), rendered.text)

    def remember(self, prompt: Prompt, action_ids: Sequence[int], reply: str, stop: str) -> None:
        """Keep the tokens of a reply for when it comes back in a conversation.

        Args:
            prompt: what it was a reply to.
            action_ids: its tokens; together they say `reply` and `stop`.
            reply: its text as the user sees it.
            stop: the text of the token that ended it, "" if none did.
        """
        visible = reply.rstrip()
        known = _Known((*prompt.ids, *action_ids), prompt.spans, reply[len(visible) :], stop)
        self._known[_key(prompt.text, visible)] = known
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """The text of tokens; special ones are left out if `special` is False."""
        with self._lock:
            return self._tokenizer.decode(
                list(ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False
            )

    def _encode(self, text: str) -> tuple[int, ...]:
        with self._lock:
            return tuple(self._tokenizer(text, add_special_tokens=False).input_ids) if text else ()

    def _longest_known(self, rendered: _Rendered) -> tuple[_Known, int]:
        """The longest beginning of a conversation whose tokens are known, and the character after it."""
        for start, end in reversed(rendered.replies):
            known = self._known.get(_key(rendered.text[:start], rendered.text[start:end]))
            if known is None:
                continue
            if rendered.text.startswith(known.blank, end):  # else the template took the space away
                end += len(known.blank)
            if rendered.text.startswith(known.stop, end):
                return known, end + len(known.stop)
        return _Known((), (), "", ""), 0

    # -- rendering -----------------------------------------------------------------------------------------------

    def _render(self, messages: Sequence[Message]) -> _Rendered:
        plain = self._apply([_plain(message) for message in messages])
        for strip in (False, True):  # a template may strip contents: then only what lies inside can be marked
            spans, replies, contents = _with_marks(messages, strip)
            if not contents:
                break
            dicts = [{**_plain(message), "content": text} for message, text in zip(messages, contents, strict=True)]
            text, places = _without_marks(self._apply(dicts))
            if text == plain and all(2 * k in places and 2 * k + 1 in places for k in range(len(spans) + len(replies))):
                found = [(places[2 * k], places[2 * k + 1]) for k in range(len(spans) + len(replies))]
                moved = [
                    TextSpan(start, end, span.variable, span.version)
                    for span, (start, end) in zip(spans, found, strict=False)
                ]
                return _Rendered(plain, tuple(sorted(moved, key=_start)), tuple(sorted(found[len(spans) :])))
        return _Rendered(plain, (), ())

    def _apply(self, messages: list[dict[str, Any]]) -> str:
        try:
            with self._lock:
                return self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise EngineRefusal(f"the chat template of {self._name} does not take this conversation: {error}") from None


def _start(span: TextSpan) -> int:
    return span.start


def _key(before: str, reply: str) -> str:
    return text_hash(f"{before.rstrip()}\0{reply.strip()}")


def _plain(message: Message) -> dict[str, Any]:
    if message.is_multimodal:
        raise EngineRefusal("images are not shown to local models; send text, or use another engine")
    if message.tool_calls or message.role == "tool":
        raise EngineRefusal("tools are not called by local models; describe them in words, or use another engine")
    return {"role": message.role, "content": message.content or ""}


def _with_marks(
    messages: Sequence[Message], strip: bool
) -> tuple[list[TextSpan], list[tuple[int, int]], list[str] | None]:
    """The spans and the replies of a conversation, and its contents with marks at their borders.

    Mark ``2 k`` begins the k-th of them, spans first, and ``2 k + 1`` ends it. No contents are given where there is
    nothing to mark, or the mark's characters are in use.
    """
    spans = [(index, span) for index, message in enumerate(messages) for span in spans_of(message)]
    replies = [(index, (0, 0)) for index, message in enumerate(messages) if message.role == "assistant"]
    if not (spans or replies) or any(_MARK_CHARACTERS.search(message.content or "") for message in messages):
        return [], [], None
    marks: list[list[tuple[int, int]]] = [[] for _ in messages]
    for number, (index, span) in enumerate(spans):
        content = messages[index].content or ""
        start, end = _inside(content, span.start, span.end) if strip else (span.start, span.end)
        marks[index] += [(start, 2 * number), (end, 2 * number + 1)]
    for number, (index, _) in enumerate(replies, len(spans)):
        content = messages[index].content or ""
        start, end = _inside(content, 0, len(content))
        marks[index] += [(start, 2 * number), (end, 2 * number + 1)]
    contents = [_marked(message.content or "", own) for message, own in zip(messages, marks, strict=True)]
    return [span for _, span in spans], [place for _, place in replies], contents


def _inside(content: str, start: int, end: int) -> tuple[int, int]:
    """The part between `start` and `end` without outer white space."""
    text = content[start:end]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _marked(content: str, marks: list[tuple[int, int]]) -> str:
    pieces, begin = list[str](), 0
    for place, number in sorted(marks):
        pieces += [content[begin:place], f"\ue000{number}\ue001"]
        begin = place
    return "".join([*pieces, content[begin:]])


def _without_marks(text: str) -> tuple[str, dict[int, int]]:
    """A text without its marks, and where each stood; one that stood twice is left out."""
    places: dict[int, int] = {}
    twice: set[int] = set()
    removed = 0
    for found in _MARK.finditer(text):
        number = int(found.group(1))
        if number in places:
            twice.add(number)
        places[number] = found.start() - removed
        removed += len(found.group())
    return _MARK.sub("", text), {number: place for number, place in places.items() if number not in twice}
