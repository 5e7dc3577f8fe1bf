"""TextGrad's engines answer as ours do, and the other way round."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from textgrad_agents.compat.bridge import Lent, as_engine, ask, from_messages, in_thread, to_messages
from textgrad_agents.compat.engine_lm import EngineLM, ServedEngine
from textgrad_agents.compat.textgrad.autograd import LLMCall
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineReplyError
from textgrad_agents.messages import assistant, system, user
from textgrad_agents.session import Session

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 8


class Echo(EngineLM):
    model_string = "echo"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, str | None]] = []

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.calls.append((prompt, system_prompt))
        return f"echo {prompt}"


def test_a_textgrad_engine_answers_messages() -> None:
    echo = Echo()
    engine = as_engine(echo)
    reply = asyncio.run(engine.generate([system("be brief"), user("hi")]))
    assert (reply.text, reply.model, engine.name) == ("echo hi", "echo", "echo")
    assert echo.calls == [("hi", "be brief")]
    assert reply.usage.estimated


def test_without_a_system_message_the_engine_uses_its_own() -> None:
    echo = Echo()
    asyncio.run(as_engine(echo).generate([user("hi")]))
    assert echo.calls == [("hi", None)]


def test_images_reach_a_textgrad_engine_as_bytes() -> None:
    echo = Echo()
    asyncio.run(as_engine(echo).generate(to_messages(["what is this?", PNG, JPEG])))
    assert echo.calls[0][0] == ["what is this?", PNG, JPEG]


def test_a_conversation_is_written_out() -> None:
    prompt, system_prompt = from_messages([system("s"), user("a"), assistant("b"), user("c")])
    assert (prompt, system_prompt) == ("user:\na\n\nassistant:\nb\n\nuser:\nc", "s")


def test_a_bare_function_is_an_engine() -> None:
    def answer(prompt: str, system_prompt: str | None = None) -> str:
        return prompt.upper()

    assert asyncio.run(as_engine(answer).generate([user("hi")])).text == "HI"


def test_an_engine_that_is_not_callable_is_asked_by_generate() -> None:
    class Plain:
        def generate(self, prompt: str, system_prompt: str | None = None) -> str:
            return "plain"

    assert asyncio.run(as_engine(Plain()).generate([user("hi")])).text == "plain"


def test_ours_pass_as_they_are() -> None:
    engine = ScriptedEngine(["x"])
    assert as_engine(engine) is engine


def test_ours_in_textgrads_form_are_not_called_through_a_thread() -> None:
    engine = as_engine(ServedEngine(ScriptedEngine(["a", "b"])))
    assert not isinstance(engine, Lent)
    assert asyncio.run(engine.generate([user("hi")])).text == "a"


def test_a_subclass_that_answers_by_itself_is_asked_by_its_own_method() -> None:
    class Own(ServedEngine):
        def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
            return "my own"

    assert asyncio.run(as_engine(Own(ScriptedEngine([]))).generate([user("hi")])).text == "my own"


def test_what_is_no_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no engine"):
        as_engine(3)


def test_an_engine_must_return_a_text() -> None:
    with pytest.raises(EngineReplyError, match="returned a NoneType"):
        asyncio.run(Lent(lambda prompt, system_prompt: None).generate([user("hi")]))


def test_an_error_of_the_engine_is_raised_as_it_is() -> None:
    def broken(prompt: str, system_prompt: str | None = None) -> str:
        raise KeyError("typo")

    with pytest.raises(KeyError, match="typo"):
        asyncio.run(as_engine(broken).generate([user("hi")]))


def test_an_engine_whose_script_has_ended_says_so_instead_of_hanging() -> None:
    replies = iter(["only one"])

    def scripted(prompt: str, system_prompt: str | None = None) -> str:
        return next(replies)

    engine = as_engine(scripted)
    assert asyncio.run(engine.generate([user("hi")])).text == "only one"
    with pytest.raises(RuntimeError, match="no reply left"):
        asyncio.run(engine.generate([user("hi")]))


def test_blocking_engines_run_side_by_side() -> None:
    barrier = threading.Barrier(24, timeout=10)  # passes only if all 24 calls are inside at once

    def meet(prompt: str, system_prompt: str | None = None) -> str:
        return str(barrier.wait())

    async def all_at_once() -> set[str]:
        engine = as_engine(meet)
        return {one.text for one in await asyncio.gather(*(engine.generate([user("hi")]) for _ in range(24)))}

    assert len(asyncio.run(all_at_once())) == 24


def test_a_thread_sees_the_context_of_its_caller() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("here")
    assert asyncio.run(in_thread(name.get)) == "here"


def test_a_cancelled_call_does_not_hold_the_loop() -> None:
    release = threading.Event()

    async def cancel() -> None:
        task = asyncio.create_task(in_thread(lambda: release.wait(3600)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await asyncio.sleep(0.05)  # the thread ends and its result is not wanted any more

    asyncio.run(cancel())


def test_ours_answer_like_textgrads() -> None:
    engine = ScriptedEngine(["fine"])
    served = ServedEngine(engine, system_prompt="be kind")
    assert served("how are you?") == "fine"
    (call,) = engine.calls
    assert [(message.role, message.text) for message in call.messages] == [
        ("system", "be kind"),
        ("user", "how are you?"),
    ]
    assert (call.options.temperature, call.options.max_tokens, call.options.top_p) == (0.0, 2000, 0.99)


def test_a_call_can_change_system_prompt_and_sampling() -> None:
    engine = ScriptedEngine(["fine"])
    ServedEngine(engine).generate("hi", "be rude", temperature=0.7, seed=3)
    (call,) = engine.calls
    assert call.messages[0].text == "be rude"
    assert (call.options.temperature, call.options.seed) == (0.7, 3)


def test_asking_waits_for_the_text() -> None:
    engine = ScriptedEngine(["fine"], latency=0.01)
    assert ask(engine, "hi", "sys") == "fine"
    assert [message.role for message in engine.calls[0].messages] == ["system", "user"]


def test_an_engine_that_asks_another_one_needs_no_second_place() -> None:
    inner = ServedEngine(ScriptedEngine([f"reply {number}" for number in range(4)], latency=0.01))

    def outer(prompt: str, system_prompt: str | None = None) -> str:
        return inner(prompt).upper()

    with Session(concurrency=1):  # with a place for each of the two, all would wait for ever
        made = [LLMCall(outer)(Variable("hi", role_description="text")) for _ in range(4)]
        assert sorted(one.value for one in made) == [f"REPLY {number}" for number in range(4)]


def test_parameters_of_the_provider_go_into_the_request() -> None:
    engine = ScriptedEngine(["fine"])
    ServedEngine(engine).generate("hi", temperature=0.5, frequency_penalty=0)
    assert engine.calls[0].options.temperature == 0.5
    assert engine.calls[0].options.extra == {"frequency_penalty": 0}
