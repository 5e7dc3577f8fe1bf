"""The adapters on a vLLM server: a new name for each version, and no more of them than the server keeps.

A name is never loaded over: the server's prefix cache is kept by name, and would answer with the old weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textgrad_agents.engines.base import PerLoop
from textgrad_agents.engines.connection import Connections
from textgrad_agents.engines.exchange import send
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.errors import ConfigError, EngineError, EngineRefusal, FileFormatError
from textgrad_agents.interfaces import Adapter

_LOAD, _UNLOAD = "/load_lora_adapter", "/unload_lora_adapter"
_FILE = "adapter_config.json"
_NO_ROUTE = "Not Found"  # what the server says of an address that it does not have
_EVICTED = "Failed to remove lora adapter"  # what it says of one that it took from its slots itself
_DIGITS = 8  # of the hash, in names


class ServedAdapters:
    """Which adapters a server has.

    Args:
        config: the model and its server.
        connections: to the server.
        window: how many versions of an adapter stay loaded.

    Attributes:
        current: the adapter that samples; None is the model alone.

    Raises:
        ConfigError: the window is below 2, so that a version would be taken from calls under way.
    """

    def __init__(self, config: LLMConfig, connections: PerLoop[Connections], window: int) -> None:
        if window < 2:
            raise ConfigError(
                f"a server keeps at least 2 versions of an adapter (the old one and the new), not {window}"
            )
        self.window = window
        self.current: Adapter | None = None
        self._config = config
        self._connections = connections
        self._loaded: list[Adapter] = []

    @property
    def loaded(self) -> tuple[Adapter, ...]:
        """The adapters on the server, oldest first."""
        return tuple(self._loaded)

    def wanted(self, extra: Mapping[str, Any]) -> Adapter | None:
        """The adapter that a call asks for by name and hash; `current` if it names none.

        Raises:
            EngineRefusal: the server has no such adapter.
        """
        if "adapter" not in extra:
            return self.current
        name, sha256 = extra["adapter"], extra.get("adapter_sha256")
        if name is None:
            return None
        for adapter in reversed(self._loaded):
            if adapter.name == name and sha256 in (None, adapter.sha256):
                return adapter
        there = ", ".join(map(self.wire_name, self._loaded)) or "none"
        asked = f"{name!r}" if sha256 is None else f"{name!r} with weights {sha256:.16}"
        raise EngineRefusal(f"{self._config.url} has no adapter {asked}; there is {there}: load it first")

    @staticmethod
    def wire_name(adapter: Adapter) -> str:
        """The name of an adapter's version at the server; other weights never have the same name."""
        return f"{adapter.name}-v{adapter.version}-{adapter.sha256[:_DIGITS]}"

    async def use(self, adapter: Adapter | None, folder: Path | str | None = None) -> None:
        """Sample with `adapter` from now on; calls under way end as they began.

        A version that the server does not have is loaded, and the oldest leaves first where the window is full. The
        files of a version may be deleted when the one after its unloading is loaded.

        Args:
            adapter: which weights, or None for the model alone.
            folder: where they are, as the server sees it: ``adapter_config.json`` and ``adapter_model.safetensors``.

        Raises:
            ConfigError: the server does not load adapters, the hash is missing, or a new version has no folder.
            FileFormatError: the folder holds no adapter.
            EngineError: the server refused it.
        """
        if adapter is not None and adapter not in self._loaded:
            await self._make_room(adapter.name)
            await self._load(adapter, folder)
            self._loaded.append(adapter)
        self.current = adapter

    async def _make_room(self, name: str) -> None:
        """Unload the oldest versions of an adapter, so that the next one is the last of the window."""
        versions = [each for each in self._loaded if each.name == name]
        idle = [each for each in versions if each != self.current]
        for old in idle[: max(0, len(versions) + 1 - self.window)]:
            await self._unload(old)

    def lost(self, adapter: Adapter) -> None:
        """Take down that the server does not have an adapter any more; `use` loads it again."""
        if adapter in self._loaded:
            self._loaded.remove(adapter)

    async def _load(self, adapter: Adapter, folder: Path | str | None) -> None:
        if len(adapter.sha256) < _DIGITS:
            raise ConfigError(f"adapter {adapter} has no hash, so its versions could be confused; save it first")
        if folder is None:
            raise ConfigError(f"adapter {adapter} is not on {self._config.url} yet; say in which folder it is")
        path = Path(folder).resolve()
        if not (path / _FILE).is_file():
            raise FileFormatError(f"there is no adapter in {path}: {_FILE} is missing; save it again")
        try:
            await self._ask(_LOAD, {"lora_name": self.wire_name(adapter), "lora_path": str(path)})
        except EngineError as error:
            if "already been loaded" not in str(error):  # by an earlier run; the name holds the hash
                raise

    async def _unload(self, adapter: Adapter) -> None:
        try:
            await self._ask(_UNLOAD, {"lora_name": self.wire_name(adapter)})
        except EngineError as error:
            if error.kind != "model" and _EVICTED not in str(error):  # else it is gone already, as was wanted
                raise
        self._loaded.remove(adapter)

    async def _ask(self, path: str, body: dict[str, str]) -> None:
        try:
            await send(self._connections.get(), self._config, body, path)
        except EngineError as error:
            if error.kind != "model" or _NO_ROUTE not in str(error):
                raise
            raise ConfigError(
                f"{self._config.url} loads no adapters while it runs; start the server with --enable-lora and the "
                "environment variable VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            ) from None
