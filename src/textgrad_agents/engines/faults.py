"""What goes wrong on the wire: every kind of fault, what to do about it, and one line that says cause and way out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.registry import retirement_notice
from textgrad_agents.errors import EngineAccessError, EngineError
from textgrad_agents.messages import Usage

E = TypeVar("E", bound=EngineError)

LONGEST_PAUSE = 900.0
"""Seconds. Where a server asks to wait longer, the run stops instead."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do about a kind of fault.

    Attributes:
        tries: most tries of a call that ends so; None: as many as its patience allows.
        slows: True if fewer calls at once would help.
        free: True if the provider generated nothing, so that nothing is owed.
    """

    tries: int | None = None
    slows: bool = False
    free: bool = False


FAULTS: Mapping[str, Fault] = {
    # The server or the way to it: it passes.
    "rate_limit": Fault(slows=True, free=True),
    "overloaded": Fault(slows=True, free=True),
    "server": Fault(free=True),
    "unreachable": Fault(free=True),
    "lost": Fault(),
    "timeout": Fault(),
    "malformed": Fault(),
    "stream_cut": Fault(),
    "stream_error": Fault(),
    # What the model made of the request: another sample may be better.
    "empty": Fault(tries=3),
    "refusal": Fault(tries=3),
    "tool_call": Fault(tries=3),
    "schema": Fault(tries=3),
    "length": Fault(tries=2),  # the second with a higher cap
    # The same request would end the same.
    "filtered": Fault(tries=1),
    "context": Fault(tries=1, free=True),
    "format": Fault(tries=1, free=True),
    "request": Fault(tries=1, free=True),
    "forbidden": Fault(tries=1, free=True),
    "deadline": Fault(tries=1),
    # No call will be served for now.
    "page": Fault(tries=3, free=True),  # of a proxy, it may pass
    "too_large": Fault(tries=1),
    "redirect": Fault(tries=1, free=True),
    "key": Fault(tries=1, free=True),
    "rights": Fault(tries=1, free=True),
    "model": Fault(tries=1, free=True),
    "quota": Fault(tries=1, free=True),
    "pause": Fault(tries=1, free=True),
    "down": Fault(tries=1, free=True),
    "budget": Fault(tries=1, free=True),
}

_OVERLOADED = {503, 529}
_PASSING = {408, 409, 425}
_NO_MODEL = ("model_not_found", "model_decommissioned")
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance")
_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output", re.IGNORECASE)


def make_fault(
    kind: str,
    message: str,
    error: type[E],
    *,
    usage: Usage | None = None,
    retry_after: float | None = None,
) -> E:
    """An error of this kind; whether it is transient stands in the table."""
    tries = FAULTS[kind].tries
    transient = tries is None or (tries > 1 and kind != "length")
    return error(message, transient=transient, retry_after=retry_after, usage=usage, kind=kind)


def status_fault(config: LLMConfig, status: int, headers: Mapping[str, str], body: str) -> EngineError:
    """The error for an HTTP status that is no success."""
    said, code, param = _read_body(config.redacted(body))
    model, url, source = config.model_string, config.url, config.key_source
    if 300 <= status < 400:
        target = one_line(config.redacted(headers.get("location", "another address")))
        return make_fault(
            "redirect",
            f"{url} redirects to {target}; redirects are not followed, so that no key reaches another server: set "
            "base_url to the final address",
            EngineAccessError,
        )
    if status == 402 or any(word in code for word in _NO_QUOTA):
        said = f"the account behind the key in {source} has no quota or credit left: {said}"
        return make_fault("quota", said, EngineAccessError)
    if status == 401 or (status == 400 and "api key" in said.lower()):
        key = f"does not accept the key in {source}" if config.get_api_key() else "wants a key; set api_key_env_var"
        return make_fault("key", f"{url} {key} ({status}): {said}", EngineAccessError)
    if status == 403:
        said = f"the key in {source} may not use {model} at {url} (403): {said}"
        return make_fault("rights", said, EngineAccessError)
    if status == 404 or any(word in code for word in _NO_MODEL):
        known = retirement_notice(config, date.today()) or "check the name (--list_models) and base_url (often …/v1)"
        said = f"{url} does not serve the model {model!r} ({status}): {said}; {known}"
        return make_fault("model", said, EngineAccessError)
    if "context_length" in code or "context length" in said:
        said = f"the prompt is too long for {model} ({status}): {said}; shorten it or lower max_tokens"
        return make_fault("context", said, EngineError)
    if status == 429 or status in _PASSING or status >= 500:
        return _passing_fault(config, status, _retry_after(headers), said)
    kind = "format" if _FORMAT.search(f"{said} {param}") else "request"
    field = f" because of {param}; change or drop it in the LLMConfig" if param else ""
    return make_fault(kind, f"{url} refused the request to {model} ({status}){field}: {said}", EngineError)


def _passing_fault(config: LLMConfig, status: int, retry_after: float | None, said: str) -> EngineError:
    what = "limits the rate of calls" if status == 429 else "cannot answer now"
    said = f"{config.url} {what} ({status}): {said}"
    if retry_after is not None and retry_after > LONGEST_PAUSE:
        said += f"; it asks to wait {retry_after:.0f} s: run again then"
        return make_fault("pause", said, EngineAccessError, retry_after=retry_after)
    kind = "rate_limit" if status == 429 else "overloaded" if status in _OVERLOADED else "server"
    return make_fault(kind, said, EngineError, retry_after=retry_after)


def connection_fault(config: LLMConfig, error: BaseException) -> EngineError:
    """The error for a server that was not reached, or left in the middle of its reply."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    root = causes[-1]
    reason = one_line(config.redacted(str(root))) or f"the connection broke ({type(root).__name__})"
    reached = not any(type(one).__name__ in ("ConnectError", "ConnectTimeout") for one in causes)
    return make_fault(
        "lost" if reached else "unreachable",
        f"no reply from {config.url}: {reason}; check that the server is up and that base_url is right",
        EngineError,
    )


def timeout_fault(config: LLMConfig) -> EngineError:
    """The error for a call that took too long."""
    return make_fault(
        "timeout",
        f"{config.url} did not answer within {config.timeout:g} s; raise timeout in the LLMConfig if the model needs "
        "longer",
        EngineError,
    )


def event_fault(config: LLMConfig, error: object, usage: Usage) -> EngineError:
    """The error that a server reports in the middle of a stream, after `usage`."""
    said, code, _ = _read_body(config.redacted(json.dumps({"error": error})))
    if any(word in code for word in _NO_QUOTA):
        said = f"the account behind the key in {config.key_source} has no quota or credit left: {said}"
        return make_fault("quota", said, EngineAccessError, usage=usage)
    return make_fault("stream_error", f"{config.url} broke off its reply: {said}", EngineError, usage=usage)


def _read_body(body: str) -> tuple[str, str, str]:
    """What an error body says: message, code, and the parameter it is about."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return one_line(body) or "no reason given", "", ""
    if isinstance(value, list) and value:  # Google wraps its errors in a list
        value = cast("list[Any]", value)[0]
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("error", cast("Any", value))
    if not isinstance(value, dict):
        return one_line(cast("Any", value)) or "no reason given", "", ""
    fields = cast("dict[str, Any]", value)
    said = fields.get("message") or fields.get("detail") or fields
    code = f"{fields.get('code') or ''} {fields.get('type') or ''}".strip()
    return one_line(said), code, one_line(fields.get("param") or "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    milliseconds, seconds = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if seconds is None else max(0.0, float(seconds))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(seconds or "").timestamp() - time.time())
    except ValueError:
        return None
