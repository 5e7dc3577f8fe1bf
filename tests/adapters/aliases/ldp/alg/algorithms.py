from training.algorithms import measure_consensus_proportion

__all__ = ["measure_consensus_proportion"]
