from envs import DummyTaskDataset

__all__ = ["DummyTaskDataset"]
