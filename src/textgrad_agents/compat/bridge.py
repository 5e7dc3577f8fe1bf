"""TextGrad's engines as ours.

A TextGrad engine is any object that is called with a prompt and a ``system_prompt`` and returns a text; the prompt is a
text, or a list of texts and images. Ours answer messages and do not block. `as_engine` makes one of the other.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import inspect
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from textgrad_agents.engines.base import estimate_usage
from textgrad_agents.errors import ConfigError, EngineReplyError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, system, user
from textgrad_agents.ops.content import user_message
from textgrad_agents.session import current_session

T = TypeVar("T")
Content = str | Sequence[str | bytes]

_SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop")
_lending: contextvars.ContextVar[bool] = contextvars.ContextVar("textgrad_agents_lending", default=False)
"""True in code that a `Lent` engine runs: the session counts that call, and not what it may ask in its turn."""
_DATA_URL = re.compile(r"data:[\w/+.-]+;base64,")


@runtime_checkable
class Serving(Protocol):
    """A TextGrad engine that has one of ours behind it."""

    def served(self) -> Engine | None:
        """The engine behind it, or None if a subclass answers by itself."""
        ...


def as_engine(engine: object) -> Engine:
    """One of our engines that answers like `engine`, which may be of either kind.

    Raises:
        ConfigError: `engine` is neither.
    """
    if inspect.iscoroutinefunction(getattr(engine, "generate", None)):
        return cast("Engine", engine)
    if isinstance(engine, Serving) and (served := engine.served()) is not None:
        return served
    if callable(engine) or callable(getattr(engine, "generate", None)):
        return Lent(engine)
    raise ConfigError(
        f"{engine!r} is no engine: it must be callable with (prompt, system_prompt=…), have such a `generate`, or be "
        "one of the engines of textgrad_agents.engines"
    )


class Lent:
    """A TextGrad engine as one of ours; each call has a thread of its own, so that calls run side by side."""

    def __init__(self, engine: Any) -> None:
        self.lender = engine
        self._call: Callable[..., object] = engine if callable(engine) else engine.generate

    @property
    def name(self) -> str:
        """The engine's model, or its class."""
        return str(getattr(self.lender, "model_string", "") or type(self.lender).__name__)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Call the engine with the messages as TextGrad writes them; it takes no other options.

        Raises:
            EngineReplyError: it returned something else than a text.
        """
        content, system_prompt = from_messages(messages)

        def call() -> object:
            _lending.set(True)
            return self._call(content, system_prompt=system_prompt)

        reply = await in_thread(call)
        if not isinstance(reply, str):
            raise EngineReplyError(f"engine {self.name!r} must return a text, it returned a {type(reply).__name__}")
        return Completion(reply, usage=estimate_usage(messages, reply), model=self.name)


def ask(engine: Engine, content: Content, system_prompt: str | None = None, **options: Any) -> str:
    """Ask an engine as TextGrad's programs do: wait for its text.

    Args:
        engine: one of ours.
        content: a text, or texts and images.
        system_prompt: sent first, if given.
        options: ``temperature``, ``top_p``, ``max_tokens``, ``seed``, ``stop``; anything else goes into the request as
            it is.

    Raises:
        PortalError: called inside an async op; await the engine there.
    """
    session = current_session()
    messages = to_messages(content, system_prompt)
    known = {name: options.pop(name) for name in _SAMPLING if name in options}
    sampling = GenerateOptions(**known, extra=options)
    work = engine.generate(messages, sampling) if _lending.get() else session.ask(engine, messages, sampling)
    return session.portal.run(work).text


async def in_thread(function: Callable[[], T]) -> T:
    """Run blocking code on a thread of its own, with the caller's context; a cancelled call is left to end alone."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not future.done():
            setter(value)

    def run() -> None:
        try:
            value = context.run(function)
        except StopIteration as error:  # a future cannot hold it
            outcome = (future.set_exception, _ended(error))
        except BaseException as error:
            outcome = (future.set_exception, error)
        else:
            outcome = (future.set_result, value)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="textgrad-agents-engine", daemon=True).start()
    return await future


def _ended(error: StopIteration) -> RuntimeError:
    ended = RuntimeError("the engine raised StopIteration: its iterator has no reply left")
    ended.__cause__ = error
    return ended


def to_messages(content: Content, system_prompt: str | None = None) -> list[Message]:
    """The messages that a TextGrad call stands for."""
    messages = [system(system_prompt)] if system_prompt else []
    if isinstance(content, str):
        return [*messages, user(content)]
    return [*messages, user_message(content)]


def from_messages(messages: Sequence[Message]) -> tuple[str | list[str | bytes], str | None]:
    """Prompt and system prompt of the TextGrad call that `messages` stand for."""
    system_prompt = "\n\n".join(message.text for message in messages if message.role == "system") or None
    rest = [message for message in messages if message.role != "system"]
    if len(rest) == 1:
        return _pieces(rest[0].deserialized_content), system_prompt
    turns = [f"{message.role}:\n{message.text}" for message in rest]
    return "\n\n".join(turns), system_prompt


def _pieces(content: str | list[dict[str, Any]] | None) -> str | list[str | bytes]:
    if not isinstance(content, list):
        return content or ""
    pieces: list[str | bytes] = []
    for part in content:
        if part["type"] == "text":
            pieces.append(part["text"])
            continue
        url: str = part["image_url"]["url"]
        prefix = _DATA_URL.match(url)
        pieces.append(base64.b64decode(url[prefix.end() :]) if prefix else url)
    return pieces
