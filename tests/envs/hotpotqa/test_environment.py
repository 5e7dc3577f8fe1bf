"""Questions: searching, looking up, answering, and how answers are graded."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from envs.hotpotqa import HotPotQAEnv, PageTable
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.messages import Message, ToolRequestMessage
from textgrad_agents.tools import ToolCall

PAGES = PageTable(
    {
        "Ooze Bridge": (
            "Ooze Bridge crosses the Ooze. It was built by Ada Bolt. It opened in 1911. It is 300 m long. It is green. "
            "It was closed in 1950.\nThe bridge was painted by Bela Brush. The bridge was sold."
        ),
        "Ada Bolt": "Ada Bolt was an engineer. She was born in Lower Ooze.",
        "Blank": "",
    }
)
QUESTION = "Where was the builder of Ooze Bridge born?"


def make(**settings: Any) -> HotPotQAEnv:
    given = {"question_id": "q1", "question": QUESTION, "correct_answer": "Lower Ooze", "pages": PAGES} | settings
    return HotPotQAEnv(**given)


def act(env: HotPotQAEnv, *actions: Message | list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Texts, reward and end of each action."""

    async def run() -> list[Any]:
        messages, _ = await env.reset()
        assert messages[0].content == f"Question: {env.question}"
        seen: list[Any] = []
        for action in actions:
            if isinstance(action, list):
                action = ToolRequestMessage(tool_calls=[ToolCall.from_name(name, **given) for name, given in action])
            answers, reward, done, truncated = await env.step(action)
            assert not truncated
            seen.append(([message.content for message in answers], reward, done))
        return seen

    return asyncio.run(run())


def search(entity: str) -> tuple[str, dict[str, Any]]:
    return "search", {"entity": entity}


def lookup(keyword: str) -> tuple[str, dict[str, Any]]:
    return "lookup", {"keyword": keyword}


def submit(answer: str) -> tuple[str, dict[str, Any]]:
    return "submit_answer", {"answer": answer}


def test_an_episode() -> None:
    env = make()
    first, second, third = act(
        env, [search("ooze bridge")], [search("Ada Bolt"), lookup("born")], [submit("in Lower Ooze")]
    )
    assert first == (
        ["Ooze Bridge crosses the Ooze. It was built by Ada Bolt. It opened in 1911. It is 300 m long. It is green."],
        0.0,
        False,
    )
    assert second[0][1] == "(Result 1 / 1) She was born in Lower Ooze."  # on the page found before it
    assert third == (["Finished."], 1.0, True)
    assert env.export_frame().model_dump()["info"] == {
        "question_id": "q1",
        "question": QUESTION,
        "steps": 3,
        "done": True,
        "reward": 1.0,
        "answer": "in Lower Ooze",
    }


def test_looking_up_goes_from_sentence_to_sentence() -> None:
    first, second = act(
        make(),
        [lookup("Ooze"), search("Ooze Bridge"), *[lookup("BRIDGE ")] * 4, lookup("green"), lookup("BRIDGE ")],
        [search("Ada Bolt"), lookup("green"), lookup(" ")],
    )
    assert first[0] + second[0] == [
        "Lookup failed. Search for a page first.",
        "Ooze Bridge crosses the Ooze. It was built by Ada Bolt. It opened in 1911. It is 300 m long. It is green.",
        "(Result 1 / 3) Ooze Bridge crosses the Ooze.",
        "(Result 2 / 3) The bridge was painted by Bela Brush.",
        "(Result 3 / 3) The bridge was sold.",
        "No more results.",
        "(Result 1 / 1) It is green.",
        "(Result 1 / 3) Ooze Bridge crosses the Ooze.",
        "Ada Bolt was an engineer. She was born in Lower Ooze.",
        "No more results.",
        "Lookup failed. No keyword was provided.",
    ]


def test_searching_without_success() -> None:
    (found,) = act(
        make(), [search("the Ooze Bridge of 1911"), lookup("built"), search("zzz"), search(" "), search("blank")]
    )
    assert found[0] == [
        "Search for 'the Ooze Bridge of 1911' found no page. Similar: Ooze Bridge.",
        "Lookup failed. Search for a page first.",
        "Search for 'zzz' found no page. There is nothing similar.",
        "Search failed. No entity was provided.",
        "The page 'Blank' is empty.",
    ]


def test_wrong_calls_and_no_calls() -> None:
    plain, empty, wrong = act(
        make(tool_failure_reward=-0.5),
        Message(content="hm"),
        ToolRequestMessage(content="hm"),
        [("find", {"entity": "x"}), ("search", {}), ("search", {"entity": ["x"]})],
    )
    assert "No tool calls" in plain[0][0]
    assert empty == (["Must call one of the provided tools (search, lookup, submit_answer)."], -0.5, False)
    assert "No tool has this name" in wrong[0][0]
    assert "entity is missing" in wrong[0][1]
    assert "entity must be a valid string, not ['x']" in wrong[0][2]
    assert wrong[1:] == (0.0, False)


def test_the_first_answer_counts_however_many_are_submitted() -> None:
    (found,) = act(make(incorrect_reward=-1.0), [submit("Paris"), submit("Lower Ooze"), submit("Lower Ooze")])
    assert found == (["Finished.", "The episode is over.", "The episode is over."], -1.0, True)


@pytest.mark.parametrize(
    ("mode", "correct", "answer", "right"),
    [
        ("contains", "Lower Ooze", "It was the Lower  ooze!", True),
        ("contains", "The Lower Ooze", "lower ooze", True),
        ("contains", "no", "I do not know.", False),
        ("contains", "no", "No, it was not.", True),
        ("contains", "19", "1911", False),
        ("contains", "The", "the", True),
        ("contains", "Lower Ooze", "Upper Ooze", False),
        ("contains", "Lower Ooze", "", False),
        ("exact", "Lower Ooze", "the lower-ooze", False),
        ("exact", "Lower Ooze", "The Lower Ooze.", True),
        ("exact", "Lower Ooze", "in Lower Ooze", False),
        ("number", "1,911", "1911.0", True),
        ("number", 1911, "1912", False),
    ],
)
def test_grading(mode: str, correct: Any, answer: str, right: bool) -> None:
    env = make(evaluation_mode=mode, correct_answer=correct, correct_reward=2.0, incorrect_reward=-1.0)
    assert act(env, [submit(answer)])[0][1] == (2.0 if right else -1.0)


def test_grading_by_a_model() -> None:
    engine = ScriptedEngine(["YES", "7"])
    assert act(make(evaluation_mode="llm", engine=engine), [submit("the lower one")])[0][1] == 1.0
    env = make(evaluation_mode="llm-score", engine=engine, correct_reward=2.0, incorrect_reward=-1.0)
    assert act(env, [submit("somewhere low")])[0][1] == pytest.approx(1.1)
    assert QUESTION in engine.calls[0].messages[1].text


@pytest.mark.parametrize(
    "settings", [{"correct_answer": " "}, {"evaluation_mode": "llm"}, {"evaluation_mode": "llm-score"}]
)
def test_questions_that_cannot_be_graded(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"empty answer|pass an engine"):
        make(**settings)


def test_a_question_whose_answer_is_not_known() -> None:
    env = HotPotQAEnv.from_task("Why?")
    assert act(env, [submit("because")]) == [(["Finished."], 0.0, True)]
    with pytest.raises(ConfigError, match="No question ID"):
        asyncio.run(env.get_id())


def test_identifiers() -> None:
    uuid = UUID("00000000-5a8d-7341-5542-99441c6b9fe5")
    assert asyncio.run(make(question_id=uuid).get_id()) == str(uuid)


def test_pages_that_cannot_be_had_fail_the_step_and_no_answer_is_made_up() -> None:
    class Broken:
        async def find(self, entity: str) -> Any:
            raise EnvError("the wiki is away")

    with pytest.raises(EnvError, match="the wiki is away"):
        act(make(pages=Broken()), [search("Ada Bolt")])
