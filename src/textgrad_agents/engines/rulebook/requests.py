"""What a request asks for: the part it wants played, and the sections of its messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textgrad_agents.messages import Message

ACTION = "one action"
EVALUATION = "evaluation"
CREDIT = "credit per agent"
VARIABLE = "improved variable"

_ANSWER = "## Answer format: "
_ANSWER_LINE = re.compile(rf"^{_ANSWER}(.+?)\s*$", re.MULTILINE)


def answer_format(messages: Sequence[Message]) -> str | None:
    """What the last heading of the form ``## Answer format: …`` names, or None."""
    for message in reversed(messages):
        if message.role != "assistant" and (found := _ANSWER_LINE.findall(message.text)):
            return found[-1]
    return None


def section(text: str, heading: str) -> str:
    """The text under ``## heading`` up to the last answer format, or else to the next heading; "" if there is none."""
    found = re.search(rf"^## {re.escape(heading)}[ \t]*\n", text, re.MULTILINE)
    if found is None:
        return ""
    end = text.rfind(f"\n{_ANSWER}", found.end() - 1)
    if end < 0:
        end = text.find("\n## ", found.end() - 1)
    return text[found.end() : end if end >= 0 else len(text)]


def named(text: str, label: str) -> str | None:
    """What stands after ``label:`` on a line of its own, the last if there are several."""
    found = re.findall(rf"^{re.escape(label)}: *(.+?)\s*$", text, re.MULTILINE)
    return found[-1] if found else None
