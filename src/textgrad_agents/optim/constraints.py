"""Checks that a new value must pass, as pure predicates. Constraints in words alone are plain texts.

A check says its rule in words, so that the optimizer's model knows it beforehand, and what a value breaks, so that the
model can repair it.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.json_schema import check_schema, schema_violation

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")


class Check(Protocol):
    """A rule for new values."""

    def rule(self, old: str) -> str:
        """The rule in words; "" if it asks nothing of a successor of `old`."""
        ...

    def violation(self, old: str, new: str) -> str | None:
        """What `new` breaks as a successor of `old`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class PlaceholdersKept:
    """The new value has the same ``{placeholders}`` as the old one, none lost and none added.

    Attributes:
        templates_only: leave values alone that are no templates (see `template_fields`): their braces are mere braces.
    """

    templates_only: bool = False

    def rule(self, old: str) -> str:
        """See `Check`."""
        names = placeholders(old)
        return f"Keep the placeholders {_braces(names)}; add no others." if names else ""

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        before, after = placeholders(old), placeholders(new)
        if before is None or before == after or (self.templates_only and not template_fields(old)):
            return None
        if after is None:
            return "its braces do not match, so it is no template; a brace that is meant as such is doubled"
        lost, added = before - after, after - before
        parts = [f"lacks {_braces(lost)}"] * bool(lost) + [f"adds {_braces(added)}"] * bool(added)
        return f"it {' and '.join(parts)}; the placeholders must stay {_braces(before) or 'none'}"


@dataclass(frozen=True, slots=True)
class MaxLength:
    """The new value has at most so many tokens (estimated) or characters."""

    tokens: int | None = None
    characters: int | None = None

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.tokens, self.characters) if limit is not None]
        if not limits or min(limits) < 1:
            raise ConfigError(f"MaxLength needs tokens=… or characters=… of at least 1, got {self}")

    def rule(self, old: str) -> str:
        """See `Check`."""
        return f"Write at most {self._limits()}."

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        tokens, characters = estimate_tokens(new), len(new)
        if tokens <= (self.tokens or tokens) and characters <= (self.characters or characters):
            return None
        return f"it has about {tokens} tokens and {characters} characters; at most {self._limits()} are allowed"

    def _limits(self) -> str:
        parts = [f"{self.tokens} tokens"] * (self.tokens is not None)
        return " and ".join(parts + [f"{self.characters} characters"] * (self.characters is not None))


@dataclass(frozen=True, slots=True)
class MaxGrowth:
    """The new value is at most `factor` times as long as the old one; `free` characters are always allowed."""

    factor: float = 4.0
    free: int = 1000

    def __post_init__(self) -> None:
        if not self.factor >= 1:
            raise ConfigError(f"MaxGrowth needs a factor of at least 1, got {self.factor}")

    def rule(self, old: str) -> str:
        """See `Check`."""
        return f"Write at most {self._limit(old)} characters."

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        limit = self._limit(old)
        return f"it has {len(new)} characters; at most {limit} are allowed" if len(new) > limit else None

    def _limit(self, old: str) -> int:
        return max(int(self.factor * len(old)), self.free)


@dataclass(frozen=True, slots=True)
class JSONSchema:
    """The new value is a JSON text that follows `schema` (the subset of JSON Schema in `json_schema`).

    Raises:
        ConfigError: the schema uses a keyword that is not checked.
    """

    schema: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_schema(self.schema)

    def rule(self, old: str) -> str:
        """See `Check`."""
        return f"Write a JSON text, without a fence around it, that follows this JSON schema: {json.dumps(self.schema)}"

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        try:
            value = json.loads(new)
        except (ValueError, RecursionError) as error:
            return f"it is not a JSON text: {error}"
        return schema_violation(value, self.schema)


@dataclass(frozen=True, slots=True)
class ForbiddenWords:
    """The new value contains none of these words (whole words or phrases, in whatever case)."""

    words: tuple[str, ...]

    def __init__(self, words: Sequence[str]) -> None:
        if isinstance(words, str) or not words or not all(words):
            raise ConfigError(f"ForbiddenWords needs a list of words, got {words!r}")
        object.__setattr__(self, "words", tuple(words))

    def rule(self, old: str) -> str:
        """See `Check`."""
        return f"Never use these words: {', '.join(self.words)}."

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        used = [word for word in self.words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", new, re.IGNORECASE)]
        return f"it uses {', '.join(used)}, which must not be used" if used else None


@dataclass(frozen=True, slots=True)
class AllowedWords:
    """The new value is made of these words alone, parted by spaces: for models that know no others.

    Attributes:
        words: what may be used.
        most: how many words a value has at most.
    """

    words: tuple[str, ...]
    most: int

    def __init__(self, words: Sequence[str], most: int = 1) -> None:
        if isinstance(words, str) or not words or not all(word and word == "".join(word.split()) for word in words):
            raise ConfigError(f"AllowedWords needs a list of words without spaces, got {words!r}")
        if most < 1:
            raise ConfigError(f"AllowedWords allows at least 1 word, not {most}")
        object.__setattr__(self, "words", tuple(words))
        object.__setattr__(self, "most", most)

    def rule(self, old: str) -> str:
        """See `Check`."""
        return f"Use only these words, at most {self.most} of them: {json.dumps(self.words, ensure_ascii=False)}"

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        written = new.split()
        unknown = [word for word in written if word not in self.words]
        if unknown:
            return f"it uses {', '.join(unknown[:5])}; only {', '.join(self.words)} can be used"
        return None if 0 < len(written) <= self.most else f"it has {len(written)} words; 1 to {self.most} are allowed"


@dataclass(frozen=True, slots=True)
class NoControlCharacters:
    """The new value has no control characters but tabs and line breaks."""

    def rule(self, old: str) -> str:
        """See `Check`."""
        return ""

    def violation(self, old: str, new: str) -> str | None:
        """See `Check`."""
        found = _CONTROL.search(new)
        return f"it contains the control character U+{ord(found.group()):04X}" if found else None


def placeholders(template: str) -> frozenset[str] | None:
    """The ``{placeholders}`` of a `str.format` template as written (``a``, ``a.b``, ``a[0]``), None if it is none."""
    names: set[str] = set()
    rest = [template]
    try:
        while rest:
            for _, field, spec, _ in string.Formatter().parse(rest.pop()):
                if field is not None:
                    names.add(field)
                    rest.append(spec or "")
    except ValueError:
        return None
    return frozenset(names)


def template_fields(text: str) -> tuple[str, ...]:
    """The fields that a template asks for, sorted; none if `text` has no placeholders, or some that are no names."""
    names = placeholders(text) or frozenset()
    return tuple(sorted(names)) if all(name.isidentifier() for name in names) else ()


def _braces(names: frozenset[str] | None) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names or ()))
