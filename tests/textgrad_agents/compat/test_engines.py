"""Engines by TextGrad's names."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from textgrad_agents.compat.textgrad.engine import CachedEngine, EngineLM, get_engine, validate_multimodal_engine
from textgrad_agents.compat.textgrad.engine.anthropic import ChatAnthropic
from textgrad_agents.compat.textgrad.engine.bedrock import ChatBedrockEngine
from textgrad_agents.compat.textgrad.engine.cohere import ChatCohere
from textgrad_agents.compat.textgrad.engine.engine_utils import get_image_type_from_bytes, is_jpeg, is_png
from textgrad_agents.compat.textgrad.engine.gemini import ChatGemini
from textgrad_agents.compat.textgrad.engine.groq import ChatGroq
from textgrad_agents.compat.textgrad.engine.guidance import GuidanceEngine
from textgrad_agents.compat.textgrad.engine.local_model_openai_api import ChatExternalClient
from textgrad_agents.compat.textgrad.engine.openai import AzureChatOpenAI, ChatOpenAI
from textgrad_agents.compat.textgrad.engine.together import ChatTogether
from textgrad_agents.compat.textgrad.engine.vllm import ChatVLLM
from textgrad_agents.compat.textgrad.engine_experimental import litellm
from textgrad_agents.compat.textgrad.engine_experimental.engine_utils import open_ai_like_formatting
from textgrad_agents.compat.textgrad.engine_experimental.litellm import LiteLLMEngine, completion
from textgrad_agents.compat.textgrad.engine_experimental.openai import OpenAICompatibleEngine, OpenAIEngine
from textgrad_agents.errors import ConfigError, EngineError, MissingKeyError

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8

KEYS = {
    "gpt-4o": "OPENAI_API_KEY",
    "azure-my-deployment": "AZURE_OPENAI_API_KEY",
    "claude-3-opus-20240229": "ANTHROPIC_API_KEY",
    "gemini-pro": "GOOGLE_API_KEY",
    "together-llama-3-70b": "TOGETHER_API_KEY",
    "command-r": "COHERE_API_KEY",
    "groq-llama3": "GROQ_API_KEY",
}


@pytest.mark.parametrize(
    ("name", "kind", "model"),
    [
        ("gpt-3.5-turbo-0613", ChatOpenAI, "gpt-3.5-turbo-0613"),
        ("gpt-4o", ChatOpenAI, "gpt-4o"),
        ("azure-my-deployment", AzureChatOpenAI, "my-deployment"),
        ("haiku", ChatAnthropic, "claude-3-haiku-20240307"),
        ("gemini-pro", ChatGemini, "gemini-pro"),
        ("together-llama-3-70b", ChatTogether, "meta-llama/Llama-3-70b-chat-hf"),
        ("command-r", ChatCohere, "command-r"),
        ("ollama-llama3", ChatOpenAI, "llama3"),
        ("vllm-llama-3-8b", ChatVLLM, "meta-llama/Meta-Llama-3-8B-Instruct"),
        ("groq-llama3", ChatGroq, "llama3"),
        ("experimental:claude-3-opus-20240229", LiteLLMEngine, "claude-3-opus-20240229"),
    ],
)
def test_each_name_gives_its_engine(
    name: str, kind: type[EngineLM], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in KEYS.values():
        monkeypatch.setenv(variable, "sk-for-tests")
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", "https://mine.openai.azure.com/")
    engine = get_engine(name)
    assert type(engine) is kind
    assert engine.model_string == model


@pytest.mark.parametrize(("name", "variable"), KEYS.items())
def test_a_missing_key_is_a_value_error_that_names_the_variable(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", "https://mine.openai.azure.com/")
    with pytest.raises(ValueError, match=variable):
        get_engine(name)


def test_azure_needs_its_address() -> None:
    with pytest.raises(MissingKeyError, match="AZURE_OPENAI_API_BASE"):
        AzureChatOpenAI()


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [
        ("invalid-engine", {}, "no engine is known as 'invalid-engine'"),
        ("gpt-4o", {"cache": True}, "cache= is for engines named experimental:MODEL"),
        ("claude-3-opus-20240229", {"seed": 1}, "seed= is for OpenAI's models"),
        ("experimental:gpt-4o", {"cache": [1, 2, 3]}, "cache must be True, False"),
    ],
)
def test_what_a_name_does_not_take_is_refused(name: str, arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        get_engine(name, **arguments)


def test_a_server_of_ones_own(chat_server: Any) -> None:
    chat_server.say("hello")
    engine = ChatOpenAI("tiny", "be brief", base_url=chat_server.url)
    assert engine("hi", temperature=0.5) == "hello"
    (request,) = chat_server.requests
    assert request.body["model"] == "tiny"
    assert request.body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert (request.body["temperature"], request.body["max_tokens"], request.body["top_p"]) == (0.5, 2000, 0.99)


def test_the_seed_is_sent(chat_server: Any) -> None:
    engine = get_engine("gpt-4o", seed=7, base_url=chat_server.url)
    engine("hi")
    assert chat_server.requests[0].body["seed"] == 7


def test_images_are_sent_in_their_own_kind(chat_server: Any) -> None:
    engine = ChatOpenAI("eye", is_multimodal=True, base_url=chat_server.url)
    engine(["what is this?", PNG])
    text, image = chat_server.requests[0].body["messages"][1]["content"]
    assert text == {"type": "text", "text": "what is this?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_passing_fault_is_waited_out(chat_server: Any) -> None:
    chat_server.fail(429, headers={"retry-after": "0"})
    chat_server.say("hello")
    assert ChatOpenAI("tiny", base_url=chat_server.url)("hi") == "hello"


def test_a_lasting_fault_is_not(chat_server: Any) -> None:
    chat_server.fail(404)
    with pytest.raises(EngineError):
        ChatOpenAI("tiny", base_url=chat_server.url)("hi")
    assert len(chat_server.requests) == 1


def test_completion_asks_by_litellms_names(chat_server: Any) -> None:
    chat_server.say("hello")
    reply = completion(
        model="openai/tiny", messages=[{"role": "user", "content": "hi"}], api_base=chat_server.url, stop="END", top_k=5
    )
    assert reply["choices"][0]["message"]["content"] == "hello"
    assert reply["usage"] == {"prompt_tokens": 11, "completion_tokens": 7}
    body = chat_server.requests[0].body
    assert (body["model"], body["stop"], body["top_k"]) == ("tiny", ["END"], 5)


def test_completion_keeps_its_connection(chat_server: Any) -> None:
    for _ in range(3):
        completion("openai/tiny", [{"role": "user", "content": "hi"}], api_base=chat_server.url)
    assert chat_server.connections == 1


def test_a_model_that_nobody_is_known_to_serve() -> None:
    with pytest.raises(ConfigError, match="put the provider before it, as in openai/frobnicate"):
        completion("frobnicate", [{"role": "user", "content": "hi"}])


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gpt-4o-mini", "OPENAI_API_KEY"),
        ("claude-3-opus", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-pro", "GOOGLE_API_KEY"),
        ("together_ai/llama", "TOGETHER_API_KEY"),
        ("groq/llama", "GROQ_API_KEY"),
    ],
)
def test_each_provider_is_asked_with_its_own_key(model: str, variable: str) -> None:
    with pytest.raises(MissingKeyError, match=variable):
        completion(model, [{"role": "user", "content": "hi"}])


def test_the_litellm_engine_asks_through_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def fake(**kwargs: Any) -> dict[str, Any]:
        asked.append(kwargs)
        return {"choices": [{"message": {"content": "fake"}}]}

    monkeypatch.setattr(litellm, "completion", fake)
    assert LiteLLMEngine("gpt-4o")("hi") == "fake"
    assert LiteLLMEngine("gpt-4o", "sys")(["look", PNG]) == "fake"
    assert asked[0]["messages"][1] == {"role": "user", "content": "hi"}
    assert asked[1]["messages"][0] == {"role": "system", "content": "sys"}
    assert asked[1]["messages"][1]["content"] == open_ai_like_formatting(["look", PNG])


class Counting(LiteLLMEngine):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__("counting", **kwargs)
        self.calls = 0

    def lite_llm_generate(self, content: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.calls += 1
        return f"{content} {self.calls}"


def test_no_cache_by_default() -> None:
    engine = Counting()
    assert [engine("a"), engine("a")] == ["a 1", "a 2"]


def test_a_cache_of_its_own() -> None:
    engine = Counting(cache=True)
    assert [engine("a"), engine("a"), engine("b")] == ["a 1", "a 1", "b 2"]
    assert engine("a", system_prompt="other") == "a 3"
    assert engine("a", temperature=1) == "a 4"


def test_a_cache_that_is_given_outlives_the_engine() -> None:
    kept: dict[str, str] = {}
    assert Counting(cache=kept)("a") == "a 1"
    again = Counting(cache=kept)
    assert again("a") == "a 1"
    assert again.calls == 0
    (key,) = kept
    # Python's own hash of a text differs from process to process; this key must not
    assert key == "1002daab82645f8c67df1792fa53b110668da225586a4599ef88d17a72f93e07"


def test_an_experimental_engine_without_eyes() -> None:
    with pytest.raises(NotImplementedError, match="takes no images"):
        LiteLLMEngine("gpt-3.5-turbo", is_multimodal=False)(["look", PNG])


def test_the_openai_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        OpenAIEngine("gpt-4o")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    assert OpenAIEngine("gpt-4o").model_string == "gpt-4o"


class Client:
    """The part of an OpenAI client that is used."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.chat = SimpleNamespace(completions=self)

    def create(self, **request: Any) -> Any:
        self.asked.append(json.loads(json.dumps(request)))
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="from the client"))])


@pytest.mark.parametrize("kind", [ChatExternalClient, OpenAICompatibleEngine])
def test_a_client_of_ones_own(kind: Any) -> None:
    client = Client()
    assert kind(client=client, model_string="mine")("hi", max_tokens=40) == "from the client"
    (request,) = client.asked
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("mine", 40, 0.0)
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


def test_bedrock() -> None:
    asked: list[dict[str, Any]] = []

    class Bedrock:
        def converse(self, **request: Any) -> Any:
            asked.append(request)
            return {"output": {"message": {"content": [{"text": "from "}, {"text": "bedrock"}]}}}

    assert ChatBedrockEngine(Bedrock(), is_multimodal=True)(["look", PNG]) == "from bedrock"
    assert asked[0]["messages"][0]["content"] == [
        {"text": "look"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
    ]


def test_guidance_says_what_to_use_instead() -> None:
    with pytest.raises(ConfigError, match="GuidedTextualGradientDescent"):
        GuidanceEngine()


def test_an_engine_that_says_it_is_blind_is_refused() -> None:
    validate_multimodal_engine(SimpleNamespace(is_multimodal=True))
    validate_multimodal_engine(object())
    with pytest.raises(ValueError, match="takes no images"):
        validate_multimodal_engine(SimpleNamespace(is_multimodal=False))


def test_kinds_of_images_by_textgrads_names() -> None:
    assert is_png(PNG)
    assert not is_jpeg(PNG)
    assert not is_png(b"text")
    assert get_image_type_from_bytes(PNG) == "png"


class Remembering(EngineLM, CachedEngine):
    def __init__(self, path: Any) -> None:
        CachedEngine.__init__(self, path)
        self.calls = 0

    def generate(self, prompt: str, system_prompt: str | None = None, **kwargs: Any) -> str:
        kept = self._check_cache(prompt)
        if kept is not None:
            return kept
        self.calls += 1
        self._save_cache(prompt, f"reply {self.calls}")
        return f"reply {self.calls}"


def test_replies_kept_in_a_file(tmp_path: Any) -> None:
    engine = Remembering(tmp_path / "deep" / "cache.db")
    assert [engine("a"), engine("a"), engine("b")] == ["reply 1", "reply 1", "reply 2"]
    assert Remembering(tmp_path / "deep" / "cache.db")("a") == "reply 1"
    copy = pickle.loads(pickle.dumps(engine))
    assert copy("b") == "reply 2"
