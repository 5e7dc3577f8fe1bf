"""Chat Completions as a server speaks it: requests into messages and options, Completions and errors into replies."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.serve.http import Rejected
from textgrad_agents.engines.wire import as_object
from textgrad_agents.errors import EngineAccessError, EngineError, EngineRefusal
from textgrad_agents.files import parse_json
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage
from textgrad_agents.validation import explain

_PIECE = re.compile(r"\s*\S+|\s+")
_FIELDS = ("content", "name", "tool_calls", "tool_call_id")
_STATUS: Mapping[str, int] = {
    "budget": 402,
    "context": 400,
    "filtered": 400,
    "key": 401,
    "model": 404,
    "overloaded": 503,
    "pause": 429,
    "quota": 429,
    "rate_limit": 429,
    "rights": 403,
}
_CODES: Mapping[str, str] = {
    "context": "context_length_exceeded",
    "filtered": "content_filter",
    "model": "model_not_found",
    "quota": "insufficient_quota",
}


class _Body(BaseModel):
    """What a client may send; fields that are not here are passed to the engine as they are."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    model: str = ""
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    max_completion_tokens: Annotated[int, Field(gt=0)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    n: Literal[1] | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that was understood."""

    messages: tuple[Message, ...]
    options: GenerateOptions
    stream: bool
    include_usage: bool


def read_chat_request(body: bytes, *, structured: bool) -> ChatRequest:
    """The request in `body`.

    Args:
        body: what the client sent.
        structured: True if the engine follows a response schema.

    Raises:
        Rejected: it is none, or asks for what the engine does not do.
    """
    try:
        sent = _Body.model_validate(parse_json(body))
        messages = tuple(map(_message, sent.messages))
    except ValidationError as error:
        raise _bad(explain(error, fields=_Body.model_fields)) from None
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is no JSON that is read here: {one_line(error)}") from None
    stop = (sent.stop,) if isinstance(sent.stop, str) else tuple(sent.stop or ())
    options = GenerateOptions(
        temperature=sent.temperature,
        top_p=sent.top_p,
        max_tokens=sent.max_completion_tokens or sent.max_tokens,
        seed=sent.seed,
        stop=stop,
        tools=tuple(sent.tools or ()),
        tool_choice=_tool_choice(sent.tool_choice),
        response_schema=_schema(sent.response_format or {}, structured=structured),
        extra=sent.model_extra or {},
    )
    return ChatRequest(messages, options, bool(sent.stream), bool((sent.stream_options or {}).get("include_usage")))


def _message(sent: Mapping[str, Any]) -> Message:
    role = "system" if sent.get("role") == "developer" else sent.get("role")
    given = {name: sent[name] for name in _FIELDS if sent.get(name) is not None}
    return Message.model_validate({"role": role, **given})


def _tool_choice(choice: str | Mapping[str, Any] | None) -> str | None:
    if choice is None or isinstance(choice, str):
        return choice
    name = as_object(choice.get("function")).get("name")
    if not isinstance(name, str):
        raise _bad('tool_choice must be a word or {"type": "function", "function": {"name": …}}')
    return name


def _schema(wanted: Mapping[str, Any], *, structured: bool) -> Mapping[str, Any] | None:
    kind = wanted.get("type", "text")
    if kind == "text":
        return None
    if kind not in ("json_schema", "json_object") or not structured:
        raise _bad(f"response_format of type {one_line(kind)} is not followed here; ask in words, or between tags")
    if kind == "json_object":
        return {"type": "object"}
    schema = as_object(as_object(wanted.get("json_schema")).get("schema"))
    if not schema:
        raise _bad("response_format of type json_schema must hold a schema under json_schema.schema")
    return schema


def _bad(message: str) -> Rejected:
    return Rejected(400, message, readable=True)


# -- replies -----------------------------------------------------------------------------------------------------------


def reply(completion: Completion) -> dict[str, Any]:
    """A completion as one JSON object."""
    message: dict[str, Any] = {"role": "assistant", "content": completion.text or None, "refusal": None}
    if completion.tool_calls:
        message["tool_calls"] = _tool_calls(completion)
    if reasoning := completion.details.get("reasoning"):
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "message": message, "finish_reason": completion.finish, "logprobs": _logprobs(completion)}
    return {**_frame(completion, "chat.completion"), "choices": [choice], "usage": _usage(completion.usage)}


def pieces(completion: Completion, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """A completion as the chunks of a stream, word by word."""
    frame = _frame(completion, "chat.completion.chunk") | ({"usage": None} if include_usage else {})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _PIECE.findall(completion.text)]
    deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(_tool_calls(completion))]
    for delta in deltas:
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "finish_reason": completion.finish, "logprobs": _logprobs(completion)}
    yield {**frame, "choices": [last]}
    if include_usage:
        yield {**frame, "choices": [], "usage": _usage(completion.usage)}


def error_reply(error: EngineError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers for a call that failed."""
    status = _STATUS.get(error.kind)
    if status is None:
        refused = isinstance(error, EngineRefusal)
        status = 400 if refused else 403 if isinstance(error, EngineAccessError) else 503 if error.transient else 502
    headers = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:.0f}"}
    return status, error_body(str(error), status, _CODES.get(error.kind)), headers


def error_body(message: str, status: int, code: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's form."""
    kind = "invalid_request_error" if status < 429 else "server_error"
    return {"error": {"message": message, "type": code or kind, "param": None, "code": code}}


def _frame(completion: Completion, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": completion.model}


def _tool_calls(completion: Completion) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": json.dumps(call.function.arguments)},
        }
        for call in completion.tool_calls
    ]


def _logprobs(completion: Completion) -> dict[str, Any] | None:
    content = completion.details.get("logprobs")
    return {"content": content, "refusal": None} if content else None


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
