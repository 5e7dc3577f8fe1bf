"""Messages into the Chat Completions form, and replies of that form into Completions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from textgrad_agents.engines.base import estimate_usage, one_line
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.errors import EngineAccessError, EngineError, EngineRefusal, EngineReplyError
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
    if type(message) is Message and not (
        message.tool_calls or message.content_is_json_str or message.cache_breakpoint or message.tool_call_id
    ):
        plain = {"role": message.role, "content": message.content or ""}
        return plain if message.name is None else {**plain, "name": message.name}
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
        EngineRefusal: the model of `config` takes no images, and a message holds one.
    """
    body: dict[str, Any] = {"model": config.model_string, "messages": [to_wire(message) for message in messages]}
    body |= sampling
    if not config.is_multimodal and any(_has_more_than_text(message) for message in messages):
        raise EngineRefusal(
            f"model {config.name!r} takes text alone and a message holds something else; choose a model that takes "
            "images, or set is_multimodal in its LLMConfig"
        )
    if options.tools:
        body["tools"] = [dict(tool) for tool in options.tools]
        if options.tool_choice in ("auto", "none", "required"):
            body["tool_choice"] = options.tool_choice
        elif options.tool_choice is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": options.tool_choice}}
    return body


def parse_reply(text: str, config: LLMConfig) -> Mapping[str, Any]:
    """The JSON object in the body `text` of a successful response.

    Raises:
        EngineAccessError: the body is a web page, so the address is none of a model.
        EngineReplyError: the body is something else.
    """
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        page = text.lstrip()[:1] == "<"
        said = (
            f"{config.url} answered with {'a web page' if page else 'no JSON'} ({one_line(text)!r}); check that "
            "base_url is the address of an OpenAI-compatible server, usually ending in /v1"
        )
        raise (
            make_fault("page", said, EngineAccessError) if page else make_fault("malformed", said, EngineReplyError)
        ) from None
    if not isinstance(reply, dict):
        said = f"{config.url} answered with JSON that is no completion: {one_line(text)!r}"
        raise make_fault("malformed", said, EngineReplyError)
    return cast("Mapping[str, Any]", reply)


def read_completion(reply: Mapping[str, Any], config: LLMConfig, messages: Sequence[Message]) -> Completion:
    """The Completion in a reply.

    Raises:
        EngineReplyError: the reply holds no choice, or the completion is empty, filtered or a refusal.
    """
    choice = first_choice(reply)
    if choice is None:
        raise no_choice(reply, config)
    message = as_object(choice.get("message"))
    content = _content(message.get("content"))
    usage = counted(reply.get("usage")) or estimate_usage(messages, content)
    calls = _tool_calls(message.get("tool_calls"), config, usage)
    finish = _FINISH.get(str(choice.get("finish_reason")), "tool_calls" if calls else "stop")
    if finish == "content_filter":
        said = f"the provider of {config.name!r} filtered the reply; reword the prompt"
        raise make_fault("filtered", said, EngineReplyError, usage=usage)
    if message.get("refusal") and not content:
        said = f"model {config.name!r} declined to answer: {one_line(message['refusal'])}"
        raise make_fault("refusal", said, EngineReplyError, usage=usage)
    if not content.strip() and not calls:
        raise _empty(finish, config, usage)
    details = {"reasoning": message.get("reasoning_content") or message.get("reasoning")}
    details["logprobs"] = as_object(choice.get("logprobs")).get("content")
    return Completion(
        text=content,
        finish=finish,
        usage=usage,
        tool_calls=calls,
        model=str(reply.get("model") or config.model_string),
        details={name: value for name, value in details.items() if value},
    )


def first_choice(reply: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first choice of a reply or chunk, None if it has none."""
    choices = reply.get("choices")
    return as_object(cast("list[Any]", choices)[0]) if isinstance(choices, list) and choices else None


def no_choice(reply: Mapping[str, Any], config: LLMConfig) -> EngineError:
    """The error for a reply without one."""
    said = as_object(reply.get("error")).get("message") or reply.get("error")
    return make_fault(
        "malformed",
        f"the reply of {config.name!r} holds no choices" + (f": {one_line(said)}" if said else ""),
        EngineReplyError,
        usage=counted(reply.get("usage")),
    )


def _empty(finish: Finish, config: LLMConfig, usage: Usage) -> EngineError:
    if finish == "length":
        thought = f", {usage.reasoning_tokens} of them on reasoning" if usage.reasoning_tokens else ""
        return make_fault(
            "length",
            f"model {config.name!r} spent all {usage.output_tokens} tokens{thought} before it wrote a word; raise "
            "max_tokens or lower reasoning_effort",
            EngineReplyError,
            usage=usage,
        )
    said = f"the reply of {config.name!r} is empty; ask again or reword the prompt"
    return make_fault("empty", said, EngineReplyError, usage=usage)


def _content(content: object) -> str:
    """The text of a reply, fit for UTF-8; some servers send it in parts."""
    if isinstance(content, list):
        parts = [as_object(part) for part in cast("list[Any]", content)]
        content = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return content.encode(errors="replace").decode() if isinstance(content, str) else ""


def _tool_calls(calls: object, config: LLMConfig, usage: Usage) -> tuple[ToolCall, ...]:
    listed = cast("list[Any]", calls) if isinstance(calls, list) else []
    return tuple(_tool_call(index, as_object(call), config, usage) for index, call in enumerate(listed))


def _tool_call(index: int, call: Mapping[str, Any], config: LLMConfig, usage: Usage) -> ToolCall:
    function = as_object(call.get("function"))
    name: object = function.get("name")
    arguments: object = function.get("arguments") or "{}"
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise make_fault(
            "tool_call",
            f"model {config.name!r} called a tool with a name or arguments that cannot be read: {one_line(function)}",
            EngineReplyError,
            usage=usage,
        )
    return ToolCall(
        id=str(call.get("id") or f"call_{index}"),
        function=ToolCallFunction(name=name, arguments=cast("dict[str, Any]", arguments)),
    )


def counted(usage: object) -> Usage | None:
    """What the server counted. Some leave reasoning out of the output and count it in the total alone."""
    counts = as_object(usage)
    asked, written = _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
    if asked is None or written is None:
        return None
    return Usage(
        input_tokens=asked,
        output_tokens=max(written, (_count(counts, "total_tokens") or 0) - asked),
        cached_tokens=_count(as_object(counts.get("prompt_tokens_details")), "cached_tokens") or 0,
        reasoning_tokens=_count(as_object(counts.get("completion_tokens_details")), "reasoning_tokens") or 0,
    )


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    count = counts.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def as_object(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _has_more_than_text(message: Message) -> bool:
    parts = message.deserialized_content
    return isinstance(parts, list) and any(part["type"] != "text" for part in parts)
