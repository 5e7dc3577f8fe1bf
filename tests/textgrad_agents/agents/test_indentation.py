"""XML laid out for a model."""

from __future__ import annotations

import pytest

from textgrad_agents.agents.modules.indentation import indent_xml


@pytest.mark.parametrize(
    ("xml", "lines"),
    [
        ("<a><b>one\ntwo</b> tail</a>", ["<a>", "  <b>", "    one", "    two", "  </b>", "  tail", "</a>"]),
        ('<?xml version="1.0"?><a x="1"><b/></a>', ['<?xml version="1.0"?>', '<a x="1">', "  <b/>", "</a>"]),
        ("<a>1 &lt; 2</a>", ["<a>", "  1 &lt; 2", "</a>"]),
        ("</a></b><c>", ["</a>", "</b>", "<c>"]),
        ("plain", ["plain"]),
        ("", []),
    ],
)
def test_each_tag_and_line_has_a_line_of_its_own(xml: str, lines: list[str]) -> None:
    assert indent_xml(xml).splitlines() == lines
    assert indent_xml(indent_xml(xml)) == indent_xml(xml)


def test_levels_are_as_wide_as_wanted() -> None:
    assert indent_xml("<a><b/></a>", 4) == "<a>\n    <b/>\n</a>"
