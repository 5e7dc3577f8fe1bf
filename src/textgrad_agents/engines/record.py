"""Completions as JSON texts and back, for caches and journals: what comes back is equal to what was kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from textgrad_agents.messages import Completion, TokenTrace, ToolCall, Usage

_TRACE = ("prompt_ids", "action_ids", "logprobs", "mask")


def dump_completion(completion: Completion) -> str:
    """`completion` as one line of JSON."""
    trace = completion.trace
    return json.dumps(
        {
            "text": completion.text,
            "finish": completion.finish,
            "usage": asdict(completion.usage),
            "tool_calls": [
                {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
                for call in completion.tool_calls
            ],
            "model": completion.model,
            "trace": None if trace is None else {name: getattr(trace, name).tolist() for name in _TRACE},
            "details": dict(completion.details),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def load_completion(text: str) -> Completion:
    """The Completion that `dump_completion` wrote."""
    fields: dict[str, Any] = json.loads(text)
    trace = fields["trace"]
    return Completion(
        text=fields["text"],
        finish=fields["finish"],
        usage=Usage(**fields["usage"]),
        tool_calls=tuple(
            ToolCall.model_validate(
                {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
            )
            for call in fields["tool_calls"]
        ),
        model=fields["model"],
        trace=None if trace is None else _trace(trace),
        details=fields["details"],
    )


def _trace(arrays: dict[str, Any]) -> TokenTrace:
    import numpy as np  # only engines that record tokens need it

    return TokenTrace(
        prompt_ids=np.array(arrays["prompt_ids"], np.int32),
        action_ids=np.array(arrays["action_ids"], np.int32),
        logprobs=np.array(arrays["logprobs"], np.float32),
        mask=np.array(arrays["mask"], np.bool_),
    )
