"""Agents: what decides on actions."""

from textgrad_agents.agents.simple import ToolSelector, ToolSelectorLedger

__all__ = ["ToolSelector", "ToolSelectorLedger"]
