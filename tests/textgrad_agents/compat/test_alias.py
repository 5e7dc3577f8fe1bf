"""Programs that say `import textgrad` get ours: the same module objects, submodules included."""

from __future__ import annotations

import importlib
import sys
import types

import pytest

from textgrad_agents.compat import alias
from textgrad_agents.errors import ConfigError


def test_the_alias_gives_our_modules_themselves() -> None:
    ours = importlib.import_module("textgrad_agents.compat.textgrad.engine.openai")
    spec = ours.__spec__
    with alias("textgrad"):
        theirs = importlib.import_module("textgrad.engine.openai")
        assert theirs is ours
        assert sys.modules["textgrad.engine"].openai is ours
        assert ours.__spec__ is spec
        assert ours.__name__ == "textgrad_agents.compat.textgrad.engine.openai"
    assert not [name for name in sys.modules if name == "textgrad" or name.startswith("textgrad.")]


def test_a_module_that_is_not_there_is_said_under_the_name_that_was_asked_for() -> None:
    with alias("textgrad"), pytest.raises(ModuleNotFoundError, match=r"textgrad\.nowhere"):
        importlib.import_module("textgrad.nowhere")


def test_after_its_end_the_name_is_gone_and_other_packages_were_never_touched() -> None:
    with alias("textgrad") as made:
        importlib.import_module("textgrad.defaults")
        assert importlib.import_module("textgrad_agents.errors").__name__ == "textgrad_agents.errors"
    assert made not in sys.meta_path
    made.remove()  # once more does no harm


def test_it_refuses_a_name_that_is_imported_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textgrad", types.ModuleType("textgrad"))
    with pytest.raises(ConfigError, match="before the first `import textgrad`"):
        alias("textgrad")


def test_it_refuses_a_name_it_has_no_replacement_for() -> None:
    with pytest.raises(ConfigError, match="'dspy'"):
        alias("dspy")
