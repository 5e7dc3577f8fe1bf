"""XML laid out for a model to read."""

from __future__ import annotations

import re

_TAG = re.compile(r"(<[^<>]+>)")
_ALONE = ("<?", "<!")


def indent_xml(xml: str, indent_spaces: int = 2) -> str:
    """Each tag and each line of text on a line of its own, indented by its depth.

    Text may stand beside elements and may have several lines. Tags are taken as they are, so XML that is not whole is
    laid out as far as it goes.

    Args:
        xml: the XML.
        indent_spaces: spaces for each level.
    """
    lines: list[str] = []
    depth = 0
    for piece in _TAG.split(xml):
        closes = piece.startswith("</")
        depth = max(0, depth - closes)
        lines += [" " * indent_spaces * depth + line.strip() for line in piece.strip().splitlines()]
        opens = _TAG.fullmatch(piece) is not None and not closes
        depth += opens and not piece.endswith("/>") and not piece.startswith(_ALONE)
    return "\n".join(lines)
