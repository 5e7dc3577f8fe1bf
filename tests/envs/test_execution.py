"""Running tool calls: order, concurrency, time, and everything that models and tools do wrong."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from envs import DummyEnv
from textgrad_agents.errors import EnvError, ToolCallError
from textgrad_agents.messages import Message, ToolCall, ToolCallFunction, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.tools import Tool


def tool(function: Callable[..., Any], **settings: Any) -> Tool:
    return Tool.from_function(function, allow_empty_param_descriptions=True, **settings)


def run(
    tools: list[Tool], calls: list[ToolCall], env: DummyEnv | None = None, **kwargs: Any
) -> list[ToolResponseMessage]:
    env = env or DummyEnv()
    env.tools = tools
    return asyncio.run(env.exec_tool_calls(ToolRequestMessage(tool_calls=calls), **kwargs))


def echo(x: Any = None) -> Any:
    """Give back."""
    return x


async def echo_later(x: Any = None) -> Any:
    """Give back, later."""
    await asyncio.sleep(0)
    return x


def boom() -> None:
    """Fail."""
    raise KeyError("boom")


def nap(seconds: float) -> str:
    """Sleep."""
    time.sleep(seconds)
    return "slept"


async def nap_later(seconds: float) -> str:
    """Sleep, on the event loop."""
    await asyncio.sleep(seconds)
    return "slept"


class Point(BaseModel):
    x: int
    y: int | None = None


@dataclass
class Pair:
    a: int
    b: Point


class TestResults:
    @pytest.mark.parametrize("function", [echo, echo_later])
    @pytest.mark.parametrize(
        ("returned", "content", "is_json"),
        [
            ("text", "text", False),
            (None, "null", True),
            (1.5, "1.5", True),
            ({"a": [1, True]}, '{"a": [1, true]}', True),
            (Point(x=1), '{"x":1}', True),
            ([Point(x=1, y=2)], '[{"x": 1, "y": 2}]', True),
            (Pair(1, Point(x=2)), '{"a": 1, "b": {"x": 2, "y": null}}', True),
            (Path("a") / "b", '"a/b"', True),
            (Message(content="said"), "said", False),
            (Message(content={"a": 1}), '{"a": 1}', True),
            (Message(), "", False),
        ],
    )
    def test_what_a_tool_may_return(self, function: Any, returned: Any, content: str, is_json: bool) -> None:
        given = tool(function)
        given._tool_fn = (lambda: returned) if function is echo else returning_later(returned)
        (answer,) = run([given], [ToolCall.from_tool(given)])
        assert (answer.content, answer.content_is_json_str) == (content, is_json)

    def test_a_message_is_answered_in_the_name_of_the_call(self) -> None:
        def look() -> Message:
            """Look."""
            return ToolResponseMessage(content="sky", name="other", tool_call_id="other", info={"cost": 2})

        (answer,) = run([tool(look)], [ToolCall.from_name("look", id="mine")])
        assert (answer.name, answer.tool_call_id, answer.content) == ("look", "mine", "sky")
        assert answer.info is not None
        assert answer.info.keys() == {"cost", "start_ts", "end_ts"}

    def test_images_come_as_parts(self) -> None:
        def look() -> Message:
            """Look."""
            return Message.create_message(text="sky", images="AAAA")

        (answer,) = run([tool(look)], [ToolCall.from_name("look")])
        assert answer.is_multimodal
        assert [part["type"] for part in answer.model_dump()["content"]] == ["image_url", "text"]

    def test_a_plain_function_may_give_something_to_await(self) -> None:
        later = tool(echo)
        later._tool_fn = lambda x: echo_later(x)
        (answer,) = run([later], [ToolCall.from_tool(later, "x")])
        assert answer.content == "x"

    @pytest.mark.parametrize("returned", [object(), {1: object()}, b"\xff"])
    def test_what_cannot_be_written_is_the_tools_fault(self, returned: Any) -> None:
        odd = tool(echo)
        odd._tool_fn = lambda: returned
        with pytest.raises(EnvError, match=r"the tool echo returned a .* cannot be written as JSON"):
            run([odd], [ToolCall.from_tool(odd)])
        (answer,) = run([odd], [ToolCall.from_tool(odd)], handle_tool_exc=True)
        assert "Encountered exception during tool call: EnvError" in answer.content

    def test_the_state_and_context_variables_reach_the_tools(self) -> None:
        who: ContextVar[str] = ContextVar("who")

        def ask(state: list[str]) -> str:
            """Ask."""
            state.append(who.get())
            return threading.current_thread().name

        async def main() -> ToolResponseMessage:
            who.set("Ann")
            (answer,) = await env.exec_tool_calls(
                ToolRequestMessage(tool_calls=[ToolCall.from_name("ask")]), state=state
            )
            return answer

        env, state = DummyEnv(), list[str]()
        env.tools = [tool(ask)]
        assert asyncio.run(main()).content == "textgrad-agents-tool"
        assert state == ["Ann"]

    def test_nothing_to_run(self) -> None:
        assert run([tool(echo)], []) == []


def returning_later(value: Any) -> Callable[[], Any]:
    async def later() -> Any:
        return value

    return later


class TestOrder:
    @settings(max_examples=30, deadline=None)
    @given(
        kinds=st.lists(st.sampled_from(["plain", "async", "alone", "unknown", "wrong"]), max_size=8),
        together=st.booleans(),
    )
    def test_answers_come_in_the_order_of_the_calls(self, kinds: list[str], together: bool) -> None:
        def alone(x: int) -> int:
            """Alone."""
            return x

        def plain(x: int) -> int:
            """Plain."""
            return x

        tools = [tool(plain), tool(alone, concurrency_safe=False), tool(echo_later)]
        names = {"plain": "plain", "wrong": "plain", "async": "echo_later", "alone": "alone", "unknown": "unknown"}
        calls = [
            ToolCall.from_name(names[kind], id=f"c{place}", x="one" if kind == "wrong" else place)
            for place, kind in enumerate(kinds)
        ]
        answers = run(tools, calls, concurrency=together)
        assert [answer.tool_call_id for answer in answers] == [call.id for call in calls]
        for place, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
            if kind in ("unknown", "wrong"):
                assert answer.content.startswith("Invalid tool call: ")
            else:
                assert answer.content == str(place)

    def test_a_tool_that_is_not_safe_runs_alone_and_in_its_place(self) -> None:
        log: list[str] = []

        async def safe(name: str) -> None:
            """Safe."""
            log.append(f"+{name}")
            await asyncio.sleep(0.02)
            log.append(f"-{name}")

        async def unsafe(name: str) -> None:
            """Unsafe."""
            await safe(name)

        tools = [tool(safe), tool(unsafe, concurrency_safe=False)]
        calls = [
            ToolCall.from_name("unsafe" if name.isupper() else "safe", name=name) for name in ("a", "b", "C", "D", "e")
        ]
        run(tools, calls)
        assert log == ["+a", "+b", "-a", "-b", "+C", "-C", "+D", "-D", "+e", "-e"]
        log.clear()
        run(tools, calls, concurrency=False)
        assert log == [f"{sign}{name}" for name in "abCDe" for sign in "+-"]

    def test_plain_functions_run_at_the_same_time(self) -> None:
        barrier = threading.Barrier(5, timeout=5)

        def meet() -> int:
            """Meet."""
            return barrier.wait()

        answers = run([tool(meet)], [ToolCall.from_name("meet") for _ in range(5)])
        assert sorted(answer.content for answer in answers) == ["0", "1", "2", "3", "4"]

    def test_how_long_a_call_took(self) -> None:
        answers = run([tool(nap)], [ToolCall.from_name("nap", seconds=0.05)] * 2, concurrency=False)
        first, second = (answer.info or {} for answer in answers)
        assert first["end_ts"] - first["start_ts"] >= 0.05
        assert first["end_ts"] <= second["start_ts"]

    def test_equal_ids_are_answered_one_by_one(self) -> None:
        calls = [ToolCall.from_name("echo", id="same", x=x) for x in (1, 2)]
        assert [answer.content for answer in run([tool(echo)], calls)] == ["1", "2"]


class TestInvalidCalls:
    @pytest.mark.parametrize(
        ("call", "said"),
        [
            (ToolCall.from_name("ecko"), "Invalid tool call: ecko. No tool has this name; the tools are: nap, echo."),
            (
                ToolCall(id="1", function=ToolCallFunction.model_validate({"name": "nap", "arguments": "{"})),
                "Invalid tool call: INVALID. The arguments of a call must be a JSON object.",
            ),
            (ToolCall.from_name("nap"), "Invalid tool call: nap: seconds is missing"),
            (ToolCall.from_name("nap", seconds=[1]), "Invalid tool call: nap: seconds must be a valid number, not [1]"),
        ],
    )
    def test_the_model_is_told(self, call: ToolCall, said: str) -> None:
        (answer,) = run([tool(nap), tool(echo)], [call])
        assert answer.content == said
        assert (answer.tool_call_id, answer.name) == (call.id, call.function.name)
        with pytest.raises(ToolCallError) as raised:
            run([tool(nap), tool(echo)], [call], handle_invalid_tool_calls=False)
        assert str(raised.value) == said.removeprefix("Invalid tool call: ")

    def test_without_any_tools(self) -> None:
        (answer,) = run([], [ToolCall.from_name("echo")])
        assert answer.content.endswith("the tools are: none.")

    def test_an_environment_may_reject_calls_itself(self) -> None:
        class Strict(DummyEnv):
            def filter_invalid_tool_calls(
                self, message: ToolRequestMessage
            ) -> tuple[ToolRequestMessage, ToolRequestMessage]:
                first, *rest = message.tool_calls
                return ToolRequestMessage(tool_calls=rest), ToolRequestMessage(tool_calls=[first])

        calls = [ToolCall.from_name("echo", id=str(x), x=x) for x in range(3)]
        answers = run([tool(echo)], calls, env=Strict())
        assert [answer.content[:17] for answer in answers] == ["Invalid tool call", "1", "2"]

    def test_calls_of_a_plain_message_count_too(self) -> None:
        env = DummyEnv()
        env.tools = [tool(echo)]
        message = Message(role="assistant", tool_calls=(ToolCall.from_name("echo", x=1),))
        (answer,) = asyncio.run(env.exec_tool_calls(message))
        assert answer.content == "1"
        assert asyncio.run(env.exec_tool_calls(Message(content="hello"))) == []


class TestFailures:
    def test_what_a_tool_raises_is_raised_or_answered(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(KeyError, match="boom"):
            run([tool(boom)], [ToolCall.from_name("boom")])
        (answer,) = run([tool(boom)], [ToolCall.from_name("boom")], handle_tool_exc=True)
        assert answer.content == "Encountered exception during tool call: KeyError('boom')"
        assert answer.info is not None
        assert "tool boom raised KeyError('boom')" in caplog.text

    def test_exceptions_in_a_group_are_all_named(self) -> None:
        async def dance() -> None:
            """Dance."""

            async def fall(what: str) -> None:
                raise RuntimeError(what)

            async with asyncio.TaskGroup() as group:
                group.create_task(fall("left"))
                group.create_task(fall("right"))

        (answer,) = run([tool(dance)], [ToolCall.from_name("dance")], handle_tool_exc=True)
        assert "RuntimeError('left')" in answer.content
        assert "RuntimeError('right')" in answer.content

    def test_an_iterator_at_its_end_is_an_error_like_others(self) -> None:
        def exhausted() -> Any:
            """Go on."""
            return next(iter(()))

        (answer,) = run([tool(exhausted)], [ToolCall.from_name("exhausted")], handle_tool_exc=True)
        assert "raised StopIteration" in answer.content

    def test_when_one_fails_the_others_are_stopped(self) -> None:
        stopped: list[str] = []

        async def patient() -> None:
            """Wait."""
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                stopped.append("patient")
                raise

        with pytest.raises(KeyError):
            run([tool(patient), tool(boom)], [ToolCall.from_name("patient"), ToolCall.from_name("boom")])
        assert stopped == ["patient"]

    @pytest.mark.parametrize("function", [nap, nap_later])
    def test_a_tool_that_hangs_runs_out_of_time(self, function: Any) -> None:
        calls = [ToolCall.from_name(function.__name__, seconds=100)]  # twice that is more than a test may take
        with pytest.raises(TimeoutError, match=f"the tool {function.__name__} did not finish within 0.02 s"):
            run([tool(function)], calls, exec_timeout=0.02)
        (answer,) = run([tool(function)], calls, exec_timeout=0.02, handle_tool_exc=True)
        assert "did not finish within 0.02 s" in answer.content

    def test_a_timeout_of_the_tools_own_is_left_as_it_is(self) -> None:
        def late() -> None:
            """Be late."""
            raise TimeoutError("of my own")

        with pytest.raises(TimeoutError, match="of my own"):
            run([tool(late)], [ToolCall.from_name("late")], exec_timeout=5)

    def test_time_is_left_for_the_quick(self) -> None:
        calls = [ToolCall.from_name("nap_later", seconds=5), ToolCall.from_name("echo", x=1)]
        slow, quick = run([tool(nap_later), tool(echo)], calls, exec_timeout=0.05, handle_tool_exc=True)
        assert ("TimeoutError" in slow.content, quick.content) == (True, "1")

    def test_a_tool_that_hangs_does_not_keep_the_program(self) -> None:
        program = """
import asyncio, time
from envs import DummyEnv
from textgrad_agents.tools import Tool, ToolCall, ToolRequestMessage

def hang() -> None:
    '''Hang.'''
    time.sleep(600)

env = DummyEnv()
env.tools = [Tool.from_function(hang)]
request = ToolRequestMessage(tool_calls=[ToolCall.from_name("hang")] * 3)
answers = asyncio.run(env.exec_tool_calls(request, exec_timeout=0.05, handle_tool_exc=True))
print(len(answers))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.strip() == "3"


@settings(max_examples=50, deadline=None)
@given(
    arguments=st.text(max_size=20)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y", "state"]), inner),
        max_leaves=5,
    ).map(json.dumps)
)
def test_no_arguments_break_an_environment(arguments: str) -> None:
    def add(x: float, y: float = 1.0) -> float:
        """Add."""
        return x + y

    wire = {"tool_calls": [{"id": "1", "function": {"name": "add", "arguments": arguments}}]}
    env = DummyEnv()
    env.tools = [tool(add)]
    (answer,) = asyncio.run(env.exec_tool_calls(ToolRequestMessage.model_validate(wire), state=None))
    assert answer.tool_call_id == "1"
    assert answer.content.startswith("Invalid tool call: ") or isinstance(json.loads(answer.content), float)
