"""What `Variable.generate_graph` gives: a picture with the part of ``graphviz.Digraph`` that programs use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.variables.show import show
from textgrad_agents.variables.variable import Variable


class Picture:
    """A picture of what a value was made from. Notebooks show it where the graphviz program is installed.

    Args:
        root: the value.
        gradients: show gradients too.
    """

    def __init__(self, root: Variable[Any], *, gradients: bool = False) -> None:
        self._root = root
        self._gradients = gradients

    @property
    def source(self) -> str:
        """The picture in DOT."""
        return show(self._root, "dot", gradients=self._gradients)

    def pipe(self, format: str = "svg") -> bytes:
        """The picture as a file holds it.

        Args:
            format: ``svg``, ``png``, ``dot`` or ``gv``.

        Raises:
            ConfigError: another format, or the graphviz program is not installed.
        """
        if format == "png":
            return show(self._root, "png", gradients=self._gradients)
        if format == "svg":
            return show(self._root, "svg", gradients=self._gradients).encode()
        if format in ("dot", "gv"):
            return self.source.encode()
        raise ConfigError(f"format must be svg, png, dot or gv, got {format!r}")

    def render(self, filename: str | Path, format: str = "svg", **_: Any) -> str:
        """Write the picture to ``FILENAME.FORMAT`` and say where it is.

        Args:
            filename: the path without its ending.
            format: see `pipe`.
        """
        path = Path(f"{filename}.{format}")
        path.write_bytes(self.pipe(format))
        return str(path)

    def _repr_svg_(self) -> str:
        return self.pipe("svg").decode()
