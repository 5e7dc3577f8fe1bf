"""Kinds of images."""

from textgrad_agents.compat.images import get_image_type_from_bytes, is_jpeg, is_png

__all__ = ["get_image_type_from_bytes", "is_jpeg", "is_png"]
