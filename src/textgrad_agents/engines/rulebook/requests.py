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
    """The text under ``## heading`` up to the answer format, or else to the next heading; "" if there is none."""
    start = text.find(f"## {heading}\n")
    if start < 0 or (start > 0 and text[start - 1] != "\n"):
        return ""
    start += len(heading) + 4
    end = -1 if heading.startswith("Answer format") else text.rfind(f"\n{_ANSWER}", start - 1)
    if end < 0:
        end = text.find("\n## ", start - 1)
    return text[start : end if end >= 0 else len(text)]


def named(text: str, label: str) -> str | None:
    """What stands after ``label:`` on a line of its own, the last if there are several."""
    found = re.findall(rf"^{re.escape(label)}: *(.+?)\s*$", text, re.MULTILINE)
    return found[-1] if found else None
