"""`VLLMServer`: vLLM as a process of its own, in its own environment, for as long as a block runs.

vLLM pins versions of torch and CUDA that few projects share, so the interpreter to start it with is named; nothing of
it is imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.vllm_server.engine import VLLMEngine
from textgrad_agents.errors import ConfigError, EngineAccessError

_MODULE = "vllm.entrypoints.openai.api_server"  # works where the distribution has another name, too
_HOST = "127.0.0.1"
_POLL = 0.2  # seconds between looks at a server that starts
_GRACE = 20.0  # seconds that a server may take to stop
_LAST = 2000  # bytes of the log in a message
_ENVIRONMENT = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


class VLLMServer:
    """A vLLM server on this machine; a context manager that starts and stops it.

    Args:
        model: folder or hub name of the model.
        python: the interpreter of the environment that vLLM is installed in.
        name: what the server calls the model; left out, as `model`.
        port: where it listens; 0 for a free port.
        window: adapter versions that it keeps (``--max-loras``); see `ServedAdapters`.
        rank: highest rank of an adapter.
        arguments: further arguments of the server, such as ``("--dtype", "float32")``.
        environment: further environment variables, such as ``{"VLLM_CPU_KVCACHE_SPACE": "1"}`` on a machine without a
            GPU.
        start_seconds: how long it may take until it is ready.

    Attributes:
        url: its address, for `VLLMEngine`; "" while it does not run.
        log: the file with what it writes.
    """

    def __init__(
        self,
        model: str | Path,
        python: str | Path,
        *,
        name: str | None = None,
        port: int = 0,
        window: int = 6,
        rank: int = 16,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        start_seconds: float = 600.0,
    ) -> None:
        folder = Path(model).expanduser()
        self.model = str(folder.resolve()) if folder.exists() else str(model)
        self.name = name or str(model)
        self.python = Path(python).expanduser()
        self.window = window
        self.rank = rank
        self.url = ""
        self.log = Path()
        self._port = port
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._start_seconds = start_seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def engine(self, **settings: Any) -> VLLMEngine:
        """An engine that asks this server; `settings` are those of `VLLMEngine`.

        Raises:
            ConfigError: the server does not run.
        """
        if not self.url:
            raise ConfigError("the vLLM server does not run; use it as `with VLLMServer(…) as server:`")
        fields: dict[str, Any] = {"window": self.window, **settings}
        return VLLMEngine(self.name, self.url, **fields)

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            ConfigError: there is no such interpreter, or it runs already.
            EngineAccessError: the server ended, or was not ready in time; the message holds the end of its log.
        """
        if self._process is not None:
            raise ConfigError(f"the vLLM server at {self.url} runs already")
        if not os.access(self.python, os.X_OK) or self.python.is_dir():
            raise ConfigError(
                f"{self.python} is no interpreter that can be run; give the path of bin/python of the environment that "
                "vLLM is installed in"
            )
        port = self._port or _free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="vllm-server-")
        self.log = Path(self._folder.name) / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(port),
                cwd=self._folder.name,  # no module of the caller's folder gets in the way of vLLM's
                env=_clean(os.environ) | _ENVIRONMENT | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its workers stop with it
            )
        try:
            self._wait(f"http://{_HOST}:{port}")
        except BaseException:
            self.stop()
            raise
        self.url = f"http://{_HOST}:{port}/v1"

    def stop(self) -> None:
        """Stop the server and its workers, and remove its log; nothing happens if it does not run."""
        self.url = ""
        process, self._process = self._process, None
        if process is not None:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            _signal(process, signal.SIGKILL)  # what is left of the group
            process.wait()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, port: int) -> list[str]:
        lora = ["--enable-lora", "--max-loras", str(self.window), "--max-lora-rank", str(self.rank)]
        return [
            *(str(self.python), "-m", _MODULE, "--model", self.model, "--served-model-name", self.name),
            *("--host", _HOST, "--port", str(port), "--logprobs-mode", "processed_logprobs"),
            *lora,
            *self._arguments,
        ]

    def _wait(self, root: str) -> None:
        assert self._process is not None
        until = time.monotonic() + self._start_seconds
        while not _is_healthy(f"{root}/health"):
            if self._process.poll() is not None:
                raise EngineAccessError(
                    f"vLLM ended while it started (exit code {self._process.returncode}): {self._said()}"
                )
            if time.monotonic() > until:
                raise EngineAccessError(
                    f"vLLM was not ready after {self._start_seconds:g} s; raise start_seconds; it said: {self._said()}"
                )
            time.sleep(_POLL)

    def _said(self) -> str:
        return one_line(self.log.read_bytes()[-_LAST:].decode(errors="replace"), _LAST) or "it wrote nothing"


def _is_healthy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5.0) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what belongs to the interpreter of this process, and without keys."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {name: value for name, value in environment.items() if name not in ours and not name.endswith("_API_KEY")}


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
