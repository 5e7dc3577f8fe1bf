"""Texts with places to fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from textgrad_agents.errors import ConfigError


def placeholders(template: str) -> tuple[str, ...]:
    """Names of the places in a template, each once, in order.

    Raises:
        ConfigError: a brace has no partner, or a place has no plain name.
    """
    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise _bad(template, str(error)) from None
    for field in fields:
        if not re.fullmatch(r"[^\W\d][^.\[\]]*", field):
            raise _bad(template, f"{{{field}}} is no plain name")
    return tuple(dict.fromkeys(fields))


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with each ``{name}`` replaced; ``{{`` and ``}}`` stand for single braces.

    A template may have been written by a model, so a place is a plain name: attributes and items cannot be reached.

    Raises:
        ConfigError: a place has no value, or the template is malformed.
    """
    for name in placeholders(template):
        if name not in values:
            raise _bad(template, f"there is no value for {{{name}}}, only for {sorted(values)}")
    try:
        return template.format(**values)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise _bad(template, str(error)) from None


def _bad(template: str, problem: str) -> ConfigError:
    shown = template if len(template) <= 80 else template[:77] + "..."
    return ConfigError(f"the template {shown!r} cannot be filled in: {problem}; write {{{{ and }}}} for braces as such")
