from envs.hotpotqa import HotPotQADataset

__all__ = ["HotPotQADataset"]
