"""Replies that are JSON: three ways to ask for them, from the strictest that a server offers down to plain words.

``json_schema``: the server holds the model to the schema. ``json_object``: it holds it to JSON, and the request tells
the schema. ``tags``: the request tells both, and the JSON stands between tags that nobody could have written before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal, cast

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.messages import Completion

Level = Literal["json_schema", "json_object", "tags"]

LOWER: Mapping[Level, Level] = {"json_schema": "json_object", "json_object": "tags"}
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """One schema asked for in one way.

    Attributes:
        schema: JSON schema of the reply.
        level: how it is asked for.
        nonce: what makes the tags of this request its own.
    """

    schema: Mapping[str, Any]
    level: Level
    nonce: str

    @classmethod
    def of(cls, body: Mapping[str, Any], schema: Mapping[str, Any], level: Level) -> Form:
        """The form for a request; equal requests get equal tags."""
        text = json.dumps([body, schema], sort_keys=True, default=str)
        return cls(schema, level, blake2b(text.encode(), digest_size=4).hexdigest())

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request `body`, asking for this form."""
        if self.level == "json_schema":
            schema = {"name": "reply", "strict": True, "schema": dict(self.schema)}
            return {**body, "response_format": {"type": "json_schema", "json_schema": schema}}
        schema = json.dumps(self.schema, ensure_ascii=False)
        where = ", and nothing else" if self.level == "json_object" else f", between {self._open} and {self._close}"
        told = f"Answer with one JSON object that follows this JSON Schema{where}:\n{schema}"
        asked = {**body, "messages": _with_text(cast("list[dict[str, Any]]", body["messages"]), told)}
        return asked if self.level == "tags" else {**asked, "response_format": {"type": "json_object"}}

    def read(self, completion: Completion) -> Completion:
        """`completion` with nothing but the JSON as its text. One that calls tools instead is left as it is.

        Raises:
            EngineReplyError: there is no such JSON.
        """
        if completion.tool_calls:
            return completion
        text = completion.text
        if self.level == "tags":
            found = re.findall(re.escape(self._open) + "(.*?)" + re.escape(self._close), text, re.DOTALL)
            text = found[0] if len(found) == 1 else ""
        fenced = _FENCED.fullmatch(text)
        text = (fenced[1] if fenced else text).strip()
        problem = self._problem(text)
        if problem is None:
            return replace(completion, text=text)
        if completion.finish == "length":
            said = f"the JSON was cut off after {completion.usage.output_tokens} tokens; raise max_tokens"
            raise make_fault("length", said, EngineReplyError, usage=completion.usage)
        said = f"the reply {problem}, and JSON of a given schema was asked for: {one_line(completion.text)!r}"
        raise make_fault("schema", said, EngineReplyError, usage=completion.usage)

    @property
    def _open(self) -> str:
        return f"<REPLY_{self.nonce}>"

    @property
    def _close(self) -> str:
        return f"</REPLY_{self.nonce}>"

    def _problem(self, text: str) -> str | None:
        """What is wrong with `text` at first sight; who asked looks closer."""
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            return "holds no JSON" if self.level != "tags" else f"holds no JSON between one pair of {self._open}"
        if self.schema.get("type", "object") != "object":
            return None
        if not isinstance(value, dict):
            return "is no JSON object"
        missing = [name for name in self.schema.get("required", ()) if name not in value]
        return f"lacks {', '.join(missing)}" if missing else None


def _with_text(messages: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """The messages with `text` at the end of what the user says last."""
    if messages[-1]["role"] != "user":
        return [*messages, {"role": "user", "content": text}]
    content: str | list[Any] = messages[-1]["content"]
    longer = f"{content}\n\n{text}" if isinstance(content, str) else [*content, {"type": "text", "text": text}]
    return [*messages[:-1], {**messages[-1], "content": longer}]
