"""Conversations put together from their parts."""

from __future__ import annotations

from collections.abc import Iterable

from textgrad_agents.messages import Message, Messages, system, user


def prepend_sys(messages: Iterable[Message], sys_content: str) -> Messages:
    """The messages after a system message."""
    return [system(sys_content), *messages]


def append_to_sys(user_content: str, sys_content: str | None = None) -> Messages:
    """A user message, after a system message if there is one."""
    return [*([] if sys_content is None else [system(sys_content)]), user(user_content)]


def between_sys(messages: Iterable[Message], initial_sys_content: str, final_sys_content: str) -> Messages:
    """The messages between two system messages."""
    return [system(initial_sys_content), *messages, system(final_sys_content)]
