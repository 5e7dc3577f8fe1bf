from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.record import dump_completion, load_completion
from textgrad_agents.messages import Completion, TokenTrace, ToolCall, ToolCallFunction, Usage

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CALLS = st.builds(
    ToolCall,
    id=TEXT,
    function=st.builds(ToolCallFunction, name=TEXT, arguments=st.dictionaries(TEXT, JSON, max_size=3)),
)
USAGES = st.builds(Usage, *([st.integers(0, 10**9)] * 4), estimated=st.booleans())


@st.composite
def traces(draw: st.DrawFn) -> TokenTrace:
    ids = st.integers(0, 2**31 - 1)
    prompt = draw(st.lists(ids, max_size=4))
    action = draw(st.lists(st.tuples(ids, st.floats(-100, 0, width=32), st.booleans()), max_size=4))
    return TokenTrace(
        np.array(prompt, np.int32),
        np.array([one for one, _, _ in action], np.int32),
        np.array([logprob for _, logprob, _ in action], np.float32),
        np.array([chosen for _, _, chosen in action], np.bool_),
    )


COMPLETIONS = st.builds(
    Completion,
    TEXT,
    st.sampled_from(["stop", "length", "tool_calls", "content_filter", "refusal"]),
    USAGES,
    st.lists(CALLS, max_size=2).map(tuple),
    TEXT,
    st.none() | traces(),
    st.dictionaries(TEXT, JSON, max_size=3),
)


@given(COMPLETIONS)
def test_what_comes_back_is_what_was_kept(completion: Completion) -> None:
    text = dump_completion(completion)
    assert "\n" not in text
    json.loads(text)
    back = load_completion(text)
    for name in ("text", "finish", "usage", "tool_calls", "model", "details"):
        assert getattr(back, name) == getattr(completion, name)
    if completion.trace is None:
        assert back.trace is None
        return
    assert back.trace is not None
    for name in ("prompt_ids", "action_ids", "logprobs", "mask"):
        kept, original = getattr(back.trace, name), getattr(completion.trace, name)
        assert kept.dtype == original.dtype
        assert np.array_equal(kept, original)
