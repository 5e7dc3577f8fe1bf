from training.buffers import CircularReplayBuffer, PrioritizedReplayBuffer, RandomizedReplayBuffer, ReplayBuffer

__all__ = ["CircularReplayBuffer", "PrioritizedReplayBuffer", "RandomizedReplayBuffer", "ReplayBuffer"]
