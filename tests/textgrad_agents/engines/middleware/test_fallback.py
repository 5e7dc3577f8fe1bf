from __future__ import annotations

import asyncio
import logging

import pytest

from textgrad_agents.engines import ChatEngine, Fallback, LLMConfig, ScriptedEngine
from textgrad_agents.errors import BudgetError, ConfigError, EngineAccessError, EngineError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Usage, user


def ask(engine: Engine) -> Completion:
    return asyncio.run(engine.generate([user("x")]))


def chat(name: str, price: float | None = None, **fields: object) -> ChatEngine:
    prices = {} if price is None else {"input_price_per_million": price, "output_price_per_million": price}
    url = f"http://localhost:1/{name}"
    return ChatEngine(LLMConfig.from_dict({"name": name, "model_string": name, "base_url": url} | prices | fields))


@pytest.mark.parametrize("error", [EngineError("down", transient=True), EngineAccessError("no quota")])
def test_the_next_is_asked_where_one_fails_and_it_is_said(error: EngineError, caplog: pytest.LogCaptureFixture) -> None:
    first, second, third = (
        ScriptedEngine([error]),
        ScriptedEngine([Completion("b", model="second")]),
        ScriptedEngine([]),
    )
    with caplog.at_level(logging.WARNING):
        completion = ask(Fallback([first, second, third]))
    assert (completion.text, completion.model) == ("b", "second")
    assert not third.calls
    assert [record.getMessage() for record in caplog.records] == [f"scripted failed, asking scripted: {error}"]


def test_the_last_error_is_the_answer() -> None:
    engines = [ScriptedEngine([EngineError(name)]) for name in ("first", "second")]
    with pytest.raises(EngineError, match="second"):
        ask(Fallback(engines))


@pytest.mark.parametrize("error", [BudgetError("spent"), KeyError("a bug")])
def test_a_spent_budget_and_bugs_end_the_chain(error: Exception) -> None:
    second = ScriptedEngine(["never"])
    with pytest.raises(type(error)):
        ask(Fallback([ScriptedEngine([error]), second]))
    assert not second.calls


def test_it_speaks_with_caution() -> None:
    dear, cheap, unknown = chat("dear", 10.0, structured=True), chat("cheap", 1.0), chat("unknown")
    both = Fallback([cheap, dear])
    assert isinstance(both, Engine)
    assert both.name == "cheap, else dear"
    assert both.cost(Usage(1_000_000, 0)) == 10.0
    assert Fallback([cheap, unknown]).cost(Usage(1, 1)) is None
    assert not both.structured
    assert Fallback([dear]).structured
    assert both.server == cheap.server
    assert both.identity != Fallback([dear, cheap]).identity
    most = Fallback([chat("a", max_tokens=5), chat("b", max_tokens=50)]).most_usage([user("x")], GenerateOptions())
    assert most.output_tokens == 50


def test_a_chain_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one engine"):
        Fallback([])
