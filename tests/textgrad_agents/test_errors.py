"""One tree of errors; each is also the standard error a caller would expect, and survives a pickle."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from textgrad_agents import errors
from textgrad_agents.errors import EngineError, TextgradAgentsError

ALL = [one for _, one in inspect.getmembers(errors, inspect.isclass) if one.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_in_the_tree_and_says_what_it_is_for(kind: type[Exception]) -> None:
    assert issubclass(kind, TextgradAgentsError)
    assert kind.__doc__
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or "")


@pytest.mark.parametrize("kind", [one for one in ALL if one is not TextgradAgentsError])
def test_every_error_is_a_standard_one_too(kind: type[Exception]) -> None:
    assert issubclass(kind, (ValueError, RuntimeError))


@pytest.mark.parametrize("kind", ALL)
def test_errors_survive_a_pickle(kind: type[Exception]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what, seen, way out")))
    assert type(copy) is kind
    assert str(copy) == "what, seen, way out"


def test_engine_errors_keep_what_they_know_in_a_pickle() -> None:
    copy = pickle.loads(pickle.dumps(EngineError("slow", transient=True, retry_after=3.0, usage="u")))
    assert (str(copy), copy.transient, copy.retry_after, copy.usage) == ("slow", True, 3.0, "u")
