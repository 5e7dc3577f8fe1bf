"""The tools page in a real Chromium: what a person sees and does there, and what hostile texts cannot do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from starlette.responses import PlainTextResponse

from envs import Environment
from envs.tool_server import make_tool_server
from envs.web.serving import serving
from textgrad_agents.messages import Message, Messages
from textgrad_agents.portal import Portal
from textgrad_agents.tools import Tool

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM} (Debian's package chromium)")

TOKEN = "open-sesame"
PROBES = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "<svg/onload=window.hacked=1>",
    "\"><script src='http://evil.example/x.js'></script>",
    "' onmouseover=window.hacked=1 autofocus onfocus=window.hacked=1 x='",
    "</textarea><script>window.hacked=1</script>",
    "</pre></script><script>window.hacked=1</script>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "<a href='javascript:window.hacked=1'>click</a>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<base href='http://evil.example/'>",
    "<form action='http://evil.example/'><button>Call</button></form>",
    "<!--<script>window.hacked=1//-->",
    "\u202e &lt;script&gt;",
)


class Kitchen(Environment[dict[str, Any]]):
    """Tools of the usual kinds."""

    meals: ClassVar[list[str]] = []

    async def reset(self) -> tuple[Messages, list[Tool]]:
        self.state = {"eaten": []}
        self.meals.clear()

        def cook(
            dish: str, minutes: int, spices: list[str] | None = None, heat: Literal["low", "high"] = "low"
        ) -> dict[str, Any]:
            """Cook a dish.

            It takes its time.

            Args:
                dish: Which dish.
                minutes: How long.
                spices: What to put in.
                heat: How hot.
            """
            return {"dish": dish, "minutes": minutes, "spices": spices, "heat": heat}

        def eat(dish: str) -> str:
            """Eat, and end.

            Args:
                dish: What to eat.
            """
            self.state["eaten"].append(dish)
            self.meals.append(dish)
            return f"You ate {dish}."

        def burn() -> str:
            """Burn it all."""
            raise RuntimeError("the kitchen is on fire")

        async def sleep() -> str:
            """Wait for the guests."""
            await asyncio.sleep(60)
            return "they came"

        self.tools = [Tool.from_function(function) for function in (cook, eat, burn, sleep)]
        return [Message(content="Cook something, then eat it.")], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        answers = await self.exec_tool_calls(action)
        over = bool(self.state["eaten"])
        return [*answers], 1.5 if over else 0.0, over, False


class Hostile(Environment[dict[str, Any]]):
    """Every text that an environment can put on the page is a probe; there is a tool for each of them."""

    async def reset(self) -> tuple[Messages, list[Tool]]:
        self.state = {probe: [probe] for probe in PROBES}
        self.tools = [self.tool(probe) for probe in PROBES]
        return [Message(content=probe) for probe in PROBES], self.tools

    @staticmethod
    def tool(probe: str) -> Tool:
        schema = {"type": "string", "description": probe, "title": probe, "default": probe}
        function = {
            "name": re.sub("[{}]", "", probe),
            "description": probe,
            "parameters": {"type": "object", "properties": {probe: schema}, "required": []},
        }
        return Tool(tool_fn=lambda **given: probe, function=function)

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        (call,) = action.tool_calls or ()
        if "raise" in call.function.arguments.values():
            raise RuntimeError(*call.function.arguments)
        (answer,) = await self.exec_tool_calls(action)
        parts: Any = [{"type": "text", "text": answer.content}]
        return [answer, Message(content=parts)], 0.0, False, False


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """The page of an environment, with what it asked for and what its policy had to stop."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(5000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        page.add_init_script(
            "window.stopped = [];"
            "document.addEventListener('securitypolicyviolation', event => window.stopped.push(event.blockedURI))"
        )
        page.goto(f"{url}/?token={TOKEN}")

    def tool(self, name: str) -> Locator:
        return self.page.locator(".tool").filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def call(self, name: str, **values: str) -> Locator:
        """Fill in the form of a tool and send it; gives the answer that appears."""
        tool = self.tool(name)
        seen = tool.locator(".answer").count()
        for parameter, value in values.items():
            tool.locator(f'textarea[name="{parameter}"]').fill(value)
        tool.get_by_role("button", name="Call").click()
        expect(tool.locator(".answer")).to_have_count(seen + 1)
        return tool.locator(".answer").first


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    with ExitStack() as stack:

        def begin(make: Any, **settings: Any) -> Visit:
            portal = Portal()  # Playwright's own loop runs in this thread
            app = portal.run(make_tool_server(make, "Tools of a test", TOKEN, **settings))
            portal.close()
            url = stack.enter_context(serving(app))
            context = browser.new_context()
            stack.callback(context.close)
            return Visit(context.new_page(), url)

        yield begin


def test_the_page_shows_what_an_agent_gets(visit: Callable[..., Visit]) -> None:
    at = visit(Kitchen)
    expect(at.page).to_have_title("Tools of a test")
    assert at.page.url == f"{at.url}/"  # the token is gone from the address
    expect(at.page.get_by_text("Cook something, then eat it.")).to_be_visible()
    assert at.page.locator(".tool h2").all_inner_texts() == ["cook", "eat", "burn", "sleep"]
    expect(at.tool("cook").locator(".description")).to_have_text("Cook a dish.\n\nIt takes its time.")
    labels = at.tool("cook").locator("label > span:first-child").all_inner_texts()
    assert labels == [
        "dish string",
        "minutes integer",
        "spices array of string or null, may be left out",
        "heat string, may be left out",
    ]
    at.tool("cook").get_by_text("Schema, as an agent gets it").click()
    shown = json.loads(at.tool("cook").locator(".schema").inner_text())
    env = Kitchen()
    _, tools = Portal().run(env.reset())
    assert shown == tools[0].model_dump(by_alias=True, exclude_none=True)


def test_a_person_calls_tools(visit: Callable[..., Visit]) -> None:
    at = visit(Kitchen)
    answer = at.call("cook", dish="7 soups", minutes="30", spices='["salt", "dill"]')
    content = json.loads(answer.locator(".content").inner_text())
    assert content == {"dish": "7 soups", "minutes": 30, "spices": ["salt", "dill"], "heat": "low"}
    expect(answer.locator(".role")).to_have_text("tool")
    expect(answer.locator(".outcome")).to_have_text("reward 0")
    for wrong, said in (("a while", "minutes must be a valid integer"), ("", "minutes is missing")):
        answer = at.call("cook", minutes=wrong)
        expect(answer.locator(".content")).to_contain_text(f"Invalid tool call: cook: {said}")
    answer = at.call("eat", dish="soup")
    expect(answer.locator(".content")).to_have_text("You ate soup.")
    expect(answer.locator(".outcome")).to_have_text("reward 1.5; the episode is over")
    expect(at.page.locator("#reward")).to_have_text("1.5")
    at.page.get_by_role("button", name="Show state").click()
    expect(at.page.locator("#state")).to_contain_text('"soup"')
    assert at.errors == []


def test_starting_again(visit: Callable[..., Visit]) -> None:
    at = visit(Kitchen)
    at.call("eat", dish="soup")
    first = at.page.locator("body").get_attribute("data-environment")
    at.page.get_by_role("button", name="Start again").click()
    expect(at.page.locator("body")).not_to_have_attribute("data-environment", first or "")
    expect(at.page.locator(".answer")).to_have_count(0)
    expect(at.page.locator("#reward")).to_have_text("0")
    at.page.get_by_role("button", name="Show state").click()
    expect(at.page.locator("#state")).to_contain_text('"eaten": []')


def test_what_goes_wrong_is_said(visit: Callable[..., Visit]) -> None:
    at = visit(Kitchen, timeout=0.5)
    answer = at.call("burn")
    expect(answer.locator(".problem")).to_have_text("RuntimeError('the kitchen is on fire')")
    answer = at.call("sleep")
    expect(answer.locator(".problem")).to_have_text("no answer within 0.5 s")
    answer = at.call("eat", dish="ashes")  # the page goes on
    expect(answer.locator(".content")).to_have_text("You ate ashes.")
    at.page.route("**/eat*", lambda route: route.abort())
    expect(at.call("eat").locator(".problem")).to_contain_text("the server did not answer")


def test_a_visitor_without_the_token_sees_nothing(visit: Callable[..., Visit], browser: Browser) -> None:
    at = visit(Kitchen)
    page = browser.new_context().new_page()
    for path in ("/", "/?token=guess"):
        response = page.goto(at.url + path)
        assert response is not None
        assert response.status == 401
        assert "cook" not in page.content()
    page.context.close()


def test_another_site_cannot_call_tools(visit: Callable[..., Visit]) -> None:
    """A page of another origin, in the browser that holds the cookie."""
    at = visit(Kitchen)
    with serving(PlainTextResponse("another site", media_type="text/html")) as other:
        page = at.page.context.new_page()
        page.goto(other.replace("127.0.0.1", "localhost"))
        attack = """async url => {
            const outcomes = [];
            for (const mode of ["cors", "no-cors"]) {
                for (const type of ["application/json", "text/plain"]) {
                    try {
                        const body = JSON.stringify({dish: "the cat"});
                        const headers = {"content-type": type};
                        const init = {method: "POST", mode, credentials: "include", headers, body};
                        outcomes.push((await fetch(url + "/eat", init)).type);
                    } catch (error) {
                        outcomes.push("failed");
                    }
                }
            }
            return outcomes;
        }"""
        assert set(page.evaluate(attack, at.url)) <= {"failed", "opaque"}
    assert Kitchen.meals == []


def test_texts_stay_texts(visit: Callable[..., Visit]) -> None:
    at = visit(Hostile)
    tools = at.page.locator(".tool")
    expect(tools).to_have_count(len(PROBES))
    for tool, probe in zip(tools.all(), PROBES, strict=True):
        expect(tool.locator(".description")).to_have_text(probe)
        expect(tool.locator(".hint")).to_have_text(probe)
        expect(tool.locator("textarea")).to_have_attribute("placeholder", probe)
        tool.get_by_role("button").click()
        expect(tool.locator(".answer .content").first).to_have_text(probe)
        tool.locator("textarea").fill("raise")
        tool.get_by_role("button").click()
        expect(tool.locator(".answer .problem")).to_contain_text("RuntimeError")
    at.page.get_by_role("button", name="Show state").click()
    expect(at.page.locator("#state")).not_to_be_empty()
    assert json.loads(at.page.locator("#state").text_content() or "") == {probe: [probe] for probe in PROBES}
    assert at.page.evaluate("[window.hacked ?? null, window.stopped]") == [None, []]
    assert at.page.locator("img, svg, iframe, a, base, body style, body script").count() == 0
    assert at.errors == []
    assert all(url.startswith(at.url) for url in at.requests), at.requests


def test_a_script_that_got_in_would_not_run(visit: Callable[..., Visit]) -> None:
    """The policy holds even where escaping would fail."""
    at = visit(Kitchen)

    def inject(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace("</main>", "".join(PROBES) + "</main>"))

    at.page.route(f"{at.url}/", inject)
    at.page.reload()
    expect(at.page.locator("img").first).to_be_attached()
    at.page.evaluate("document.querySelectorAll('a').forEach(link => link.dispatchEvent(new MouseEvent('click')))")
    assert at.page.evaluate("window.hacked ?? null") is None
    assert len(at.page.evaluate("window.stopped")) >= 5
    assert at.page.evaluate("document.baseURI") == f"{at.url}/"
    assert not any("evil" in url for url in at.requests)
    assert at.page.url == f"{at.url}/"
    unsafe = "() => { document.body.innerHTML = '<b>bold</b>' }"
    with pytest.raises(PlaywrightError, match="TrustedHTML"):
        at.page.evaluate(unsafe)
