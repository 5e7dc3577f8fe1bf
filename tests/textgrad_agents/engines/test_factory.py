from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, RulebookEngine, make_engine
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import user


def test_from_a_name_a_file_fields_or_a_config(tmp_path: Path) -> None:
    config = LLMConfig(name="mine", model_string="m", base_url="http://localhost:8000/v1")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(config.to_dict()))
    for given in (config, config.to_dict(), path, str(path)):
        engine = make_engine(given)
        assert isinstance(engine, ChatEngine)
        assert engine.config == config
    assert make_engine("gpt-4o-mini").name == "gpt-4o-mini"


@pytest.mark.parametrize("name", ["auto", "rulebook"])
def test_the_built_in_engine_needs_no_key(name: str) -> None:
    engine = make_engine(name)
    assert isinstance(engine, RulebookEngine)
    assert engine.name == "rulebook"


def test_another_address_and_key_for_each_of_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"name": "mine", "model_string": "m"}')
    for given in ("gpt-4o", "anything/at-all", path, {"name": "mine", "model_string": "m"}):
        engine = make_engine(given, base_url="http://localhost:8000/v1", api_key_env_var="MY_KEY")
        assert isinstance(engine, ChatEngine)
        assert (engine.config.url, engine.config.api_key_env_var) == ("http://localhost:8000/v1", "MY_KEY")


def test_a_name_with_an_address_is_asked_there_whatever_it_is_called(chat_server: Any) -> None:
    chat_server.say("from the server")
    engine = make_engine("rulebook", base_url=chat_server.url)
    assert asyncio.run(engine.generate([user("hello")])).text == "from the server"
    assert chat_server.requests[0].body["model"] == "rulebook"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no model is known as 'gtp-4o'"):
        make_engine("gtp-4o")


def test_the_facade_is_light() -> None:
    code = "import sys, textgrad_agents.engines; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "textgrad_agents.engines.chat" in loaded
    assert not {"openai", "httpx2", "genai_prices", "torch", "transformers"} & set(loaded)
