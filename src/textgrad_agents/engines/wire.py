"""Messages into the Chat Completions form, and replies of that form into Completions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from textgrad_agents.engines.base import estimate_usage, one_line
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.errors import EngineError, EngineRefusal, EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Finish, Message, ToolCall, ToolCallFunction, Usage

_FINISH: Mapping[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}


def to_wire(message: Message) -> dict[str, Any]:
    """One message of a request."""
    wire = {"content": None} | message.model_dump(exclude_none=True, by_alias=True)
    if not message.tool_calls:
        wire.pop("tool_calls", None)
        if wire["content"] is None:
            wire["content"] = ""
    return wire


def request_body(
    config: LLMConfig, messages: Sequence[Message], options: GenerateOptions, sampling: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON body of a request with the parameters `sampling`.

    Raises:
        EngineRefusal: the model of `config` takes no images, or follows no schema, and the request has one.
    """
    body: dict[str, Any] = {"model": config.model_string, "messages": [to_wire(message) for message in messages]}
    body |= sampling
    if not config.is_multimodal and any(_has_more_than_text(message) for message in messages):
        raise EngineRefusal(
            f"model {config.name!r} takes text alone and a message holds something else; choose a model that takes "
            "images, or set is_multimodal in its LLMConfig"
        )
    if options.response_schema is not None:
        if not config.structured:
            raise EngineRefusal(
                f"model {config.name!r} is not known to follow a JSON schema; ask for plain text, or set structured in "
                "its LLMConfig"
            )
        schema = {"name": "reply", "strict": True, "schema": dict(options.response_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if options.tools:
        body["tools"] = [dict(tool) for tool in options.tools]
        if options.tool_choice in ("auto", "none", "required"):
            body["tool_choice"] = options.tool_choice
        elif options.tool_choice is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": options.tool_choice}}
    return body


def read_completion(text: str, config: LLMConfig, messages: Sequence[Message]) -> Completion:
    """The Completion in the body `text` of a successful response.

    Raises:
        EngineRefusal: the model declined to answer.
        EngineReplyError: the body is no completion, or the completion is empty or was filtered.
    """
    reply = _parse(text, config)
    choice = _first_choice(reply, config)
    message = _object(choice.get("message"))
    content = _content(message.get("content"))
    usage = _usage(reply.get("usage"), messages, content)
    calls = _tool_calls(message.get("tool_calls"), config, usage)
    finish = _FINISH.get(str(choice.get("finish_reason")), "tool_calls" if calls else "stop")
    if finish == "content_filter":
        raise EngineReplyError(f"the provider of {config.name!r} filtered the reply; reword the prompt", usage=usage)
    if message.get("refusal") and not content:
        raise EngineRefusal(f"model {config.name!r} declined to answer: {one_line(message['refusal'])}", usage=usage)
    if not content.strip() and not calls:
        raise _empty(finish, config, usage)
    details = {"reasoning": message.get("reasoning_content") or message.get("reasoning")}
    details["logprobs"] = _object(choice.get("logprobs")).get("content")
    return Completion(
        text=content,
        finish=finish,
        usage=usage,
        tool_calls=calls,
        model=str(reply.get("model") or config.model_string),
        details={name: value for name, value in details.items() if value},
    )


def _parse(text: str, config: LLMConfig) -> Mapping[str, Any]:
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        kind = "a web page" if text.lstrip()[:1] == "<" else "no JSON"
        raise EngineReplyError(
            f"{config.url} answered with {kind} ({one_line(text)!r}); check that base_url is the address of an "
            "OpenAI-compatible server, usually ending in /v1",
            transient=True,
        ) from None
    if not isinstance(reply, dict):
        raise EngineReplyError(
            f"{config.url} answered with JSON that is no completion: {one_line(text)!r}", transient=True
        )
    return cast("Mapping[str, Any]", reply)


def _first_choice(reply: Mapping[str, Any], config: LLMConfig) -> Mapping[str, Any]:
    choices = reply.get("choices")
    if isinstance(choices, list) and choices:
        return _object(cast("list[Any]", choices)[0])
    said = _object(reply.get("error")).get("message") or reply.get("error")
    raise EngineReplyError(
        f"the reply of {config.name!r} holds no choices" + (f": {one_line(said)}" if said else ""),
        transient=True,
        usage=_counted(reply.get("usage")),
    )


def _empty(finish: Finish, config: LLMConfig, usage: Usage) -> EngineError:
    if finish == "length":
        thought = f", {usage.reasoning_tokens} of them on reasoning" if usage.reasoning_tokens else ""
        return EngineReplyError(
            f"model {config.name!r} spent all {usage.output_tokens} tokens{thought} before it wrote a word; raise "
            "max_tokens or lower reasoning_effort",
            usage=usage,
        )
    return EngineReplyError(
        f"the reply of {config.name!r} is empty; ask again or reword the prompt", transient=True, usage=usage
    )


def _content(content: object) -> str:
    """The text of a reply, fit for UTF-8; some servers send it in parts."""
    if isinstance(content, list):
        parts = [_object(part) for part in cast("list[Any]", content)]
        content = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return content.encode(errors="replace").decode() if isinstance(content, str) else ""


def _tool_calls(calls: object, config: LLMConfig, usage: Usage) -> tuple[ToolCall, ...]:
    listed = cast("list[Any]", calls) if isinstance(calls, list) else []
    return tuple(_tool_call(index, _object(call), config, usage) for index, call in enumerate(listed))


def _tool_call(index: int, call: Mapping[str, Any], config: LLMConfig, usage: Usage) -> ToolCall:
    function = _object(call.get("function"))
    name: object = function.get("name")
    arguments: object = function.get("arguments") or "{}"
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise EngineReplyError(
            f"model {config.name!r} called a tool with a name or arguments that cannot be read: {one_line(function)}",
            transient=True,
            usage=usage,
        )
    return ToolCall(
        id=str(call.get("id") or f"call_{index}"),
        function=ToolCallFunction(name=name, arguments=cast("dict[str, Any]", arguments)),
    )


def _usage(usage: object, messages: Sequence[Message], text: str) -> Usage:
    return _counted(usage) or estimate_usage(messages, text)


def _counted(usage: object) -> Usage | None:
    """What the server counted. Some leave reasoning out of the output and count it in the total alone."""
    counts = _object(usage)
    asked, written = _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
    if asked is None or written is None:
        return None
    return Usage(
        input_tokens=asked,
        output_tokens=max(written, (_count(counts, "total_tokens") or 0) - asked),
        cached_tokens=_count(_object(counts.get("prompt_tokens_details")), "cached_tokens") or 0,
        reasoning_tokens=_count(_object(counts.get("completion_tokens_details")), "reasoning_tokens") or 0,
    )


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    count = counts.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _has_more_than_text(message: Message) -> bool:
    parts = message.deserialized_content
    return isinstance(parts, list) and any(part["type"] != "text" for part in parts)
