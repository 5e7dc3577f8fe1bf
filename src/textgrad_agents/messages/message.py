"""The message: what models, agents and environments exchange, in the chat wire form.

`content` is a text. Content of any other kind (parts with images, JSON) is kept as its JSON text, flagged by
`content_is_json_str`, and parts are written to the wire as parts again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from textgrad_agents.messages.calls import ToolCall
from textgrad_agents.messages.images import encode_image_to_base64, validate_base64_image

if TYPE_CHECKING:
    from textgrad_agents.messages.images import ImageLike

logger = logging.getLogger(__name__)

Role = Literal["system", "user", "assistant", "tool", "function"]

_PARTS = ("text", "image_url")
_ONLY_IF_SET = ("name", "tool_calls", "tool_call_id")


class Message(BaseModel):
    """One chat message.

    Attributes:
        role: who speaks.
        content: the text, or None (which is not the same as an empty text).
        content_is_json_str: True if `content` is the JSON text of something else.
        info: facts about the message; not part of the wire form unless dumped with ``context={"include_info": True}``.
        cache_breakpoint: ask the provider to cache the prompt up to here.
        name, tool_calls, tool_call_id: of messages that call tools or answer calls. `ToolRequestMessage` and
            `ToolResponseMessage` are the forms to write such messages in.
    """

    model_config = ConfigDict(extra="forbid")

    DEFAULT_ROLE: ClassVar[str] = "user"
    VALID_ROLES: ClassVar[frozenset[str]] = frozenset(get_args(Role))

    role: Role = "user"
    content: str | None = None
    content_is_json_str: bool = Field(default=False, exclude=True, repr=False)
    info: dict[str, Any] | None = Field(default=None, exclude=True, repr=False)
    cache_breakpoint: bool = Field(default=False, exclude=True, repr=False)
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _content_as_text(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
        content = given.get("content")
        if isinstance(content, str) or content is None:
            return given
        try:
            text = json.dumps(content)
        except (TypeError, RecursionError):
            raise ValueError("content must be a text or JSON-serializable") from None
        return {**given, "content": text, "content_is_json_str": True}

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        context = cast("Mapping[str, Any]", info.context or {})
        for name in _ONLY_IF_SET:
            if data.get(name, ...) is None:
                del data[name]
        if "content" in data:
            if context.get("deserialize_content", True):
                data["content"] = self._content_for_wire()
            elif self.cache_breakpoint:
                logger.warning("cache_breakpoint ignored: deserialize_content=False requires string content")
        if context.get("include_info"):
            data["info"] = self.info
            if self.content_is_json_str:
                data["content_is_json_str"] = True
        return data

    def _content_for_wire(self) -> str | list[dict[str, Any]] | None:
        content = self.deserialized_content
        if content is None or not self.cache_breakpoint:
            return content
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return [*parts[:-1], {**parts[-1], "cache_control": {"type": "ephemeral"}}]

    def __str__(self) -> str:
        return self.content or ""

    @property
    def is_multimodal(self) -> bool:
        """True if the content is made of parts (texts, images)."""
        return self._parts() is not None

    @property
    def deserialized_content(self) -> str | list[dict[str, Any]] | None:
        """The content as providers take it: a list of parts, or a text."""
        parts = self._parts()
        return self.content if parts is None else parts

    @property
    def text(self) -> str:
        """The text of the message; images are left out."""
        parts = self._parts()
        if parts is None:
            return self.content or ""
        return "\n".join(part.get("text", "") for part in parts if part["type"] == "text")

    def append_text(self, text: str, delim: str = "\n", inplace: bool = True) -> Self:
        """Put a text after the content: behind `delim`, or as the last of its parts.

        Args:
            text: the text.
            delim: what stands between two texts.
            inplace: change this message; False changes a deep copy.

        Returns:
            The changed message.

        Raises:
            ValueError: the content is JSON other than a list.
        """
        return self._with_content(f"{self.content}{delim}{text}", text, after=True, inplace=inplace)

    def prepend_text(self, text: str, delim: str = "\n", inplace: bool = True) -> Self:
        """Put a text before the content; otherwise as `append_text`."""
        return self._with_content(f"{text}{delim}{self.content}", text, after=False, inplace=inplace)

    def _with_content(self, joined: str, text: str, *, after: bool, inplace: bool) -> Self:
        if not self.content:
            content = text
        elif not self.content_is_json_str:
            content = joined
        else:
            parts = self._json()
            if not isinstance(parts, list):
                raise ValueError(f"text can be added to a text or to a list of parts, not to {self.content[:60]!r}")
            own, added = cast("list[Any]", parts), [{"type": "text", "text": text}]
            content = json.dumps(own + added if after else added + own)
        if not inplace:
            return self.model_copy(update={"content": content}, deep=True)
        self.content = content
        return self

    def _json(self) -> Any:
        """What the content is the JSON text of; None for a plain text."""
        if not self.content_is_json_str or not self.content:
            return None
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    def _parts(self) -> list[dict[str, Any]] | None:
        """The parts of multimodal content."""
        if not self.content_is_json_str:
            return None
        parts = self._json()
        if not parts or not isinstance(parts, list):
            return None
        found = cast("list[dict[str, Any]]", parts)
        return found if all(isinstance(part, dict) and part.get("type") in _PARTS for part in found) else None  # pyright: ignore[reportUnnecessaryIsInstance]

    @classmethod
    def create_message(
        cls,
        role: Role = "user",
        text: str | None = None,
        images: list[ImageLike | str] | ImageLike | str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A message with images.

        Args:
            role: who speaks.
            text: the text; it stands after the images.
            images: one image or several: arrays, bytes of image files, or base64 texts.
            kwargs: further fields of the message.

        Raises:
            ConfigError: an image cannot be used.
        """
        if images is None:
            return cls(role=role, content=text, **kwargs)
        urls = [
            validate_base64_image(image) if isinstance(image, str) else encode_image_to_base64(image, format="PNG")
            for image in (images if isinstance(images, list) else [images])
        ]
        parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        if text is not None:
            parts.append({"type": "text", "text": text})
        return cls(role=role, content=cast("Any", parts), **kwargs)


class EnvStateMessage(Message):
    """A message that shows the present state of an environment."""


def join(msgs: Iterable[Message], delimiter: str = "\n", include_roles: bool = True) -> str:
    """The contents of messages as one text, each behind its role."""
    return delimiter.join(f"{f'{msg.role}: ' if include_roles else ''}{msg.content or ''}" for msg in msgs)


def system(text: str) -> Message:
    """A system message."""
    return Message(role="system", content=text)


def user(content: str | list[dict[str, Any]]) -> Message:
    """A user message: a text, or a list of parts (``{"type": "text", …}``, ``{"type": "image_url", …}``)."""
    return Message(role="user", content=cast("Any", content))


def assistant(text: str) -> Message:
    """An assistant message."""
    return Message(role="assistant", content=text)
