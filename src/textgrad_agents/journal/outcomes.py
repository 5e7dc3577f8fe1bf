"""How a call ended, as bytes: the completion, or that there was none that can be used.

Errors after which a call may be made again (no connection, a spent budget) are no outcome.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, TypeAlias

from textgrad_agents.engines.record import dump_completion, load_completion
from textgrad_agents.errors import EngineRefusal, EngineReplyError
from textgrad_agents.messages import Completion, Usage

Outcome: TypeAlias = Completion | EngineReplyError | EngineRefusal

NO_REPLY = (EngineReplyError, EngineRefusal)
_ERRORS = {kind.__name__: kind for kind in NO_REPLY}


def dump(outcome: Outcome) -> bytes:
    """The outcome as JSON; halves of characters that a model may write are kept."""
    if isinstance(outcome, Completion):
        text = dump_completion(outcome)
    else:
        usage = usage_of(outcome)
        text = json.dumps(
            {
                "error": type(outcome).__name__,
                "message": str(outcome),
                "kind": outcome.kind,
                "usage": None if usage is None else asdict(usage),
            }
        )
    return text.encode(errors="surrogatepass")


def load(data: bytes) -> Outcome:
    """What `dump` wrote.

    Raises:
        ValueError, LookupError, TypeError: it is not what `dump` writes.
    """
    text = data.decode(errors="surrogatepass")
    fields: dict[str, Any] = json.loads(text)
    if "error" not in fields:
        return load_completion(text)
    usage = None if fields["usage"] is None else Usage(**fields["usage"])
    return _ERRORS[fields["error"]](fields["message"], usage=usage, kind=fields["kind"])


def usage_of(outcome: Outcome) -> Usage | None:
    """The tokens that the call was charged with, None if it was not charged."""
    return outcome.usage if isinstance(outcome.usage, Usage) else None
