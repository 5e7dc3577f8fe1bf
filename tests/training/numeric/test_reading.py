"""Rows from episodes: tokens as the sampler saw them, returns, and a reason for whatever cannot be trained on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_episodes import episode, step, trace

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import PromptSpan, Sampling, user
from textgrad_agents.trajectory import Credit
from training.numeric import rows_of
from training.numeric.reading import episode_id
from training.numeric.rows import times_of


def test_a_decision_as_a_row() -> None:
    span = PromptSpan(0, 1, "a", "v")
    tokens = trace(spans=(span,), adapter="x", adapter_version=3, sampling=Sampling(temperature=0.5))
    played = episode([step("a", 0, 2.0, trace=tokens)], seed=7)
    (row,) = rows_of([played], roles={"a": "player"})
    assert (row.prompt_ids.tolist(), row.action_ids.tolist(), row.mask.tolist()) == ([1, 2], [3, 4], [True, True])
    np.testing.assert_array_equal(row.sampler_logprobs, np.array([-0.03, -0.04], np.float32))
    assert row.sampler_logprobs.dtype == np.float32
    assert (row.reward, row.advantage, row.weights, row.timestep, row.finish) == (2.0, 0.0, None, 0, "stop")
    assert (row.base, row.adapter, row.adapter_version, row.temperature) == ("base", "x", 3, 0.5)
    assert (row.spans, row.agent, row.prompt_version) == ((span,), "a", "p1")
    task, *rest = row.group
    assert rest == [7, "p1", "player", 0]
    assert task == rows_of([episode([step("b", 0)])])[0].group[0]
    assert row.episode == episode_id(played)
    assert row.trajectory == f"{row.episode}/a"


# -- several turns -----------------------------------------------------------------------------------------------------

tokens = st.lists(st.integers(0, 99), min_size=1, max_size=3)


@given(turns=st.lists(st.tuples(tokens, tokens), min_size=1, max_size=4))
def test_turns_that_go_on_are_one_row_that_holds_every_token_once(turns: list[tuple[list[int], list[int]]]) -> None:
    known: list[int] = []
    steps, chosen, times = [], [], []
    for t, (told, said) in enumerate(turns):
        known += told
        steps.append(step("a", t, 1.0, trace=trace(list(known), said)))
        known += said
        chosen += [False] * (len(told) if t else 0) + [True] * len(said)
        times += [t] * ((len(told) if t else 0) + len(said))
    (row,) = rows_of([episode(steps)])
    assert [*row.prompt_ids.tolist(), *row.action_ids.tolist()] == known
    assert row.mask.tolist() == chosen
    assert times_of(row).tolist() == times
    said_ids = np.concatenate([one.trace.action_ids for one in steps])
    np.testing.assert_array_equal(row.sampler_logprobs[row.mask], said_ids.astype(np.float32) / -100)
    assert not row.sampler_logprobs[~row.mask].any()
    assert row.reward == len(turns)
    assert len(rows_of([episode(steps)], returns="to_go")) == len(turns)


@pytest.mark.parametrize(
    "second",
    [
        step("a", 1, trace=trace([1, 2, 3, 5, 9])),
        step("a", 1, trace=trace([1, 2])),
        step("a", 1, trace=trace([1, 2, 3, 4, 9], adapter_version=1)),
        step("a", 1, trace=trace([1, 2, 3, 4, 9], sampling=Sampling(temperature=0.5))),
        step("a", 1, trace=trace([1, 2, 3, 4, 9], spans=(PromptSpan(4, 5, "a", "v"),))),
        step("a", 1, trace=trace([1, 2, 3, 4, 9]), policy_version="p2"),
    ],
    ids=["other tokens", "a new prompt", "other weights", "other temperature", "a policy text later", "other policy"],
)
def test_turns_that_do_not_go_on_are_rows_of_their_own(second) -> None:
    rows = rows_of([episode([step("a", 0), second])])
    assert [row.timestep for row in rows] == [0, 1]
    assert [len(row.action_ids) for row in rows] == [2, 2]


# -- returns -----------------------------------------------------------------------------------------------------------


@given(
    rewards=st.lists(st.none() | st.floats(-10, 10), min_size=1, max_size=6),
    gaps=st.lists(st.integers(1, 3), min_size=6, max_size=6),
    discount=st.floats(0, 1),
)
def test_returns_are_the_discounted_sum_of_what_follows(
    rewards: list[float | None], gaps: list[int], discount: float
) -> None:
    times = np.cumsum(gaps)[: len(rewards)].tolist()
    played = episode([step("a", t, r) for t, r in zip(times, rewards, strict=True)])
    expected = [
        sum((r or 0.0) * discount ** (u - t) for u, r in zip(times, rewards, strict=True) if u >= t) for t in times
    ]
    to_go = rows_of([played], discount=discount, returns="to_go")
    if all(reward is None for reward in rewards):
        assert not to_go
        assert to_go.counts == {"unscored": len(rewards)}
        return
    np.testing.assert_allclose([row.reward for row in to_go], expected, atol=1e-9)
    whole = rows_of([played], discount=discount)
    np.testing.assert_allclose([row.reward for row in whole], expected[0], atol=1e-9)


def test_a_cycle_in_which_the_last_action_goes_on_counts_for_the_decision_before_it() -> None:
    going_on = replace(step("a", 1, 5.0), messages=(), trace=None, reply="", finish=None)
    rows = rows_of([episode([step("a", 0, 1.0), going_on, step("a", 2, 2.0)])], returns="to_go")
    assert [row.reward for row in rows] == [8.0, 2.0]
    assert not rows.counts  # it is no step of its own that could be left out


# -- what is left out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "reason", "imitated"),
    [
        (step("a", 0, None), "unscored", False),
        (replace(step("a", 0), trace=None), "no_trace", False),
        (replace(step("a", 0), trace=None, messages=()), "no_model", False),
        (step("a", 0, trace=trace(action=[])), "empty", False),
        (step("a", 0, trace=trace(prompt=[])), "empty", False),
        (step("a", 0, trace=trace(mask=np.zeros(2, np.bool_))), "empty", False),
        (step("a", 0, trace=trace(sampling=Sampling(temperature=0.0))), "greedy", True),
        (step("a", 0, trace=trace(sampling=Sampling(top_p=0.9))), "truncated", True),
        (step("a", 0, trace=trace(sampling=Sampling(top_k=5))), "truncated", True),
        (step("a", 0, trace=trace(sampling=Sampling(min_p=0.1))), "truncated", True),
        (step("a", 0, trace=trace(sampling=Sampling(logprobs="raw"))), "raw", True),
    ],
)
def test_what_cannot_be_trained_on_is_counted_with_its_reason(bad, reason: str, imitated: bool) -> None:
    played = [episode([bad], [step("b", 0)], episode_id=3)]
    rows = rows_of(played)
    assert [row.agent for row in rows] == ["b"]
    assert [(one.episode_id, one.reason, one.steps) for one in rows.left_out] == [(3, reason, 1)]
    assert [row.agent for row in rows_of(played, ratios=False)] == (["a", "b"] if imitated else ["b"])


def test_a_failed_episode_is_data_and_not_trained_on() -> None:
    rows = rows_of([episode([step("a", 0), step("a", 1)], error="the ball is gone"), episode([step("a", 0)])])
    assert len(rows) == 1
    assert rows.counts == {"failed": 2}


def test_episodes_of_a_chat_provider_are_named_with_the_reason() -> None:
    chat = [episode([replace(step("a", t), trace=None) for t in range(2)], episode_id=k) for k in range(7)]
    rows = rows_of([*chat, episode([step("a", 0)], episode_id=7)])
    assert len(rows) == 1
    (note,) = rows.notes()
    assert note.startswith("14 steps left out (iteration.episode 0.0, 0.1, 0.2, 0.3, 0.4 and 2 more): ")
    assert "the engine recorded no tokens; the textual learner uses such episodes" in note


def test_a_call_that_answered_for_several_trains_once() -> None:
    words = (user("the same"),)
    asked = step("a", 0, messages=words)
    shared = replace(step("b", 0, messages=words), trace=None)
    later = replace(step("b", 1, messages=words), trace=None)
    rows = rows_of([episode([asked], [shared, later])])
    assert [row.agent for row in rows] == ["a"]
    assert rows.counts == {"shared": 1, "no_trace": 1}


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, -np.inf, np.inf])
def test_a_log_probability_that_is_missing_on_a_training_token_is_an_error(value: float) -> None:
    bad = trace(logprobs=np.array([-0.5, value], np.float32))
    with pytest.raises(ConfigError, match=f"episode 2 of iteration 0, a at timestep 4: .* of token 1 is {value} "):
        rows_of([episode([step("a", 4, trace=bad)], episode_id=2)])
    written = trace(logprobs=np.array([-0.5, value], np.float32), mask=np.array([True, False]))
    (row,) = rows_of([episode([step("a", 4, trace=written)])])
    assert row.sampler_logprobs.tolist() == [-0.5, 0.0]


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(ConfigError, match="2 tokens have 1 log-probabilities and a mask of 2"):
        rows_of([episode([step("a", 0, trace=trace(logprobs=np.zeros(1, np.float32)))])])


@pytest.mark.parametrize("place", [(-1, 1), (1, 0), (0, 3)])
def test_a_span_outside_its_prompt_is_an_error(place: tuple[int, int]) -> None:
    bad = trace(spans=(PromptSpan(*place, "a", "v"),))
    with pytest.raises(ConfigError, match=f"the text of a stands at {place[0]}:{place[1]} of a prompt of 2 tokens"):
        rows_of([episode([step("a", 0, trace=bad)])])


def test_two_base_models_in_one_batch_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"one base model, not from base \(of a\), other \(of b\)"):
        rows_of([episode([step("a", 0)], [step("b", 0, trace=trace(base="other"))])])


def test_a_discount_outside_its_range_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"between 0 and 1, not 1\.5"):
        rows_of([], discount=1.5)


# -- identity ----------------------------------------------------------------------------------------------------------


def test_the_id_of_an_episode_is_of_what_happened_not_of_what_was_said_later() -> None:
    one = episode([step("a", 0, 1.0)])
    assert episode_id(one) == episode_id(replace(one, credits=(Credit("a", "well done", 1.0),)))
    others = [
        episode([step("a", 0, 1.0)], episode_id=1),
        episode([step("a", 0, 1.0)], seed=1),
        episode([step("a", 0, 2.0)]),
        episode([step("a", 0, 1.0, reply="pull")]),
    ]
    assert len({episode_id(each) for each in [one, *others]}) == 5


def test_the_facade_imports_no_torch() -> None:
    code = "import sys, training.numeric; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
