"""Images and texts in OpenAI's form."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.bridge import Content, to_messages
from textgrad_agents.compat.images import get_image_type_from_bytes, is_jpeg, is_png

__all__ = ["get_image_type_from_bytes", "is_jpeg", "is_png", "open_ai_like_formatting"]


def open_ai_like_formatting(content: Content) -> list[dict[str, Any]]:
    """Texts and images as the parts of a message."""
    (message,) = to_messages([content] if isinstance(content, str) else content)
    parts = message.deserialized_content
    assert isinstance(parts, list)
    return parts
