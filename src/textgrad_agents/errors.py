"""The error tree: every error this project raises on purpose.

    TextgradAgentsError
    ├── ConfigError (ValueError)            a setting, flag or argument is not usable
    ├── FileFormatError (ValueError)        a file we read is missing, damaged or of another shape
    ├── EngineError (RuntimeError)          a model could not answer
    │   ├── EngineAccessError               no call will be served until key, quota, rights, model or address change
    │   │   ├── MissingKeyError (ValueError)    the key variable of a provider is not set
    │   │   └── BudgetError                     the budget of the run is spent
    │   ├── EngineRefusal                   the engine does not do what the request asks for
    │   └── EngineReplyError                the reply is empty, cut, filtered or not a completion
    ├── GraphError (RuntimeError)           the graph of Variables is used against its rules
    │   ├── CycleError
    │   ├── GradientStructureError (ValueError)
    │   └── PortalError                     a pending value is read where reading it would never end
    ├── ProposalError (ValueError)          an optimizer's reply holds no usable new value
    ├── MalformedMessageError (ValueError)  a model's message is not of the form that was asked for
    ├── ToolCallError (ValueError)          a model called a tool in a way it cannot be called
    ├── LearnerError (RuntimeError)         a learner cannot go on from where it is
    └── EnvError (RuntimeError)             an environment broke its contract
        └── StartError (TypeError)          what starts a functional environment returned something else

A message states the rule that was broken, the value seen and the way out. All errors can be pickled.
"""

from __future__ import annotations


class TextgradAgentsError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(TextgradAgentsError, ValueError):
    """A setting, flag or argument cannot be used as given."""


class FileFormatError(TextgradAgentsError, ValueError):
    """A file is missing, damaged, or of another shape than its reader expects."""


class EngineError(TextgradAgentsError, RuntimeError):
    """A model could not answer.

    Attributes:
        transient: True where the same request may well succeed a little later.
        retry_after: seconds that the server asked to wait, if it said so.
        usage: the `Usage` that the failed call was charged with, if it was charged.
        kind: which fault it is, in a word (``rate_limit``, ``timeout``, …; the table is in `engines.faults`).
    """

    def __init__(
        self,
        message: str = "",
        *,
        transient: bool = False,
        retry_after: float | None = None,
        usage: object = None,
        kind: str = "",
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.usage = usage
        self.kind = kind


class EngineAccessError(EngineError):
    """The provider serves no call of this engine until its key, quota, rights, model name or address are changed."""


class MissingKeyError(EngineAccessError, ValueError):
    """The environment variable that holds a provider's key is not set."""


class BudgetError(EngineAccessError):
    """What a run may spend is spent; nothing was sent. With a larger budget the run goes on from here."""


class EngineRefusal(EngineError):
    """The engine understood the request and does not do what it asks for."""


class EngineReplyError(EngineError):
    """The reply is empty, cut, filtered, or not a completion at all."""


class GraphError(TextgradAgentsError, RuntimeError):
    """The graph of Variables is used against its rules."""


class CycleError(GraphError):
    """A Variable depends on itself."""


class GradientStructureError(GraphError, ValueError):
    """Gradients of one Variable have different structures, or an op returned gradients under other names."""


class PortalError(GraphError):
    """A pending value was read on the thread that has to compute it."""


class ProposalError(TextgradAgentsError, ValueError):
    """An optimizer's reply holds no usable new value."""


class MalformedMessageError(TextgradAgentsError, ValueError):
    """A model's message is not of the form that was asked for."""


class ToolCallError(TextgradAgentsError, ValueError):
    """A model called a tool in a way it cannot be called: unknown name, missing, unknown or wrongly typed arguments."""


class LearnerError(TextgradAgentsError, RuntimeError):
    """A learner cannot go on: what it computes is no longer a number, update after update."""


class EnvError(TextgradAgentsError, RuntimeError):
    """An environment broke its contract."""


class StartError(EnvError, TypeError):
    """What starts a functional environment did not return an observation and a state."""
