"""Where pages come from: a mapping, a folder, or live Wikipedia (`envs.hotpotqa.wikipedia`)."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from textgrad_agents.errors import ConfigError, FileFormatError

MOST_SIMILAR = 5

_WORD = re.compile(r"\w+")
_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, and its text in paragraphs, one to a line."""

    title: str
    text: str

    def sentences(self) -> list[str]:
        """The sentences, in order."""
        lines = (line.strip() for line in self.text.splitlines())
        return [sentence for line in lines if line for sentence in _END.split(line)]


@dataclass(frozen=True, slots=True)
class Similar:
    """There is no such page, but there are pages with these titles; perhaps none."""

    titles: tuple[str, ...]


class PageSource(Protocol):
    """Finds the page about something."""

    async def find(self, entity: str) -> Page | Similar:
        """The page about `entity`, or similar titles."""
        ...


class PageTable:
    """Pages from a mapping of titles to texts. Case and spacing of what is asked for do not matter."""

    def __init__(self, pages: Mapping[str, str]) -> None:
        self._titles = Titles(pages)
        self._pages = pages

    async def find(self, entity: str) -> Page | Similar:
        """The page about `entity`, or similar titles."""
        title = self._titles.find(entity)
        return self._titles.similar(entity) if title is None else Page(title, self._pages[title])


class FolderPages:
    """Pages from a folder of text files (``.txt``, ``.md``), whose names are the titles (``New_York.txt``).

    Args:
        folder: the folder; it is listed once, files are read when they are asked for.

    Raises:
        ConfigError: there is no such folder, or no page in it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        if not place.is_dir():
            raise ConfigError(f"pages come from a folder of text files, and {place} is none")
        files = sorted(path for path in place.iterdir() if path.suffix in (".txt", ".md"))
        self._files = {path.stem.replace("_", " "): path for path in files}
        if not self._files:
            raise ConfigError(f"the folder {place} holds no page; a page is a file such as New_York.txt or New_York.md")
        self._titles = Titles(self._files)

    async def find(self, entity: str) -> Page | Similar:
        """The page about `entity`, or similar titles.

        Raises:
            FileFormatError: its file cannot be read.
        """
        title = self._titles.find(entity)
        if title is None:
            return self._titles.similar(entity)
        try:
            return Page(title, self._files[title].read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"page {self._files[title]} cannot be read: {error}") from None


class Titles:
    """Titles of pages, found whatever their case and spacing."""

    def __init__(self, titles: Iterable[str]) -> None:
        self._by_key = {_key(title): title for title in titles}

    def find(self, entity: str) -> str | None:
        """The title that `entity` is, if there is one."""
        return self._by_key.get(_key(entity))

    def similar(self, entity: str) -> Similar:
        """Titles with the same words, those that share most of them first; without any, titles written alike."""
        words = set(_WORD.findall(_key(entity)))
        shared = {key: len(words & set(_WORD.findall(key))) for key in self._by_key}
        best = sorted((key for key, count in shared.items() if count), key=lambda key: (-shared[key], len(key), key))
        near = best or difflib.get_close_matches(_key(entity), self._by_key, n=MOST_SIMILAR)
        return Similar(tuple(self._by_key[key] for key in near[:MOST_SIMILAR]))


def _key(title: str) -> str:
    return " ".join(title.replace("_", " ").split()).casefold()
