"""Variable: values, gradients, the graph seen from a result."""

from __future__ import annotations

import asyncio
import http.server
import threading
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError, GradientStructureError, GraphError
from textgrad_agents.messages import user
from textgrad_agents.ops import FxnOp
from textgrad_agents.variables import Gradient, Variable, fetch_image
from textgrad_agents.variables.images import media_type

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20

identity = FxnOp(lambda x: x, "identity")
pair = FxnOp(lambda a, b: a, "pair")


def leaf(value: Any = "text", **options: Any) -> Variable:
    return Variable(value, role_description="input", **options)


@pytest.mark.parametrize("value", ["text", 3, 2.5, None, user("hi"), {"a": [1, (2,)]}, [1, 2]])
def test_values_of_many_kinds(value: Any) -> None:
    variable = leaf(value)
    assert variable.value == value
    assert bool(variable) is bool(value)
    assert str(variable) == str(value)
    assert variable.is_leaf
    variable.value = "new"
    assert variable.value == "new"


def test_a_role_is_required() -> None:
    with pytest.raises(TypeError, match="role_description"):
        Variable("x")  # type: ignore[call-arg]


def test_images_by_path_and_by_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert leaf("", image_path=tmp_path / "a.png", requires_grad=False).value == PNG
    assert leaf(PNG, requires_grad=False).value == PNG
    with pytest.raises(GraphError, match=r"images cannot require a gradient.*requires_grad=False"):
        leaf(PNG)
    with pytest.raises(GraphError, match="either a value or an image_path"):
        leaf("x", image_path=tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        leaf("", image_path=tmp_path / "none.png")


def test_a_variable_is_no_value_of_a_variable() -> None:
    with pytest.raises(GraphError, match="cannot be a Variable"):
        leaf(leaf())


def test_identity_awaiting_and_repr() -> None:
    one, other = leaf(), leaf()
    assert one == one
    assert one != other
    assert len({one, other}) == 2

    async def awaited() -> Variable:
        return await one

    assert asyncio.run(awaited()) is one
    assert repr(leaf("x" * 100)) == f"Variable('{'x' * 56}..., role='input', gradients=0)"


def test_short_values() -> None:
    assert leaf("a b c").short_value() == "a b c"
    words = [str(i) for i in range(30)]
    assert leaf(" ".join(words)).short_value(2) == "0 1 (...) 28 29"
    assert leaf(" ".join(words)).value == " ".join(words)


# -- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_are_kept_in_order_and_numbers_are_summed() -> None:
    x = leaf()
    x.add_gradient(Gradient(text="a"))
    x.add_gradient(Gradient(number=1.0))
    x.add_gradients((Gradient(text="b"), Gradient(text="")), 2.5)
    assert [g.text for g in x.gradients] == ["a", "b"]
    assert x.grad == 3.5
    assert x.gradient_text() == "a\nb"
    x.set_gradients((Gradient(text="c"),), 7.0)
    assert (x.gradient_text(), x.grad) == ("c", 7.0)
    x.reset_gradients()
    assert (x.gradients, x.grad, x.gradient_text()) == ((), None, "")


def test_numbers_of_another_structure_are_refused_with_the_name() -> None:
    x = leaf(name="weights")
    x.add_gradient(Gradient(number=[1.0]))
    with pytest.raises(GradientStructureError, match="at weights: list of 1 and list of 2"):
        x.add_gradient(Gradient(number=[1.0, 2.0]))
    with pytest.raises(GradientStructureError, match="list of 1 and a number"):
        x.add_gradient(Gradient(number=1.0))
    with pytest.raises(GradientStructureError, match=r"list of 1 and tuple of 1"):
        x.add_gradient(Gradient(number=(1.0,)))


def test_a_gradient_keeps_what_is_said_of_it() -> None:
    gradient = Gradient(text="a", number=1.0, origin="op", context="c", weight=2.0, group="g")
    assert gradient.described("other", "use") == Gradient(
        text="a", origin="op", context="c", used_as="use", weight=2.0, group="g"
    )
    complete = Gradient(text="a", origin="op", used_as="use")
    assert complete.described("other", "other") is complete


# -- the graph -------------------------------------------------------------------------------------------------------


def diamond() -> tuple[Variable, ...]:
    x = leaf(name="x")
    left, right = identity(x), identity(x)
    return x, left, right, pair(left, right)


def test_traverse() -> None:
    x, left, right, top = diamond()
    assert top.traverse() == [top, right, left, x]
    assert top.traverse(topological_order=False) == [top, left, right, x]
    assert top.traverse(filter_fn=lambda one: one.is_leaf) == [x]
    assert x.traverse() == [x]


def test_upstream_results() -> None:
    _x, left, right, top = diamond()
    assert top.get_upstream_results("identity") == [right, left]
    assert top.get_upstream_results(identity) == [right, left]
    assert top.get_upstream_results(pair) == [top]
    assert top.get_upstream_results("nothing") == []


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = {"/a.png": PNG, "/page": b"<html>", "/large": PNG + b"0" * 1000}.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_image_is_fetched_only_when_asked_for(server: str) -> None:
    assert leaf(fetch_image(f"{server}/a.png"), requires_grad=False).value == PNG
    with pytest.raises(FileFormatError, match="PNG, JPEG, GIF or WebP"):
        fetch_image(f"{server}/page")
    with pytest.raises(FileFormatError, match="more than 500 bytes"):
        fetch_image(f"{server}/large", max_bytes=500)
    with pytest.raises(OSError, match="404"):
        fetch_image(f"{server}/none")
    with pytest.raises(FileNotFoundError):
        leaf("", image_path=f"{server}/a.png", requires_grad=False)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "a.png", "ftp://host/a.png"])
def test_only_web_addresses_are_fetched(url: str) -> None:
    with pytest.raises(ConfigError, match="http"):
        fetch_image(url)


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"\xff\xd8\xff\xe0", "jpeg"), (PNG, "png"), (b"GIF89a", "gif"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp")],
)
def test_media_types(start: bytes, name: str) -> None:
    assert media_type(start) == f"image/{name}"
