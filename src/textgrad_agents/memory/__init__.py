"""Memory: what happened before, found again by nearness in meaning."""

from textgrad_agents.memory.embedding import Embedding, HashingEmbedding
from textgrad_agents.memory.memory import Memory
from textgrad_agents.memory.model import MemoryModel, UIndexMemoryModel, VectorIndex, VectorMemoryModel

__all__ = [
    "Embedding",
    "HashingEmbedding",
    "Memory",
    "MemoryModel",
    "UIndexMemoryModel",
    "VectorIndex",
    "VectorMemoryModel",
]
