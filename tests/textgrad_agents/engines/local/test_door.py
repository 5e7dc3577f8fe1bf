"""Local models by their names: configs, `make_engine`, a server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from local_models import character_tokenizer, tiny_model, tiny_module

from textgrad_agents.engines import LLMConfig, get_llm_config, make_engine, save_llm_config
from textgrad_agents.engines.local import LocalEngine
from textgrad_agents.engines.serve import serving
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, user

OPTIONS = GenerateOptions(max_tokens=8, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and two adapters beside it."""
    folder = tmp_path_factory.mktemp("model")
    tiny_module().save_pretrained(folder / "base")
    character_tokenizer().save_pretrained(folder / "base")
    model = tiny_model()
    for seed, name in enumerate(("first", "second")):
        model.add_adapter(name)
        with torch.no_grad():
            for _, parameter in model.trainable(name):
                parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
        model.updated(name)
        model.save_adapter(name, folder / name)
    return folder


def config(folder: Path, **extra: Any) -> LLMConfig:
    model = f"local:{folder / 'base'}"
    return LLMConfig(name="mine", model_string=model, api_key_env_var=None, extra_params={"device": "cpu", **extra})


def ask(engine: Engine, **changes: Any) -> Completion:
    return asyncio.run(engine.generate([user("Go.")], GenerateOptions(max_tokens=8, seed=3, **changes)))


def test_a_folder_is_an_engine(folder: Path) -> None:
    engine = make_engine(f"local:{folder / 'base'}")
    assert isinstance(engine, LocalEngine)
    assert engine.name == f"local:{folder / 'base'}"
    assert get_llm_config(engine.name).get_api_key() is None
    assert get_llm_config(engine.name).provider is None


def test_a_config_names_adapters_and_survives_its_file(folder: Path, tmp_path: Path) -> None:
    adapters = [str(folder / "second"), str(folder / "first")]
    save_llm_config(config(folder, adapters=adapters), tmp_path / "mine.json")
    engine = make_engine(tmp_path / "mine.json")
    first, second, bare = (ask(engine, extra={"adapter": name}).text for name in ("first", "second", None))
    assert len({first, second, bare}) == 3
    assert ask(engine).text == second
    assert ask(LocalEngine(tiny_model())).text == bare


def test_it_is_served_with_its_adapters(folder: Path) -> None:
    adapters = [str(folder / "first"), str(folder / "second")]
    engine = make_engine(config(folder, adapters=adapters))
    with serving(engine) as url:
        client = make_engine("tiny", base_url=url)
        assert ask(client).text == ask(engine).text
        assert ask(client, extra={"adapter": "second"}).text == ask(engine, extra={"adapter": "second"}).text
        with pytest.raises(EngineError, match="has no adapter 'third'"):
            ask(client, extra={"adapter": "third"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"extra_params": {"speed": 3}}, "takes no speed"),
        ({"top_p": 0.9}, "top_p of a local model are said with each call"),
        ({"extra_params": {"adapters": "first"}}, "adapters is a list of folders"),
        ({"extra_params": {"device": "tpu"}}, "device 'tpu' is not known"),
    ],
)
def test_fields_that_mean_nothing_are_refused(folder: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_engine(config(folder).replaced(**fields))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no model folder"):
        make_engine(f"local:{tmp_path / 'nothing'}")
