"""Base of the experimental engines: texts and images apart, replies kept where a cache is given."""

from __future__ import annotations

import functools
import hashlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, cast

from textgrad_agents.compat.bridge import Content
from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.engine_lm import EngineLM as BaseEngineLM
from textgrad_agents.errors import ConfigError


class EngineLM(BaseEngineLM):
    """Subclasses answer single texts and lists of texts and images.

    Args:
        model_string: the model's name.
        system_prompt: sent where a call gives none.
        is_multimodal: True if it takes images.
        cache: True keeps replies as long as the engine lives; a ``diskcache.Cache``, a dict or another mapping with
            ``get`` keeps them there.

    Raises:
        ConfigError: `cache` is neither.
    """

    def __init__(
        self,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        cache: Any = False,
    ) -> None:
        if not isinstance(cache, bool) and not all(hasattr(cache, name) for name in ("get", "__setitem__")):
            raise ConfigError(f"cache must be True, False, a diskcache.Cache or a dict, got {cache!r}")
        self.model_string = model_string
        self.system_prompt = system_prompt
        self.is_multimodal = is_multimodal
        self.cache: Any = {} if cache is True else cache

    @abstractmethod
    def _generate_from_single_prompt(self, content: str, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer a text."""

    @abstractmethod
    def _generate_from_multiple_input(
        self, content: list[str | bytes], system_prompt: str | None = None, **kwargs: Any
    ) -> str:
        """Answer texts and images."""

    def generate(self, prompt: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`.

        Raises:
            NotImplementedError: it holds an image and the engine takes none.
        """
        system_prompt = system_prompt or self.system_prompt
        if isinstance(prompt, str):
            return self._generate_from_single_prompt(prompt, system_prompt=system_prompt, **kwargs)
        pieces = list(prompt)
        if not self.is_multimodal and any(isinstance(piece, bytes) for piece in pieces):
            raise NotImplementedError(f"{self.model_string!r} takes no images; choose a model that does")
        return self._generate_from_multiple_input(pieces, system_prompt=system_prompt, **kwargs)


def cached(function: Callable[..., str]) -> Callable[..., str]:
    """Looks into ``self.cache`` before it calls; equal arguments have equal keys in every process."""

    @functools.wraps(function)
    def wrapper(self: EngineLM, *args: Any, **kwargs: Any) -> str:
        if self.cache is False:
            return function(self, *args, **kwargs)
        key = hashlib.sha256(repr((self.model_string, args, sorted(kwargs.items()))).encode()).hexdigest()
        reply = cast("str | None", self.cache.get(key))
        if reply is None:
            reply = self.cache[key] = function(self, *args, **kwargs)
        return reply

    return wrapper
