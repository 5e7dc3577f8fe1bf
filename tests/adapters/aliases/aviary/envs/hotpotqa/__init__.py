from envs.hotpotqa import HotPotQADataset, HotPotQAEnv, HotPotQAEnvConfig, HotPotQAEnvState

__all__ = ["HotPotQADataset", "HotPotQAEnv", "HotPotQAEnvConfig", "HotPotQAEnvState"]
