"""JSON in and out: bodies that are checked against a model, and answers that every client can read."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from textgrad_agents.files import parse_json
from textgrad_agents.validation import explain

BodyT = TypeVar("BodyT", bound=BaseModel)

MAX_BYTES = 32 * 2**20


class Refused(Exception):
    """A request that is answered with an error: a status, and ``{"detail": why}``."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status

    def response(self) -> Response:
        """The answer."""
        return json_response({"detail": str(self)}, self.status)


def json_response(value: Any, status: int = 200) -> Response:
    """An answer in JSON, all ASCII, so that texts which are no valid Unicode arrive as well.

    Raises:
        ValueError: a number is not finite.
        TypeError: the value cannot be written as JSON.
    """
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


async def read_json(request: Request) -> Any:
    """The body of a request. It has to say that it is JSON, which no form of a web page can.

    Raises:
        Refused: it does not, is too large, or is no JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"send JSON with the content-type application/json, not {kind or 'without one'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Refused(413, f"a request may have {MAX_BYTES} bytes, and this one has more")
    try:
        return parse_json(bytes(body))
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"the body is no JSON that is read here: {error}") from None


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """The body of a request as `model`.

    Raises:
        Refused: it is something else.
    """
    try:
        return model.model_validate(await read_json(request))
    except ValidationError as error:
        raise Refused(422, explain(error, fields=model.model_fields)) from None
