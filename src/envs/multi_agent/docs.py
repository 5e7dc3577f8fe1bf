"""The rules of a game from what its authors wrote about it."""

from __future__ import annotations

import re

MOST = 3000
"""Most characters of rules taken from a game's documentation."""

_HEADING = re.compile(r"^#+ *(.*)$")
_LEFT_OUT = re.compile(r"arguments?|version history|usage|api|citation|references?", re.IGNORECASE)
_FENCE = re.compile(r"^ *```.*?^ *``` *$", re.MULTILINE | re.DOTALL)
_MARKUP = re.compile(r"<[^>\n]*>|\*\*|__|`")
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)")
_PAGE = re.compile(r"This environment is part of the .*? first for general information\.", re.DOTALL)


def rules_from_docs(docs: str) -> str:
    """The paragraphs about the game itself; "" if there are none.

    Tables, code, pictures, the history of versions and the arguments of the maker are left out.
    """
    text = _PAGE.sub("", _LINK.sub(r"\1", _MARKUP.sub("", _FENCE.sub("", docs))))
    kept: list[str] = []
    wanted = True
    for line in text.splitlines():
        heading = _HEADING.match(line.strip())
        if heading:
            wanted = not _LEFT_OUT.match(heading[1].strip())
        if wanted and not line.lstrip().startswith(("|", "import:", "# noqa")):
            kept.append(heading[1].strip() if heading else line.rstrip())
    rules = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    if len(rules) <= MOST:
        return rules
    return rules[: rules.rfind("\n", 0, MOST) if "\n" in rules[:MOST] else MOST].rstrip()
