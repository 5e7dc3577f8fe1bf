"""Functions that users write: forward makes Variables with predecessors, backward adds to their gradients."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from textgrad_agents.compat.textgrad.autograd.function import BackwardContext, Function, Module
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.session import Session
from textgrad_agents.variables import graph


def var(value: str, role: str = "text", **kwargs: Any) -> Variable:
    return Variable(value, role_description=role, **kwargs)


class Join(Function):
    """Joins texts; the feedback on each tells what it heard."""

    def __init__(self) -> None:
        self.runs = 0

    def forward(self, *parts: Variable) -> Variable:
        made = var(" ".join(part.value for part in parts), "joined text", predecessors=parts)
        made.set_grad_fn(BackwardContext(self.backward, made=made))
        return made

    def backward(self, made: Variable, backward_engine: Any) -> None:
        self.runs += 1
        for part in made.predecessors:
            feedback = var(f"{part.value}: {made.get_gradient_text()}", "feedback")
            part.gradients.add(feedback)
            assert feedback in part.gradients
            part.gradients_context[feedback] = {
                "context": f"context of {part.value}",
                "response_desc": "a whole",
                "variable_desc": "a part",
            }
            feedback._reduce_meta.extend(made._reduce_meta)


def test_a_chain_of_functions() -> None:
    join = Join()
    a, b, c = var("a"), var("b"), var("c")
    graph.backward(join(join(a, b), c))
    assert join.runs == 2
    assert [one.get_gradient_text() for one in (a, b, c)] == ["a: a b: ", "b: a b: ", "c: "]
    (feedback,) = a.gradients
    assert feedback.role_description == "feedback"
    assert (feedback.origin, feedback.used_as) == (f"{__name__}.Join.backward", "a whole")
    assert a.gradients_context[feedback]["context"] == "context of a"


def test_feedback_of_every_use_is_kept_in_the_order_of_the_uses() -> None:
    join = Join()
    shared = var("s")
    inner = join(shared, var("x"))
    graph.backward(join(inner, shared))
    assert [one.value for one in shared.gradients] == ["s: s x: ", "s: "]


def test_feedback_is_added_to_what_is_there_until_it_is_reset() -> None:
    join, a = Join(), var("a")
    result = join(a, var("b"))
    graph.backward(result)
    graph.backward(result)
    assert [one.value for one in a.gradients] == ["a: ", "a: "]
    a.reset_gradients()
    graph.backward(result)
    assert [one.value for one in a.gradients] == ["a: "]


def test_functions_that_wait_run_side_by_side_and_do_not_see_each_other() -> None:
    barrier = threading.Barrier(8, timeout=10)  # passes only if all eight are inside at once

    class Meet(Join):
        def backward(self, made: Variable, backward_engine: Any) -> None:
            barrier.wait()
            super().backward(made, backward_engine)

    shared = var("s")
    meet = Meet()
    results = [meet(shared, var(f"x{number}")) for number in range(8)]
    graph.backward(Join()(*results))
    assert [one.value for one in shared.gradients] == [f"s: s x{number}: " for number in range(8)]


def test_the_engine_is_the_sessions_where_none_is_given() -> None:
    class Ask(Join):
        def backward(self, made: Variable, backward_engine: Any) -> None:
            for part in made.predecessors:
                part.gradients.add(var(backward_engine(f"about {part.value}", system_prompt="critic"), "feedback"))

    engine = ScriptedEngine({"about a": "for a", "about b": "for b"})
    a, b = var("a"), var("b")
    with Session(critic_engine=engine):
        graph.backward(Ask()(a, b))
    assert (a.get_gradient_text(), b.get_gradient_text()) == ("for a", "for b")
    assert [call.messages[0].text for call in engine.calls] == ["critic", "critic"]


def test_an_error_names_the_function_and_the_line_of_its_use() -> None:
    class Broken(Join):
        def backward(self, made: Variable, backward_engine: Any) -> None:
            raise KeyError("typo")

    a = var("a")
    with pytest.raises(KeyError, match="typo") as error:
        graph.backward(Broken()(a))
    assert any("Broken.backward" in note and __file__ in note for note in error.value.__notes__)
    assert len(a.gradients) == 0


def test_without_a_function_nothing_goes_through() -> None:
    a = var("a")
    graph.backward(var("b", predecessors=[a]))
    assert len(a.gradients) == 0


def test_a_backward_context_says_what_it_is() -> None:
    heard: list[Any] = []

    def note(*args: Any, **kwargs: Any) -> None:
        heard.append((args, kwargs))

    context = BackwardContext(note, 1, key=2)
    context(backward_engine="engine")
    assert heard == [((1,), {"key": 2, "backward_engine": "engine"})]
    assert repr(context) == context.fn_name == f"{__name__}.{note.__qualname__}"


def test_a_function_that_is_set_later_replaces_the_one_before() -> None:
    a = var("a")
    made = Join()(a)
    made.set_grad_fn(BackwardContext(lambda backward_engine: a.gradients.add(var("later", "feedback"))))
    assert list(made.predecessors) == [a]
    graph.backward(made)
    assert a.get_gradient_text() == "later"


def test_modules() -> None:
    class Two(Module):
        def __init__(self) -> None:
            self.one, self.two = var("1", "first"), var("2", "second")

        def parameters(self) -> list[Variable]:
            return [self.one, self.two]

        def forward(self, x: str) -> str:
            return f"{self.one.value}{x}{self.two.value}"

    module = Two()
    assert module("x") == "1x2"
    assert dict(module.named_parameters()) == {"first": module.one, "second": module.two}
    module.one.gradients.add(var("g"))
    module.zero_grad()
    assert len(module.one.gradients) == 0
