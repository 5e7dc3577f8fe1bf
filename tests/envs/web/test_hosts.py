"""Which hosts are this machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.web.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "0.0.0.0",
            "::",
            "192.168.1.7",
            "169.254.169.254",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.nip.io",
        ),
        *("notlocalhost", "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1:80", "localhost:80", "::ffff:192.168.1.7"),
    ],
)
def test_other_machines_and_names_that_are_none(host: str) -> None:
    assert not is_loopback(host)


@given(st.text())
def test_any_text_at_all(host: str) -> None:
    assert is_loopback(host) in (True, False)
