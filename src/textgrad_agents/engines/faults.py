"""What went wrong on the wire, in one line each: the cause and the way out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any, cast

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.registry import retirement_notice
from textgrad_agents.errors import EngineAccessError, EngineError

_TRANSIENT = {408, 409, 425, 429}
_NO_MODEL = ("model_not_found", "model_decommissioned")
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance")


def status_fault(config: LLMConfig, status: int, headers: Mapping[str, str], body: str) -> EngineError:
    """The error for an HTTP status that is no success."""
    said, code, param = _read_body(config.redacted(body))
    model, url, source = config.model_string, config.url, config.key_source
    if 300 <= status < 400:
        target = one_line(config.redacted(headers.get("location", "another address")))
        return EngineError(
            f"{url} redirects to {target}; redirects are not followed, so that no key reaches another server: set "
            "base_url to the final address"
        )
    if status == 402 or any(word in code for word in _NO_QUOTA):
        return EngineAccessError(f"the account behind the key in {source} has no quota or credit left: {said}")
    if status == 401 or (status == 400 and "api key" in said.lower()):
        key = f"does not accept the key in {source}" if config.get_api_key() else "wants a key; set api_key_env_var"
        return EngineAccessError(f"{url} {key} ({status}): {said}")
    if status == 403:
        return EngineAccessError(f"the key in {source} may not use {model} at {url} (403): {said}")
    if status == 404 or any(word in code for word in _NO_MODEL):
        known = retirement_notice(config, date.today()) or "check the name (--list_models) and base_url (often …/v1)"
        return EngineAccessError(f"{url} does not serve the model {model!r} ({status}): {said}; {known}")
    if "context_length" in code or "context length" in said:
        return EngineError(f"the prompt is too long for {model} ({status}): {said}; shorten it or lower max_tokens")
    if status in _TRANSIENT or status >= 500:
        what = "limits the rate of calls" if status == 429 else "cannot answer now"
        return EngineError(f"{url} {what} ({status}): {said}", transient=True, retry_after=_retry_after(headers))
    field = f" because of {param}; change or drop it in the LLMConfig" if param else ""
    return EngineError(f"{url} refused the request to {model} ({status}){field}: {said}")


def connection_fault(config: LLMConfig, error: BaseException) -> EngineError:
    """The error for a server that was not reached, or left in the middle of its reply."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    reason = one_line(config.redacted(str(root))) or f"the connection broke ({type(root).__name__})"
    return EngineError(
        f"no reply from {config.url}: {reason}; check that the server is up and that base_url is right", transient=True
    )


def timeout_fault(config: LLMConfig) -> EngineError:
    """The error for a call that took too long."""
    return EngineError(
        f"{config.url} did not answer within {config.timeout:g} s; raise timeout in the LLMConfig if the model needs "
        "longer",
        transient=True,
    )


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
