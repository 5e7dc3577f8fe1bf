"""Optimizers by TextGrad's names."""

from textgrad_agents.compat.textgrad.optimizer.optimizer import (
    Optimizer,
    TextualGradientDescent,
    TextualGradientDescentwithMomentum,
)

__all__ = ["TGD", "Optimizer", "TextualGradientDescent", "TextualGradientDescentwithMomentum"]

TGD = TextualGradientDescent
