"""One memory: what was seen, what was done, and what it was worth."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Memory(BaseModel):
    """Something to be found again.

    Attributes:
        query: what it is found by; the input if only that is given.
        input: what was seen, the query if only that is given.
        output: what was done.
        value: what it was worth; a number, or a judgement in words.
        metadata: further facts (JSON-like).
        run_id: the run of the graph that it comes from, or None.
        template: how it is written in words; may name ``{input}``, ``{output}``, ``{value}`` and ``{query}``.
    """

    model_config = ConfigDict(extra="forbid")

    query: str
    input: str | None = None
    output: str
    value: float | str
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    run_id: int | None = None
    template: str = "Input: {input}\nOutput: {output}\nValue: {value}"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
        query, seen = given.get("query"), given.get("input")
        return {**given, "query": seen if query is None else query, "input": query if seen is None else seen}

    def written(self, template: str) -> str:
        """The memory in the words of a template."""
        return template.format(query=self.query, input=self.input, output=self.output, value=self.value)

    def __str__(self) -> str:
        return self.written(self.template)
