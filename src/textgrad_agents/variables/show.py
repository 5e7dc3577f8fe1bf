"""Pictures of a graph: a tree of text, Mermaid, DOT, and through the graphviz program SVG and PNG."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Literal, overload

from textgrad_agents.errors import ConfigError
from textgrad_agents.variables.order import topological_order
from textgrad_agents.variables.variable import Variable

Format = Literal["text", "mermaid", "dot", "svg", "png"]

_WIDTH = 80
_TIMEOUT = 120


@dataclass(frozen=True, slots=True)
class _Picture:
    """What is shown: the nodes nearest to the result, and the uses among them.

    Attributes:
        nodes: Variables, every one before its inputs.
        edges: ``(consumer, input, name of the argument)`` by place among the nodes.
        left_out: Variables that are not shown.
        gradients: show them too.
    """

    nodes: list[Variable[Any]]
    edges: list[tuple[int, int, str]]
    left_out: int
    gradients: bool


@overload
def show(
    root: Variable[Any],
    format: Literal["text", "mermaid", "dot", "svg"] = "text",
    *,
    gradients: bool = True,
    max_nodes: int = 200,
) -> str: ...
@overload
def show(root: Variable[Any], format: Literal["png"], *, gradients: bool = True, max_nodes: int = 200) -> bytes: ...
def show(root: Variable[Any], format: Format = "text", *, gradients: bool = True, max_nodes: int = 200) -> str | bytes:
    """A picture of everything that `root` was made from.

    Args:
        root: the result.
        format: ``text`` for the terminal, ``mermaid`` for Markdown, ``dot``; ``svg`` and ``png`` need the program
            graphviz.
        gradients: show gradients too.
        max_nodes: at most so many Variables are shown; the picture says how many were left out.

    Raises:
        ConfigError: there is no such format, or graphviz is needed and not installed.
    """
    picture = _picture(root, gradients, max_nodes)
    if format == "text":
        return _text(picture)
    if format == "mermaid":
        return _mermaid(picture)
    if format == "dot":
        return _dot(picture)
    if format == "svg":
        return _rendered(_dot(picture), format).decode()
    if format == "png":
        return _rendered(_dot(picture), format)
    raise ConfigError(f"format must be text, mermaid, dot, svg or png, got {format!r}")


def _picture(root: Variable[Any], gradients: bool, max_nodes: int) -> _Picture:
    order = topological_order(root)[::-1]
    nodes = order[:max_nodes]
    place = {id(variable): index for index, variable in enumerate(nodes)}
    edges = [
        (index, place[id(child)], ".".join(str(step) for step in path))
        for index, variable in enumerate(nodes)
        for path, child in (variable.call.inputs if variable.call is not None else ())
        if id(child) in place
    ]
    return _Picture(nodes, edges, len(order) - len(nodes), gradients)


# -- what is said of a node ------------------------------------------------------------------------------------------


def _title(variable: Variable[Any]) -> str:
    name = variable.name or variable.role_description
    if variable.call is not None:
        return f"{name} ({variable.call.op.name})"
    return f"{name} (parameter)" if variable.requires_grad else name


def _value(variable: Variable[Any]) -> str:
    if variable.is_pending:
        return "pending"
    value = variable.value
    return (
        f"<image, {len(value)} bytes>"
        if isinstance(value, bytes)
        else _cut(value if isinstance(value, str) else repr(value))
    )


def _feedback(variable: Variable[Any]) -> list[str]:
    number = variable.grad
    silent = number is None or (isinstance(number, float) and number == 0.0)
    return [*([] if silent else [_cut(repr(number))]), *(_cut(one.text or "") for one in variable.gradients)]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


# -- formats ---------------------------------------------------------------------------------------------------------


def _text(picture: _Picture) -> str:
    inputs: dict[int, list[tuple[int, str]]] = {}
    for consumer, child, argument in picture.edges:
        inputs.setdefault(consumer, []).append((child, argument))
    lines: list[str] = []
    seen: set[int] = set()
    stack = [(0, "", "", "")]  # node, argument, what stands before its first line, and before its others
    while stack:
        node, argument, first, other = stack.pop()
        label = f"{argument}: {_title(picture.nodes[node])}" if argument else _title(picture.nodes[node])
        if node in seen and node in inputs:
            lines.append(f"{first}{label} [{node}], see above")
            continue
        seen.add(node)
        lines.append(f"{first}{label} [{node}] = {_value(picture.nodes[node])}")
        children = inputs.get(node, [])
        if picture.gradients:
            bar = "│ " if children else "  "
            lines += [f"{other}{bar}  ∇ {one}" for one in _feedback(picture.nodes[node])]
        for i, (child, name) in reversed(list(enumerate(children))):
            last = i == len(children) - 1
            stack.append((child, name, other + ("└─ " if last else "├─ "), other + ("   " if last else "│  ")))
    if picture.left_out:
        lines.append(f"({picture.left_out} more not shown)")
    return "\n".join(lines) + "\n"


def _mermaid(picture: _Picture) -> str:
    lines = ["flowchart LR"]
    for index, variable in enumerate(picture.nodes):
        label = "<br/>".join(_mermaid_text(one) for one in _label(picture, variable))
        opening, closing = ("[", "]") if variable.call is not None else ("([", "])")
        lines.append(f'    n{index}{opening}"{label}"{closing}')
    lines += [f'    n{child} -->|"{_mermaid_text(name)}"| n{consumer}' for consumer, child, name in picture.edges]
    if picture.left_out:
        lines.append(f'    more["{picture.left_out} more not shown"]')
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    return "".join(one if one.isalnum() or one in " .,:;!?()=+-_/" else f"#{ord(one)};" for one in text)


def _dot(picture: _Picture) -> str:
    lines = ["digraph {", '    rankdir=LR; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif"];']
    for index, variable in enumerate(picture.nodes):
        label = "\\l".join(_dot_text(one) for one in _label(picture, variable)) + "\\l"
        style = ', style="rounded,bold"' if variable.is_leaf and variable.requires_grad else ""
        style = style or (', style="rounded"' if variable.is_leaf else "")
        lines.append(f'    n{index} [label="{label}"{style}];')
    lines += [f'    n{child} -> n{consumer} [label="{_dot_text(name)}"];' for consumer, child, name in picture.edges]
    if picture.left_out:
        lines.append(f'    more [label="{picture.left_out} more not shown", shape=plaintext];')
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _label(picture: _Picture, variable: Variable[Any]) -> list[str]:
    feedback = [f"∇ {one}" for one in _feedback(variable)] if picture.gradients else []
    return [_cut(_title(variable)), _value(variable), *feedback]


def _rendered(dot: str, format: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise ConfigError(
            f'format="{format}" needs the program graphviz (`apt install graphviz`, `brew install graphviz`); '
            'format="mermaid" and format="text" need nothing'
        )
    done = subprocess.run([program, f"-T{format}"], input=dot.encode(), capture_output=True, timeout=_TIMEOUT)
    if done.returncode:
        raise ConfigError(f"graphviz could not draw the graph: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
