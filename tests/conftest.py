"""Settings for every test: nothing opens a window or a connection that leaves this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run; --hypothesis-profile=explore looks for new ones.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("repeat")

# Read when the libraries are first imported, so set before any test module is.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",  # two spinning threads are slower than one on a busy machine
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_AUDIODRIVER": "dummy",
    "SDL_VIDEODRIVER": "dummy",
}


def is_on_this_machine(address: Any) -> bool:
    """Whether a socket address is a loopback address, the name localhost or a local (Unix) one."""
    if not isinstance(address, tuple):
        return True
    host = address[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_outside_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections from this process to other machines."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(original: Any) -> Any:
        def call(sock: socket.socket, address: Any) -> Any:
            if not is_on_this_machine(address):
                pytest.fail(f"a test tried to connect to {address!r}; tests may only reach loopback")
            return original(sock, address)

        return call

    monkeypatch.setattr(socket.socket, "connect", guarded(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
