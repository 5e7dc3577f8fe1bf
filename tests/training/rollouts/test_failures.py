"""What is told of an error."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from training.rollouts.failures import CaughtError, format_error_details


def refused(**content: Any) -> httpx2.HTTPStatusError:
    response = httpx2.Response(500, request=httpx2.Request("POST", "http://localhost/step"), **content)
    with pytest.raises(httpx2.HTTPStatusError) as caught:
        response.raise_for_status()
    return caught.value


def test_an_error_without_a_response_tells_its_message() -> None:
    assert format_error_details(ValueError("no such tool")) == "no such tool"


def test_what_the_server_said_is_told_too() -> None:
    told = format_error_details(refused(json={"detail": "Traceback:\n  line 3\nValueError"})).splitlines()
    assert told[-4:] == ["Server Traceback:", "Traceback:", "  line 3", "ValueError"]
    assert "Status code: 500" in told
    assert format_error_details(refused(text="down for today")).endswith("\nResponse body: down for today")
    assert format_error_details(refused(json=["detail"])).endswith('\nResponse body: ["detail"]')


def test_the_record_of_a_failed_step_has_it_on_one_line() -> None:
    error = refused(json={"detail": "Traceback:\n  line 3"})
    error.add_note("in step 3")
    text = CaughtError("environment", error).text
    assert text.endswith("in step 3; Status code: 500; Server Traceback: Traceback: line 3")
    assert len(text.splitlines()) == 1


def test_long_bodies_are_cut_and_those_that_were_not_read_do_no_harm() -> None:
    told = format_error_details(refused(text="a" * 5000 + "the end"))
    assert told.endswith("the end")
    assert len(told) < 4200
    error = RuntimeError("stopped")
    error.response = httpx2.Response(502, stream=httpx2.ByteStream(b"x"))  # type: ignore[attr-defined]
    assert format_error_details(error) == "stopped\nStatus code: 502\nResponse body: not read"
