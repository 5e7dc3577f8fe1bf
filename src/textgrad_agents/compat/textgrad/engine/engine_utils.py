"""Kinds of images."""

from __future__ import annotations

from textgrad_agents.compat.bridge import image_type


def is_jpeg(data: bytes) -> bool:
    """True if `data` begins like a JPEG file."""
    return data.startswith(b"\xff\xd8\xff")


def is_png(data: bytes) -> bool:
    """True if `data` begins like a PNG file."""
    return data.startswith(b"\x89PNG")


def get_image_type_from_bytes(data: bytes) -> str:
    """``jpeg``, ``png``, ``gif`` or ``webp``.

    Raises:
        ConfigError: `data` is none of these (it is a ValueError).
    """
    return image_type(data)
