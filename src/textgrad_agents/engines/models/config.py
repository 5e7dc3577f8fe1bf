"""`LLMConfig`: which model answers, at which address, with which key and which defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)

from textgrad_agents.engines.models.providers import (
    OPENAI,
    Provider,
    checked_url,
    is_loopback,
    provider_at,
    provider_of_variable,
)
from textgrad_agents.errors import ConfigError, MissingKeyError
from textgrad_agents.validation import explain

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]

PRICES = {"input_price_per_million", "output_price_per_million"}
_OURS = {"api_key", "messages", "model", "n", "stream"}  # what a request holds besides parameters
_SECRET = {"api_key", "api_key_env_var", "base_url"}  # where a key or password may have been written
_SHORTEST_SECRET = 8  # shorter keys ("EMPTY", "none") are placeholders, and words of messages
_NOT_THE_ANSWER = PRICES | {
    *("name", "base_url", "api_key", "api_key_env_var", "is_multimodal"),
    *("timeout", "stream", "requests_per_minute", "tokens_per_minute"),
}
_LOCAL = "local:"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


class LLMConfig(BaseModel):
    """A model behind an OpenAI-compatible address, or in this process.

    Attributes:
        name: its name in files and tables.
        model_string: its name on the wire; or ``local:`` and the folder (or hub name) of a model that is loaded into
            this process, which has no address and no key (`engines.local.door` says what its `extra_params` are).
        base_url: the server's address; None means OpenAI.
        api_key: the key itself. It stays in memory: no dump, pickle, file or text ever holds it.
        api_key_env_var: environment variable that holds the key; None if the server wants none.
        is_multimodal: True if it takes images.
        structured: True if it follows a JSON schema (``response_format`` of type ``json_schema``); ``json_object`` if
            it is held to JSON alone. Other models are asked for JSON in words.
        max_tokens: cap on generated tokens of one call.
        temperature, top_p, seed, stop: sampling, where a call does not say otherwise.
        reasoning_effort: how long a reasoning model thinks.
        timeout: seconds that one call may take as a whole.
        stream: True to receive replies in pieces; the answers are the same.
        requests_per_minute, tokens_per_minute: what the account allows; calls are spaced accordingly.
        input_price_per_million, output_price_per_million: USD; left out, known prices are looked up.
        extra_params: provider parameters, put into the request as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Text
    model_string: Text
    base_url: str | None = None
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    api_key_env_var: str | None = OPENAI.key_variable
    is_multimodal: bool = False
    structured: bool | Literal["json_object"] = False
    max_tokens: int = Field(default=4096, gt=0)
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: Effort | None = None
    timeout: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    stream: bool = False
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    input_price_per_million: Price = 0.0
    output_price_per_million: Price = 0.0
    extra_params: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    if not TYPE_CHECKING:  # type checkers keep the signature that pydantic gives

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
                return
            except ValidationError as error:
                problems = explain(error, fields=LLMConfig.model_fields, secret=_SECRET)
            raise ConfigError(f"LLM config: {problems}")  # outside, so that it drags no input along

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)

    @field_validator("api_key", mode="before")
    @classmethod
    def _no_empty_key(cls, key: object) -> object:
        return None if isinstance(key, str) and not key.strip() else key

    @field_validator("api_key_env_var")
    @classmethod
    def _check_variable(cls, variable: str | None) -> str | None:
        if variable is not None and not _VARIABLE.fullmatch(variable):
            raise ValueError("must be the name of an environment variable (capital letters, digits, _), never a key")
        return variable

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, stop: object) -> object:
        return (stop,) if isinstance(stop, str) else stop

    @field_validator("extra_params")
    @classmethod
    def _check_extra(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := sorted(_OURS & extra.keys()):
            raise ValueError(f"must not set {', '.join(taken)}: the engine does")
        return extra

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "api_key": None}}

    @property
    def url(self) -> str:
        """The server's address; the model itself if it is in this process."""
        if self.local_source is not None:
            return self.model_string
        return self.base_url or OPENAI.base_url

    @property
    def local_source(self) -> str | None:
        """Folder or hub name of a model in this process; None for a model behind an address."""
        return self.model_string.removeprefix(_LOCAL) if self.model_string.startswith(_LOCAL) else None

    @property
    def provider(self) -> Provider | None:
        """Who serves the address, if it is a provider we know."""
        return provider_at(self.url)

    @property
    def key_source(self) -> str:
        """Where the key is said to be, for messages: a variable's name or ``api_key``."""
        return "api_key" if self.api_key else self.api_key_env_var or "api_key_env_var"

    def get_api_key(self) -> str | None:
        """The key to send, or None if the server is to get none.

        The key in a provider's own variable goes to that provider alone. A server on this machine gets a key only if it
        is given inline or in a variable of its own.

        Raises:
            ConfigError: the variable belongs to a provider and the address does not, or the key cannot be a key.
            MissingKeyError: the variable is not set.
        """
        if self.local_source is not None:
            return None
        if self.api_key is not None:
            return _usable(self.api_key.get_secret_value(), "api_key")
        if self.api_key_env_var is None:
            return None
        owner = provider_of_variable(self.api_key_env_var)
        if owner is not None and not owner.owns(self.url):
            if is_loopback(self.url):
                return None
            other = (self.provider and self.provider.key_variable) or "a variable of your own"
            raise ConfigError(
                f"the key in {self.api_key_env_var} is sent to https://{owner.hosts[0]} alone, and base_url is "
                f"{self.url}; put that server's key into {other} and name the variable in api_key_env_var "
                "(--api_key_env), or set api_key_env_var to null if the server needs no key"
            )
        key = os.environ.get(self.api_key_env_var, "")
        if key.strip():
            return _usable(key, self.api_key_env_var)
        if is_loopback(self.url):
            return None
        raise MissingKeyError(
            f"model {self.name!r} needs the key of {owner.name if owner else self.url} in the environment variable "
            f"{self.api_key_env_var}, which is not set; set it, or name another variable in api_key_env_var "
            "(--api_key_env)"
        )

    def redacted(self, text: str) -> str:
        """`text`, as a server wrote it, without the key."""
        key = self.get_api_key() or ""
        if len(key) < _SHORTEST_SECRET:
            return text
        return text.replace(key, "***").replace(key.replace("/", "\\/"), "***")  # JSON may write / as \\/

    def replaced(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked anew; it keeps an inline key."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)

    def identity(self) -> dict[str, Any]:
        """The address, and the fields that decide what is answered to a request."""
        return {"url": self.url.rstrip("/"), **self.model_dump(mode="json", exclude=_NOT_THE_ANSWER)}

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-like values, without the key and without prices that nobody gave."""
        return self.model_dump(mode="json", exclude={"api_key"} | (PRICES - self.model_fields_set))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The config with these fields.

        Raises:
            ConfigError: a field is unknown, missing or unusable.
        """
        return cls(**{str(name): value for name, value in fields.items()})


def _usable(key: str, source: str) -> str:
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"the key in {source} holds spaces or characters that no key has; copy it anew")
    return key
