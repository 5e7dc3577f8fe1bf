"""Replies that come in pieces: server-sent events into chunks, chunks into the form of a whole reply."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from typing import Any, cast

from textgrad_agents.engines.base import estimate_usage, one_line
from textgrad_agents.engines.faults import event_fault, make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.wire import as_object, counted, first_choice
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.messages import Message, Usage


async def read_events(pieces: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """The data of each server-sent event, as far as the events are complete."""
    buffer, searched = bytearray(), 0
    data: list[str] = []
    async for piece in pieces:
        buffer += piece
        while (end := buffer.find(b"\n", searched)) >= 0:
            line = buffer[:end].rstrip(b"\r").decode(errors="replace")
            del buffer[: end + 1]
            searched = 0
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data = []
        searched = len(buffer)
    if data and not buffer:
        yield "\n".join(data)


class Assembly:
    """A reply that is put together from its chunks.

    Args:
        config: of the model that writes it.
        messages: what it answers, to estimate the usage of a reply that breaks off.
    """

    def __init__(self, config: LLMConfig, messages: Sequence[Message]) -> None:
        self._config = config
        self._messages = messages
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
        self._finish: object = None
        self._model: object = None
        self._usage: object = None

    def add(self, event: str) -> str:
        """Take in the data of one event; returns the text that it adds.

        Raises:
            EngineReplyError: it is no chunk, or says that the reply breaks off.
        """
        try:
            chunk = as_object(json.loads(event))
        except (ValueError, RecursionError):
            said = f"{self._config.url} sent an event that is no JSON: {one_line(event)!r}"
            raise make_fault("malformed", said, EngineReplyError, usage=self.usage) from None
        if chunk.get("error"):
            raise event_fault(self._config, chunk["error"], self.usage)
        self._model = self._model or chunk.get("model")
        self._usage = chunk.get("usage") or self._usage
        return self._add_choice(first_choice(chunk) or {})

    def _add_choice(self, choice: Mapping[str, Any]) -> str:
        self._finish = choice.get("finish_reason") or self._finish
        logprobs = as_object(choice.get("logprobs")).get("content")
        if isinstance(logprobs, list):
            self._logprobs += cast("list[Any]", logprobs)
        delta = as_object(choice.get("delta"))
        self._refusal += _texts(delta.get("refusal"))
        self._reasoning += _texts(delta.get("reasoning_content") or delta.get("reasoning"))
        calls = delta.get("tool_calls")
        for number, call in enumerate(cast("list[Any]", calls) if isinstance(calls, list) else ()):
            self._add_call(number, as_object(call))
        added = _texts(delta.get("content"))
        self._text += added
        return "".join(added)

    def _add_call(self, number: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        whole = self._calls.setdefault(index if isinstance(index, int) else number, {"name": "", "arguments": ""})
        function = as_object(call.get("function"))
        whole["id"] = whole.get("id") or call.get("id")
        for name in ("name", "arguments"):
            whole[name] += "".join(_texts(function.get(name)))

    @property
    def usage(self) -> Usage:
        """What the reply used so far, estimated if the server did not say."""
        return counted(self._usage) or estimate_usage(self._messages, "".join(self._text))

    def reply(self) -> Mapping[str, Any]:
        """The whole reply, in the form of one that came at once.

        Raises:
            EngineReplyError: its end is missing.
        """
        if self._finish is None:
            said = f"{self._config.url} cut off its reply after {len(''.join(self._text))} characters"
            raise make_fault("stream_cut", said, EngineReplyError, usage=self.usage)
        message = {
            "role": "assistant",
            "content": "".join(self._text),
            "refusal": "".join(self._refusal),
            "reasoning_content": "".join(self._reasoning),
            "tool_calls": [
                {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
                for _, call in sorted(self._calls.items())
            ],
        }
        choice = {"message": message, "finish_reason": self._finish, "logprobs": {"content": self._logprobs}}
        whole = {"model": self._model, "usage": self._usage, "choices": [choice]}
        return json.loads(self._config.redacted(json.dumps(whole)))  # a key may have come in two pieces


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) and value else []
