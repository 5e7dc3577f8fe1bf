"""TextGrad itself, where it is installed, with our engines, and we with its engines."""

from __future__ import annotations

import asyncio
import os
from types import ModuleType
from typing import Any

import pytest

from textgrad_agents.compat import ServedEngine, as_engine
from textgrad_agents.compat.textgrad import autograd
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.messages import user


@pytest.fixture
def textgrad(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    os.environ |= {"TEXTGRAD_DISABLE_LOGGING": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return pytest.importorskip("textgrad", reason="TextGrad is not installed: pip install textgrad-agents[textgrad]")


@pytest.mark.filterwarnings("ignore")
def test_our_engine_in_textgrad(textgrad: Any) -> None:
    engine = ServedEngine(ScriptedEngine(["an answer", "be clear"]))
    text = textgrad.Variable("hi", role_description="text")
    answer = textgrad.autograd.LLMCall(engine)(text)
    answer.backward(engine)
    assert (answer.value, text.get_gradient_text()) == ("an answer", "be clear")


@pytest.mark.filterwarnings("ignore")
def test_textgrads_engine_with_us(textgrad: Any, chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import openai
    from textgrad.engine.local_model_openai_api import ChatExternalClient

    monkeypatch.setenv("OPENAI_API_KEY", "fake")
    monkeypatch.setenv("XDG_CACHE_HOME", os.getcwd())
    chat_server.say("from the server")
    client = openai.OpenAI(base_url=chat_server.url, api_key="fake")
    engine = ChatExternalClient(client, "tiny")
    assert asyncio.run(as_engine(engine).generate([user("hi")])).text == "from the server"
    assert autograd.LLMCall(engine)(Variable("hello", role_description="text")).value == "ok"
