"""Pages from a mapping and from a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.hotpotqa import FolderPages, Page, PageTable, Similar
from textgrad_agents.errors import ConfigError, FileFormatError

PAGES = {
    "River Ooze": "The Ooze is a slow river.",
    "Ooze Bridge": "A bridge.",
    "Ooze Bridge Tavern": "A tavern.",
    "Lake Placid": "A lake.",
    "Old Mill": "A mill.",
}


def find(source: Any, entity: str) -> Page | Similar:
    return asyncio.run(source.find(entity))


@pytest.fixture(params=["table", "folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "table":
        return PageTable(PAGES)
    for number, (title, text) in enumerate(PAGES.items()):
        (tmp_path / f"{title.replace(' ', '_')}.{'md' if number % 2 else 'txt'}").write_text(text)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "notes").mkdir()
    return FolderPages(tmp_path)


@pytest.mark.parametrize("entity", ["River Ooze", "river  ooze", " RIVER_OOZE\n"])
def test_titles_are_found_whatever_their_case_and_spacing(source: Any, entity: str) -> None:
    assert find(source, entity) == Page("River Ooze", "The Ooze is a slow river.")


@pytest.mark.parametrize(
    ("entity", "titles"),
    [
        ("bridge over the Ooze", ("Ooze Bridge", "Ooze Bridge Tavern", "River Ooze")),
        ("Ooze", ("River Ooze", "Ooze Bridge", "Ooze Bridge Tavern")),
        ("Olmd Mills", ("Old Mill",)),
        ("???", ()),
        ("", ()),
    ],
)
def test_similar_titles(source: Any, entity: str, titles: tuple[str, ...]) -> None:
    found = find(source, entity)
    assert isinstance(found, Similar)
    assert found.titles == titles


@pytest.mark.parametrize("entity", ["../secret", "/etc/passwd", "..\\secret", "River_Ooze.txt", "secret\x00", "."])
def test_no_file_outside_the_folder_is_read(tmp_path: Path, entity: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "River_Ooze.txt").write_text("A river.")
    found = find(FolderPages(tmp_path / "pages"), entity)
    assert isinstance(found, Similar)


def test_folders_without_pages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no page"):
        FolderPages(tmp_path)
    with pytest.raises(ConfigError, match="is none"):
        FolderPages(tmp_path / "missing")
    (tmp_path / "Bad.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(FileFormatError, match=r"Bad\.txt cannot be read"):
        find(FolderPages(tmp_path), "bad")


def test_sentences() -> None:
    page = Page("Owl", "An owl hoots. Does it sleep? It does!  By day.\n\n  Owls eat mice\nThe end.")
    assert page.sentences() == ["An owl hoots.", "Does it sleep?", "It does!", "By day.", "Owls eat mice", "The end."]


@given(st.text(), st.text())
def test_anything_can_be_asked_for(title: str, entity: str) -> None:
    find(PageTable({title: "text"}), entity)
    assert find(PageTable({title: "text"}), title) == Page(title, "text")
