"""Servers: models by name, for programs that sample from some and train others."""

from textgrad_agents.servers.training_server import LocalTrainingServer, TrainableModel

__all__ = ["LocalTrainingServer", "TrainableModel"]
