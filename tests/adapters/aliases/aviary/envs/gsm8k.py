from envs.math_tasks import CalculatorEnv, CalculatorEnvConfig, GSM8kDataset, GSM8kDatasetSplit

__all__ = ["CalculatorEnv", "CalculatorEnvConfig", "GSM8kDataset", "GSM8kDatasetSplit"]
