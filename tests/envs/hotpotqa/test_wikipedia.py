"""Live pages, against a server on loopback that answers as a MediaWiki's api.php does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from envs.hotpotqa import Page, Similar, WikipediaPages
from envs.hotpotqa.wikipedia import USER_AGENT
from envs.web.serving import serving
from textgrad_agents.errors import EnvError

PAGES = {
    "Golden Gate Bridge": "The Golden Gate Bridge is a bridge. It is red.\n\n\nHistory\nIt opened in 1937.",
    "Bridge": "A bridge spans a gap.",
    "Mercury": "Mercury may refer to:\nMercury (planet)",
    "Mercury (planet)": "Mercury is the first planet.",
    "Mercury (element)": "Mercury is a metal.",
}
REDIRECTS = {"The Golden Gate": "Golden Gate Bridge"}


@dataclass
class Wiki:
    """An api.php; `mood` are answers that come before its own."""

    mood: list[Response] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            self.asked.append(dict(request.query_params))
            self.agents.add(request.headers["user-agent"])
            await (self.mood.pop(0) if self.mood else self.answer(self.asked[-1]))(scope, receive, send)

    def answer(self, fields: dict[str, str]) -> Response:
        assert (fields["action"], fields["format"], fields["formatversion"]) == ("query", "json", "2")
        if fields.get("list") == "search":
            return JSONResponse({"batchcomplete": True, "query": {"search": self.search(fields)}})
        assert fields["prop"] == "extracts|pageprops"
        title = REDIRECTS.get(fields["titles"], fields["titles"]) if fields.get("redirects") else fields["titles"]
        if title not in PAGES:
            return JSONResponse({"query": {"pages": [{"ns": 0, "title": title, "missing": True}]}})
        page: dict[str, Any] = {"pageid": 1, "ns": 0, "title": title, "extract": PAGES[title]}
        if title == "Mercury":
            page["pageprops"] = {"disambiguation": ""}
        return JSONResponse({"batchcomplete": True, "query": {"pages": [page]}})

    def search(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        wanted = fields["srsearch"].casefold()
        titles = [*PAGES, *REDIRECTS]
        if fields["srwhat"] == "nearmatch":
            found = [title for title in titles if title.casefold() == wanted]
        else:
            found = [title for title in titles if set(wanted.split()) & set(title.casefold().split())]
        return [{"ns": 0, "title": title, "pageid": 1} for title in found[: int(fields["srlimit"])]]


@pytest.fixture
def wiki() -> Wiki:
    return Wiki()


@pytest.fixture
def pages(wiki: Wiki) -> Iterator[WikipediaPages]:
    with serving(wiki) as url:
        yield WikipediaPages(f"{url}/w/api.php", timeout=5)


def find(pages: WikipediaPages, entity: str) -> Page | Similar:
    return asyncio.run(pages.find(entity))


@pytest.mark.parametrize("entity", ["Golden Gate Bridge", "golden gate BRIDGE", "the golden gate"])
def test_a_page_is_found_as_the_search_box_finds_it(pages: WikipediaPages, wiki: Wiki, entity: str) -> None:
    found = find(pages, entity)
    assert isinstance(found, Page)
    assert found.title == "Golden Gate Bridge"
    assert found.sentences()[:3] == ["The Golden Gate Bridge is a bridge.", "It is red.", "History"]
    assert [fields.get("srwhat") for fields in wiki.asked] == ["nearmatch", None]
    assert wiki.agents == {USER_AGENT}


def test_similar_titles_if_there_is_none(pages: WikipediaPages) -> None:
    assert find(pages, "golden bridge") == Similar(("Golden Gate Bridge", "Bridge", "The Golden Gate"))
    assert find(pages, "zzz") == Similar(())


def test_a_page_of_meanings_is_no_page(pages: WikipediaPages) -> None:
    assert find(pages, "mercury") == Similar(("Mercury", "Mercury (planet)", "Mercury (element)"))
    found = find(pages, "Mercury (planet)")
    assert isinstance(found, Page)
    assert found.text == "Mercury is the first planet."


def test_what_was_found_is_not_asked_for_again(pages: WikipediaPages, wiki: Wiki) -> None:
    first = find(pages, "Bridge")
    requests = len(wiki.asked)
    assert find(pages, "Bridge") is first
    assert len(wiki.asked) == requests


def test_what_is_too_long_for_the_search_is_not_asked_for(pages: WikipediaPages, wiki: Wiki) -> None:
    assert find(pages, "bridge " * 100) == Similar(())
    assert wiki.asked == []


def test_text_of_the_agent_is_one_parameter(pages: WikipediaPages, wiki: Wiki) -> None:
    find(pages, "Bridge&list=allusers#?x=1\u00e9|")
    assert {fields["srsearch"] for fields in wiki.asked} == {"Bridge&list=allusers#?x=1\u00e9|"}
    assert {fields["list"] for fields in wiki.asked} == {"search"}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_wiki_is_asked_once_more(pages: WikipediaPages, wiki: Wiki, status: int) -> None:
    wiki.mood = [PlainTextResponse("busy", status, {"retry-after": "0"})]
    assert isinstance(find(pages, "Bridge"), Page)
    wiki.mood = [PlainTextResponse("busy", status, {"retry-after": "0"}) for _ in range(2)]
    with pytest.raises(EnvError, match=f"status {status}: 'busy'"):
        find(pages, "Mercury")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (PlainTextResponse("gone", 404), "status 404: 'gone'"),
        (PlainTextResponse("", 302, {"location": "http://127.0.0.1:9/"}), "status 302"),
        (PlainTextResponse("<html>Welcome</html>"), "did not answer in JSON; is it the api.php"),
        (JSONResponse(["x"]), "did not answer in JSON"),
        (
            JSONResponse({"error": {"code": "badvalue", "info": "Unrecognized value"}}),
            "refused the request: .*badvalue",
        ),
        (JSONResponse({"query": {"search": "none"}}), "without a list of search"),
        (JSONResponse({"query": {"search": [{"ns": 0}]}}), "without a list of search"),
    ],
)
def test_answers_of_something_else(pages: WikipediaPages, wiki: Wiki, answer: Response, message: str) -> None:
    wiki.mood = [answer]
    with pytest.raises(EnvError, match=message):
        find(pages, "Bridge")


def test_a_wiki_that_does_not_answer() -> None:
    class Slow(Wiki):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await asyncio.sleep(0.5)
            await super().__call__(scope, receive, send)

    with serving(Slow()) as url, pytest.raises(EnvError, match=r"no answer within 0\.1 s"):
        find(WikipediaPages(url, timeout=0.1), "Bridge")
    with pytest.raises(EnvError, match=r"cannot be asked .*; pages may also come from a folder"):
        find(WikipediaPages(url), "Bridge")
