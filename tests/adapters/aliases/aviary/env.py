from envs import (
    DummyEnv,
    DummyEnvState,
    DummyTaskDataset,
    Environment,
    EnvsTaskDataset,
    Frame,
    TaskConfig,
    TaskDataset,
)
from envs.registry import ENV_REGISTRY, TASK_DATASET_REGISTRY

__all__ = [
    "ENV_REGISTRY",
    "TASK_DATASET_REGISTRY",
    "DummyEnv",
    "DummyEnvState",
    "DummyTaskDataset",
    "Environment",
    "EnvsTaskDataset",
    "Frame",
    "TaskConfig",
    "TaskDataset",
]
