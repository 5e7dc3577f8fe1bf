"""Variables as TextGrad's programs use them."""

from __future__ import annotations

import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgrad_agents.compat.textgrad.autograd import LLMCall
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.errors import TextgradAgentsError
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.serialize import graph_from_json, graph_to_json
from textgrad_agents.variables.variable import Variable as CoreVariable


def var(value: Any = "v", **kwargs: Any) -> Variable:
    return Variable(value, **{"role_description": "a variable", **kwargs})


def test_it_is_one_of_ours() -> None:
    assert isinstance(var(), CoreVariable)


def test_a_role_is_required() -> None:
    with pytest.raises(TypeError):
        Variable("Hello")  # type: ignore[call-arg]


@pytest.mark.parametrize(("value", "kept"), [(3, "3"), (np.int64(4), "4"), (True, "True"), ("x", "x"), ("", "")])
def test_whole_numbers_are_kept_as_text(value: Any, kept: str) -> None:
    assert var(value).value == kept


@pytest.mark.parametrize("value", [4.2, np.float64(1.0), None, ["x"]])
def test_other_values_are_refused_as_textgrad_does(value: Any) -> None:
    with pytest.raises(AssertionError, match="holds text, bytes or a whole number"):
        var(value)
    with pytest.raises(TextgradAgentsError):
        var(value)


def test_an_image_requires_no_gradient() -> None:
    with pytest.raises(ValueError, match="requires_grad=False"):
        var(b"image")
    assert var(b"image", requires_grad=False).value == b"image"


def test_an_image_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    path = str(tmp_path / "a.png")
    assert Variable(image_path=path, requires_grad=False, role_description="image").value == b"png"
    with pytest.raises(ValueError, match="either a value or an image_path"):
        Variable("x", image_path=path, requires_grad=False, role_description="image")


def test_an_image_from_a_url_by_httpx_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    httpx: Any = types.ModuleType("httpx")
    httpx.__spec__ = types.SimpleNamespace()
    httpx.get = lambda url: types.SimpleNamespace(content=f"from {url}".encode())
    monkeypatch.setitem(sys.modules, "httpx", httpx)
    url = "https://pictures.test/a.png"
    assert Variable(image_path=url, requires_grad=False, role_description="image").value == f"from {url}".encode()


def test_an_image_from_a_url_by_our_own_loader_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("textgrad_agents.compat.textgrad.variable.fetch_image", lambda url: f"from {url}".encode())
    url = "http://pictures.test/a.png"
    assert Variable(image_path=url, requires_grad=False, role_description="image").value == f"from {url}".encode()


def test_a_result_of_what_requires_a_gradient_requires_one() -> None:
    with pytest.raises(Exception, match="requires no gradient and a predecessor does"):
        var(predecessors=[var()], requires_grad=False)
    assert var(predecessors=[var(requires_grad=False)], requires_grad=False).requires_grad is False


def test_accessors() -> None:
    one = var("old")
    one.set_value("new")
    one.set_role_description("another role")
    assert (one.value, one.get_value(), one.get_role_description()) == ("new", "new", "another role")
    assert str(one) == "new"
    assert repr(one) == "Variable(value=new, role=another role, grads={})"
    long = var(" ".join(str(number) for number in range(30)))
    assert long.get_short_value(2) == "0 1 (...) 28 29"


def test_gradients_are_an_ordered_set_of_variables() -> None:
    one = var()
    grads = [var(f"g{number}") for number in range(5)]
    for grad in (*grads, grads[2]):
        one.gradients.add(grad)
    assert list(one.gradients) == grads
    assert len(one.gradients) == 5
    assert grads[3] in one.gradients
    assert var("g3") not in one.gradients
    assert one.get_gradient_text() == "g0\ng1\ng2\ng3\ng4"
    one.gradients.discard(grads[0])
    one.gradients.remove(grads[4])
    assert one.gradients == {grads[1], grads[2], grads[3]}
    assert one.gradients | {grads[0]} == set(grads[:4])
    one.gradients = set()
    assert not one.gradients
    one.gradients.update([grads[0]], {grads[1]})
    one.reset_gradients()
    assert one.gradients == set()
    assert one.get_gradient_text() == ""


def test_a_changed_gradient_is_read_as_it_is_now() -> None:
    one, grad = var(), var("old")
    one.gradients.add(grad)
    grad.value = "new"
    assert one.get_gradient_text() == "new"
    (read,) = one.gradients
    assert read.text == "new"


def test_our_gradients_are_shown_as_variables_and_read_as_gradients() -> None:
    one = var()
    one.add_gradient(Gradient("be clear", origin="LLMCall", context="talk", used_as="system prompt"))
    (shown,) = one.gradients
    assert isinstance(shown, Variable)
    assert (shown.value, shown.role_description) == ("be clear", "feedback to a variable")
    assert shown in one.gradients
    assert next(iter(one.gradients)) is shown
    assert (shown.text, shown.origin, shown.used_as, shown.weight) == ("be clear", "LLMCall", "system prompt", 1.0)
    with pytest.raises(AttributeError, match="'text'"):
        _ = var().text


def test_ours_can_be_replaced_in_either_form() -> None:
    one, other = var(), var()
    one.add_gradient(Gradient("a"))
    other.set_gradients((*one.gradients, Gradient("b")), 2.0)
    assert [grad.value for grad in other.gradients] == ["a", "b"]
    assert other.grad == 2.0
    other.add_gradient(var("c"))
    assert other.get_gradient_text() == "a\nb\nc"


def test_contexts_by_gradient() -> None:
    one, grad, bare = var(), var("g"), var("bare")
    one.gradients.add(bare)
    one.gradients_context[grad] = {"context": ["look", b"png"], "response_desc": "answer", "variable_desc": "x"}
    one.gradients.add(grad)
    assert list(one.gradients) == [bare, grad]
    assert one.gradients_context[grad] == {
        "context": ["look", b"png"],
        "response_desc": "answer",
        "variable_desc": "a variable",
    }
    assert list(one.gradients_context) == [grad]
    assert bare not in one.gradients_context
    del one.gradients_context[grad]
    assert len(one.gradients_context) == 0
    assert grad in one.gradients
    one.gradients_context = {bare: {"context": "talk"}}
    assert one.gradients_context[bare]["context"] == "talk"


def test_zero_grad_leaves_nothing_behind() -> None:
    one, grad = var(), var("g")
    for _ in range(3):
        one.gradients.add(grad)
        one.gradients_context[grad] = {"context": "talk"}
        one.reset_gradients()
    assert len(one.gradients) == len(one.gradients_context) == len(one._reduce_meta) == 0


def test_predecessors_are_an_ordered_set() -> None:
    first, second, third = var("1"), var("2"), var("3")
    one = var(predecessors=[first, second, first])
    assert list(one.predecessors) == [first, second]
    assert first in one.predecessors
    one.predecessors.add(third)
    one.predecessors.discard(first)
    assert one.predecessors == {second, third}
    one.predecessors = set()
    assert len(one.predecessors) == 0
    assert len(var().predecessors) == 0


def test_a_leaf_has_no_grad_fn() -> None:
    assert var().get_grad_fn() is None
    assert var().grad_fn is None


def test_an_attribute_error_of_an_engine_is_not_taken_for_a_missing_value() -> None:
    def broken(prompt: str, system_prompt: str | None = None) -> str:
        raise AttributeError("typo in the engine")

    with pytest.raises(AttributeError, match="typo in the engine"):
        _ = LLMCall(broken)(var("hi")).value
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        _ = var().nowhere


def made() -> Variable:
    one = LLMCall(lambda prompt, system_prompt: "an answer")(var("a question", role_description="question"))
    next(iter(one.predecessors)).gradients.add(var("ask better"))
    assert one.value == "an answer"
    return one


def test_a_picture_of_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = made().generate_graph()
    assert picture.source.startswith("digraph")
    assert "a question" in picture.source
    assert "ask better" not in picture.source
    assert "ask better" in made().generate_graph(print_gradients=True).source
    path = picture.render(tmp_path / "graph", format="dot")
    assert Path(path).read_text() == picture.source
    with pytest.raises(ValueError, match="svg, png, dot or gv, got 'pdf'"):
        picture.render(tmp_path / "graph", format="pdf", view=True)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(ValueError, match="needs the program graphviz"):
        picture.pipe("png")


@pytest.mark.skipif(shutil.which("dot") is None, reason="the graphviz program is not installed")
def test_a_picture_in_a_notebook() -> None:
    assert "<svg" in made().generate_graph()._repr_svg_()
    assert made().generate_graph().pipe("png").startswith(b"\x89PNG")


def test_a_graph_as_json_and_back() -> None:
    graph = json.loads(json.dumps(graph_to_json(made())))
    loaded = graph_from_json(graph)
    assert loaded.value == "an answer"
    assert loaded.call is not None
    assert [one.text for _, one in loaded.call.inputs for one in one.gradients] == ["ask better"]
