"""`rulebook`: the built-in engine, a rule learner that needs no key, no network and no download."""

from textgrad_agents.engines.rulebook.engine import RulebookEngine

__all__ = ["RulebookEngine"]
