"""Pages of live Wikipedia, or of any other wiki that runs MediaWiki, through its web interface for programs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import httpx2

from envs.hotpotqa.pages import MOST_SIMILAR, Page, Similar
from envs.web.hosts import is_loopback
from textgrad_agents.errors import EnvError

WIKIPEDIA = "https://en.wikipedia.org/w/api.php"
USER_AGENT = "textgrad-agents (environment for question answering)"

_LONGEST_QUERY = 300  # of the search engine
_MOST_CACHED = 1000
_LONGEST_WAIT = 5.0
_BUSY = (429, 502, 503, 504)


class WikipediaPages:
    """Pages of a wiki, found as its own search box finds them. The latest are remembered.

    Args:
        api_url: the address of the wiki's ``api.php``.
        user_agent: who asks. Wikimedia wants an address there under which the operator can be reached.
        timeout: seconds that one answer may take.
        proxy: the address of a proxy.
    """

    def __init__(
        self, api_url: str = WIKIPEDIA, user_agent: str = USER_AGENT, timeout: float = 15.0, proxy: str | None = None
    ) -> None:
        self.api_url = api_url
        self._timeout = timeout
        self._settings: dict[str, Any] = {
            "headers": {"User-Agent": user_agent},
            "proxy": proxy,
            "timeout": timeout,
            "trust_env": not is_loopback(httpx2.URL(api_url).host),
        }
        self._found: OrderedDict[str, Page | Similar] = OrderedDict()

    async def find(self, entity: str) -> Page | Similar:
        """The page about `entity`, or similar titles.

        Raises:
            EnvError: the wiki does not answer as it should.
        """
        found = self._found.get(entity)
        if found is None:
            async with httpx2.AsyncClient(**self._settings) as client:
                found = await self._look_up(client, entity)
            self._found[entity] = found
            if len(self._found) > _MOST_CACHED:
                self._found.popitem(last=False)
        self._found.move_to_end(entity)
        return found

    async def _look_up(self, client: httpx2.AsyncClient, entity: str) -> Page | Similar:
        if len(entity) > _LONGEST_QUERY:
            return Similar(())
        titles = await self._search(client, entity, what="nearmatch", limit=1)
        page = await self._page(client, titles[0]) if titles else None
        return page or Similar(await self._search(client, entity, what="text", limit=MOST_SIMILAR))

    async def _search(self, client: httpx2.AsyncClient, entity: str, what: str, limit: int) -> tuple[str, ...]:
        wanted = {"list": "search", "srsearch": entity, "srwhat": what, "srlimit": limit, "srprop": "", "srinfo": ""}
        answer = await self._query(client, wanted)
        return tuple(str(hit["title"]) for hit in self._read(answer, "search"))

    async def _page(self, client: httpx2.AsyncClient, title: str) -> Page | None:
        """The page of a title; None if it only says what the title may mean."""
        wanted = {
            "prop": "extracts|pageprops",
            "explaintext": 1,
            "exsectionformat": "plain",
            "ppprop": "disambiguation",
            "redirects": 1,
            "titles": title,
        }
        pages = self._read(await self._query(client, wanted), "pages")
        if not pages or pages[0].get("missing") or "disambiguation" in pages[0].get("pageprops", {}):
            return None
        return Page(str(pages[0]["title"]), str(pages[0].get("extract", "")))

    def _read(self, answer: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
        entries: Any = cast("Any", answer.get("query") or {}).get(what, [])
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "title" in entry for entry in cast("list[Any]", entries)
        ):
            raise EnvError(f"{self.api_url} answered without a list of {what}; is it the api.php of a MediaWiki?")
        return cast("list[dict[str, Any]]", entries)

    async def _query(self, client: httpx2.AsyncClient, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the wiki answers; if it is busy, it is asked once more after the time that it names."""
        fields = {"action": "query", "format": "json", "formatversion": 2, **wanted}
        try:
            response = await client.get(self.api_url, params=fields)
            if response.status_code in _BUSY:
                await asyncio.sleep(_wait_for(response))
                response = await client.get(self.api_url, params=fields)
        except httpx2.HTTPError as error:
            reason = f"no answer within {self._timeout:g} s" if isinstance(error, httpx2.TimeoutException) else error
            raise EnvError(f"{self.api_url} cannot be asked ({reason}); pages may also come from a folder") from None
        if not response.is_success:
            raise EnvError(f"{self.api_url} answered with status {response.status_code}: {response.text[:200]!r}")
        try:
            answer: Any = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EnvError(f"{self.api_url} did not answer in JSON; is it the api.php of a MediaWiki?")
        error = cast("dict[str, Any]", answer).get("error")
        if error:
            raise EnvError(f"{self.api_url} refused the request: {str(error)[:200]}")
        return cast("dict[str, Any]", answer)


def _wait_for(response: httpx2.Response) -> float:
    said = response.headers.get("retry-after", "")
    return min(float(said), _LONGEST_WAIT) if said.isdigit() else 1.0
