"""Another name for a package: ``import textgrad`` gives ours, submodules included."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import Self

from textgrad_agents.errors import ConfigError

TARGETS = {"textgrad": "textgrad_agents.compat.textgrad"}


class Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `name` and its submodules be imported; they are the modules of `target` themselves, not copies.

    It holds until `remove`, or until the end of a ``with`` block around it.

    Raises:
        ConfigError: another package of that name is imported already.
    """

    def __init__(self, name: str, target: str) -> None:
        if name in sys.modules:
            raise ConfigError(f"{name!r} is imported already; make the alias before the first `import {name}`")
        self.name = name
        self.target = target
        self._own_specs: dict[str, importlib.machinery.ModuleSpec | None] = {}
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Forget the name; modules that were imported under it stay usable."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [name for name in sys.modules if self._covers(name)]:
            del sys.modules[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    # -- the import system's side --------------------------------------------------------------------------------

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if not self._covers(fullname) or importlib.util.find_spec(self._real(fullname)) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """See `importlib.abc.Loader`."""
        module = importlib.import_module(self._real(spec.name))
        self._own_specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec, which the import system has just replaced."""
        if module.__spec__ is not None and module.__spec__.name in self._own_specs:
            module.__spec__ = self._own_specs.pop(module.__spec__.name)

    def _covers(self, name: str) -> bool:
        return name == self.name or name.startswith(f"{self.name}.")

    def _real(self, name: str) -> str:
        return self.target + name.removeprefix(self.name)


def alias(name: str = "textgrad") -> Alias:
    """Make ``import textgrad`` mean `textgrad_agents.compat.textgrad`, for programs that are not to be edited.

    Raises:
        ConfigError: there is no replacement for `name`, or it is imported already.
    """
    if name not in TARGETS:
        raise ConfigError(f"there is no replacement for {name!r}; there is one for {', '.join(TARGETS)}")
    return Alias(name, TARGETS[name])
