from __future__ import annotations

import asyncio
import copy
import json
import pickle
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.connection import _prepare
from textgrad_agents.engines.models import (
    LLMConfig,
    get_llm_config,
    list_available_models,
    model_table,
    retirement_notice,
    save_llm_config,
)
from textgrad_agents.engines.models.presets import PRESETS
from textgrad_agents.engines.models.providers import PROVIDERS, checked_url, is_loopback
from textgrad_agents.errors import ConfigError, FileFormatError, MissingKeyError, TextgradAgentsError

CANARY = "sk-canary-0123456789"
USAGE_DOC_MODELS = {
    "gpt-4o": "gpt-4o",
    "gpt-4o-mini": "gpt-4o-mini",
    "gpt-5": "gpt-5",
    "o1": "o1",
    "gemini-pro": "gemini-1.5-pro",
    "gemini-flash": "gemini-1.5-flash",
    "gemini-2.0-flash": "gemini-2.0-flash",
    "llama-3.1-70b": "meta-llama/llama-3.1-70b-instruct",
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "qwen-72b": "Qwen/Qwen2.5-72B-Instruct-Turbo",
    "deepseek-chat": "deepseek-chat",
    "deepseek-reasoner": "deepseek-reasoner",
    "ollama-llama3": "llama3",
}
TODAY = date(2026, 11, 20)


def config(**fields: Any) -> LLMConfig:
    return LLMConfig(**{"name": "mine", "model_string": "my-model"} | fields)


class TestFields:
    def test_defaults(self) -> None:
        assert config().model_dump() == {
            "name": "mine",
            "model_string": "my-model",
            "base_url": None,
            "api_key_env_var": "OPENAI_API_KEY",
            "is_multimodal": False,
            "structured": False,
            "max_tokens": 4096,
            "temperature": None,
            "top_p": None,
            "seed": None,
            "stop": (),
            "reasoning_effort": None,
            "timeout": 600.0,
            "stream": False,
            "requests_per_minute": None,
            "tokens_per_minute": None,
            "input_price_per_million": 0.0,
            "output_price_per_million": 0.0,
            "extra_params": {},
        }
        assert config().api_key is None

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"max_tokns": 5}, "there is no field max_tokns; did you mean max_tokens?"),
            ({"temprature": 5}, "did you mean temperature?"),
            ({"zzz": 5}, "there is no field zzz; known are name, model_string"),
            ({"name": " "}, "name must have at least 1 character, not ' '"),
            ({"model_string": ""}, "model_string must have at least 1 character"),
            ({"base_url": "ftp://host/v1"}, "base_url must look like https://host/v1"),
            ({"base_url": "localhost:8000"}, "base_url must look like"),
            ({"base_url": "https://host/v1?key=1"}, "base_url must end with its path"),
            ({"base_url": "http://host:99999/v1"}, "an address or port that cannot be one"),
            ({"base_url": "http://256.1.1.1/v1"}, "an address or port that cannot be one"),
            ({"base_url": "http://host/v1/chat/completions"}, "must end before /chat/completions"),
            ({"base_url": 7}, "base_url must be a valid string"),
            ({"input_price_per_million": float("nan")}, "input_price_per_million must be a finite number, not nan"),
            (
                {"output_price_per_million": -0.5},
                "output_price_per_million must be greater than or equal to 0, not -0.5",
            ),
            ({"output_price_per_million": float("inf")}, "output_price_per_million"),
            ({"max_tokens": 0}, "max_tokens must be greater than 0, not 0"),
            ({"temperature": -1}, "temperature"),
            ({"top_p": 1.5}, "top_p"),
            ({"timeout": 0}, "timeout"),
            ({"reasoning_effort": "huge"}, "reasoning_effort must be .*'high'.*, not 'huge'"),
            ({"extra_params": {"messages": [], "n": 2}}, "extra_params must not set messages, n"),
            ({"extra_params": {"x": object()}}, "extra_params.x"),
            ({"stop": [1]}, "stop.0"),
        ],
    )
    def test_what_cannot_be_used_is_refused_by_name(self, fields: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError, match=said) as caught:
            config(**fields)
        assert "\n" not in str(caught.value)

    def test_all_problems_are_named_at_once(self) -> None:
        with pytest.raises(ConfigError, match="name is missing; model_string is missing"):
            LLMConfig()  # type: ignore[call-arg]

    def test_a_single_stop_text_is_one_stop(self) -> None:
        assert config(stop="END").stop == ("END",)

    def test_an_empty_inline_key_is_none(self) -> None:
        assert config(api_key="  ").api_key is None

    def test_fields_do_not_change_but_copies_may(self) -> None:
        one = config(api_key=CANARY)
        with pytest.raises(ValueError, match="frozen"):
            one.max_tokens = 5  # type: ignore[misc]
        other = one.replaced(max_tokens=5)
        assert (one.max_tokens, other.max_tokens) == (4096, 5)
        assert other.get_api_key() == CANARY
        with pytest.raises(ConfigError, match="max_tokens"):
            one.replaced(max_tokens=-5)


class TestSecrets:
    def test_the_inline_key_is_nowhere_but_in_memory(self, tmp_path: Path) -> None:
        one = config(api_key=CANARY, base_url="http://localhost:8000/v1")
        save_llm_config(one, tmp_path / "mine.json")
        shown = [
            repr(one),
            str(one),
            f"{one.api_key}",
            repr(one.__dict__),
            str(one.to_dict()),
            str(one.model_dump()),
            one.model_dump_json(),
            (tmp_path / "mine.json").read_text(),
        ]
        assert all(CANARY not in text for text in shown)
        assert CANARY.encode() not in pickle.dumps(one)
        assert one.get_api_key() == copy.copy(one).get_api_key() == copy.deepcopy(one).get_api_key() == CANARY

    def test_a_pickled_copy_has_no_key(self) -> None:
        copied = pickle.loads(pickle.dumps(config(api_key=CANARY, max_tokens=7)))
        assert copied.api_key is None
        assert copied == config(max_tokens=7)

    @pytest.mark.parametrize(
        "fields",
        [
            {"api_key": CANARY, "unknown": 1},
            {"api_key": [CANARY]},
            {"api_key_env_var": CANARY},
            {"api_key_env_var": [CANARY]},
            {"base_url": [CANARY]},
            {"apikey": CANARY},
            {"base_url": f"https://user:{CANARY}@host/v1"},
            {"api_key": CANARY, "max_tokens": -1},
        ],
    )
    def test_no_refusal_repeats_a_key(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ConfigError) as caught:
            config(**fields)
        assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"

    def test_a_key_in_place_of_a_variable_is_recognized(self) -> None:
        with pytest.raises(ConfigError, match="api_key_env_var must be the name of an environment variable"):
            config(api_key_env_var="AIzaSyCanary")


class TestKeyOfAProvider:
    def test_from_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", f"{CANARY}\n")
        assert config().get_api_key() == CANARY
        assert config(base_url="https://eu.api.openai.com/v1").get_api_key() == CANARY

    def test_inline_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
        assert config(api_key=CANARY, base_url="https://other.example/v1").get_api_key() == CANARY

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_a_missing_key_names_the_variable(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        if value is not None:
            monkeypatch.setenv("TOGETHER_API_KEY", value)
        with pytest.raises(MissingKeyError, match=r"'qwen-72b' needs the key of Together .* TOGETHER_API_KEY"):
            get_llm_config("qwen-72b").get_api_key()
        with pytest.raises(ValueError, match="TOGETHER_API_KEY"):
            get_llm_config("qwen-72b").get_api_key()

    @pytest.mark.parametrize(
        "url",
        [
            "https://collector.example/v1",
            "https://api.openai.com.collector.example/v1",
            "https://notapi.openai.com/v1",
            "https://openai.com/v1",
            "http://api.openai.com/v1",
            "https://api.together.xyz/v1",
            "https://10.0.0.5/v1",
        ],
    )
    def test_it_goes_to_no_other_host_and_never_unencrypted(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        with pytest.raises(ConfigError, match=r"the key in OPENAI_API_KEY is sent to https://api\.openai\.com alone"):
            config(base_url=url).get_api_key()

    def test_the_way_out_names_the_right_variable(self) -> None:
        with pytest.raises(ConfigError, match="put that server's key into TOGETHER_API_KEY"):
            config(base_url="https://api.together.xyz/v1").get_api_key()

    def test_every_provider_has_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for provider in PROVIDERS.values():
            if provider.key_variable is None:
                continue
            monkeypatch.setenv(provider.key_variable, CANARY)
            own = config(base_url=provider.base_url, api_key_env_var=provider.key_variable)
            assert own.get_api_key() == CANARY
            assert own.provider is provider
            for other in PROVIDERS.values():
                if other is not provider and other.key_variable:
                    with pytest.raises(ConfigError):
                        own.replaced(base_url=other.base_url).get_api_key()

    def test_a_variable_of_your_own_goes_where_you_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB_KEY", CANARY)
        assert config(base_url="https://lab.example/v1", api_key_env_var="LAB_KEY").get_api_key() == CANARY
        with pytest.raises(MissingKeyError, match="LAB_KEY2"):
            config(base_url="https://lab.example/v1", api_key_env_var="LAB_KEY2").get_api_key()

    def test_a_server_that_wants_none(self) -> None:
        assert config(base_url="http://gpu7:8000/v1", api_key_env_var=None).get_api_key() is None

    @pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://127.0.0.1/v1", "http://[::1]:8000/v1"])
    def test_a_local_server_needs_none_and_gets_none_of_a_provider(
        self, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        assert config(base_url=url).get_api_key() is None
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        assert config(base_url=url).get_api_key() is None
        assert config(base_url=url, api_key_env_var="MY_KEY").get_api_key() is None
        monkeypatch.setenv("MY_KEY", CANARY)
        assert config(base_url=url, api_key_env_var="MY_KEY").get_api_key() == CANARY

    @pytest.mark.parametrize("key", ["two words", "line\nbreak-in-it", "kéy-with-accent", "tab\there"])
    def test_what_cannot_be_a_key_is_refused_unseen(self, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        for one in (config(), config(api_key=key)):
            with pytest.raises(ConfigError, match="copy it anew") as caught:
                one.get_api_key()
            assert key not in str(caught.value)

    def test_what_the_environment_adds_is_taken_off_and_openai_keeps_its_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        added = {"openai-organization": "org", "x-stainless-os": "Linux", "authorization": "Bearer other", "host": "h"}
        request = httpx2.Request("POST", "http://h", headers=added)
        asyncio.run(_prepare(config(), request))
        kept = {"host": "h", "content-length": "0", "accept-encoding": "gzip"}
        assert request.headers == kept | {"openai-organization": "org", "authorization": f"Bearer {CANARY}"}
        request = httpx2.Request("POST", "http://h", headers=added)
        asyncio.run(_prepare(config(base_url="http://gpu7:8000/v1", api_key_env_var=None), request))
        assert request.headers == kept


class TestAddresses:
    @given(
        st.from_regex(r"https?://[a-z0-9.\-\[\]:@\\/#?%_]{1,20}", fullmatch=True)
        | st.from_regex(r"https?://[0-9.]{1,12}(:[0-9]{1,6})?/v1", fullmatch=True)
    )
    def test_every_accepted_address_means_the_same_host_to_the_http_client(self, url: str) -> None:
        from urllib.parse import urlsplit

        try:
            checked_url(url)
        except ValueError:
            return
        parsed = httpx2.URL(url)
        assert parsed.host.lower() == (urlsplit(url).hostname or "").lower()
        assert parsed.userinfo == b""

    @pytest.mark.parametrize(
        ("url", "local"),
        [
            ("http://localhost/v1", True),
            ("http://LOCALHOST:1/v1", True),
            ("http://model.localhost/v1", True),
            ("http://127.9.9.9/v1", True),
            ("http://0.0.0.0:8000/v1", True),
            ("http://[::1]/v1", True),
            ("http://localhost.example/v1", False),
            ("http://notlocalhost/v1", False),
            ("http://10.0.0.1/v1", False),
            ("https://api.openai.com/v1", False),
        ],
    )
    def test_this_machine(self, url: str, local: bool) -> None:
        assert is_loopback(url) is local


class TestNamesAndFiles:
    def test_all_names_of_the_usage_page_are_known(self) -> None:
        for name, model_string in USAGE_DOC_MODELS.items():
            found = get_llm_config(name)
            assert (found.name, found.model_string) == (name, model_string)
        assert set(USAGE_DOC_MODELS) <= set(list_available_models())

    def test_every_preset_makes_a_config_that_survives_a_file(self, tmp_path: Path) -> None:
        for name in list_available_models():
            found = get_llm_config(name)
            save_llm_config(found, tmp_path / f"{name}.json")
            assert get_llm_config(tmp_path / f"{name}.json") == found
            assert get_llm_config(str(tmp_path / f"{name}.json")) == found

    def test_a_file_as_the_usage_page_shows_it(self, tmp_path: Path) -> None:
        path = tmp_path / "my_llm.json"
        fields = {
            "name": "my-custom-model",
            "model_string": "my-model-id",
            "base_url": "http://localhost:8000/v1",
            "api_key": "my-key",
            "max_tokens": 4096,
            "input_price_per_million": 0.0,
            "output_price_per_million": 0.0,
        }
        path.write_text(json.dumps(fields))
        found = get_llm_config(str(path))
        assert found.get_api_key() == "my-key"
        assert found.to_dict().items() >= {key: value for key, value in fields.items() if key != "api_key"}.items()
        assert "api_key" not in found.to_dict()

    def test_prices_that_nobody_gave_are_not_written_as_given(self) -> None:
        assert "input_price_per_million" not in config().to_dict()
        priced = config(input_price_per_million=0.0)
        assert priced.to_dict()["input_price_per_million"] == 0.0
        assert LLMConfig.from_dict(priced.to_dict()).model_fields_set >= {"input_price_per_million"}

    @pytest.mark.parametrize(
        ("content", "error", "said"),
        [
            (None, FileFormatError, "does not exist"),
            ("{", FileFormatError, "not valid JSON"),
            ("[1]", FileFormatError, "must hold one JSON object"),
            ('{"name": "a"}', ConfigError, "my.json: LLM config: model_string is missing"),
            ('{"name": "a", "model_string": "b", "max_token": 1}', ConfigError, "did you mean max_tokens?"),
        ],
    )
    def test_an_unusable_file_is_named(
        self, tmp_path: Path, content: str | None, error: type[TextgradAgentsError], said: str
    ) -> None:
        path = tmp_path / "my.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(error, match=said) as caught:
            get_llm_config(path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "nearest"),
        [("gpt-4o-mnii", "gpt-4o-mini"), ("gemini-1.5-pro", "gemini-pro"), ("claude-sonnet", "claude-sonnet-5-5")],
    )
    def test_an_unknown_name_gets_the_nearest_and_the_way_out(self, name: str, nearest: str) -> None:
        with pytest.raises(ConfigError, match=f"the nearest names are .*{nearest}.*--llm_config"):
            get_llm_config(name)

    def test_a_name_like_no_other(self) -> None:
        with pytest.raises(ConfigError, match="--list_models"):
            get_llm_config("zzzzzz")

    def test_any_name_goes_with_an_address(self) -> None:
        found = get_llm_config("org/some-model", base_url="http://localhost:8000/v1", api_key_env_var="MY_KEY")
        assert found == LLMConfig(
            name="org/some-model",
            model_string="org/some-model",
            base_url="http://localhost:8000/v1",
            api_key_env_var="MY_KEY",
        )

    def test_a_preset_at_another_address_keeps_its_model(self) -> None:
        found = get_llm_config("gemini-pro", base_url="http://localhost:8000/v1")
        assert (found.model_string, found.url) == ("gemini-1.5-pro", "http://localhost:8000/v1")


class TestLifetimes:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("o1", "OpenAI ended o1 on 2026-10-23; its successor here is 'gpt-6.1-sol'"),
            ("gpt-5", "OpenAI ends gpt-5 on 2026-12-11, in 21 days; its successor here is 'gpt-6.1-sol'"),
            ("qwen-7b", "Together may no longer serve Qwen/Qwen2.5-7B-Instruct-Turbo"),
            ("gemini-pro", "Google may no longer serve gemini-1.5-pro; its successor here is 'gemini-3.1-pro-preview'"),
        ],
    )
    def test_notices(self, name: str, said: str) -> None:
        assert said in (retirement_notice(get_llm_config(name), TODAY) or "")

    def test_no_notice_without_a_reason(self) -> None:
        for name in ("gpt-6-luna", "ollama-llama3", "gpt-5.4-nano"):
            assert retirement_notice(get_llm_config(name), TODAY) is None

    def test_the_notice_starts_ninety_days_ahead_and_counts_the_last_day_as_a_day(self) -> None:
        model, last_day = get_llm_config("gpt-4o"), date(2027, 1, 14)
        assert retirement_notice(model, last_day - timedelta(days=91)) is None
        assert "in 90 days" in (retirement_notice(model, last_day - timedelta(days=90)) or "")
        assert "ends" in (retirement_notice(model, last_day) or "")
        assert "ended" in (retirement_notice(model, last_day + timedelta(days=1)) or "")

    def test_a_model_is_known_by_address_and_wire_name_not_by_what_it_is_called(self) -> None:
        renamed = LLMConfig(name="my-favourite", model_string="o1")
        assert "ended" in (retirement_notice(renamed, TODAY) or "")
        local = LLMConfig(name="o1", model_string="o1", base_url="http://localhost:8000/v1")
        assert retirement_notice(local, TODAY) is None

    def test_every_successor_is_a_preset_that_outlives_its_predecessor(self) -> None:
        for preset in PRESETS.values():
            if preset.successor is None:
                assert preset.retires_on is None
                continue
            heir = PRESETS[preset.successor]
            assert heir.retires_on is None or (preset.retires_on and heir.retires_on > preset.retires_on)


class TestTable:
    def test_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        rows = {row.name: row for row in model_table()}
        assert list(rows) == list_available_models()
        mini = rows["gpt-4o-mini"]
        assert (mini.provider, mini.model_string, mini.retires_on) == ("OpenAI", "gpt-4o-mini", date(2027, 1, 14))
        assert (mini.input_price, mini.output_price) == (0.15, 0.6)
        assert mini.key_present is True
        assert rows["deepseek-chat"].key_present is False
        assert rows["deepseek-chat"].key_variable == "DEEPSEEK_API_KEY"
        assert rows["ollama-llama3"].key_present is None
        assert (rows["ollama-llama3"].input_price, rows["ollama-llama3"].output_price) == (0.0, 0.0)
        assert CANARY not in repr(rows)

    def test_every_preset_has_a_price(self) -> None:
        assert [row.name for row in model_table() if row.input_price is None or row.output_price is None] == []
