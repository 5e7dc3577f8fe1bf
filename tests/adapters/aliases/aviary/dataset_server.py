from envs.dataset_server import StepRequest, TaskDatasetServer

__all__ = ["StepRequest", "TaskDatasetServer"]
