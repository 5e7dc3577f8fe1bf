"""Pictures of graphs."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.ops import FxnOp, RewardLoss
from textgrad_agents.variables import Variable, show


def graph() -> Variable:
    prompt = Variable("Be brief.", role_description="system prompt", name="prompt")
    question = Variable('How "much"\nis <2>?', requires_grad=False, role_description="question")
    image = Variable(b"\x89PNG", requires_grad=False, role_description="picture")
    answer = FxnOp(lambda messages, prompt: "5", "model")([question, image], prompt=prompt)
    loss = RewardLoss()(FxnOp(lambda a, b: a, "pair")(answer, answer), 0.0, "wrong | {sum}")
    loss.backward()
    return loss


def test_text() -> None:
    assert show(graph()) == (
        "score (RewardLoss) [0] = 0.0\n"
        "└─ prediction: output of pair (pair) [1] = 5\n"
        "   │   ∇ wrong | {sum}\n"
        "   ├─ a: output of model (model) [2] = 5\n"
        "   │  │   ∇ wrong | {sum}\n"
        '   │  ├─ messages.0: question [5] = How "much" is <2>?\n'
        "   │  ├─ messages.1: picture [4] = <image, 4 bytes>\n"
        "   │  └─ prompt: prompt (parameter) [3] = Be brief.\n"
        "   │         ∇ wrong | {sum}\n"
        "   └─ b: output of model (model) [2], see above\n"
    )
    assert "∇" not in show(graph(), gradients=False)


def test_mermaid() -> None:
    text = show(graph(), "mermaid")
    assert text.startswith("flowchart LR\n")
    assert '    n3(["prompt (parameter)<br/>Be brief.<br/>#8711; wrong #124; #123;sum#125;"])' in text
    assert '    n5 -->|"messages.0"| n2' in text
    assert text.count("n2 -->") == 2
    labels = re.findall(r'\["(.*?)"\]', text)
    assert not any(character in label for label in labels for character in '"<>{}|' if "<br/>" not in label)


def test_dot() -> None:
    text = show(graph(), "dot")
    assert text.startswith("digraph {\n")
    assert text.rstrip().endswith("}")
    assert 'n3 [label="prompt (parameter)\\lBe brief.\\l∇ wrong | {sum}\\l", style="rounded,bold"];' in text
    assert '\\"much\\"' in text
    assert 'n5 -> n2 [label="messages.0"];' in text


def test_large_graphs_are_cut_and_say_so() -> None:
    result = Variable("x", role_description="input")
    for _ in range(5000):
        result = FxnOp(lambda x: x, "step")(result)
    for format in ("text", "mermaid", "dot"):
        text = show(result, format, max_nodes=50)
        assert "4951 more not shown" in text
        assert len(text) < 20_000


def test_long_values_are_cut() -> None:
    assert len(show(Variable("word " * 1000, role_description="input"))) < 120


def test_there_is_no_other_format() -> None:
    with pytest.raises(ConfigError, match="text, mermaid, dot, svg or png, got 'pdf'"):
        show(graph(), "pdf")  # type: ignore[call-overload]


@pytest.mark.parametrize("format", ["svg", "png"])
def test_pictures_need_graphviz(format: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="needs the program graphviz"):
        show(graph(), format)


@pytest.fixture
def dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for graphviz that gives back its option and input, or fails on request."""
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nif [ -e "$0.fail" ]; then echo "syntax error" >&2; exit 1; fi\necho "$1"; cat\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def test_pictures_are_drawn_by_graphviz(dot: Path) -> None:
    assert show(graph(), "svg") == "-Tsvg\n" + show(graph(), "dot")
    assert show(graph(), "png").startswith(b"-Tpng\ndigraph")


def test_what_graphviz_complains_about_is_said(dot: Path) -> None:
    dot.with_name("dot.fail").touch()
    with pytest.raises(ConfigError, match="could not draw the graph: syntax error"):
        show(graph(), "svg")
