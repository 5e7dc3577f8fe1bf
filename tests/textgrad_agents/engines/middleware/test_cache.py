"""What was answered once is not paid for again, and nothing that is no answer is kept."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import Cache, Cached, ChatEngine, LLMConfig, Metered, ScriptedEngine, Stack
from textgrad_agents.engines.middleware.cache import request_key
from textgrad_agents.errors import EngineError, EngineReplyError, FileFormatError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, ToolCallFunction, Usage, system, user

GREEDY = GenerateOptions(temperature=0.0)


def ask(engine: Engine, text: str = "hello", **options: Any) -> Completion:
    return asyncio.run(engine.generate([user(text)], GenerateOptions(**options)))


def counting() -> ScriptedEngine:
    """Answers with the number of its calls."""
    engine = ScriptedEngine(lambda *_: f"answer {len(engine.calls)}")
    return engine


class TestAnswers:
    def test_the_same_request_is_answered_from_the_cache(self, tmp_path: Path) -> None:
        engine, cache = counting(), Cache(tmp_path / "cache.sqlite")
        first = ask(Cached(engine, cache), temperature=0.0)
        again = ask(Cached(engine, cache), temperature=0.0)
        assert (first.text, again.text) == ("answer 1", "answer 1")
        assert (again.usage, again.model) == (first.usage, first.model)
        assert "cached" not in first.details
        assert again.details["cached"] is True
        assert (cache.hits, cache.misses, len(engine.calls)) == (1, 1, 1)
        cache.close()

    def test_a_second_run_gets_the_same_series_and_one_run_never_the_same_sample_twice(self, tmp_path: Path) -> None:
        for _ in range(2):
            cache = Cache(tmp_path / "cache.sqlite")
            engine = Cached(counting(), cache)
            assert [ask(engine).text for _ in range(3)] == ["answer 1", "answer 2", "answer 3"]
            cache.close()

    def test_a_seed_names_the_sample(self) -> None:
        engine = Cached(counting(), Cache())
        assert [ask(engine, seed=seed).text for seed in (1, 2, 1, 2)] == ["answer 1", "answer 2"] * 2

    def test_which_part_a_call_plays_does_not_count(self) -> None:
        engine = Cached(counting(), Cache())
        assert ask(engine, seed=1, role="actor").text == ask(engine, seed=1, role="critic").text

    def test_tool_calls_reasoning_and_half_characters_come_back(self) -> None:
        call = ToolCall(id="c", function=ToolCallFunction(name="f", arguments={"a": ["ü", 1.5, None]}))
        usage = Usage(1, 2, 3, 4, estimated=True)
        completion = Completion("tëxt\u2028", "tool_calls", usage, (call,), "model", details={"reasoning": "because"})
        engine = Cached(ScriptedEngine([completion]), Cache())
        assert ask(engine, seed=1) == completion
        kept = ask(engine, seed=1)
        assert (kept.text, kept.finish, kept.usage, kept.tool_calls) == ("tëxt\u2028", "tool_calls", usage, (call,))
        assert kept.details == {"reasoning": "because", "cached": True}

    def test_what_is_cached_is_neither_metered_nor_paid(self, chat_server: Any) -> None:
        stack = Stack(cache=Cache())
        engine = stack(ChatEngine(LLMConfig(name="m", model_string="m", base_url=chat_server.url)))
        for _ in range(3):
            assert ask(engine, temperature=0.0).text == "ok"
        assert len(chat_server.requests) == stack.meter.tally().calls == 1


class TestWhatIsKept:
    @pytest.mark.parametrize(
        "bad",
        [
            EngineError("down"),
            EngineReplyError("filtered"),
            Completion("cut off in the", "length"),
            Completion("partial", "content_filter"),
            Completion("I am sorry", "refusal"),
            Completion(""),
            Completion(" \n "),
        ],
    )
    def test_nothing_that_is_no_answer(self, bad: Any) -> None:
        script = ScriptedEngine([bad, "a whole answer", "never"])
        engine = Cached(script, Cache())
        if isinstance(bad, Exception):
            with pytest.raises(type(bad)):
                ask(engine, seed=1)
        else:
            assert ask(engine, seed=1) == bad
        assert ask(engine, seed=1).text == "a whole answer"
        assert ask(engine, seed=1).text == "a whole answer"

    def test_the_first_answer_stays(self) -> None:
        cache = Cache()
        cache.put(b"key", Completion("first"))
        cache.put(b"key", Completion("second"))
        kept = cache.get(b"key")
        assert kept is not None
        assert kept.text == "first"

    def test_threads_share_a_cache(self, tmp_path: Path) -> None:
        cache = Cache(tmp_path / "cache.sqlite")
        engine = Cached(ScriptedEngine(lambda messages, _: f"echo {messages[0].text}"), cache)
        texts: list[tuple[int, str]] = []

        def go() -> None:
            texts.extend((n % 20, ask(engine, str(n % 20), seed=1).text) for n in range(60))

        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(texts) == 240
        assert all(text == f"echo {n}" for n, text in texts)
        cache.close()

    def test_a_file_that_is_no_cache_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(bytes(range(256)) * 20)
        with pytest.raises(FileFormatError, match="cache file"):
            Cache(tmp_path / "x")


CHANGES: list[tuple[str, Any, Any]] = [
    ("temperature", 0.1, 0.2),
    ("top_p", 0.5, None),
    ("max_tokens", 10, 20),
    ("seed", 1, None),
    ("stop", ("a",), ("b",)),
    ("tools", ({"type": "function", "function": {"name": "f"}},), ()),
    ("tool_choice", "auto", "required"),
    ("response_schema", {"type": "object"}, None),
    ("extra", {"top_k": 1}, {"top_k": 2}),
]

SAID = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=3)), max_size=3)


def config(**fields: Any) -> LLMConfig:
    return LLMConfig(**{"name": "m", "model_string": "m", "base_url": "http://localhost:1/v1"} | fields)


class TestKeys:
    @pytest.mark.parametrize(("name", "one", "other"), CHANGES)
    def test_every_option_that_is_sent_counts(self, name: str, one: Any, other: Any) -> None:
        keys = {request_key({}, [user("x")], GenerateOptions(**{name: value})) for value in (one, other)}
        assert len(keys) == 2

    def test_the_options_are_all_there(self) -> None:
        import dataclasses

        assert {name for name, _, _ in CHANGES} | {"role"} == {one.name for one in dataclasses.fields(GenerateOptions)}

    @pytest.mark.parametrize(
        "changes",
        [
            {"model_string": "other"},
            {"base_url": "http://localhost:2/v1"},
            {"max_tokens": 5},
            {"temperature": 0.5},
            {"reasoning_effort": "low"},
            {"extra_params": {"top_k": 3}},
            {"structured": True},
            {"stop": ["x"]},
        ],
    )
    def test_what_decides_the_answer_counts(self, changes: dict[str, Any]) -> None:
        keys = {request_key(one.identity(), [user("x")], GREEDY) for one in (config(), config(**changes))}
        assert len(keys) == 2

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": "other"},
            {"timeout": 5.0},
            {"stream": True},
            {"requests_per_minute": 5.0},
            {"input_price_per_million": 3.0},
            {"api_key": "key-of-somebody"},
            {"base_url": "http://localhost:1/v1/"},
        ],
    )
    def test_what_does_not_decide_the_answer_does_not(self, changes: dict[str, Any]) -> None:
        keys = {request_key(one.identity(), [user("x")], GREEDY) for one in (config(), config(**changes))}
        assert len(keys) == 1

    @given(SAID, SAID)
    def test_other_messages_have_other_keys(self, said: list[tuple[Any, str]], other: list[tuple[Any, str]]) -> None:
        keys = {
            request_key({}, [Message(role=role, content=text) for role, text in messages], GREEDY)
            for messages in (said, other)
        }
        assert len(keys) == (1 if said == other else 2)

    def test_equal_requests_written_differently_are_one(self) -> None:
        one = GenerateOptions(extra={"a": 1, "b": 2}, temperature=1)
        other = GenerateOptions(extra={"b": 2, "a": 1}, temperature=1)
        assert request_key({"x": 1, "y": 2}, [user("x")], one) == request_key({"y": 2, "x": 1}, [user("x")], other)

    def test_wrappers_speak_for_the_engine_inside(self) -> None:
        engine = ChatEngine(config())
        assert Metered(engine, Stack().meter).identity == engine.identity
        assert "key" not in str(ChatEngine(config(api_key="key-of-somebody")).identity)


def test_a_system_message_is_not_a_user_message() -> None:
    assert request_key({}, [user("x")], GREEDY) != request_key({}, [system("x")], GREEDY)
