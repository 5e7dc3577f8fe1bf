from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.record import dump_completion, load_completion
from textgrad_agents.messages import Completion, PromptSpan, Sampling, TokenTrace, ToolCall, ToolCallFunction, Usage

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
PLACES = st.integers(0, 2**31 - 1)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    top_k=PLACES,
    min_p=st.floats(0, 1),
    seed=st.none() | st.integers(0, 2**63),
    engine=TEXT,
    dtype=TEXT,
    logprobs=st.sampled_from(["processed", "raw"]),
)


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
        spans=tuple(draw(st.lists(st.builds(PromptSpan, PLACES, PLACES, TEXT, TEXT), max_size=2))),
        sampling=draw(SAMPLINGS),
        base=draw(TEXT),
        adapter=draw(TEXT),
        adapter_version=draw(PLACES),
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
    for name in ("spans", "sampling", "base", "adapter", "adapter_version"):
        assert getattr(back.trace, name) == getattr(completion.trace, name)


def test_traces_of_earlier_versions_are_read() -> None:
    ones = np.ones(2, np.int32)
    completion = Completion("a", trace=TokenTrace(ones, ones, np.ones(2, np.float32), np.ones(2, np.bool_), base="b"))
    fields = json.loads(dump_completion(completion))
    fields["trace"] = {name: fields["trace"][name] for name in ("prompt_ids", "action_ids", "logprobs", "mask")}
    trace = load_completion(json.dumps(fields)).trace
    assert trace is not None
    assert (trace.spans, trace.sampling, trace.base, trace.adapter_version) == ((), Sampling(), "", 0)
    assert trace.action_ids.tolist() == [1, 1]
