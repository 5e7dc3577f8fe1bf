"""Calls of a model: what is sent, what comes back, what a critic is asked about."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineError, FileFormatError, GraphError
from textgrad_agents.interfaces import Criticism, CriticRequest, GenerateOptions
from textgrad_agents.messages import (
    Completion,
    Message,
    ToolCall,
    ToolCallFunction,
    ToolRequestMessage,
    assistant,
    system,
    user,
)
from textgrad_agents.ops import (
    FormattedLLMCall,
    LLMCall,
    LLMCall_with_in_context_examples,
    MultimodalLLMCall,
    OrderedFieldsMultimodalLLMCall,
    StringBasedFunction,
    TextLoss,
)
from textgrad_agents.session import Session
from textgrad_agents.variables import Variable, compute_grads, no_grad

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Notes:
    """A critic that writes down what it is asked and answers at once."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        self.requests: list[CriticRequest] = []
        self._texts = texts

    async def criticise(self, request: CriticRequest) -> Mapping[str, Criticism]:
        self.requests.append(request)
        names = [one.name for one in request.inputs if one.wanted]
        texts = {name: f"about {name}" for name in names} if self._texts is None else self._texts
        return {name: Criticism(text, "context") for name, text in texts.items()}


@pytest.fixture
def critic() -> Notes:
    return Notes()


@pytest.fixture(autouse=True)
def session(critic: Notes):
    with Session(ScriptedEngine(lambda messages, options: f"re: {messages[-1].text}"), critic=critic) as session:
        yield session


def sent(engine: ScriptedEngine) -> list[tuple[str, Any]]:
    return [(message.role, message.deserialized_content) for message in engine.calls[-1].messages]


def question(text: str = "2 + 2?", **options: Any) -> Variable:
    return Variable(text, role_description="question", **options)


def prompt(text: str = "Be brief.") -> Variable:
    return Variable(text, role_description="system prompt", name="prompt")


# -- forward ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ("hi", [("user", "hi")]),
        (user("hi"), [("user", "hi")]),
        (7, [("user", "7")]),
        (
            [system("be"), "hi", assistant("yes"), {"role": "user", "content": "and?"}],
            [("system", "be"), ("user", "hi"), ("assistant", "yes"), ("user", "and?")],
        ),
        (
            [Variable(user("in a message"), role_description="m"), Variable("a text", role_description="t")],
            [("user", "in a message"), ("user", "a text")],
        ),
    ],
)
def test_what_is_sent(messages: Any, expected: list[tuple[str, str]]) -> None:
    engine = ScriptedEngine(["ok"])
    assert LLMCall(engine)(messages).value == "ok"
    assert sent(engine) == expected


def test_the_system_prompt_comes_first_and_is_an_input() -> None:
    engine, parameter = ScriptedEngine(["ok", "ok"]), prompt()
    result = LLMCall(engine, parameter)(question(requires_grad=False))
    assert result.value == "ok"
    assert sent(engine) == [("system", "Be brief."), ("user", "2 + 2?")]
    assert result.requires_grad
    assert result.role_description == "response from the language model"
    fixed = LLMCall(engine, "Be kind.")(question(requires_grad=False), response_role_description="answer")
    assert fixed.value == "ok"
    assert not fixed.requires_grad
    assert fixed.role_description == "answer"


def test_the_system_prompt_of_the_time_of_the_call_is_sent() -> None:
    engine, parameter = ScriptedEngine(lambda messages, options: messages[0].text, latency=0.01), prompt("old")
    call = LLMCall(engine, parameter)
    first = call(question())
    second = call(first)
    parameter.value = "new"
    assert [first.value, second.value, call(question()).value] == ["old", "old", "new"]


def test_a_batch_in_a_plain_loop_is_answered_concurrently() -> None:
    all_there = asyncio.Barrier(32)

    class Patient:
        """Answers when 32 calls are under way."""

        name = "patient"

        async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Completion:
            await asyncio.wait_for(all_there.wait(), 60)
            return Completion(messages[-1].text)

    call = LLMCall(Patient())
    results = [call(call(str(i))) for i in range(32)]
    assert [result.value for result in results] == [str(i) for i in range(32)]


def test_the_engine_is_that_of_the_sessions_role(session: Session) -> None:
    actor, judge = ScriptedEngine(["acted"]), ScriptedEngine(["judged"])
    with Session(actor=actor, critic_engine=judge):
        assert LLMCall()("x").value == "acted"
        assert LLMCall(role="critic")("x").value == "judged"
    assert actor.calls[0].options.role == "actor"
    with Session(), pytest.raises(ConfigError, match="no engine for the role 'actor'"):
        _ = LLMCall()("x").value


def test_calls_are_seeded_by_what_is_sent_and_how_often() -> None:
    def seeds() -> list[int | None]:
        engine = ScriptedEngine(lambda messages, options: "ok")
        with Session(engine, seed=4):
            for text in ("a", "b", "a"):
                _ = LLMCall()(text).value
        return [call.options.seed for call in engine.calls]

    assert seeds() == seeds()
    assert len(set(seeds())) == 3
    engine = ScriptedEngine(["ok"])
    _ = LLMCall(engine, options=GenerateOptions(seed=9, temperature=0.5)).__call__("x").value
    assert (engine.calls[0].options.seed, engine.calls[0].options.temperature) == (9, 0.5)


def test_with_tools_the_reply_is_a_message() -> None:
    wanted = ToolCall(id="1", function=ToolCallFunction(name="add", arguments={"a": 1}))
    engine = ScriptedEngine([Completion("", finish="tool_calls", tool_calls=(wanted,)), "no tool"])
    schema = {"type": "function", "function": {"name": "add"}}
    result = LLMCall(engine)("go", tools=[schema], tool_choice="required")
    assert result.value == ToolRequestMessage(tool_calls=[wanted])
    assert engine.calls[0].options.tools == (schema,)
    assert engine.calls[0].options.tool_choice == "required"
    assert LLMCall(engine)("go", tools=[]).value == "no tool"


def test_a_reply_can_be_sent_on() -> None:
    engine = ScriptedEngine(["one", "two"])
    call = LLMCall(engine)
    schema = {"type": "function", "function": {"name": "add"}}
    first = call("go", tools=[schema])
    assert call([user("go"), first, "and?"]).value == "two"
    assert sent(engine) == [("user", "go"), ("assistant", "one"), ("user", "and?")]


def test_the_call_keeps_the_conversation_and_the_completion() -> None:
    result = LLMCall(ScriptedEngine([Completion("ok", model="m")]), "sys")("hi")
    assert result.value == "ok"
    assert result.call is not None
    assert result.call.get("messages") == (system("sys"), user("hi"))
    assert result.call.get("completion").model == "m"


def test_an_engine_error_is_raised_where_the_reply_is_read() -> None:
    result = LLMCall(ScriptedEngine([EngineError("no answer")]))("hi")
    with pytest.raises(EngineError, match="no answer") as caught:
        _ = result.value
    assert any(f"in LLMCall, called at {__file__}" in note for note in caught.value.__notes__)


def test_forward_outside_a_call_is_an_error() -> None:
    with pytest.raises(GraphError, match="no op is running"):
        asyncio.run(LLMCall().forward("x"))


def test_formatted_calls() -> None:
    engine = ScriptedEngine(["ok", "ok"])
    call = FormattedLLMCall(
        engine, "Q: {question} {{literally}}\nH: {a hint}", {"question": None, "a hint": None}, "sys"
    )
    result = call({"question": question("why {x}?"), "a hint": 3}, "answer")
    assert result.value == "ok"
    assert result.role_description == "answer"
    assert sent(engine) == [("system", "sys"), ("user", "Q: why {x}? {literally}\nH: 3")]
    with pytest.raises(ValueError, match=r"takes the inputs \['a hint', 'question'\], got \['question'\]"):
        call({"question": "x"})


def test_multimodal_calls() -> None:
    engine = ScriptedEngine(["ok", "ok"])
    image = Variable(PNG, requires_grad=False, role_description="picture")
    assert MultimodalLLMCall(engine, "sys")([question("what?"), image]).value == "ok"
    role, content = sent(engine)[1]
    assert role == "user"
    assert content[0] == {"type": "text", "text": "what?"}
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    fields = OrderedFieldsMultimodalLLMCall(engine, ["Question", "Image"])
    assert fields({"Image": image, "Question": "what?"}).value == "ok"
    assert [part["type"] for part in sent(engine)[0][1]] == ["text", "image_url"]
    assert sent(engine)[0][1][0]["text"] == "Question: what?"
    with pytest.raises(ValueError, match="takes the inputs"):
        fields({"Image": image})


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(FileFormatError, match="PNG, JPEG, GIF or WebP"):
        _ = LLMCall()(Variable(b"hello", requires_grad=False, role_description="x")).value


# -- backward --------------------------------------------------------------------------------------------------------


def test_one_request_for_all_inputs_that_want_a_gradient(critic: Notes) -> None:
    parameter, x, fixed = prompt(), question(), question("fixed", requires_grad=False)
    result = LLMCall(None, parameter)([x, fixed, user("plain")])
    TextLoss("Is it right?")(result).backward()
    loss, answer = critic.requests
    assert [(one.name, one.wanted) for one in answer.inputs] == [
        ("messages.0", True),
        ("messages.1", False),
        ("system_prompt", True),
    ]
    assert answer.feedback == ("about messages",)
    assert answer.output == "re: plain"
    assert [message.text for message in answer.messages] == ["Be brief.", "2 + 2?", "fixed", "plain"]
    assert loss.feedback == ()
    assert loss.output == "re: re: plain"
    assert [(g.text, g.origin, g.used_as, g.context) for g in parameter.gradients] == [
        ("about system_prompt", "LLMCall", "response from the language model", "context")
    ]
    assert x.gradient_text() == "about messages.0"
    assert fixed.gradients == ()


def test_no_request_where_nothing_is_wanted_or_nothing_is_said(critic: Notes) -> None:
    LLMCall(None, "fixed")(question(requires_grad=False)).backward()
    assert critic.requests == []
    stop = StringBasedFunction(lambda x: x, "x")
    quiet = Notes({})
    TextLoss("Is it right?")(stop({"x": LLMCall(None, prompt())("hi")})).backward(critic=quiet)
    assert len(quiet.requests) == 1  # the loss; it had nothing to say


@pytest.mark.parametrize("verdict", ["Nothing to improve.", "nothing to improve!", " "])
def test_no_request_where_the_judgement_says_that_all_is_well(critic: Notes, verdict: str) -> None:
    parameter = prompt()
    loss = TextLoss("Judge.", ScriptedEngine([verdict]))(LLMCall(None, parameter)("hi"))
    loss.backward()
    assert critic.requests == []
    satisfied = Notes({"messages": verdict})
    TextLoss("Judge.")(LLMCall(None, parameter)("hi")).backward(critic=satisfied)
    assert len(satisfied.requests) == 1
    assert parameter.gradients == ()


def test_the_value_of_the_time_of_the_call_is_criticised(critic: Notes) -> None:
    parameter = prompt("old")
    result = LLMCall(None, parameter)("hi")
    _ = result.value
    parameter.value = "new"
    result.backward()
    assert [one.value for one in critic.requests[0].inputs if one.name == "system_prompt"] == ["old"]


def test_names_are_unique_and_fit_every_providers_schemas(critic: Notes) -> None:
    x, y, z = question("a"), question("b"), question("c")
    StringBasedFunction(lambda **_: "z", "x")({"a b": x, "a_b": y, "ü" * 80: z, "c": 3}).backward()
    names = [one.name for one in critic.requests[0].inputs]
    assert names == ["inputs.a_b", "inputs.a_b-2", f"inputs.{'_' * 49}"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in names)
    assert [one.gradient_text() for one in (x, y)] == ["about inputs.a_b", "about inputs.a_b-2"]


def test_functions_with_a_purpose(critic: Notes) -> None:
    x, y = question("3"), question("4")

    async def compare(x: str, y: str) -> str:
        return str(x == y)

    result = StringBasedFunction(compare, "compares x and y")({"x": x, "y": y}, "verdict")
    result.backward()
    (request,) = critic.requests
    assert (request.op, request.purpose, request.output, request.output_role) == (
        "compare",
        "compares x and y",
        "False",
        "verdict",
    )
    assert x.gradient_text() == "about inputs.x"
    assert StringBasedFunction(lambda x: int(x) + 1, "adds")({"x": "1"}).value == 2


def test_examples_are_for_the_critic_alone(critic: Notes) -> None:
    engine = ScriptedEngine(["ok"])
    call = LLMCall_with_in_context_examples(engine, prompt())
    call("hi", in_context_examples=["good one"]).backward()
    assert sent(engine)[-1] == ("user", "hi")
    (request,) = critic.requests
    assert [one.value for one in request.inputs if one.name == "in_context_examples"] == [["good one"]]
    assert "examples of good outputs" in request.instruction


def test_numbers_go_on_as_zeros_and_compute_grads_asks_no_critic(critic: Notes) -> None:
    parameter, x = prompt(), question()
    assert compute_grads(LLMCall(None, parameter)([x, "y"])) == {"question": 0.0, "prompt": 0.0}
    assert critic.requests == []


def test_images_do_not_get_gradients_and_reach_the_critic(critic: Notes) -> None:
    image = Variable(PNG, requires_grad=False, role_description="picture")
    x = question("what?")
    MultimodalLLMCall()([x, image]).backward()
    assert [one.value for one in critic.requests[0].inputs] == ["what?", PNG]
    assert x.gradient_text() == "about inputs.0"


def test_the_usual_critic_asks_the_sessions_critic_engine_and_is_kept() -> None:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> str:
        tag = re.findall(r"<(GRADIENTS_\w{8})>", messages[-1].text)[-1]
        wanted = json.loads(re.search(r"```json\n(.*?)\n```", messages[-1].text, re.DOTALL)[1])["wanted"]
        return f"<{tag}>{json.dumps(dict.fromkeys(wanted, 'better'))}</{tag}>"

    judge = ScriptedEngine(answer)
    with Session(actor=ScriptedEngine(["5"]), critic_engine=judge) as session:
        parameter = prompt()
        LLMCall(None, parameter)(question()).backward()
        assert parameter.gradient_text() == "better"
        assert session.critic is not None
        assert session.critic.tally["read"] == 1
    assert len(judge.calls) == 1


def test_one_critic_call_per_op_call_whatever_the_number_of_inputs(critic: Notes) -> None:
    variables = [question(str(i)) for i in range(10)]
    LLMCall()(variables).backward()
    assert len(critic.requests) == 1
    assert all(one.gradient_text() for one in variables)


def test_without_recording_a_reply_stands_alone() -> None:
    with no_grad():
        result = LLMCall(None, prompt())("hi")
    assert result.value == "re: hi"
    assert result.call is None
