"""`GuidedTextualGradientDescent`: the form of the reply is held to."""

from __future__ import annotations

from textgrad_agents.compat.textgrad.optimizer.optimizer import TextualGradientDescent


class GuidedTextualGradientDescent(TextualGradientDescent):
    """`TextualGradientDescent` under the name of TextGrad's grammar-bound one.

    An engine that follows JSON schemas is held to one; the replies of any other are checked and repaired.
    """
