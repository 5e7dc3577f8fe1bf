"""Completions as JSON texts and back, for caches and journals: what comes back is equal to what was kept."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from typing import Any

from textgrad_agents.messages import Completion, PromptSpan, Sampling, TokenTrace, ToolCall, Usage

_ARRAYS = ("prompt_ids", "action_ids", "logprobs", "mask")
_WEIGHTS = ("base", "adapter", "adapter_version")


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
            "trace": None if trace is None else _dump_trace(trace),
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
        trace=None if trace is None else _load_trace(trace),
        details=fields["details"],
    )


def _dump_trace(trace: TokenTrace) -> dict[str, Any]:
    return {
        **{name: getattr(trace, name).tolist() for name in _ARRAYS},
        "spans": [astuple(span) for span in trace.spans],
        "sampling": asdict(trace.sampling),
        **{name: getattr(trace, name) for name in _WEIGHTS},
    }


def _load_trace(fields: dict[str, Any]) -> TokenTrace:
    """A trace; those of earlier versions hold the arrays alone."""
    import numpy as np  # only engines that record tokens need it

    return TokenTrace(
        prompt_ids=np.array(fields["prompt_ids"], np.int32),
        action_ids=np.array(fields["action_ids"], np.int32),
        logprobs=np.array(fields["logprobs"], np.float32),
        mask=np.array(fields["mask"], np.bool_),
        spans=tuple(PromptSpan(*span) for span in fields.get("spans", ())),
        sampling=Sampling(**fields.get("sampling", {})),
        **{name: fields[name] for name in _WEIGHTS if name in fields},
    )
