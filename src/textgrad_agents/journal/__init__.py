"""The journal of a run: what a model said is committed before anybody uses it, so that it is never paid for twice."""

from textgrad_agents.journal.journal import Journal
from textgrad_agents.journal.journaled import Journaled

__all__ = ["Journal", "Journaled"]
