"""Settings of the numeric learner (`training.numeric_config`)."""

from training.numeric_config import AlgorithmName, Kind, LayoutName, Level, NumericConfig

__all__ = ["AlgorithmName", "Kind", "LayoutName", "Level", "NumericConfig"]
