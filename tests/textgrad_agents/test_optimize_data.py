from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.optimize import asking, read_examples, split
from textgrad_agents.session import Session
from textgrad_agents.variables.variable import Variable


def test_a_line_is_an_example(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    examples = [{"question": "a\u2028b", "answer": 1}, {"question": "ü", "answer": None}]
    path.write_text("\r\n".join(json.dumps(one, ensure_ascii=False) for one in examples) + "\n\n", encoding="utf-8")
    assert read_examples(path, ["question"]) == examples
    with pytest.raises(FileFormatError, match="line 1 has no field 'reply'"):
        read_examples(path, ["reply"])
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(FileFormatError, match="line 1 cannot be read"):
        read_examples(path)


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_split_parts_everything(number: int, fraction: float, seed: int) -> None:
    train, val = split(range(number), fraction, seed=seed)
    assert sorted(train + val) == list(range(number))
    assert train
    assert val
    assert abs(len(val) - number * fraction) <= 1
    assert (train, val) == split(range(number), fraction, seed=seed)


def test_what_cannot_be_parted() -> None:
    with pytest.raises(ConfigError, match="1 example"):
        split([1], 0.5)
    with pytest.raises(ConfigError, match="between 0 and 1, got 1"):
        split([1, 2], 1)


def ask(prompt: str, example: dict[str, str], field: str = "question") -> list[tuple[str, str]]:
    engine = ScriptedEngine(["reply", "reply"])
    program = asking(Variable(prompt, role_description="prompt"), field)
    with Session(engine):
        assert asyncio.run(program(example)) == asyncio.run(program(example)) == "reply"
    first, second = engine.calls
    assert first == second  # the same question gets the same seed
    assert first.options.role == "actor"
    return [(one.role, one.text) for one in first.messages]


def test_a_prompt_is_the_system_message_and_a_template_is_filled_in() -> None:
    example = {"question": "Why?", "topic": "{birds}"}
    assert ask("Be brief.", example) == [("system", "Be brief."), ("user", "Why?")]
    assert ask("Be brief.", example, "topic") == [("system", "Be brief."), ("user", "{birds}")]
    assert ask("{question} About {topic}.", example) == [("user", "Why? About {birds}.")]
    braces = 'Reply as {"answer": 1}.'
    assert ask(braces, example) == [("system", braces), ("user", "Why?")]


def test_a_template_reaches_fields_and_nothing_else() -> None:
    prompt = Variable("{question}", role_description="prompt")
    program = asking(prompt)
    prompt.value = "{question.__class__}"
    with Session(ScriptedEngine([])), pytest.raises(ConfigError, match="__class__"):
        asyncio.run(program({"question": "Why?"}))
