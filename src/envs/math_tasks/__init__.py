"""Mathematics: a calculator, GSM8K's problems, and problems that are made up as needed."""

from envs.math_tasks.environment import CalculatorEnv, CalculatorEnvConfig, CalculatorState
from envs.math_tasks.exam import MathEnvironment
from envs.math_tasks.generated import ArithmeticDataset, GeneratedDataset, WordProblemDataset
from envs.math_tasks.gsm8k import GSM8kDataset, GSM8kDatasetSplit

__all__ = [
    "ArithmeticDataset",
    "CalculatorEnv",
    "CalculatorEnvConfig",
    "CalculatorState",
    "GSM8kDataset",
    "GSM8kDatasetSplit",
    "GeneratedDataset",
    "MathEnvironment",
    "WordProblemDataset",
]
