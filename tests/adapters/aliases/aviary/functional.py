from envs.functional import DynamicState, EnvironmentBuilder, FunctionalEnvironment, fenv

__all__ = ["DynamicState", "EnvironmentBuilder", "FunctionalEnvironment", "fenv"]
