"""Kinds of images, by TextGrad's names."""

from __future__ import annotations

from textgrad_agents.variables.images import media_type


def is_jpeg(data: bytes) -> bool:
    """True if `data` begins like a JPEG file."""
    return data.startswith(b"\xff\xd8\xff")


def is_png(data: bytes) -> bool:
    """True if `data` begins like a PNG file."""
    return data.startswith(b"\x89PNG")


def get_image_type_from_bytes(data: bytes) -> str:
    """``jpeg``, ``png``, ``gif`` or ``webp``.

    Raises:
        FileFormatError: `data` is none of these (it is a ValueError).
    """
    return media_type(data).removeprefix("image/")
