"""A key never leaves memory but for its server: whatever is written, said or logged is searched for it."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.engines import (
    Budget,
    Cache,
    ChatEngine,
    LLMConfig,
    RulebookEngine,
    Stack,
    get_llm_config,
    make_engine,
    save_llm_config,
)
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.middleware import Try
from textgrad_agents.engines.models.providers import PROVIDERS
from textgrad_agents.engines.record import dump_completion
from textgrad_agents.engines.serve import serving
from textgrad_agents.errors import ConfigError, EngineError, TextgradAgentsError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, user
from training import MonteCarloTrainer, TrainingConfig
from training.commands import doctor, models
from training.dry_run import print_estimates

CANARY = "sk-canary/0123456789+abc"
SHAPES = (CANARY, CANARY.replace("/", "\\/"), CANARY[:14])


def assert_clean(text: str | bytes, where: object = "") -> None:
    data = text if isinstance(text, bytes) else text.encode(errors="replace")
    for shape in SHAPES:
        assert shape.encode() not in data, where


def assert_folder_clean(folder: Path) -> int:
    """No file below `folder` holds the key; returns how many were searched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        assert_clean(str(path))
        assert_clean(path.read_bytes(), path)
    return len(files)


class Indiscreet:
    """Answers like the built-in engine, and tells the key with every answer and every third time as an error."""

    name = "indiscreet"

    def __init__(self) -> None:
        self.calls = 0

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        self.calls += 1
        if self.calls % 3 == 0:
            raise make_fault("server", f"broken while serving {CANARY}", EngineError)
        completion = await RulebookEngine().generate(messages, options)
        told = f"{completion.text}\nYour key is {CANARY}."
        return Completion(told, usage=completion.usage, model=f"model of {CANARY}", details={"reasoning": CANARY})


@pytest.fixture(params=["variable", "inline"])
def fields(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The two places where a user may put a key."""
    if request.param == "inline":
        return {"api_key": CANARY}
    monkeypatch.setenv("MY_SERVER_KEY", CANARY)
    return {"api_key_env_var": "MY_SERVER_KEY"}


ANSWERS = {
    "text": lambda server: server.say(f"the key is {CANARY}"),
    "reasoning": lambda server: server.say("x", message={"reasoning_content": CANARY}),
    "model": lambda server: server.say("x", model=CANARY),
    "tool call": lambda server: server.say(
        None,
        message={"tool_calls": [{"id": CANARY, "function": {"name": "f", "arguments": json.dumps({"k": CANARY})}}]},
    ),
    "logprobs": lambda server: server.send(
        {
            "choices": [
                {"message": {"content": "x"}, "logprobs": {"content": [{"token": CANARY}]}, "finish_reason": "stop"}
            ]
        }
    ),
    "refusal": lambda server: server.say(None, message={"refusal": CANARY}),
    "401": lambda server: server.fail(401, f"Incorrect API key provided: {CANARY}"),
    "400": lambda server: server.fail(400, CANARY, param=CANARY, code=CANARY),
    "404": lambda server: server.fail(404, CANARY),
    "429": lambda server: server.fail(429, CANARY, code="insufficient_quota"),
    "500": lambda server: server.fail(500, CANARY),
    "page": lambda server: server.send(f"<html>{CANARY}"),
    "no json": lambda server: server.send(f"{CANARY} {{"),
    "redirect": lambda server: server.send("", 302, headers={"location": f"https://elsewhere.example/?k={CANARY}"}),
    "stream": lambda server: server.send(
        f'data: {{"error": {{"message": "{CANARY}"}}}}\n\n', headers={"content-type": "text/event-stream"}
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_a_server_answers(
    chat_server: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    answer: str,
    stream: bool,
) -> None:
    tries: list[Try] = []
    config = LLMConfig(name="m", model_string="m", base_url=chat_server.url, stream=stream, **fields)
    cache, budget = Cache(tmp_path / "cache.sqlite"), Budget(tokens=10**6, path=tmp_path / "budget.sqlite")
    stack = Stack(cache=cache, budget=budget, attempts=2, first_wait=0.001, on_try=tries.append)
    engine = stack(ChatEngine(config))
    ANSWERS[answer](chat_server)
    ANSWERS[answer](chat_server)
    produced = [repr(engine), repr(stack.meter.snapshot())]
    with caplog.at_level(logging.DEBUG):
        try:
            completion = asyncio.run(engine.generate([user("hello")], GenerateOptions(temperature=0.0)))
            produced += [repr(completion), dump_completion(completion)]
        except EngineError as error:
            produced += [str(error), repr(error), repr(error.__dict__), "".join(traceback.format_exception(error))]
            assert_clean(pickle.dumps(error))
    assert chat_server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert_clean("\n".join([*produced, caplog.text, repr(tries)]))
    assert_clean(pickle.dumps(ChatEngine(config)))
    cache.close()
    budget.close()
    assert assert_folder_clean(tmp_path) >= 2


def test_what_a_user_writes_about_models(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"name": "m", "model_string": "m", "base_url": "http://gpu7:8000/v1"} | fields))
    config = get_llm_config(path)
    assert config.get_api_key() == CANARY
    path.unlink()
    save_llm_config(config, tmp_path / "out.json")
    engine = make_engine(config)
    assert_clean(f"{config!r} {config} {config.to_dict()} {config.identity()} {engine!r} {config.model_dump_json()}")
    assert_clean(pickle.dumps(config) + pickle.dumps(engine))
    assert assert_folder_clean(tmp_path) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": f"https://user:{CANARY}@host.example/v1"},
        {"base_url": f"https://{CANARY}@host.example/v1"},
        {"base_url": f"https://host.example/v1?key={CANARY}"},
        {"base_url": f"https://host.example/v1#{CANARY}"},
        {"api_key_env_var": CANARY},
        {"api_key": CANARY, "nonsense": 1},
        {"api_key": [CANARY]},
        {"api_key": f"{CANARY} with a space"},
    ],
)
def test_what_is_refused_is_not_repeated(wrong: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"name": "m", "model_string": "m"} | wrong))
    with pytest.raises(ConfigError) as caught:
        get_llm_config(path).get_api_key()
    assert_clean(f"{caught.value} {caught.value!r} {''.join(traceback.format_exception(caught.value))}")


def test_everything_that_a_training_run_leaves_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textgrad_agents.engines.middleware.retry._LONGEST_WAIT", 0.001)
    path = tmp_path / "model.json"
    indiscreet = Indiscreet()
    events: list[Any] = []
    with serving(indiscreet) as url, caplog.at_level(logging.DEBUG):
        path.write_text(json.dumps({"name": "m", "model_string": "m", "base_url": url, "api_key": CANARY}))
        config = TrainingConfig(
            llm_config=str(path),
            num_iterations=1,
            trajectories_per_iteration=1,
            num_pistons=3,
            max_cycles=10,
            gate="none",
            save_gif=False,
            experiments_dir=tmp_path / "experiments",
            policy_path=tmp_path / "policy.json",
        )
        trainer = MonteCarloTrainer(config, on_event=events.append)
        try:
            trainer.train_full()
        except TextgradAgentsError as error:
            assert_clean(f"{error!r} {error}")
    assert indiscreet.calls > 20
    assert_clean(f"{caplog.text} {events!r} {config!r} {config.to_dict()}")
    path.unlink()  # the one place where the user put it
    out = capfd.readouterr()
    assert_clean(out.out + out.err)
    assert assert_folder_clean(tmp_path) > 5


@pytest.mark.parametrize("place", ["file", "variable"])
def test_what_the_commands_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """Commands that look at keys, with every key there is being the canary."""
    monkeypatch.chdir(tmp_path)
    for provider in PROVIDERS.values():
        if provider.key_variable:
            monkeypatch.setenv(provider.key_variable, CANARY)
    monkeypatch.setenv("MY_SERVER_KEY", CANARY)
    where = {"api_key": CANARY} if place == "file" else {"api_key_env_var": "MY_SERVER_KEY"}
    with serving(Indiscreet()) as url:
        Path("model.json").write_text(json.dumps({"name": "m", "model_string": "m", "base_url": url} | where))
        assert doctor.main(["--model", "model.json"]) == 0
        assert doctor.main(["--model", "gpt-6-luna"]) == 0
        models.main([])
        config = TrainingConfig(llm_config="model.json", num_pistons=3, max_cycles=10)
        assert print_estimates(config, overwrite=False) == 0
    Path("model.json").unlink()
    said = capsys.readouterr()
    assert "OPENAI_API_KEY" in said.out
    assert "MY_SERVER_KEY" not in said.out or place == "variable"
    assert_clean(said.out + said.err)
    assert assert_folder_clean(tmp_path) == 0
