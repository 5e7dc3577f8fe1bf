"""Where texts of Variables stand in messages."""

from __future__ import annotations

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, system
from textgrad_agents.messages.spans import TextSpan, marked, span_at, spans_of, with_spans
from textgrad_agents.seeds import text_hash


def test_spans_are_kept_in_order_and_survive_a_file() -> None:
    message = with_spans(
        system("Rules. Be brief. Bye."), [span_at(17, "Bye.", "end"), span_at(7, "Be brief.", "policy")]
    )
    expected = (TextSpan(7, 16, "policy", text_hash("Be brief.")), TextSpan(17, 21, "end", text_hash("Bye.")))
    assert spans_of(message) == expected
    again = Message.model_validate(message.model_dump(context={"include_info": True}))
    assert spans_of(again) == expected
    assert "info" not in message.model_dump()


def test_a_message_without_spans_has_none() -> None:
    assert spans_of(system("Rules.")) == ()


def test_texts_are_found_and_other_facts_kept() -> None:
    message = marked(Message(content="Rules. Be brief.", info={"turn": 1}), {"policy": "Be brief."})
    assert spans_of(message) == (span_at(7, "Be brief.", "policy"),)
    assert message.info is not None
    assert message.info["turn"] == 1


def test_spans_that_are_not_the_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="is not its text"):
        with_spans(system("Be brief."), [span_at(1, "Be brief.", "policy")])
    with pytest.raises(ConfigError, match="overlaps"):
        with_spans(system("Be brief."), [span_at(0, "Be brief.", "policy"), span_at(3, "brief", "inner")])
    with pytest.raises(ConfigError, match="stands 2 times"):
        marked(system("a a"), {"policy": "a"})
